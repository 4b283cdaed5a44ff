"""The Kramers turnover: mean escape time against damping on the double parabola, at one temperature everywhere.

Theorem 3's damping, Equation 57 and the exit line are tried on these grids and ensembles, which are computed once.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import xarray

import theory
from diffusion import DoubleParabola, IsotropicNoise, Momentum, exit_times, fokker_planck
from experiments.problems import exits
from experiments.problems.exits import AT, BARRIER, BEYOND, DAMPED, DEPTH, ONE
from experiments.problems.wells import GRID_TOLERANCE
from experiments.referee import CLOSE, Finding, Routes, told
from experiments.referee.faults import MeanExit, mean_exit
from experiments.referee.routes import FULL_ONLY

HESSIAN_MINIMUM, HESSIAN_SADDLE, EXPONENT = 1.0, 4.0, 4.5
BARRIER_HEIGHT = 1.0
TEMPERATURE = BARRIER_HEIGHT / EXPONENT
DAMPINGS = (10.0, 4.0, 1.0, 0.4, 0.15, 0.05, 0.025)  # gamma/omega_b
SIMULATED = (1.0, 0.4, 0.15, 0.05, 0.025)  # gamma/omega_b at which Langevin's equation is simulated
FEWER = (0.4, 0.025)  # but in a full run
START = "at the minimum, with a thermal velocity"
LOST = "energy_lost_per_orbit_over_temperature"  # in the regime: gamma S/T, S the action of the orbit at the barrier
FEW = 5.0  # an orbit that loses fewer temperatures leaves the well depleted near the barrier
NEARLY = 1.5 * CLOSE  # Kramers' limit has corrections of its own at a finite temperature

WELL = DoubleParabola(BARRIER_HEIGHT, HESSIAN_MINIMUM, HESSIAN_SADDLE, 1)

REASONS = {
    "fokker_planck": exits.ONLY_GRID,
    "simulated": (
        "not simulated where damping is above omega_b: inertia hardly matters there, and the limit without it is what "
        "the ensembles of SGD under Theorem 3 are for"
    ),
    "discrete": exits.NO_DISCRETE,
    "torch": exits.NO_DISCRETE,
    "shipped": exits.NO_SHIPPED,
}


@dataclass(frozen=True)
class Passage:
    """Mean times (dynamical) at one damping, from the minimum with a thermal velocity.

    Attributes
    ----------
    ratio
        Damping over omega_b.
    formulas
        "paper" is Theorem 3 at one temperature, "kramers" the same with Kramers' prefactor, "melnikov" that with the
        turnover.
    lost
        Energy that the orbit at the barrier's height loses, in temperatures.
    exact, errors
        The phase-space grid's times by exit line, and their relative errors.
    simulated
        Langevin ensembles by exit line; none at strong damping, and at some dampings in a full run alone.
    thermal
        The grid's time beyond the saddle from a thermal position as well; NaN where it is not computed.
    """

    ratio: float
    formulas: dict[str, float]
    lost: float
    exact: dict[str, float]
    errors: dict[str, float]
    simulated: dict[str, MeanExit]
    thermal: float = np.nan

    @property
    def regime(self) -> dict[str, Any]:
        """What every row of this damping has in common."""
        regime = {"optimizer": "Momentum", "landscape": "double parabola, one temperature", DAMPED: self.ratio}
        energy = {LOST: self.lost, "least_inertia": least_inertia(self.ratio)}
        return ONE | regime | {BARRIER: EXPONENT, "start": START} | energy

    @property
    def reasons(self) -> dict[str, str]:
        """Why a route has no value."""
        left = not self.simulated and self.ratio in SIMULATED
        return REASONS | ({"simulated": FULL_ONLY} if left else {})

    @property
    def checks(self) -> dict[str, tuple[float, float]]:
        """The worse of the two grids."""
        return {"grid": (max(self.errors.values()), 0.01)}


def damping_of(ratio: float) -> float:
    """The damping gamma at gamma/omega_b = `ratio`, where gamma M = 1 and so omega_b^2 = H_b gamma."""
    return ratio**2 * HESSIAN_SADDLE


def least_inertia(ratio: float) -> float:
    """Inertia above which a discrete optimizer can have gamma/omega_b = `ratio` and be stable at the minimum.

    1. The heavy ball has gamma = (1-beta)/lr and M = lr, hence gamma/omega_b = (1-beta)/sqrt(lr H_b).
    2. It is stable for lr H_a < 2 (1+beta), hence gamma/omega_b > (1-beta)/sqrt(2 (1+beta)) sqrt(H_a/H_b). EMA style is
       the heavy ball at (1-beta) lr, with the same bound.
    3. With q = gamma/omega_b sqrt(H_b/H_a) the bound is met at beta = 1 + q^2 - q sqrt(q^2 + 4).
    """
    q = ratio * np.sqrt(HESSIAN_SADDLE / HESSIAN_MINIMUM)
    return float(max(0.0, 1 + q**2 - q * np.sqrt(q**2 + 4)))


def beyond() -> float:
    """A position so far down the other side that no path returns."""
    return float(WELL.saddle + np.sqrt(2 * DEPTH * TEMPERATURE / HESSIAN_SADDLE))


def passages(routes: Routes) -> list[Passage]:
    """All dampings by every route, computed once; fewer in a quick run."""
    dampings = DAMPINGS[::3] if routes.quick else DAMPINGS
    return list(routes.once("turnover", lambda: [passage(routes, ratio) for ratio in dampings], "Kramers' turnover"))


def passage(routes: Routes, ratio: float) -> Passage:
    """Mean times at damping over omega_b = `ratio`."""
    damping, boundaries = damping_of(ratio), {AT: float(WELL.saddle), BEYOND: beyond()}
    grids = {line: _grid(damping, boundary, 0.0) for line, boundary in boundaries.items()}
    exact = {line: float(grid["mfpt"]) for line, grid in grids.items()}
    errors = {line: float(grid["mfpt_error"] / grid["mfpt"]) for line, grid in grids.items()}
    tried = ratio in routes.pick(FEWER, FEWER, SIMULATED)
    simulated = {line: langevin(routes, damping, end) for line, end in boundaries.items() if tried}
    thermal = from_everywhere(damping) if ratio == DAMPINGS[-1] and not routes.quick else np.nan
    return Passage(ratio, formulas(ratio), damping * action(damping) / TEMPERATURE, exact, errors, simulated, thermal)


def action(damping: float) -> float:
    """Of the orbit at the barrier's height."""
    ends = {"minimum": 0.0, "saddle": WELL.saddle}
    return float(theory.barrier_action(lambda x: float(WELL.loss(np.array([x]))), mass=1 / damping, **ends))


