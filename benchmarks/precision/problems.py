"""The four problems with known answers, and what a contestant is here."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from scipy import integrate

import diffusion
import theory
from benchmarks import workloads
from diffusion import fokker_planck

NAME, NUMPY_NAME, NUMBA_NAME, LIBRARIES = "diffusion-lab", "numpy, in place", "naive numba", ("diffrax", "torchsde")
EULER = "Euler"
TARGETS = (0.1, 0.03, 0.01, 0.003)  # total relative error: bias and sampling together


@dataclass(frozen=True)
class Problem:
    """``dx = -L' dt + sqrt(2 D) dW``, or with inertia ``dr = -damping (r + L') dt + damping sqrt(2 D) dW, dx = r dt``.

    Attributes
    ----------
    title
        As table and figure show it.
    diffusion
        D.
    lr
        The longest step that anyone may take; others are lr over a whole number of substeps.
    dimension
        Independent coordinates of a path, which all count.
    damping
        None: overdamped.
    horizon
        When the mean squared distance from the start is measured; None: when the boundary is first passed is.
    hessian
        Of a parabola; None: Styblinski-Tang.
    exact
        The answer.
    """

    title: str
    diffusion: float
    lr: float
    dimension: int
    start: float
    exact: Callable[[], float]
    damping: float | None = None
    horizon: float | None = None
    boundary: float = math.nan
    hessian: float | None = None

    @property
    def exits(self) -> bool:
        """Whether paths end at the boundary."""
        return self.horizon is None

    def alike(self, scheme: str) -> str:
        """Label of ours, if this scheme of a library is the same arithmetic: without inertia Euler's is."""
        return f"{NAME}, {EULER}" if scheme == EULER and self.damping is None else ""

    def gradient(self, x: Any) -> Any:
        """L' of every coordinate; whatever arrays a peer has will do."""
        return workloads.gradient(x) if self.hessian is None else self.hessian * x

    def iterations(self) -> int:
        """Of length lr, to the horizon."""
        assert self.horizon is not None
        return round(self.horizon / self.lr)


@dataclass(frozen=True)
class Sample:
    """What a run found: the mean over paths, the standard deviation of one, their number, and coordinate updates."""

    mean: float
    deviation: float
    paths: int
    updates: float


@dataclass(frozen=True)
class Solver:
    """Something that solves a problem.

    Attributes
    ----------
    name, scheme
        As the table shows them.
    run
        Takes substeps in lr, paths and seed. May round paths up to what it does at a time.
    alike
        Name of the solver that does the same arithmetic, so that its bias is measured there; "": none.
    """

    name: str
    scheme: str
    run: Callable[[int, int, int], Sample]
    alike: str = ""

    @property
    def label(self) -> str:
        """Name and scheme."""
        return f"{self.name}, {self.scheme}"


SADDLE_TOP = 0.156731  # of Styblinski-Tang
DEEP = -2.903534  # its global minimum
HOT = 10.0  # a temperature at which it is left after a few dozen relaxations
DAMPING = 16.0  # about the saddle's frequency: sqrt(16 * 15.85)


def _saddle() -> float:
    return float(theory.momentum_msd_exact(3.0, hessian=-0.1, diffusion=1.0, mass=1.0, damping=1.0, start="rest"))


def _variance() -> float:
    """Second moment about the minimum under exp(-L/D) of its own well."""

    def weight(x: float, power: int) -> float:
        loss = 0.5 * (x**4 - 16 * x**2 + 5 * x) + 39.16616
        return (x - DEEP) ** power * math.exp(-loss / 2.0)

    upper, lower = (integrate.quad(weight, -5.0, SADDLE_TOP, (power,), epsrel=1e-10)[0] for power in (2, 0))
    return float(upper / lower)


def _overdamped() -> float:
    return theory.first_passage_time(workloads.gradient, HOT, start=workloads.START, boundary=SADDLE_TOP)


def _inertia() -> float:
    ends: dict[str, Any] = {"start": workloads.START, "boundary": SADDLE_TOP, "velocity": "rest"}
    tang = diffusion.StyblinskiTang(1)
    inertia: dict[str, Any] = {"diffusion": HOT, "mass": 1 / DAMPING, "damping": DAMPING}
    return float(fokker_planck.mean_first_passage_time(tang, **ends, **inertia, tolerance=1e-4)["mfpt"])


PROBLEMS = {
    "msd": Problem("MSD on a saddle, inertia", 1.0, 0.5, 10, 0.0, _saddle, damping=1.0, horizon=3.0, hessian=-0.1),
    "variance": Problem("variance in a well", 2.0, 0.02, 10, DEEP, _variance, horizon=0.3),
    "exit": Problem("mean exit, overdamped", HOT, 0.01, 1, workloads.START, _overdamped, boundary=SADDLE_TOP),
    "inertia": Problem("mean exit, inertia", HOT, 0.04, 1, workloads.START, _inertia, DAMPING, boundary=SADDLE_TOP),
}
