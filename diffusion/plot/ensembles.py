"""Plots of what ensembles measured: displacements, exits and rates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray

from diffusion.observations import observed
from diffusion.plot.series import Theory, chosen, compare, marker
from diffusion.plot.style import CYCLE, axes_or_new, axis_label, needed, record, set_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NORMAL_95 = 1.96  # standard errors in half of a 95 % interval


def msd(
    result: xarray.Dataset,
    ax: Axes | None = None,
    *,
    direction: int | None = None,
    clock: str = "iteration",
    theory: Theory | None = None,
    **kwargs: Any,
) -> Axes:
    """Mean squared displacement against time, as points with 95 % intervals on logarithmic axes.

    Called again on the same axes, it takes another marker, and a colour and a label that are not there yet.

    Parameters
    ----------
    result
        Result of `diffusion.simulate` or `diffusion.simulate_torch`.
    ax
        Axes to draw on; None: new ones.
    direction
        Which direction; None: all of them.
    clock
        "iteration" or "dynamical_time".
    theory
        Lines to compare with, by their labels, such as ``{"Theorem 2": function, "exact": array}``: functions of what
        is on the horizontal axis, or values at the result's points. Lines whose labels begin with "exact" are solid,
        all others dashed.
    **kwargs
        Passed to `matplotlib.axes.Axes.errorbar`. Colour and label default to those of the optimizer if one direction
        is shown; with several, ``label=`` stands before each one's eigenvalue.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    ValueError
        If the dataset has no msd, or clock is neither.
    """
    needed(result, "diffusion.simulate", "msd", "msd_stderr")
    if clock not in ("iteration", "dynamical_time"):
        raise ValueError(f"clock = {clock!r} must be 'iteration' or 'dynamical_time'")
    ax = axes_or_new(ax)
    shown = result.direction.values.tolist() if direction is None else [direction]
    moved = result.iteration > 0  # nothing has before
    look = chosen(ax, record(result), {"fmt": marker(ax), "ms": 4, "capsize": 0} | kwargs)
    name = look.get("label") if ax.containers or "label" in kwargs else None
    for j in shown:
        one = result.sel(direction=j).where(moved, drop=True)
        if len(shown) > 1:
            eigenvalue = f"$H$ = {one.eigenvalue.item():g}"
            look |= {"label": f"{name}: {eigenvalue}" if name else eigenvalue}
            look |= {} if {"c", "color"} & set(kwargs) else {"color": CYCLE[j % len(CYCLE)]}
        ax.errorbar(one[clock], one.msd, yerr=NORMAL_95 * one.msd_stderr, **look)
    time = result[clock] if clock == "iteration" else result[clock].sel(direction=shown if len(shown) > 1 else shown[0])
    compare(ax, theory, time.where(moved))
    ax.set(xscale="log", yscale="log")
    set_labels(
        ax,
        axis_label(time) if clock == "iteration" else ["dynamical time [theta^2 / loss]"],
        axis_label(result.msd),
    )
    return ax


def survival(
    exits: xarray.Dataset,
    ax: Axes | None = None,
    *,
    level: float = 0.95,
    burn_in: float = 0.0,
    theory: Theory | None = None,
    **kwargs: Any,
) -> Axes:
    """Share of replicas still inside, with a band, on a logarithmic axis: an exponential law is a straight line.

    The estimate is Kaplan and Meier's, with Greenwood's variance on the scale of log(-log S); replicas that diverged
    are left out. Drawn beside theory, or on axes that hold something already, it has markers, and a colour and a label
    that are not there yet.

    Parameters
    ----------
    exits
        Result of `diffusion.exit_times` or `diffusion.exit_times_torch`, or several joined along replica, of whatever
        horizons.
    ax
        Axes to draw on; None: new ones.
    level
        Confidence of the band at each time, in (0, 1).
    burn_in
        Iterations after which counting starts.
    theory
        As in `msd`: shares as functions of iterations.
    **kwargs
        Passed to `matplotlib.axes.Axes.step`.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    ValueError
        If the dataset has no exits, or contradicts itself, none lies after burn_in, or level is outside (0, 1).
    """
    from scipy import stats

    if not 0 < level < 1:
        raise ValueError(f"level = {level!r} must lie between 0 and 1; 0.95 is usual")
    seen = observed(exits)
    counted = ~seen.diverged & (seen.time > burn_in)
    if not (counted & seen.exited).any():
        raise ValueError(f"no replica left after burn_in = {burn_in:g}; run for longer")
    times, leaving = np.unique(seen.time[counted & seen.exited], return_counts=True)
    ends = np.sort(seen.time[counted])
    at_risk = len(ends) - np.searchsorted(ends, times)
    left = at_risk - leaving
    alive = left > 0  # the last step, to 0, has no place on a logarithmic axis
    times, share = times[alive], np.cumprod(left / at_risk)[alive]
    greenwood = np.cumsum(leaving[alive] / (at_risk[alive] * left[alive]))
    width = np.exp(stats.norm.isf((1 - level) / 2) * np.sqrt(greenwood) / np.abs(np.log(share)))
    ax = axes_or_new(ax)
    told = {"marker": marker(ax), "ms": 4, "markevery": 0.1} if ax.has_data() or theory else {}
    look = chosen(ax, seen.record, told | kwargs)
    (line,) = ax.step(np.append(burn_in, times), np.append(1.0, share), where="post", **look)
    ax.fill_between(times, share**width, share ** (1 / width), step="post", alpha=0.25, lw=0, color=line.get_color())
    compare(ax, theory, np.append(burn_in, times))
    ax.set(yscale="log")
    set_labels(ax, ["iterations"], ["share still inside"])
    return ax


def rates(
    result: xarray.Dataset,
    ax: Axes | None = None,
    *,
    against: str | None = None,
    theory: Theory | None = None,
    **kwargs: Any,
) -> Axes:
    """Escape rates with their intervals against one axis, the rate on a logarithmic one.

    Called again on the same axes, it takes another marker and another colour.

    Parameters
    ----------
    result
        Results of `diffusion.escape_rate` or `diffusion.rare_escape_rate` along one dimension: a sweep, or
        ``xarray.concat(found, xarray.Variable("barrier", barriers))``.
    ax
        Axes to draw on; None: new ones.
    against
        A coordinate of that dimension; None: the dimension itself.
    theory
        As in `msd`: rates as functions of that coordinate, or one for each.
    **kwargs
        Passed to `matplotlib.axes.Axes.errorbar`.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    ValueError
        If the dataset has no rates, or not along one dimension.
    """
    needed(result, "diffusion.escape_rate", "rate", "rate_low", "rate_high")
    if result.rate.ndim != 1:
        raise ValueError(f"rate has dimensions {result.rate.dims}; select until one is left, or concatenate results")
    x = result[against or str(result.rate.dims[0])]
    ax = axes_or_new(ax)
    error = [result.rate - result.rate_low, result.rate_high - result.rate]
    ax.errorbar(x, result.rate, yerr=error, **chosen(ax, {}, {"fmt": marker(ax), "ms": 4, "capsize": 0} | kwargs))
    compare(ax, theory, x)
    ax.set(yscale="log")
    set_labels(ax, axis_label(x), ("escape rate [1 / iteration]", "rate [1 / iteration]"))
    return ax
