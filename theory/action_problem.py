"""A diffusion with the ends of a path, checked, and its Hamiltonian in the coordinates of its frame."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from theory import checks
from theory.action_frame import Frame, check_end, check_start, ends, growth_at_rest
from theory.hamiltonians import STEP, Diffusing, differentiated

Array = NDArray[np.float64]
Field = Callable[[Any], Any]
STEPS = 128  # of a search's path that does not turn about its start
MOST = 8  # times as many
WIDTH = 1 / 32  # to either side of a jump, of the way between the ends, in a search


@dataclass(frozen=True)
class Problem:
    """What a caller asks of `theory.least_action`.

    `rate` is the slowest at which the motion returns to the start, `rest` whether the end is at rest, `slope` the
    Jacobian of the drift there, `steps` what a search needs to resolve the path's turns about the start.
    """

    drift: Field
    diffusion: Field | Array
    jump: Field | None
    frame: Frame
    end: Array
    rate: float
    rest: bool
    slope: Array
    steps: int

    @classmethod
    def of(
        cls, drift: Field, diffusion: ArrayLike | Field, start: ArrayLike, end: ArrayLike, jump: Field | None
    ) -> Problem:
        """Checked; errors are those of `theory.least_action`."""
        a, b = ends(start, end)
        field, spread = _field(drift, len(a)), _spread(diffusion, len(a))
        noise = spread(a[None])[0] if callable(spread) else spread
        if not noise.any():
            raise ValueError(f"diffusion vanishes at start = {start!r}, which is then never left; give noise there")
        size = float(np.linalg.norm(b - a))
        units = np.diag(np.where(np.abs(b - a) > 1e-9 * size, np.abs(b - a), size))
        for known in (False, True):  # differences are taken in the frame itself, once that is known
            slope = jacobian(field, a, units)
            growth = growth_at_rest("start", a, field(a[None])[0], slope, units)
            if known and growth is not None and growth.max() >= 0:
                raise ValueError(
                    f"diffusion = {noise.tolist()} at start = {start!r} leaves a direction without noise in which end "
                    f"= {end!r} lies too far for the linear motion about the start; give noise there too, however weak"
                )
            rate = check_start(a, growth)
            frame = Frame.of(a, b, slope, noise)
            units = np.linalg.inv(frame.whiten)
        turns = float(np.abs(np.linalg.eigvals(slope).imag).max()) / rate
        if turns > 4 * MOST:
            raise ValueError(
                f"drift turns by {turns:.3g} radians about start = {start!r} in a relaxation time, too often for a "
                "path to be followed; at so weak a damping energy diffuses: theory.kramers_escape_time with its action"
            )
        steps = STEPS * max(1, int(np.ceil(turns / 4))) * (1 if jump is None else 2)
        slope = jacobian(field, b, units)
        growth = growth_at_rest("end", b, field(b[None])[0], slope, units)
        check_end(b, growth)
        return cls(field, spread, jump, frame, b, rate, growth is not None, slope, steps)

    def motion(self, added: float, steps: int) -> Diffusing:
        """Drift and diffusion in the frame, with noise added; a jump is spread the less the more steps."""
        frame, whiten = self.frame, self.frame.whiten

        def drift(z: Array) -> Array:
            return np.asarray(self.drift(frame.outside(z)) @ whiten.T)

        def diffusion(z: Array) -> Array:
            assert callable(self.diffusion)
            return np.asarray(frame.scale * (whiten @ self.diffusion(frame.outside(z)) @ whiten.T))

        if not callable(self.diffusion):
            return Diffusing(drift, frame.scale * (whiten @ self.diffusion @ whiten.T), added * self.rate)
        jump = self.jump
        if jump is None:
            return Diffusing(drift, diffusion, added * self.rate)
        return Diffusing(
            drift, softened(diffusion, lambda z: jump(frame.outside(z)), WIDTH * self.steps / steps), added * self.rate
        )


def softened(diffusion: Field, jump: Field, width: float) -> Field:
    """A diffusion whose jump, where `jump` changes sign, is spread smoothly over a width to either side."""

    def smooth(z: Array) -> Array:
        values = np.array(diffusion(z))
        level = jump(z)
        unit = STEP * np.eye(z.shape[1])
        slope = np.stack([(jump(z + each) - jump(z - each)) / (2 * STEP) for each in unit], axis=1)
        size = np.linalg.norm(slope, axis=1)
        with np.errstate(divide="ignore", invalid="ignore"):
            distance = level / size
        near = np.abs(distance) < width
        if near.any():
            off, normal = distance[near, None], slope[near] / size[near, None]
            u = (off[..., None] / width + 1) / 2
            share = u**3 * (10 - 15 * u + 6 * u**2)
            low, high = (diffusion(z[near] + (side * width - off) * normal) for side in (-1, 1))
            values[near] = (1 - share) * low + share * high
        return values

    return smooth


def check_smooth(diffusion: Field | Array, x: Array) -> None:
    """That a diffusion does not jump between neighbouring positions, where it changes most."""
    if not callable(diffusion):
        return
    values = diffusion(x)
    changes = np.abs(np.diff(values, axis=0)).max(axis=(1, 2))
    k = int(np.argmax(changes))
    ends = x[k : k + 2]
    for _ in range(30):
        middle = ends.mean(axis=0)
        matrices = diffusion(np.array([ends[0], middle, ends[1]]))
        left = np.abs(matrices[1] - matrices[0]).max() > np.abs(matrices[2] - matrices[1]).max()
        ends = np.array([ends[0], middle] if left else [middle, ends[1]])
    if np.abs(np.diff(diffusion(ends), axis=0)).max() > 1e-3 * np.abs(values).max():
        raise ValueError(f"diffusion jumps at {ends[0]!r}; give jump, a function that changes sign where it does")


def jacobian(drift: Field, x: Array, units: Array) -> Array:
    """Of a field at one position, by differences along the columns of a matrix."""
    along = differentiated(lambda z: drift(x + z @ units.T), np.zeros((1, len(x))))[1][0]
    return np.asarray(along @ np.linalg.inv(units))


def _field(drift: Field, d: int) -> Field:
    if not callable(drift):
        raise ValueError(f"drift = {drift!r} must be a function of positions (n, {d})")

    def field(x: Array) -> Array:
        values = np.asarray(drift(x), dtype=np.float64)
        if values.shape != x.shape:
            raise ValueError(
                f"drift returns shape {values.shape} for positions of shape {x.shape}; give one vector for each"
            )
        return values

    return field


def _spread(diffusion: ArrayLike | Field, d: int) -> Field | Array:
    if not callable(diffusion):
        return _checked(checks.finite("diffusion", diffusion), (d, d))

    def spread(x: Array) -> Array:
        return _checked(np.asarray(diffusion(x), dtype=np.float64), (len(x), d, d))

    return spread


def _checked(matrices: Array, shape: tuple[int, ...]) -> Array:
    if matrices.shape != shape:
        raise ValueError(f"diffusion has shape {matrices.shape}; give {shape}, a symmetric matrix for each position")
    size = np.abs(matrices).max()
    if not np.isfinite(size) or np.abs(matrices - np.swapaxes(matrices, -1, -2)).max() > 1e-9 * size:
        raise ValueError("diffusion must be a finite, symmetric matrix everywhere on the way")
    lowest = np.linalg.eigvalsh(matrices).min()
    if lowest < -1e-9 * size:
        raise ValueError(
            f"diffusion has the eigenvalue {lowest:.6g}; it must be positive semidefinite everywhere on the way"
        )
    return matrices
