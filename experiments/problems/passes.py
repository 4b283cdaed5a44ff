"""Ways over a saddle in several coordinates: what moves along them, what the paper says of them, and what is exact.

Noise is that of the theory, ``D = eps C`` with C the Hessian's and ``eps = lr/(2 B)``; exponents are given times eps.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

import theory
from diffusion import Channel, CurvedValley, HalfSpace, QuadraticSaddle, fokker_planck
from diffusion.landscapes import Landscape

Array = NDArray[np.float64]
OF_MINIMUM, OF_HESSIAN = "noise of the minimum's Hessian", "noise of the Hessian on the way"
INFLECTION = -1 / np.sqrt(3)  # of x^4/4 - x^2/2, where the curvature along a channel changes its sign
WIDTH = 0.02  # over which a jump of the noise is spread where the prefactor is transported


def beyond(dimension: int) -> HalfSpace:
    """Where an arrival is final."""
    return HalfSpace([1.0, *[0.0] * (dimension - 1)], 0.75)


@dataclass(frozen=True)
class Pass:
    """A minimum, a saddle, and noise between them.

    Attributes
    ----------
    landscape
        Of two coordinates or more, the first along the way at the minimum and at the saddle.
    top
        The saddle; the minimum is the landscape's reference.
    noise
        `OF_MINIMUM`: C is the minimum's Hessian everywhere. `OF_HESSIAN`, of a channel: along it that of the minimum
        before the inflection, that of the saddle beyond, and across it what it is on the way.
    """

    landscape: Landscape
    top: tuple[float, ...]
    noise: str = OF_MINIMUM

    @property
    def title(self) -> str:
        """What it is, for readers."""
        match self.landscape:
            case CurvedValley(c):
                return f"valley bent by {c:g}"
            case Channel(minimum, saddle, directions):
                across = f", {directions} directions" if directions > 1 else ""
                on_the_way = ", noise on the way" if self.noise == OF_HESSIAN else ""
                return f"channel, curvature {minimum:g} to {saddle:g} across{across}{on_the_way}"
        return repr(self.landscape)

    @cached_property
    def minimum(self) -> Array:
        """Its position (d,)."""
        return np.asarray(self.landscape.reference)

    @cached_property
    def curvatures(self) -> tuple[Array, Array]:
        """The Hessian's diagonals at minimum and saddle, which is all there is of them, each (d,)."""
        at = self.landscape.hessian_matrix
        return np.diag(at(self.minimum)).copy(), np.diag(at(np.array(self.top))).copy()

    @cached_property
    def barrier(self) -> float:
        """The difference of the losses."""
        bottom, top = self.landscape.loss(np.array([self.minimum, self.top]))
        return float(top - bottom)

    @property
    def stated(self) -> dict[str, Any]:
        """Arguments of the paper's formulas but the learning rate; the batch size is 1."""
        split = 1.0
        if self.noise == OF_HESSIAN:
            inflection = np.append(INFLECTION, self.minimum[1:])[None]
            split = (
                float(self.landscape.loss(inflection)[0] - self.landscape.loss(self.minimum[None])[0]) / self.barrier
            )
        h_a, h_b = (float(abs(each[0])) for each in self.curvatures)
        return {"barrier": self.barrier, "hessian_minimum": h_a, "hessian_saddle": h_b, "batch_size": 1, "split": split}

    def drift(self, x: Array) -> Array:
        """-L', (n, d)."""
        return -self.landscape.gradient(x)

    def covariance(self, x: Array, width: float = 0.0) -> Array:
        """C, (n, d, d), a jump spread over a width."""
        h_a, h_b = self.curvatures
        values = np.repeat(h_a[None], len(x), axis=0)
        if self.noise == OF_HESSIAN:
            away = x[:, 0] - INFLECTION
            beyond = (1 + (np.tanh(away / width) if width else np.sign(away))) / 2
            values[:, 0] += (abs(h_b[0]) - h_a[0]) * beyond
            values[:, 1:] = (h_a[1] * (h_b[1] / h_a[1]) ** (1 - x[:, 0] ** 2))[:, None]
        return np.asarray(values[:, :, None] * np.eye(x.shape[1]))

    @cached_property
    def least(self) -> theory.LeastAction:
        """The exponent times eps, and the path."""
        jump = (lambda x: x[:, 0] - INFLECTION) if self.noise == OF_HESSIAN else None
        return theory.least_action(self.drift, self.covariance, start=self.minimum, end=self.top, jump=jump)

    @cached_property
    def prefactor(self) -> float:
        """Of the mean time to arrive beyond the saddle as noise vanishes; where noise jumps it is smoothed."""
        if self.noise == OF_MINIMUM:
            return theory.escape_prefactor(self.drift, self.covariance, self.least)

        def smooth(x: Array) -> Array:
            return self.covariance(x, WIDTH)

        found = theory.least_action(self.drift, smooth, start=self.minimum, end=self.top)
        return theory.escape_prefactor(self.drift, smooth, found)

    def grid(self, eps: float) -> tuple[float, float]:
        """Mean time to arrive beyond, by the Fokker-Planck equation, and its relative error."""
        options: dict[str, Any] = {"start": self.minimum, "boundary": beyond(2)}
        if self.noise == OF_MINIMUM:
            options["diffusion"] = eps * self.curvatures[0]
        else:  # noise that jumps converges slowly
            options |= {"diffusion": lambda x: eps * self.covariance(x), "tolerance": 5e-3}
        found = fokker_planck.mean_first_passage_time(self.landscape, **options)
        return float(found["mfpt"]), float(found["mfpt_error"] / found["mfpt"])

    def inertial(self, masses: Array) -> theory.LeastAction:
        """The exponent with inertia, masses (d,) and ``gamma M = 1``: in positions and velocities."""
        d, rest = len(masses), np.zeros(len(masses))

        def drift(z: Array) -> Array:
            return np.concatenate([z[:, d:], (self.drift(z[:, :d]) - z[:, d:]) / masses], axis=1)

        noise = np.diag(np.concatenate([rest, self.curvatures[0] / masses**2]))
        ends: dict[str, Any] = {"start": np.concatenate([self.minimum, rest]), "end": np.concatenate([self.top, rest])}
        return theory.least_action(drift, noise, **ends)

    def divided(self) -> theory.LeastAction:
        """The exponent of idealized RMSprop and Adam without inertia: gradients over the root of C."""
        root = np.sqrt(self.curvatures[0])
        return theory.least_action(lambda x: self.drift(x) / root, np.eye(len(root)), start=self.minimum, end=self.top)


