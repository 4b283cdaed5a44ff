"""Theorem 3's exponent with inertia, where the saddle and the minimum have different temperatures."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray

import theory
from diffusion import DoubleParabola, fokker_planck
from experiments.problems import exits
from experiments.problems.exits import BARRIER, DAMPED, DEPTH, ONE
from experiments.problems.wells import GRID_TOLERANCE
from experiments.referee import Claim, Evidence, Finding, Routes, Row, unsampled

HOTTER, APPLIES = "temperature_ratio", "effective_temperature_applies"  # in the regime
CASES = ((0.25, 0.3), (0.25, 1.0), (4.0, 0.3), (4.0, 1.0))  # T_b/T_a = H_b/H_a, as under Hessian noise; gamma/omega_b
LOW, HIGH, HIGHER = 8.0, 16.0, 24.0  # barriers over temperature between which the growth is taken
RIGHT = 0.01  # relative deviation below which an exponent counts as right; the grid's error is half of it


class Theorem3Exponent(Claim):
    """The growth of the exact time with the barrier, per unit of the formula's exponent."""

    name = "Theorem 3, exponent with inertia"
    place = "Section 3, proof in A.3"
    statement = "With inertia as without, the barrier counts as Delta L [s/T_a + (1-s)/T_b]."
    effort = 25

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Slopes of log time; a higher pair of barriers where the effective temperature does not apply."""
        rows = []
        for hotter, ratio in CASES[-1:] if routes.quick else CASES:
            rows.append(_growth(hotter, ratio, LOW, HIGH))
            if not rows[-1].regime[APPLIES]:
                rows.append(_growth(hotter, ratio, HIGH, HIGHER))
        yield Evidence.of_rows("Momentum", "growth of log mean escape time per unit of the exponent", rows)

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """Whether the exponent is right, and what the effective temperature makes of it."""
        (piece,) = evidence
        data = piece.data
        grown = data["exact"] / data["paper"]
        worst = float(max(grown.values, key=lambda value: abs(value - 1)))
        listed = ", ".join(_told(data.isel(row=k), float(grown[k])) for k in range(grown.size))
        right, wrong = (f"the exponent is {state} where T_b is not T_a" for state in ("right", "not right"))
        tells = f"the exact one grows {listed} times as fast"
        yield Finding.judged("exponent with two temperatures", worst, right, wrong, tells, tolerance=RIGHT)
        over = data["exact"] / data["least_action"]
        apart = float(max(over.values, key=lambda value: abs(value - 1)))
        listed = ", ".join(_told(data.isel(row=k), float(over[k])) for k in range(over.size))
        text = f"the least action is what growth tends to as noise vanishes: growth is {listed} times it"
        yield Finding("exact growth over that of the least action", apart, text)
        inside, outside = (piece.where(**{APPLIES: applies}) for applies in (True, False))
        if inside.sizes["row"]:
            ratios = (inside["exact"] / inside["effective_temperature"]).values
            far = float(max(ratios, key=lambda value: abs(value - 1)))
            text = (
                f"with T_b replaced by (lambda T_a + gamma T_b)/(lambda + gamma), lambda Kramers' root, the formula's "
                f"is off by {100 * abs(1 / far - 1):.2g} % at most where the path crosses the join once"
            )
            yield Finding("exact growth over that by the effective temperature", far, text)
        if outside.sizes["row"]:
            yield _beyond_its_condition(outside)


def _beyond_its_condition(rows: xarray.Dataset) -> Finding:
    """The growth where the effective temperature does not apply, from low barriers to high."""
    ratios = (rows["exact"] / rows["effective_temperature"]).values
    slopes = ", ".join(f"{value:.4f}" for value in rows["exact"].values)
    pairs = ", ".join(f"{low:g} to {high:g}" for low, high in rows[BARRIER].values)
    past, stated = ratios.min() < 1 < ratios.max(), float(rows["effective_temperature"][0])
    meaning = "passes it on the way, so that a small difference is no agreement" if past else "has not passed it"
    text = f"at T_b/T_a = {float(rows[HOTTER][0]):g}, gamma/omega_b = {float(rows[DAMPED][0]):g} the path crosses "
    text += f"the join more than once and the effective temperature does not apply: the growth is {slopes} from "
    text += f"barrier/temperature {pairs}, the formula's is {stated:.4f}, and the growth {meaning}"
    text += f"; the least action's is {float(rows['least_action'][0]):.4f}"
    return Finding("exact growth over the same outside its condition", float(ratios[-1]), text)


def _told(row: xarray.Dataset, grown: float) -> str:
    """One growth, and where."""
    low, high = row[BARRIER].item()
    ratio, damping = float(row[HOTTER]), float(row[DAMPED])
    return f"{grown:.3f} (T_b/T_a = {ratio:g}, gamma/omega_b = {damping:g}, psi {low:g} to {high:g})"


def _growth(hotter: float, ratio: float, low: float, high: float) -> Row:
    """The slope of log time between two barriers over temperature, by every route."""
    well = DoubleParabola(1.0, 1.0, hotter, 1)
    damping = ratio**2 * hotter
    split = hotter / (1 + hotter)
    inertia: dict[str, Any] = {"mass": 1 / damping, "damping": damping}
    stated, logs, errors = [], [], []
    for exponent in (low, high):
        cold = (split + (1 - split) / hotter) / exponent

        def diffusion(x: Any, cold: float = cold) -> Any:
            return np.where(x < well.join, cold, hotter * cold)

        boundary = well.saddle + np.sqrt(2 * DEPTH * cold)
        where = {"start": 0.0, "boundary": boundary, "breaks": [well.join], "tolerance": GRID_TOLERANCE}
        grid = fokker_planck.mean_first_passage_time(well, diffusion=diffusion, **where, **inertia)
        logs.append(float(np.log(grid["mfpt"])))
        errors.append(float(grid["mfpt_error"] / grid["mfpt"]))
        noise: dict[str, Any] = {"lr": 2 * cold, "batch_size": 1.0, "split": split}
        curvatures: dict[str, Any] = {"barrier": 1.0, "hessian_minimum": 1.0, "hessian_saddle": hotter}
        stated.append(float(np.log(theory.momentum_escape_time(**curvatures, **noise, **inertia))))
    temperatures = {"temperature_minimum": 1.0, "temperature_saddle": hotter, "hessian_saddle": hotter}
    effective = float(theory.effective_temperature(**temperatures, **inertia))
    values = {
        "least_action": _least(well, hotter, inertia) / (split + (1 - split) / hotter),
        "paper": round((stated[1] - stated[0]) / (high - low), 12),  # beyond that digits are those of logarithms
        "exact": (logs[1] - logs[0]) / (high - low),
        "effective_temperature": (split + (1 - split) / effective) / (split + (1 - split) / hotter),
    }
    regime = {"optimizer": "Momentum", "landscape": "double parabola", HOTTER: hotter, DAMPED: ratio}
    regime |= {BARRIER: [low, high]}
    regime[APPLIES] = bool(theory.join_is_crossed_once(**temperatures, hessian_minimum=1.0, **inertia))
    reasons = unsampled(exits.TOO_HIGH, fokker_planck=exits.ONLY_GRID, shipped=exits.NO_SHIPPED)
    return Row(ONE | regime, values, {}, {"grid": (sum(errors) / (high - low), 0.005)}, reasons)


def _least(well: DoubleParabola, hotter: float, inertia: dict[str, float]) -> float:
    """Least action from the minimum to the saddle, in positions and velocities, at T_a = 1."""
    mass, damping = inertia["mass"], inertia["damping"]

    def drift(z: Any) -> Any:
        return np.stack([z[:, 1], -damping * z[:, 1] - well.gradient(z[:, :1])[:, 0] / mass], axis=1)

    def noise(z: Any) -> Any:
        heat = np.where(z[:, 0] < well.join, 1.0, hotter) * damping / mass
        return heat[:, None, None] * np.diag([0.0, 1.0])

    ends = {"start": [0.0, 0.0], "end": [well.saddle, 0.0]}
    return theory.least_action(drift, noise, **ends, jump=lambda z: z[:, 0] - well.join).action


claim = Theorem3Exponent()
