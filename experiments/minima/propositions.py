"""Propositions 2 and 4 by every route."""

from collections.abc import Iterator
from typing import Any

import numpy as np

import theory
from diffusion import Adai, Adam, RMSprop, fokker_planck
from diffusion.dynamics import Dynamics
from experiments.comparison import Comparison, Sample
from experiments.ensembles import TORCH_MISSING
from experiments.minima import claims
from experiments.minima.runner import Runner
from experiments.problems.exact import Normalized
from experiments.problems.wells import BETA0, BETA1, GRID_TOLERANCE, HIGHEST, Setting, paper_rate, settings


def proposition_2(runner: Runner) -> Iterator[Comparison]:
    """RMSprop and Adam on the double parabola, with a second moment that follows the noise and one frozen at the minimum."""
    setting = settings()["parabolas-piecewise"]
    lr = setting.lr["Adam"]
    for exponent in runner.exponents:
        k = (HIGHEST / exponent) ** 2
        start, saddle = setting.positions(k)
        v_a = float(setting.variance(k)(np.array([start]))[0])
        for moment in ("following", "frozen"):
            for name, beta in (("RMSprop", 0.0), ("Adam", BETA1)):
                values = {"paper": _paper_2(setting, k, beta)}
                regime = {
                    "landscape": setting.title,
                    "sharpness": k,
                    "barrier_over_temperature": exponent,
                    "second_moment": moment,
                    "exit": "at the saddle",
                    "lr": lr,
                }
                samples, checks = {}, {}
                reasons = {
                    "torch": claims.NO_IDEALIZED,
                    "shipped": claims.TOO_HIGH,
                    "discrete": claims.NO_DISCRETE,
                    "simulated": claims.TOO_HIGH,
                }
                dynamics: Dynamics = Adam(lr, beta, second_moment=moment) if beta else RMSprop(lr, second_moment=moment)
                runs = exponent <= claims.SIMULATED
                if beta:
                    values |= _with_inertia(setting, k, moment, lr, v_a)
                    checks["grid"] = (values.pop("grid_error"), 0.01)
                    reasons["fokker_planck"] = claims.ONLY_GRID
                    if runs:
                        found = runner.exits(
                            dynamics, setting, k, saddle, substeps=4 * claims.SUBSTEPS, velocity="thermal"
                        )
                        samples["simulated"] = Sample.of(found, values["exact"], claims.SCHEME)
                else:
                    gradient, deviation, rate = _overdamped(setting, k, moment, lr, v_a)
                    breaks = setting.breaks(k)

                    def diffusion(x: Any, deviation: Any = deviation, rate: float = rate) -> Any:
                        return rate / 2 * deviation(x) ** 2

                    where: dict[str, Any] = {"start": start, "boundary": saddle, "breaks": breaks}
                    values["exact"] = theory.first_passage_time(gradient, diffusion, **where) / rate
                    reasons["fokker_planck"] = "the same equation as SGD's, with another potential"
                    if runs:
                        for route, substeps in (("simulated", claims.SUBSTEPS), ("discrete", 1)):
                            expected = theory.discrete_first_passage_time(
                                gradient, deviation, lr=rate, substeps=substeps, **where
                            )
                            values[f"exact_{route}"] = expected
                            found = runner.exits(dynamics, setting, k, saddle, substeps=substeps)
                            samples[route] = Sample.of(found, expected)
                    else:
                        reasons["discrete"] = claims.TOO_HIGH
                if moment == "following" and beta and exponent <= claims.SIMULATED:
                    _as_shipped(
                        runner, Adam(lr, beta, second_moment="running"), setting, k, saddle, exponent, samples, reasons
                    )
                elif exponent <= claims.SIMULATED:
                    reasons["shipped"] = "given with the following second moment and inertia"
                yield Comparison(
                    claims.PROPOSITION_2,
                    f"{name}, v {moment}",
                    regime,
                    claims.ITERATIONS,
                    values,
                    samples,
                    checks,
                    reasons,
                )


def _as_shipped(
    runner: Runner,
    dynamics: Dynamics,
    setting: Setting,
    k: float,
    boundary: float,
    exponent: float,
    samples: dict[str, Sample],
    reasons: dict[str, str],
) -> None:
    """Our ensemble of the optimizer as shipped, and torch's against it."""
    ours = runner.exits(dynamics, setting, k, boundary)
    samples["shipped"] = Sample.of(ours)
    real = runner.torch(dynamics, setting, k, boundary) if exponent <= claims.TORCH else None
    if real:
        samples["torch"] = Sample.of(real) if ours.fault else Sample.of(real, ours.value, other=ours.events)
    else:
        reasons["torch"] = claims.TOO_HIGH if exponent > claims.TORCH else TORCH_MISSING


