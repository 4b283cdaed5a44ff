"""Plots of what ensembles measured: displacements, exits and rates."""

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray

from diffusion.observations import observed
from diffusion.plot.style import CYCLE, axes_or_new, axis_label, chosen, needed, record

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NORMAL_95 = 1.96  # standard errors in half of a 95 % interval


def msd(
    result: xarray.Dataset,
    ax: "Axes | None" = None,
    *,
    direction: int | None = None,
    clock: str = "iteration",
    **kwargs: Any,
) -> "Axes":
    """Mean squared displacement against time, as points with 95 % intervals on logarithmic axes.

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
    **kwargs
        Passed to `matplotlib.axes.Axes.errorbar`. Colour and label default to those of the optimizer if one direction is shown.

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
    for j in shown:
        one = result.sel(direction=j).where(result.iteration > 0, drop=True)  # nothing has moved at iteration 0
        look: dict[str, Any] = {"fmt": "o", "ms": 4, "capsize": 0}
        if len(shown) == 1:
            look = chosen(record(result), look | kwargs)
        else:
            look |= {"label": f"$H$ = {one.eigenvalue.item():g}", "color": CYCLE[j % len(CYCLE)]} | kwargs
        ax.errorbar(one[clock], one.msd, yerr=NORMAL_95 * one.msd_stderr, **look)
    ax.set(xscale="log", yscale="log", xlabel=axis_label(result[clock]), ylabel=axis_label(result.msd))
    if clock == "dynamical_time":
        ax.set_xlabel("dynamical time [theta^2 / loss]")
    return ax


def survival(
    exits: xarray.Dataset, ax: "Axes | None" = None, *, level: float = 0.95, burn_in: float = 0.0, **kwargs: Any
) -> "Axes":
    """Share of replicas still inside, with a band, on a logarithmic axis: an exponential law is a straight line.

    The estimate is Kaplan and Meier's, with Greenwood's variance on the scale of log(-log S); replicas that diverged are left out.

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
    look = chosen(seen.record, kwargs)
    (line,) = ax.step(np.append(burn_in, times), np.append(1.0, share), where="post", **look)
    ax.fill_between(times, share**width, share ** (1 / width), step="post", alpha=0.25, lw=0, color=line.get_color())
    ax.set(yscale="log", xlabel="iterations", ylabel="share still inside")
    return ax


def rates(result: xarray.Dataset, ax: "Axes | None" = None, *, against: str | None = None, **kwargs: Any) -> "Axes":
    """Escape rates with their intervals against one axis, the rate on a logarithmic one.

    Parameters
    ----------
    result
        Results of `diffusion.escape_rate` or `diffusion.rare_escape_rate` along one dimension: a sweep, or
        ``xarray.concat(found, xarray.Variable("barrier", barriers))``.
    ax
        Axes to draw on; None: new ones.
    against
        A coordinate of that dimension; None: the dimension itself.
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
    ax.errorbar(x, result.rate, yerr=error, **chosen({}, {"fmt": "o", "ms": 4, "capsize": 0} | kwargs))
    ax.set(yscale="log", xlabel=axis_label(x), ylabel="escape rate [1 / iteration]")
    return ax
