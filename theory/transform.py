"""Laplace transform of a first passage time: its zeros, its inversion, and the mean of the first of several.

y solves ``y' = A g, g' = s w y`` from y = 1, g = 0 at the far end; from y = 0, g = 1 if that takes paths out, too.
Across a panel (y, e^psi g) is multiplied by a matrix, a power series in s whose terms are iterated integrals of A and
w: positive, and the same for every s.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from theory.ends import Tail
from theory.functions import Pointwise
from theory.panels import Panels, resolve

Array = NDArray[np.float64]
Complex = NDArray[np.complexfloating[Any, Any]]

_ORDER = 14
_REACH = 10.0  # |s| times (integral of A) (integral of w) on a panel: 10^15/30! is below rounding
_MOST_PANELS = 5000
_MOST_WORK = 30_000  # panels times steps of a search
_NEAR = 25.0  # lengths sqrt(t) in int dx/sqrt(D) beyond which the far end does not matter: e^-100, see the docs

_POINTS = 32
_MOST_POINTS = 200_000  # on the line
_ANGLES = np.pi * np.arange(1, _POINTS, 2) / _POINTS
_CONTOUR = _POINTS * (0.1309 - 0.1194 * _ANGLES**2 + 0.25j * _ANGLES)  # Weideman and Trefethen (2007), times t
_WEIGHTS = (-0.2388 * _ANGLES + 0.25j) * 2
_INSIDE = _POINTS * (0.1309 - 0.1194 * _ANGLES**2 + 0.0125j * _ANGLES)  # close to the poles
_FARTHEST = float(np.abs(_CONTOUR).max())


@dataclass(frozen=True)
class Passage:
    """Functions, panels from the far end up to the boundary, the panel that begins at the start, the convention's p.

    Attributes
    ----------
    tail
        What lies between the panels and a boundary at which drift or noise is singular.
    opposite
        If the far end takes paths out, too: this passage mirrored, through that end.
    absorbing
        Whether the far end does.
    """

    gradient: Pointwise
    diffusion: Pointwise
    panels: Panels
    first: int
    p: float
    tail: Tail | None = None
    opposite: "Passage | None" = None
    absorbing: bool = False

    @property
    def begin(self) -> Array:
        """(y, g) at the far end."""
        return np.array([0.0, 1.0] if self.absorbing else [1.0, 0.0])

    def log_mean(self, first: int) -> float:
        """Logarithm of the mean time from the left end of panel `first`, ``int e^psi D^(p-1) int e^-psi D^-p``."""
        panels = self.panels
        psi, _ = panels.potential()
        scale, speed = panels.densities(self.p)
        inner = panels.integrate(speed)
        before = np.r_[-np.inf, np.logaddexp.accumulate(np.log(inner[:-1, -1]) - psi[:-1])] + psi
        own, across = panels.integrate(scale * inner)[:, -1], panels.integrate(scale)[:, -1]
        parts = np.logaddexp(before + np.log(across), np.log(own))[first:]
        if self.tail is not None:
            passed = np.logaddexp(before[-1], np.log(inner[-1, -1])) + np.log(self._growth()[-1])
            parts = np.r_[parts, passed + self.tail.log_scale, self.tail.log_delay]
        return float(np.logaddexp.reduce(parts))

    def refined(self, largest: float, low: float = -np.inf) -> "Passage | None":
        """From the edge at or below `low` on, on panels that serve up to |s| = largest; None if they are too many."""
        panels = self.panels
        begin = max(int(np.searchsorted(panels.edges, low, side="right")) - 1, 0)
        scale, speed = panels.densities(self.p)
        with np.errstate(over="ignore"):
            reach = largest * panels.integrate(scale)[begin:, -1] * panels.integrate(speed)[begin:, -1]
        parts = np.maximum(np.ceil(np.sqrt(reach / _REACH)), 1)
        if parts.sum() > _MOST_PANELS:
            return None
        edges = panels.edges[begin:]
        new = [edges[i] + (edges[i + 1] - edges[i]) * np.arange(n) / n for i, n in enumerate(parts)]
        finer = resolve(self.gradient, self.diffusion, np.r_[np.concatenate(new), edges[-1]])
        first = int(np.searchsorted(finer.edges, panels.edges[self.first]))
        return replace(self, panels=finer, first=first)

    def series(self, largest: float) -> Array:
        """Power series in s/largest of every panel's matrix, shape (panels, 2, 2, order + 1)."""
        panels = self.panels
        scale, speed = panels.densities(self.p)
        growth = self._growth()
        out = np.empty((len(scale), 2, 2, _ORDER + 1))
        for column in (0, 1):
            g = np.full_like(scale, float(column))
            y = np.ones_like(scale) if column == 0 else panels.integrate(scale)
            for k in range(_ORDER + 1):
                out[:, 0, column, k], out[:, 1, column, k] = y[:, -1], growth * g[:, -1]
                g = largest * panels.integrate(speed * y)
                y = panels.integrate(scale * g)
        return out

    def _growth(self) -> Array:
        """e^psi at the panels' right ends, psi counted from their left ones; shape (panels,)."""
        return np.asarray(np.exp(self.panels.potential()[1][:, -1]))


