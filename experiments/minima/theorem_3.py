"""Theorem 3 by every route: SGD, and with inertia Equation 57, the turnover, and where the exit line lies."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

import theory
from diffusion import SGD, DoubleParabola, IsotropicNoise, Momentum, exit_times, fokker_planck
from experiments.comparison import Comparison, Sample
from experiments.ensembles import TORCH_MISSING
from experiments.minima import claims
from experiments.minima.runner import Runner, beyond
from experiments.problems import turnover
from experiments.problems.wells import GRID_TOLERANCE, HIGHEST, paper_rate, settings
from experiments.referee.faults import MeanExit, mean_exit


def theorem_3(runner: Runner, key: str) -> Iterator[Comparison]:
    """SGD in the setting `key`, to the saddle and beyond it, in three conventions."""
    setting = settings()[key]
    lr = setting.lr["SGD"]
    for exponent in runner.exponents:
        k = HIGHEST / exponent
        start, saddle = setting.positions(k)
        gradient, diffusion, breaks = setting.gradient(k), setting.diffusion(k, lr), setting.breaks(k)
        for line, boundary in (("at the saddle", saddle), ("beyond the saddle", beyond(setting, k))):
            values = {"paper": 1 / paper_rate(setting, "SGD", k, 1)}
            for convention in ("ito", "stratonovich", "isothermal"):
                time = theory.first_passage_time(
                    gradient, diffusion, start=start, boundary=boundary, convention=convention, breaks=breaks
                )
                values["exact" if convention == "ito" else f"exact_{convention}"] = time / lr
            grid = fokker_planck.mean_first_passage_time(
                setting.landscape(1, k), diffusion=diffusion, start=start, boundary=boundary, breaks=breaks
            )
            values["fokker_planck"] = float(grid["mfpt"]) / lr
            checks = {"fokker_planck": (abs(values["fokker_planck"] / values["exact"] - 1), 1e-5)}
            samples: dict[str, Sample] = {}
            reasons = {"shipped": claims.NO_SHIPPED, "torch": claims.TOO_HIGH}
            if exponent <= claims.SIMULATED:
                for name, substeps in (("simulated", claims.SUBSTEPS), ("discrete", 1)):
                    expected = theory.discrete_first_passage_time(
                        gradient, setting.deviation(k), lr=lr, start=start, boundary=boundary,
                        substeps=substeps, breaks=breaks,
                    )  # fmt: skip
                    values[f"exact_{name}"] = expected
                    samples[name] = Sample.of(runner.exits(SGD(lr), setting, k, boundary, substeps=substeps), expected)
                if exponent <= claims.TORCH and line == "at the saddle":
                    real = runner.torch(SGD(lr), setting, k, boundary)
                    if real:
                        samples["torch"] = Sample.of(real, values["exact_discrete"])
                    else:
                        reasons["torch"] = TORCH_MISSING
            else:
                reasons |= dict.fromkeys(("simulated", "discrete"), claims.TOO_HIGH)
            regime = {"landscape": setting.title, "barrier_over_temperature": exponent, "exit": line, "lr": lr}
            yield Comparison(claims.THEOREM_3, "SGD", regime, claims.ITERATIONS, values, samples, checks, reasons)


def damping(runner: Runner) -> Iterator[Comparison]:
    """Theorem 3's damping, Equation 57 and the exit line, from the same grids, at one temperature."""
    overdamped = theory.first_passage_time(
        lambda x: turnover.WELL.gradient(x[..., None])[..., 0], turnover.TEMPERATURE, start=0.0,
        boundary=turnover.beyond(), breaks=[turnover.WELL.join],
    )  # fmt: skip
    for ratio in runner.dampings:
        found = turnover.escape_times(ratio)
        damping = ratio**2 * turnover.HESSIAN_SADDLE
        regime = {
            "landscape": "double parabola, one temperature",
            "damping_over_omega_b": ratio,
            "barrier_over_temperature": turnover.EXPONENT,
        }
        simulated = {}
        if ratio <= 1:
            for name, boundary in (("saddle", turnover.WELL.saddle), ("beyond", turnover.beyond())):
                simulated[name] = _langevin(runner, damping, boundary)
        reasons = {
            "fokker_planck": claims.ONLY_GRID, "simulated": "strong damping is the SGD rows", "discrete": claims.NO_DISCRETE, "torch": claims.NO_DISCRETE,
            "shipped": claims.NO_SHIPPED,
        }  # fmt: skip
        accuracy = {"grid": (max(found[f"{line}_error"] / found[line] for line in ("saddle", "beyond")), 0.01)}
        for line in ("saddle", "beyond"):
            values = {name: found[name] for name in ("paper", "kramers", "melnikov")} | {"exact": found[line]}
            error = claims.SCHEME + found[f"{line}_error"] / found[line]
            samples = {"simulated": Sample.of(simulated[line], found[line], error)} if simulated else {}
            where = regime | {"exit": "at the saddle" if line == "saddle" else "beyond the saddle"}
            yield Comparison(
                claims.DAMPING, "Momentum", where, "mean escape time (dynamical)", values, samples, accuracy, reasons
            )

        without = reasons | {"simulated": claims.NO_SAMPLING}
        factor = theory.effective_diffusion(hessian_saddle=turnover.HESSIAN_SADDLE, mass=1 / damping, damping=damping)
        values = {"paper": float(factor), "exact": overdamped / found["beyond"]}
        yield Comparison(
            claims.EQUATION_57,
            "Momentum",
            regime,
            "escape rate over that without inertia",
            values,
            {},
            accuracy,
            without,
        )

        values = {"exact": found["beyond"] / found["saddle"]}
        samples = {}
        if simulated:
            far, near = simulated["beyond"], simulated["saddle"]
            sample = Sample(far.value / near.value, far.events, other=near.events, fault=far.fault or near.fault)
            samples = {"simulated": sample}
        yield Comparison(
            claims.EXIT_LINE, "Momentum", regime, "time to arrive beyond the saddle over first passage at it", values, samples, accuracy,
            reasons | {"paper": claims.NOT_SAID},
        )  # fmt: skip


