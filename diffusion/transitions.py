"""Several minima as a network: how often an optimizer goes from which to which, and where it is in the long run."""

from __future__ import annotations

import warnings
from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from diffusion import checks
from diffusion.dynamics import Dynamics
from diffusion.edges import edge_of
from diffusion.escape import exit_times
from diffusion.landscapes import Landscape
from diffusion.noise import NoiseModel
from diffusion.problem import check_kinds
from diffusion.prospects import warn_hopeless
from diffusion.rates import escape_rate
from diffusion.regions import Ball, LossLevel
from diffusion.schemes import overshooting
from diffusion.variables import describe, recorded

if TYPE_CHECKING:
    import xarray

Array = NDArray[np.float64]
SADDLE, MINIMUM = 1 / 4, 1 / 3  # of the way to the nearest one, that balls around minima reach at most
DRAWS = 4000  # of all rates together, for the intervals of what follows from them
LONG, ENDS = ("occupation", "mean_time"), ("", "_low", "_high")  # what follows from the rates, and its interval
PRIOR = 0.5  # transitions that Jeffreys' prior of a rate counts beside those that were seen


def rates_between_minima(
    dynamics: Dynamics,
    landscape: Landscape,
    *,
    noise: NoiseModel,
    box: ArrayLike,
    max_iterations: int,
    replicas: int,
    radius: float | None = None,
    velocity: str = "rest",
    substeps: float = 1,
    scheme: str = "euler",
    increments: str = "normal",
    precision: str = "float64",
    level: float = 0.95,
    seed: int = 0,
    threads: int | None = None,
) -> xarray.Dataset:
    """Measure how often an optimizer goes from each minimum in a box to each other, and what follows in the long run.

    From every minimum an ensemble runs until it enters a ball around another one: when gives the rate, and which ball
    the branching. Only direct transitions count, those that enter no other ball on the way. As a network of constant
    rates they give occupations and mean times: right where the stays are long beside the relaxation in a valley, which
    ``exponential_p`` tests, and as long as minima outside of the box do not matter.

    Parameters
    ----------
    dynamics, landscape, noise, velocity, substeps, scheme, increments, precision, threads
        As in `diffusion.exit_times`.
    box
        Where minima are looked for by `Landscape.critical_points`, shape (d, 2).
    max_iterations, replicas
        Of the ensemble at each minimum.
    radius
        Of all balls, in theta units. None: for each minimum a quarter of the distance to the nearest saddle, and at
        most a third of that to the nearest minimum. Of large balls some that enter turn back at once, and are counted;
        small ones are hard to hit where noise in several coordinates keeps away from the minimum.
    level
        Confidence of the intervals, in (0, 1).
    seed
        Each ensemble has its own, made from this and the minimum's number.

    Returns
    -------
    xarray.Dataset
        On minimum: ``position``, ``loss``, ``radius``, ``escape_rate_per_iteration`` and ``exponential_p`` of
        `escape_rate`, and ``occupation``, the share of time in the long run. On (minimum, into): ``transitions``,
        direct ones that were seen; their ``rate`` per iteration; the ``fraction`` of all from there; and ``mean_time``,
        iterations until the other is first entered, over whatever minima. All but positions come with ``_low`` and
        ``_high``: of rates by chi-squared and of fractions by Clopper and Pearson, both exact; of occupations and mean
        times by draws of all rates, each from its gamma law under Jeffreys' prior. Occupations and mean times are NaN
        where some minimum was not reached, or left, at all.

    Raises
    ------
    ValueError
        If the box has less than two minima, the radius reaches from one into another, or as for `diffusion.exit_times`.

    Warns
    -----
    RuntimeWarning
        Before it runs, if a barrier is so high that no exit is to be expected (`escape_prospect`), and afterwards as
        `escape_rate`, or if the transitions seen do not lead from everywhere to everywhere.
    """
    import xarray

    level, replicas = checks.confidence(level), checks.whole("replicas", replicas)
    max_iterations = checks.whole("max_iterations", max_iterations)
    check_kinds(dynamics=dynamics, landscape=landscape, noise=noise)
    points = landscape.critical_points(box)
    lowest = np.flatnonzero(points["index"].values == 0)
    if len(lowest) < 2:
        told = f"box = {np.asarray(box).tolist()} has {len(lowest)} minima of {landscape!r}"
        raise ValueError(f"{told}; give one with the two or more between which it goes")
    centers = points["position"].values[lowest]
    radii = _radii(centers, points.isel(point=points["index"].values > 0)["position"].values, radius)
    n = len(lowest)
    transitions, at_risk = np.zeros((n, n), np.int64), np.zeros(n)
    leaving, p_values, record = np.zeros(n), np.full(n, np.nan), {}
    options: dict[str, Any] = {"replicas": replicas, "max_iterations": max_iterations}
    more: dict[str, Any] = {"noise": noise, "velocity": velocity, "precision": precision, "threads": threads}
    more |= {"substeps": substeps, "scheme": scheme, "increments": increments}
    fine = overshooting(scheme, substeps)
    for k, minimum in enumerate(lowest):
        passes = points["loss"].values[np.any(points["joins"].values == minimum, axis=1)]
        if len(passes):
            top = edge_of(LossLevel(float(passes.min())), landscape, centers[k])
            warn_hopeless(dynamics, landscape, noise, top, centers[k], substeps=fine, **options)
        others = np.flatnonzero(np.arange(n) != k)
        balls: Any = reduce(or_, [Ball(centers[j].tolist(), radii[j]) for j in others])
        own = int(np.random.SeedSequence([seed, k]).generate_state(1, np.uint64)[0])
        exits = exit_times(dynamics, landscape, start=centers[k], boundary=balls, seed=own, **options, **more)
        left = escape_rate(exits, level=level)
        part = exits["exit_part"].values if len(others) > 1 else np.zeros(replicas, np.int64)
        transitions[k, others] = np.bincount(part[exits["exited"].values], minlength=n - 1)
        at_risk[k], leaving[k] = float(left["time_at_risk"]), float(left["rate"])
        p_values[k], record = float(left["exponential_p"]), recorded(exits)
    values = _estimates(transitions, at_risk, level, seed)
    data: dict[str, Any] = {
        "position": (("minimum", "coordinate"), centers),
        "loss": ("minimum", points["loss"].values[lowest]),
        "radius": ("minimum", radii),
        "escape_rate_per_iteration": ("minimum", leaving),
        "exponential_p": ("minimum", p_values),
        "transitions": (("minimum", "into"), transitions),
    }
    data |= {name: (("minimum", "into")[: each.ndim], each) for name, each in values.items()}
    record = {name: value for name, value in record.items() if name not in ("start", "boundary")}
    record |= {"box": np.asarray(box).tolist(), "radius": radius, "level": level, "seed": seed}
    coords = {"minimum": np.arange(n), "into": np.arange(n), "coordinate": np.arange(landscape.dimension)}
    return describe(xarray.Dataset(data, coords), record)