def decay_rate(passage: Passage) -> tuple[float, bool]:
    """Smallest rate of decay: minus the first zero of y_s(b) in s, by Newton's method from 0; and whether it settled.

    The search begins at a lower limit, one over the mean time from a far end that reflects. Where drift carries all
    paths to the boundary, zeros lie close together far from 0 and it may not settle; it is a lower limit then.
    """
    with np.errstate(over="ignore"):
        rate = max(float(np.exp(-one.log_mean(0))) for one in (passage, passage.opposite) if one is not None)
    if rate == 0:
        return rate, True
    served, power = 0.0, np.arange(_ORDER + 1)
    steps, fine = 0, passage
    while steps * fine.panels.count < _MOST_WORK:
        steps += 1
        if rate > served:  # a drift to the boundary makes it many times the first guess
            served = 16 * rate
            fine = _served(passage.refined(served), 1 / rate)
        series = fine.series(rate)
        matrices, slopes = series @ (-1.0) ** power, series @ (power * (-1.0) ** power)
        state, change = passage.begin, np.zeros(2)  # and s times its derivative by s
        for matrix, slope in zip(matrices, slopes, strict=True):
            state, change = matrix @ state, matrix @ change + slope @ state
            size = float(np.abs(state).sum() + np.abs(change).sum())
            state, change = state / size, change / size
        step = float(state[0] / change[0]) if change[0] else np.nan
        if not np.isfinite(step):
            break
        rate *= 1 - step
        if abs(step) < 1e-13:
            return float(rate), True
    return float(rate), False


def outer_share(passage: Passage, rate: float) -> float:
    """Share of the slowest mode, ``y^2 w`` at s = -rate, in the panel at the far end."""
    fine = _served(passage.refined(2 * rate), 1 / rate)
    psi, _ = fine.panels.potential()
    mass = np.log(fine.panels.integrate(fine.panels.densities(fine.p)[1])[:, -1]) - psi
    state, size, logs = passage.begin, 0.0, np.empty(len(mass))
    for i, matrix in enumerate(fine.series(rate) @ (-1.0) ** np.arange(_ORDER + 1)):
        logs[i] = 2 * (size + np.log(max(abs(state[0]), 1e-300))) + mass[i]
        state = matrix @ state
        size, state = size + float(np.log(np.abs(state).sum())), state / np.abs(state).sum()
    return float(np.exp(logs[0] - np.logaddexp.reduce(logs)))


def reduced_survival(passage: Passage, times: Array, rate: float) -> Array:
    """S(t) exp(rate t) at times above 0, shape (times,), where rate is the smallest rate of decay.

    Times are taken in groups, each on panels for its shortest. A time too short for any panels has survival 1, if the
    shortest that they serve has.
    """
    out = np.ones(times.shape)
    order = np.argsort(times)[::-1]
    while order.size:
        shortest = max(float(times[order].min()), float(times[order[0]]) / 16)
        group = order[times[order] >= shortest]
        fine = _at(passage, shortest, rate)
        if fine is None:
            affordable = shortest
            if passage.panels.count > _MOST_PANELS:
                _served(None, shortest)
            while fine is None:  # ends at panels for the rate alone, which are known to be affordable
                affordable *= 2
                fine = _at(passage, affordable, rate)
            if 1 - _inverted(fine, np.array([affordable]), rate)[0] * np.exp(-rate * affordable) > 1e-12:
                _served(None, shortest)
        else:
            out[group] = np.concatenate([_inverted(fine, times[part], rate) for part in _chunks(group)])
        order = order[group.size :]
    return out


def mean_of_first(passage: Passage, dimension: int) -> float:
    """Mean time at which the first of `dimension` independent coordinates passes, ``int_0^inf S^d dt``.

    S is 1 before `begin`, a single exponential after `last`, and integrated over log t between.
    """
    rate, _ = decay_rate(passage)
    if rate == 0:
        return np.inf

    def reduced(time: float) -> float:
        return float(reduced_survival(passage, np.array([time]), rate)[0])

    def tail(time: float) -> float:
        return float((reduced(time) * np.exp(-rate * time)) ** dimension / (dimension * rate))

    def early(time: float) -> bool:
        """Whether taking S for 1 until then changes nothing."""
        return bool(dimension * (1 - reduced(time) * np.exp(-rate * time)) * time <= 1e-12 * (late + time))

    last = 1 / rate
    while reduced(last) * np.exp(-rate * last) > 1e-11 and not _close(reduced(2 * last), reduced(last)):
        last *= 2
    late = tail(last)
    while not early(last) and _close(reduced(last / 2), reduced(last)):
        last /= 2
    late = tail(last)
    begin = last
    while not early(begin):
        begin /= 2
    panels = 2 * int(np.ceil(np.log2(last / begin)))
    nodes, weights = np.polynomial.legendre.leggauss(12)
    step = np.log(last / begin) / max(panels, 1)
    times = begin * np.exp(step * (np.arange(panels)[:, None] + (1 + nodes) / 2)).ravel()
    alive = np.clip(reduced_survival(passage, times, rate) * np.exp(-rate * times), 0, 1) ** dimension
    return float(begin + np.sum(np.tile(weights, panels) * alive * times) * step / 2 + late)


