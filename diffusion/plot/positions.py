"""Plots of where replicas were: all at one time, and on their way out."""

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray

from diffusion.plot.series import chosen
from diffusion.plot.style import axes_or_new, needed, record

if TYPE_CHECKING:
    from matplotlib.axes import Axes


def cloud(
    result: xarray.Dataset,
    ax: "Axes | None" = None,
    *,
    iteration: int | None = None,
    coordinates: tuple[int, int] = (0, 1),
    **kwargs: Any,
) -> "Axes":
    """Positions of all replicas in two coordinates, at one iteration.

    Parameters
    ----------
    result
        Result of `diffusion.simulate` with ``keep="states"``.
    ax
        Axes to draw on; None: new ones.
    iteration
        One of those saved; None: the last.
    coordinates
        Which two.
    **kwargs
        Passed to `matplotlib.axes.Axes.scatter`.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    ValueError
        If the dataset has no positions.
    """
    needed(result, 'diffusion.simulate with keep="states"', "position", "replica")
    ax = axes_or_new(ax)
    at = result.position.isel(iteration=-1) if iteration is None else result.position.sel(iteration=iteration)
    x, y = (at.sel(coordinate=k) for k in coordinates)
    ax.scatter(x, y, **chosen(ax, record(result), {"s": 4, "alpha": 0.4, "edgecolors": "none"} | kwargs))
    ax.set(xlabel=f"coordinate {coordinates[0]} [theta]", ylabel=f"coordinate {coordinates[1]} [theta]")
    return ax


def paths(
    result: xarray.Dataset,
    ax: "Axes | None" = None,
    *,
    coordinates: tuple[int, int] = (0, 1),
    most: int = 100,
    **kwargs: Any,
) -> "Axes":
    """Reactive paths of rare escapes in two coordinates, milestone by milestone, each to where it left.

    Parameters
    ----------
    result
        Result of `diffusion.rare_escape_rate` with ``paths=True``.
    ax
        Axes to draw on; None: new ones.
    coordinates
        Which two.
    most
        Draw at most so many, evenly chosen over repetitions and replicas.
    **kwargs
        Passed to `matplotlib.axes.Axes.plot`.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    ValueError
        If the dataset has no paths.
    """
    needed(result, "diffusion.rare_escape_rate with paths=True", "path", "crossing")
    dims = ("repetition", "replica", "milestone", "coordinate")
    reached = result.path.transpose(*dims).sel(coordinate=list(coordinates)).values
    out = result.crossing.transpose(*dims[:2], "coordinate").sel(coordinate=list(coordinates)).values
    every = np.concatenate([reached, out[:, :, None]], axis=2).reshape(-1, reached.shape[2] + 1, 2)
    every = every[np.isfinite(every).all(axis=(1, 2))]  # not those of extinct repetitions
    x, y = every[:: max(1, -(-len(every) // most))].T
    ax = axes_or_new(ax)
    look = chosen(ax, record(result), {"lw": 0.6, "alpha": 0.5} | kwargs)
    label = look.pop("label", None)
    ax.plot(x, y, **look)[0].set_label(label)
    ax.set(xlabel=f"coordinate {coordinates[0]} [theta]", ylabel=f"coordinate {coordinates[1]} [theta]")
    return ax