def two_temperatures(runner: Runner) -> Iterator[Comparison]:
    """How the exponent depends on inertia where saddle and minimum have different temperatures, from the slope of log tau."""
    cases = [(0.25, 0.3), (0.25, 1.0), (4.0, 0.3), (4.0, 1.0)]
    low, high = 8.0, 16.0
    for hotter, ratio in cases[:1] if runner.quick else cases:
        well = DoubleParabola(1.0, 1.0, hotter, 1)  # under Hessian noise T_b/T_a = H_b/H_a
        damping = ratio**2 * hotter
        split = hotter / (1 + hotter)
        logs, errors = [], []
        for exponent in (low, high):
            cold = (split + (1 - split) / hotter) / exponent

            def diffusion(x: Any, well: DoubleParabola = well, cold: float = cold, hotter: float = hotter) -> Any:
                return np.where(x < well.join, cold, hotter * cold)

            grid = fokker_planck.mean_first_passage_time(
                well, diffusion=diffusion, start=0.0, boundary=well.saddle + np.sqrt(2 * turnover.DEPTH * cold), mass=1 / damping,
                damping=damping, breaks=[well.join], tolerance=GRID_TOLERANCE,
            )  # fmt: skip
            logs.append(float(np.log(grid["mfpt"])))
            errors.append(float(grid["mfpt_error"] / grid["mfpt"]))
        effective = theory.effective_temperature(
            temperature_minimum=1.0, temperature_saddle=hotter, hessian_saddle=hotter, mass=1 / damping, damping=damping
        )
        expected = (split + (1 - split) / float(effective)) / (split + (1 - split) / hotter)
        slope = (logs[1] - logs[0]) / (high - low)
        regime = {
            "landscape": "double parabola",
            "temperature_ratio": hotter,
            "damping_over_omega_b": ratio,
            "barrier_over_temperature": [low, high],
        }
        reasons = {"fokker_planck": claims.ONLY_GRID, "shipped": claims.NO_SHIPPED} | dict.fromkeys(
            ("simulated", "discrete", "torch"), claims.TOO_HIGH
        )
        yield Comparison(
            claims.INERTIAL_EXPONENT, "Momentum", regime, "growth of log mean escape time per unit of the exponent",
            {"paper": 1.0, "exact": slope, "effective_temperature": expected}, {},
            {"grid": (sum(errors) / (high - low), 0.005)}, reasons,
        )  # fmt: skip


def _langevin(runner: Runner, damping: float, boundary: float) -> MeanExit:
    """Mean exit time (dynamical) of Langevin's equation at gamma M = 1 and one temperature.

    The time step is a fiftieth of 1/omega_b or of 1/gamma, whichever is shorter.
    """
    lr = 0.02 / max(damping, np.sqrt(turnover.HESSIAN_SADDLE * damping))
    found = mean_exit(
        lambda: exit_times(
            Momentum(lr, 1 - damping * lr), turnover.WELL, noise=IsotropicNoise(2 * turnover.TEMPERATURE / lr), boundary=boundary,
            max_iterations=runner.horizon, replicas=runner.replicas, velocity="thermal", threads=runner.threads,
            seed=runner.seed_of("langevin", damping, boundary),
        )
    )  # fmt: skip
    return replace(found, value=lr * found.value)