def _close(one: float, other: float) -> bool:
    return abs(one - other) < 1e-12 * other


def _chunks(group: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    return np.array_split(group, -(-group.size // 64))


def _served(fine: Passage | None, time: float) -> Passage:
    if fine is None:
        raise ValueError(
            f"times: {time:.3g} is too short for {_MOST_PANELS} panels of the size of sqrt(D t), on which psi climbs "
            "by 4 at most, yet too long for no path to have arrived; give longer times, a larger diffusion or closer "
            "ends, or use first_passage_time for one coordinate"
        )
    return fine


def _at(passage: Passage, time: float, rate: float) -> Passage | None:
    """Panels for times from `time` to 16 times that, without what is too far below the start to matter."""
    panels = passage.panels
    length = panels.integrate(np.exp(-panels.log_diffusion / 2))[: passage.first, -1]  # int dx/sqrt(D)
    near = np.cumsum(length[::-1])[::-1] <= _NEAR * np.sqrt(16 * time)
    low = panels.edges[max(passage.first - int(near.sum()) - 1, 0)]
    return _refined(passage, _FARTHEST / time + rate, low)


def _refined(passage: Passage, largest: float, low: float = -np.inf) -> Passage | None:
    """Both directions of a passage on panels that serve up to |s| = largest; None if they are too many."""
    fine = passage.refined(largest, low)
    if fine is None or fine.opposite is None:
        return fine
    opposite = fine.opposite.refined(largest)
    return None if opposite is None else replace(fine, opposite=opposite)


def _inverted(passage: Passage, times: Array, rate: float) -> Array:
    """Inverse Laplace transform of ``(1 - y_s(start)/y_s(b))/s``, times exp(rate t).

    Where the drift carries the path down to b, the transform before the time of arrival is huge inside the parabola: it
    cannot be drawn around the poles then, and the line serves, to 1e-12 absolute.
    """

    def terms(z: Complex) -> Complex:
        s = z / times[:, None] - rate
        with np.errstate(over="ignore", invalid="ignore"):  # where the line has to serve
            return np.asarray((1 - _transform(passage, s)) / s * np.exp(z) / times[:, None])

    around = terms(_CONTOUR)
    out = np.asarray((around * _WEIGHTS).imag.sum(axis=1))
    within, end = np.abs(terms(_INSIDE) * _INSIDE).max(axis=1), np.abs(around[:, -1])
    one = np.exp(np.minimum(rate * times, 700))  # out, where S is 1
    for i in np.nonzero(~((within < 3000 * one) & (end < 1e-13 * one)))[0]:
        out[i] = max(1 - _arrived(passage, float(times[i])), 0) * np.exp(min(rate * times[i], 700))
    return out


def _arrived(passage: Passage, time: float) -> float:
    """1 - S by the trapezoidal rule on the line Re s = 9/t: aliases are e^-36, rounding e^9 times the machine's."""
    real, step = 9 / time, np.pi / 2 / time
    farthest = _FARTHEST / time
    fine: Passage | None = passage
    while abs(_transform(_served(fine, time), np.full(1, real + 1j * farthest))[0]) > 1e-16:
        farthest *= 2
        fine = _refined(passage, farthest) if farthest < _MOST_POINTS * step else None
    s = real + 1j * step * (np.arange(farthest / step) + 0.5)
    terms = _transform(_served(fine, time), s) / s * np.exp(s * time)
    return float(terms.real.sum() * step / np.pi)


def _transform(passage: Passage, s: Complex) -> Complex:
    """``E exp(-s T) = y_s(start)/y_s(b)``, shaped like s; of two ends the sum of the parts that leave through each."""
    if passage.opposite is not None:
        return _transform(replace(passage, opposite=None), s) + _transform(passage.opposite, s)
    largest = float(np.abs(s).max())
    powers = (s.ravel() / largest) ** np.arange(_ORDER + 1)[:, None]
    y, g = (np.full(s.size, value, complex) for value in passage.begin)
    log_size, start, log_start = np.zeros(s.size), y, np.zeros(s.size)
    for i, matrix in enumerate(passage.series(largest)):
        if i == passage.first:
            start, log_start = y, log_size
        (a, b), (c, d) = matrix @ powers
        y, g = a * y + b * g, c * y + d * g
        size = np.abs(y) + np.abs(g)
        y, g, log_size = y / size, g / size, log_size + np.log(size)
    with np.errstate(over="ignore", invalid="ignore"):  # where the line has to serve
        return np.asarray((start / y * np.exp(log_start - log_size)).reshape(s.shape))