def occupation(rates: ArrayLike) -> Array:
    """Share of time in each state in the long run.

    By elimination without subtractions (Grassmann, Taksar and Heyman 1985), so that a share is as exact as the
    rates, however small.

    Parameters
    ----------
    rates
        From state i into j, shape (..., n, n); the diagonal is not looked at.

    Returns
    -------
    numpy.ndarray
        Shape (..., n).
    """
    k = np.array(rates, np.float64)
    for last in range(k.shape[-1] - 1, 0, -1):
        k[..., :last, last] /= k[..., last, :last].sum(axis=-1)[..., None]
        k[..., :last, :last] += k[..., :last, last, None] * k[..., last, None, :last]
    shares = np.ones(k.shape[:-1])
    for state in range(1, k.shape[-1]):
        shares[..., state] = np.sum(shares[..., :state] * k[..., :state, state], axis=-1)
    return np.asarray(shares / shares.sum(axis=-1, keepdims=True))


def mean_times(rates: ArrayLike) -> Array:
    """Mean time from state i until j is first entered, 0 on the diagonal.

    Parameters
    ----------
    rates
        As of `occupation`.

    Returns
    -------
    numpy.ndarray
        Shape (..., n, n), one over the rates' unit.
    """
    k = np.array(rates, np.float64)
    n = k.shape[-1]
    k[..., range(n), range(n)] = 0.0
    leaving = np.eye(n) * k.sum(axis=-1)[..., None] - k
    times = np.zeros(k.shape)
    for into in range(n):
        others = np.flatnonzero(np.arange(n) != into)
        ones = np.ones((*k.shape[:-2], n - 1, 1))
        times[..., others, into] = np.linalg.solve(leaving[..., others[:, None], others], ones)[..., 0]
    return times