def _paper_2(setting: Setting, k: float, beta: float) -> float:
    start, saddle = setting.positions(k)
    one = setting.landscape(1, k)
    h_a, h_b = (abs(float(one.hessian_diagonal(np.array([x]))[0])) for x in (start, saddle))
    barrier = float(one.loss(np.array([saddle])) - one.loss(np.array([start])))
    return float(
        theory.adam_escape_time(
            barrier=barrier, hessian_minimum=h_a, hessian_saddle=h_b, lr=setting.lr["Adam"], beta1=beta, batch_size=1.0,
            split=h_b / (h_a + h_b), clock="iteration",
        )
    )  # fmt: skip


def _overdamped(setting: Setting, k: float, moment: str, lr: float, v_a: float) -> tuple[Any, Any, float]:
    """Gradient, deviation and learning rate of SGD's rule that RMSprop without inertia comes to."""
    gradient, variance = setting.gradient(k), setting.variance(k)
    if moment == "following":
        return lambda x: gradient(x) / np.sqrt(variance(x)), lambda x: 1.0 + 0.0 * x, lr
    return gradient, setting.deviation(k), lr / float(np.sqrt(v_a))


def rmsprop_times(setting: Setting, k: float) -> tuple[float, float]:
    """Mean iterations to the saddle by Proposition 2 and exact, without inertia and with a second moment that follows the noise."""
    lr = setting.lr["Adam"]
    start, saddle = setting.positions(k)
    gradient, _, _ = _overdamped(setting, k, "following", lr, np.nan)
    time = theory.first_passage_time(gradient, lr / 2, start=start, boundary=saddle, breaks=setting.breaks(k))
    return _paper_2(setting, k, 0.0), time / lr


def _with_inertia(setting: Setting, k: float, moment: str, lr: float, v_a: float) -> dict[str, float]:
    """The phase-space grid's mean in iterations, as "exact", and its relative error."""
    start, saddle = setting.positions(k)
    if moment == "following":
        arguments: dict[str, Any] = {"diffusion": lr**2 / 2, "mass": 1 / (1 - BETA1), "damping": 1 - BETA1}
        landscape, unit = Normalized(setting.landscape(1, k), setting.noise, lr), 1.0
    else:
        landscape, unit = setting.landscape(1, k), lr / float(np.sqrt(v_a))  # type: ignore[assignment]
        variance = setting.variance(k)
        arguments = {
            "diffusion": lambda x: unit / 2 * variance(x),
            "mass": unit / (1 - BETA1),
            "damping": (1 - BETA1) / unit,
        }
    grid = fokker_planck.mean_first_passage_time(
        landscape, start=start, boundary=saddle, breaks=setting.breaks(k), tolerance=GRID_TOLERANCE, **arguments
    )
    return {"exact": float(grid["mfpt"]) / unit, "grid_error": float(grid["mfpt_error"] / grid["mfpt"])}


def proposition_4(runner: Runner) -> Iterator[Comparison]:
    """Adai on the double parabola in one coordinate, where it is Momentum with beta1 = 1 - beta0."""
    setting = settings()["parabolas-piecewise"]
    lr = setting.lr["Adai"]
    for exponent in runner.exponents:
        k = HIGHEST / exponent
        start, saddle = setting.positions(k)
        grid = fokker_planck.mean_first_passage_time(
            setting.landscape(1, k), diffusion=setting.diffusion(k, lr), start=start, boundary=saddle,
            mass=lr / BETA0, damping=BETA0 / lr, breaks=setting.breaks(k), tolerance=GRID_TOLERANCE,
        )  # fmt: skip
        values = {"paper": 1 / paper_rate(setting, "Adai", k, 1), "exact": float(grid["mfpt"]) / lr}
        checks = {"grid": (float(grid["mfpt_error"] / grid["mfpt"]), 0.01)}
        samples: dict[str, Sample] = {}
        reasons = {"fokker_planck": claims.ONLY_GRID, "discrete": claims.NO_DISCRETE, "torch": claims.NO_IDEALIZED}
        if exponent <= claims.SIMULATED:
            found = runner.exits(Adai(lr, BETA0), setting, k, saddle, substeps=4 * claims.SUBSTEPS, velocity="thermal")
            samples["simulated"] = Sample.of(found, values["exact"], claims.SCHEME)
            _as_shipped(
                runner, Adai(lr, BETA0, second_moment="running"), setting, k, saddle, exponent, samples, reasons
            )
        else:
            reasons |= dict.fromkeys(("simulated", "torch", "shipped"), claims.TOO_HIGH)
        regime = {"landscape": setting.title, "barrier_over_temperature": exponent, "exit": "at the saddle", "lr": lr}
        yield Comparison(claims.PROPOSITION_4, "Adai", regime, claims.ITERATIONS, values, samples, checks, reasons)