@cache
def bent(c: float) -> Pass:
    """A curved valley."""
    return Pass(CurvedValley(c), (0.0, c))


@cache
def channel(minimum: float, saddle: float, directions: int = 1, noise: str = OF_MINIMUM) -> Pass:
    """A channel."""
    return Pass(Channel(minimum, saddle, directions), (0.0,) * (directions + 1), noise)


def mass(ratio: float, hessian_saddle: float) -> float:
    """M at a damping of so many omega_b, if ``gamma M = 1``."""
    return 1 / (ratio**2 * hessian_saddle)


def across(way: Pass) -> float:
    """By what factor the directions across it change the mean time: the prefactor over that of the way alone."""
    h_a, h_b = way.curvatures
    return way.prefactor / float(2 * np.pi / np.sqrt(h_a[0] * abs(h_b[0])))


@dataclass(frozen=True)
class Plane:
    """A quadratic well that is left through a plane; noise is ``eps H``.

    Attributes
    ----------
    hessian
        The curvatures (2,), along the coordinates.
    normal
        Of the plane, a unit vector (2,); its distance from the minimum is 1.
    """

    hessian: tuple[float, float]
    normal: tuple[float, float] = (0.5**0.5, 0.5**0.5)

    @property
    def lowest(self) -> Array:
        """The point of the plane where the loss is least."""
        away = np.array(self.normal) / np.array(self.hessian)
        return np.asarray(away / (away @ self.normal))

    @property
    def stated(self) -> dict[str, Any]:
        """Arguments of the paper's formulas as in `Pass`: out through that point, by the curvature that way."""
        way, h = self.lowest, np.array(self.hessian)
        curved = float(way @ (h * way) / (way @ way))
        known = {"barrier": float(way @ (h * way) / 2), "hessian_minimum": curved, "hessian_saddle": curved}
        return known | {"batch_size": 1, "split": 1.0}

    @property
    def action(self) -> float:
        """The exact exponent times eps, out through the nearest point."""
        h, n = np.diag(self.hessian), np.array(self.normal)
        return theory.least_action(lambda x: -x @ h, h, start=np.zeros(2), end=n).action

    def rates(self, eps: float) -> tuple[float, float]:
        """Of leaving, in the limit of low noise and by the Fokker-Planck equation."""
        h = np.diag(self.hessian)
        limit = theory.plane_exit_rate(hessian=h, normal=self.normal, distance=1.0, noise=eps)
        well = QuadraticSaddle(list(self.hessian))
        where: dict[str, Any] = {"start": np.zeros(2), "boundary": HalfSpace(list(self.normal), 1.0)}
        found = fokker_planck.mean_first_passage_time(well, diffusion=eps * h, **where)
        return limit, 1 / float(found["mfpt"])