def _radii(centers: Array, passes: Array, radius: float | None) -> Array:
    """Of the ball around each minimum."""
    apart = np.linalg.norm(centers[:, None] - centers, axis=-1) + np.where(np.eye(len(centers)), np.inf, 0.0)
    if radius is None:
        to_pass = np.linalg.norm(centers[:, None] - passes, axis=-1).min(axis=1, initial=np.inf)
        return np.asarray(np.minimum(SADDLE * to_pass, MINIMUM * apart.min(axis=1)))
    checks.positive("radius", radius)
    if 2 * radius >= apart.min():
        raise ValueError(
            f"radius = {radius!r}: balls of it overlap, as two minima are {apart.min():.4g} apart; lower it"
        )
    return np.full(len(centers), float(radius))


def _estimates(transitions: NDArray[np.int64], at_risk: Array, level: float, seed: int) -> dict[str, Array]:
    """Rates, fractions, occupations and mean times with their intervals; those of a state into itself are NaN."""
    from scipy import stats

    tail, n = (1 - level) / 2, len(at_risk)
    same, time, all_left = np.eye(n, dtype=bool), at_risk[:, None], transitions.sum(axis=1, keepdims=True)
    rates = transitions / time
    with np.errstate(invalid="ignore"):
        found = {
            "rate": rates,
            "rate_low": np.nan_to_num(stats.chi2.ppf(tail, 2 * transitions)) / 2 / time,
            "rate_high": stats.chi2.isf(tail, 2 * transitions + 2) / 2 / time,
            "fraction": transitions / all_left,
            "fraction_low": np.nan_to_num(stats.beta.ppf(tail, transitions, all_left - transitions + 1)),
            "fraction_high": np.where(
                transitions < all_left, stats.beta.isf(tail, transitions + 1, all_left - transitions), 1.0
            ),
        }
    found = {name: np.where(same, np.nan, values) for name, values in found.items()}
    reached = np.linalg.matrix_power((transitions > 0) | same, n) > 0
    if not reached.all():
        pairs = ", ".join(f"{i} to {j}" for i, j in np.argwhere(~reached).tolist())
        told = f"no transitions were seen that lead from minimum {pairs}: occupations and mean times are not known"
        warnings.warn(f"{told}; run longer, or give a box without it", RuntimeWarning, stacklevel=3)
        empty = np.full(n, np.nan), np.full((n, n), np.nan)
        return found | {f"{name}{end}": each for name, each in zip(LONG, empty, strict=True) for end in ENDS}
    draws = np.random.default_rng(seed).gamma(transitions + PRIOR, 1 / time, (DRAWS, n, n))
    for name, follows in zip(LONG, (occupation, mean_times), strict=True):
        low, high = np.quantile(follows(draws), (tail, 1 - tail), axis=0)
        found |= dict(zip([f"{name}{end}" for end in ENDS], (follows(rates), low, high), strict=True))
    return found
