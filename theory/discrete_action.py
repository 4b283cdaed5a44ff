"""The likeliest path of a chain whose steps have any law: the exponent of escapes at a finite learning rate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import expit

from theory.action_chain import Chain
from theory.action_frame import Frame, check_end, check_start, ends, growth_at_rest
from theory.action_search import Found, bent_paths, descended, stages
from theory.diffusion_action import NO_PATH, LeastAction
from theory.hamiltonians import Stepping, differentiated

Array = NDArray[np.float64]
FORGOTTEN = 14.0  # exponents of decay after which a path has forgotten an end
MOST = 200_000  # steps


def discrete_least_action(
    cumulant: Callable[[Any, Any], Any], *, start: ArrayLike, end: ArrayLike, steps: int | None = None
) -> LeastAction:
    """Least action of a chain ``x' = x + step(x)`` from a minimum to a point, in any number of steps: ``exp(-action)``.

    ``action = sum_k sup_p [p.(x_k+1 - x_k) - H(x_k, p)]`` with ``H = log E exp(p.step)`` (Cramer). It is the exponent
    of escapes as the batch size grows at a fixed learning rate. SGD with the gradient L' and the mean noise z of B
    samples has ``step = -lr (L' + z)``, ``H = -lr p L' + B log E exp(-lr p z_1/B)``, z_1 the noise of one sample; the
    action is B times that of one.

    Paths of Newton's method as in `theory.least_action`, each step a node, nothing being extrapolated in their size.

    Parameters
    ----------
    cumulant
        H, from positions and momenta, (n, d) both, to (n,), for the whole step; infinite or NaN outside its domain.
    start
        A point (d,) to which the mean step returns. With Momentum a state is the position and the buffer.
    end
        Any other point: a saddle of index 1, or one at which the path arrives.
    steps
        Of the path; by default as many as make its ends forgotten.

    Returns
    -------
    LeastAction
        Its times are iterations.

    Raises
    ------
    ValueError
        As in `theory.least_action`; or if no step, however rare, leads on, or the path needs more than 200,000 steps.
    """
    if not callable(cumulant):
        raise ValueError(f"cumulant = {cumulant!r} must be a function of positions and momenta")
    a, b = ends(start, end)
    size = float(np.linalg.norm(b - a))
    d = len(a)

    def moments(x: Array, unit: float) -> tuple[Array, Array, Array]:
        """Mean step, its slope in x, and half its covariance."""
        point = np.append(np.zeros(d), np.zeros(d))[None]
        _, first, second = differentiated(lambda z: np.asarray(cumulant(x + size * z[:, :d], unit * z[:, d:])), point)
        return first[0, d:] / unit, second[0, d:, :d] / unit / size, second[0, d:, d:] / unit**2 / 2

    unit = 1.0 / size
    for _ in range(3):  # of momenta, so that differences in them are neither rough nor lost
        mean, slope, noise = moments(a, unit)
        if not np.isfinite(noise).all() or np.trace(noise) <= 0:
            raise ValueError(
                f"cumulant is not finite, or has no noise, at start = {start!r}; give log E exp(p.step) of whole steps"
            )
        unit = 1 / np.sqrt(np.trace(noise))
    growth = growth_at_rest("start", a, mean, slope, size * np.eye(d), discrete=True)
    rate = check_start(a, growth)
    frame = Frame.of(a, b, slope, noise, discrete=True)
    mean, slope_end, _ = moments(b, unit)
    growth = growth_at_rest("end", b, mean, slope_end, size * np.eye(d), discrete=True)
    check_end(b, growth)
    last = None if growth is None else float(np.abs(growth).min())
    whole = steps or int(np.ceil(3 + FORGOTTEN / rate + (FORGOTTEN / last if last else 0)))
    if whole > MOST:
        raise ValueError(
            f"the path needs {whole} steps; theory.least_action of the diffusion is as good at so small a step"
        )
    search = _Search(cumulant, frame, rate)
    begin = bent_paths(frame.inside(b[None])[0], _shares(whole, rate, last))
    return search.told(descended(begin, search.stages(begin[0]), search.relaxed))


@dataclass(frozen=True)
class _Search:
    """A problem in its frame."""

    cumulant: Callable[[Any, Any], Any]
    frame: Frame
    rate: float

    def chain(self, nodes: Array, added: float) -> Chain:
        """The nodes' chain, with noise added in all directions."""
        frame, inverse = self.frame, np.linalg.inv(self.frame.whiten).T

        def inside(z: Array, p: Array) -> Array:
            return np.asarray(self.cumulant(frame.origin + z @ inverse, frame.scale * p @ frame.whiten)) / frame.scale

        return Chain(Stepping(inside, added * self.rate), np.ones(len(nodes) - 1), at=0.0)

    def stages(self, nodes: Array) -> tuple[float, ...]:
        """Noise that is added, stage by stage."""
        return stages(self.chain(nodes, 0.0).hamiltonian.cost(nodes[:1], 0 * nodes[:1]).spread)

    def relaxed(self, nodes: Array, added: float) -> Found:
        """The least action near given nodes."""
        chain = self.chain(nodes, added)
        if not np.isfinite(chain.action(nodes)):
            raise ValueError("cumulant allows no path: a step on it has no limit of probability; give a nearer end")
        nodes, action, minimum = chain.relaxed(nodes, 1e-14)
        return action, nodes, minimum

    def told(self, paths: list[Array]) -> LeastAction:
        """The first path's action and momenta, and all paths."""
        nodes, added, scale = paths[0], self.stages(paths[0])[-1], self.frame.scale
        chain = self.chain(nodes, added)
        action, momenta = chain.action(nodes), chain.hamiltonian.cost(*chain.steps(nodes)).momentum
        shift = action - self.chain(nodes, 2 * added).relaxed(nodes, 1e-14)[1] if added else 0.0
        if shift > 0.1 * action:
            raise ValueError(NO_PATH)
        return LeastAction(
            action=scale * (action + shift),
            error=scale * (1e-9 * action + abs(shift) / 10),
            path=self.frame.outside(nodes),
            times=np.arange(len(nodes), dtype=np.float64),
            momenta=np.asarray(scale * momenta @ self.frame.whiten),
            paths=tuple(self.frame.outside(each) for each in paths),
        )


def _shares(steps: int, rate: float, last: float | None) -> Array:
    """Shares of the way, away from the start and to the end at the rates of the motion there."""
    k = np.arange(steps + 1.0)
    turn = steps * last / (rate + last) if last else steps
    share = expit(np.where(k < turn, rate, last) * (k - turn)) if last else np.exp(rate * (k - steps))
    return np.asarray((share - share[0]) / (share[-1] - share[0]))