def formulas(ratio: float) -> dict[str, float]:
    """Mean times by every formula at damping over omega_b = `ratio`."""
    damping = damping_of(ratio)
    curvatures = {"hessian_minimum": HESSIAN_MINIMUM, "hessian_saddle": HESSIAN_SADDLE}
    known: dict[str, Any] = {"barrier": BARRIER_HEIGHT, "mass": 1 / damping, "damping": damping, **curvatures}
    # with the temperature of the minimum all the way, s = 1, Theorem 3's is lr H_a/(2 B)
    lr = 2 * TEMPERATURE / HESSIAN_MINIMUM
    times = {
        "paper": theory.momentum_escape_time(**known, lr=lr, batch_size=1.0, split=1.0),
        "kramers": theory.kramers_escape_time(**known, temperature=TEMPERATURE),
        "melnikov": theory.kramers_escape_time(**known, temperature=TEMPERATURE, action=action(damping)),
    }
    return {name: float(time) for name, time in times.items()}


def from_everywhere(damping: float) -> float:
    """Mean time to arrive beyond the saddle from a thermal velocity and position, below the barrier."""
    starts = np.linspace(-np.sqrt(2 * BARRIER_HEIGHT / HESSIAN_MINIMUM), WELL.saddle, 60, endpoint=False)
    shares = np.exp(-WELL.loss(starts[:, None]) / TEMPERATURE)
    # near the saddle times are short and relative errors larger; few begin there
    grid = _grid(damping, beyond(), starts, tolerance=5 * GRID_TOLERANCE)
    return float(np.average(grid["mfpt"], weights=shares))


def _grid(damping: float, boundary: float, start: Any, tolerance: float = GRID_TOLERANCE) -> xarray.Dataset:
    """Mean first-passage times on the phase-space grid, from a thermal velocity."""
    where: dict[str, Any] = {"start": start, "boundary": boundary, "breaks": [WELL.join], "tolerance": tolerance}
    inertia: dict[str, Any] = {"mass": 1 / damping, "damping": damping}
    return fokker_planck.mean_first_passage_time(WELL, diffusion=TEMPERATURE, **inertia, **where)


def langevin(routes: Routes, damping: float, boundary: float) -> MeanExit:
    """Mean exit time (dynamical) of Langevin's equation at gamma M = 1 and one temperature, from a thermal velocity.

    The time step is a fiftieth of 1/omega_b or of 1/gamma, whichever is shorter.
    """
    lr = 0.02 / max(damping, np.sqrt(HESSIAN_SADDLE * damping))
    options: dict[str, Any] = {"max_iterations": exits.HORIZON, "boundary": boundary, "velocity": "thermal"}
    options |= routes.options(told("langevin", damping, boundary), routes.exits)
    noise = IsotropicNoise(2 * TEMPERATURE / lr)
    mean = mean_exit(lambda: exit_times(Momentum(lr, 1 - damping * lr), WELL, noise=noise, **options))
    return replace(mean, value=lr * mean.value)


def without_inertia() -> float:
    """Mean time to arrive beyond the saddle without inertia, by quadrature."""
    where: dict[str, Any] = {"start": 0.0, "boundary": beyond(), "breaks": [WELL.join]}
    return theory.first_passage_time(lambda x: WELL.gradient(x[..., None])[..., 0], TEMPERATURE, **where)


def factor_findings(data: xarray.Dataset, ratio: xarray.DataArray) -> Iterator[Finding]:
    """Whether a formula over the exact value is 1 where an orbit loses energy fast, and at the weakest damping.

    `ratio` is that along the rows of `data`, which are of increasing damping.
    """
    fast = data[LOST].values >= FEW
    if fast.any():
        worst = float(max(ratio.values[fast], key=lambda value: abs(np.log(value))))
        least = float(data[DAMPED][fast].min())
        where = f"for gamma/omega_b >= {least:g}, where the orbit at the barrier loses {FEW:g} temperatures or more"
        right = f"the factor of damping is right within {100 * abs(worst - 1):.2g} % {where}"
        wrong = f"the factor of damping is not right, up to {worst:.3g} times the exact one, {where}"
        name = "factor of damping where energy is lost fast"
        yield Finding.judged(name, worst, right, wrong, tolerance=NEARLY)
    weakest, lost, over = float(data[DAMPED][0]), float(data[LOST][0]), float(ratio[0])
    orbit = f"at gamma/omega_b = {weakest:g} an orbit loses {lost:.2g} temperatures"
    tells = f"{orbit} and it is {over:.3g} times the exact (start {START})"
    right, wrong = "so it is down to the weakest damping", "the factor fails at weak damping"
    yield Finding.judged("factor of damping at the weakest damping", over, right, wrong, tells, tolerance=NEARLY)
