"""One well, for figures: survival, the density as it leaks over the saddle, and phase space there."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import xarray
from numpy.typing import NDArray

import theory
from diffusion import escape_rate, fokker_planck, simulate
from experiments.problems.wells import settings
from experiments.sharpness.points import Point, exits

SURVIVAL, LEAK, PHASE_SPACE = (
    ("parabolas-frozen", (8.0, 2.0)),
    ("tang-piecewise", 2 * np.sqrt(2)),
    ("parabolas-frozen", 2.0),
)
LEAK_TIMES = (40, 400, 4000)  # iterations
LEAK_SUBSTEPS = 16
REPLICAS, QUICK_REPLICAS = (4000, 40_000), (300, 2000)  # of survival and of the leak

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Survival:
    """SGD's SDE from one minimum: exit times over their exact mean, and the exact share of runs still inside.

    Attributes
    ----------
    exponent
        Barrier over temperature.
    exits
        Exit times of the runs.
    times, inside
        A curve.
    p
        Of the test of the exponential law.
    """

    exponent: float
    exits: Array
    times: Array
    inside: Array
    p: float


@dataclass(frozen=True)
class Leak:
    """SGD's SDE as it leaves Styblinski-Tang's local well.

    Attributes
    ----------
    positions
        Of an ensemble, shape (replicas, times).
    solved
        The solution of the Fokker-Planck equation.
    crest
        The saddle.
    """

    positions: Array
    solved: xarray.Dataset
    crest: float

    @property
    def beyond(self) -> Array:
        """Share of the ensemble beyond the saddle at each time."""
        return np.asarray((self.positions < self.crest).mean(axis=0))

    @property
    def expected(self) -> Array:
        """The same share by the equation."""
        density = self.solved["density"].where(self.solved["position"] < self.crest, 0.0)
        return np.asarray((density * self.solved["position_width"]).sum("position"))


@dataclass(frozen=True)
class OneWell:
    """What the figures of one well show; a quick run leaves out the phase space, whose grid takes long."""

    survival: tuple[Survival, ...]
    leak: Leak
    phase_space: xarray.Dataset | None


def compute(seed: int, threads: int | None, *, quick: bool) -> OneWell:
    """Everything, in a few seconds."""
    few, many = QUICK_REPLICAS if quick else REPLICAS
    survived = tuple(survival(k, few, seed, threads) for k in SURVIVAL[1])
    return OneWell(survived, leak(many, seed, threads), None if quick else phase_space())


def survival(k: float, replicas: int, seed: int, threads: int | None) -> Survival:
    """Run an ensemble out of the double parabola of sharpness k."""
    setting = settings()[SURVIVAL[0]]
    start, boundary = setting.positions(k)
    lr = setting.lr["SGD"]
    spread = setting.diffusion(k, lr)(np.array([start])).item()
    where: dict[str, Any] = {"start": start, "boundary": boundary, "breaks": setting.breaks(k)}
    mean = theory.first_passage_time(setting.gradient(k), spread, **where)
    run = exits(Point(setting.key, 1, "SGD", "sde", k, replicas, seed), threads)
    times = np.linspace(0, 4.5, 200)
    inside = np.asarray(theory.survival(setting.gradient(k), spread, times * mean, **where))
    p = float(escape_rate(run)["exponential_p"])
    return Survival(setting.exponent("SGD", k), run["exit_iteration"].values * lr / mean, times, inside, p)


def leak(replicas: int, seed: int, threads: int | None) -> Leak:
    """Run and solve SGD's SDE on Styblinski-Tang, from its local minimum."""
    key, k = LEAK
    setting = settings()[key]
    start, crest = setting.positions(k)
    lr = setting.lr["SGD"]
    run = simulate(
        setting.dynamics("SGD", idealized=True),
        setting.landscape(1, k),
        noise=setting.noise,
        iterations=LEAK_TIMES[-1],
        save=LEAK_TIMES,
        replicas=replicas,
        keep="states",
        substeps=LEAK_SUBSTEPS,
        seed=seed,
        threads=threads,
    )
    times = np.array(LEAK_TIMES) * lr
    spread, breaks = setting.diffusion(k, lr), setting.breaks(k)
    solved = fokker_planck.density(setting.landscape(1, k), diffusion=spread, start=start, times=times, breaks=breaks)
    return Leak(run["position"].values[..., 0], solved, crest)


def phase_space() -> xarray.Dataset:
    """Quasi-stationary density of Momentum in position and velocity, absorbed at the saddle."""
    key, k = PHASE_SPACE
    setting = settings()[key]
    start, saddle = setting.positions(k)
    rule = setting.dynamics("Momentum", idealized=True).rule(setting.variance(k)(np.array([start])))
    return fokker_planck.escape_rate(
        setting.landscape(1, k),
        diffusion=float(rule.diffusion[0]),
        start=start,
        boundary=saddle,
        mass=float(rule.mass[0]),
        damping=float(rule.damping[0]),
        breaks=setting.breaks(k),
    )
