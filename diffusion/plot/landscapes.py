"""Escapes in two coordinates: contours of the loss with the way out, where it was left, and what a grid knows."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray
from numpy.typing import ArrayLike, NDArray

from diffusion import checks
from diffusion.landscapes import Landscape
from diffusion.plot.style import BLUE, GREY, ORANGE, PURPLE, axes_or_new, needed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

POINTS = 120  # along each side of the map
MARGIN = 0.12  # of the extent of what is drawn, around it
MOST = 500  # exits that are drawn
ARROWS = 18  # along each axis of a grid
FAINT = 0.03  # of the largest current, below which no arrow is drawn
SHARES = (0.1, 0.5, 0.9)  # of which the committor has lines

Array = NDArray[np.float64]


def escape_map(
    landscape: Landscape,
    ax: Axes | None = None,
    *,
    path: ArrayLike | None = None,
    exits: xarray.Dataset | None = None,
    grid: xarray.Dataset | None = None,
    between: ArrayLike | None = None,
    **kwargs: Any,
) -> Axes:
    """Contours of a loss of two coordinates; over them a path, the places of exits, and what a grid knows.

    Parameters
    ----------
    landscape
        Any landscape of two coordinates.
    ax
        Axes to draw on; None: new ones.
    path
        Positions of shape (m, 2), such as those of `theory.least_action`.
    exits
        Result of `diffusion.exit_times` with ``positions=True``, or of `diffusion.rare_escape_rate` with
        ``paths=True``; at most 500 are drawn, evenly chosen.
    grid
        Result of `diffusion.fokker_planck.committor` or `diffusion.fokker_planck.escape_rate` with two coordinates: the
        lines where the committor is 0.1, 0.5 and 0.9, and arrows along the current.
    between
        Ends of both coordinates, shape (2, 2), in theta; None: what holds all that is drawn.
    **kwargs
        Passed to `matplotlib.axes.Axes.contour`.

    Returns
    -------
    matplotlib.axes.Axes
        The axes; `matplotlib.axes.Axes.legend` names what is drawn.

    Raises
    ------
    ValueError
        If the landscape or the path has not two coordinates, a dataset lacks what is to be drawn, or nothing tells
        where to look.
    """
    if landscape.dimension != 2:
        raise ValueError(
            f"landscape has {landscape.dimension} coordinates; a map is of 2: use diffusion.plot.landscape"
        )
    try:
        line = None if path is None else np.asarray(path, np.float64)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"path = {str(path)[:60]!r}... must be positions of shape (m, 2), such as least_action(...).path"
        ) from error
    if line is not None and (line.ndim != 2 or line.shape[1] != 2):
        raise ValueError(f"path of shape {line.shape} must be positions of shape (m, 2)")
    left = None if exits is None else _left(exits)
    if grid is not None:
        needed(grid, "diffusion.fokker_planck.committor with two coordinates", "position", "current", "first", "second")
    where = _between(between, [landscape.reference[None], line, left, None if grid is None else _known(grid)])
    ax = axes_or_new(ax)
    x, y = (np.linspace(low, high, POINTS) for low, high in where)
    if not {"cmap", "colors"} & set(kwargs):
        kwargs = {"colors": GREY, "linewidths": 0.6, "negative_linestyles": "solid", "alpha": 0.7} | kwargs
    loss = landscape.loss(np.stack(np.meshgrid(x, y), axis=-1))
    ax.contour(x, y, loss, **({"levels": _levels(landscape, loss, line)} | kwargs))
    if grid is not None:
        _draw_grid(ax, grid)
    if left is not None:
        ax.scatter(left[:, 0], left[:, 1], s=14, color=ORANGE, alpha=0.5, edgecolors="none", label="exits", zorder=3)
    if line is not None:
        ax.plot(*line.T, color=BLUE, lw=2.2, label="path", zorder=4)
    ax.set(xlim=where[0], ylim=where[1], xlabel="coordinate 0 [theta]", ylabel="coordinate 1 [theta]")
    return ax


def _left(exits: xarray.Dataset) -> Array:
    """Where replicas left, shape (n, 2)."""
    name = "crossing" if "crossing" in exits else "exit_position"
    needed(exits, "diffusion.exit_times with positions=True", name)
    positions = exits[name].transpose(..., "coordinate").values.reshape(-1, exits.sizes["coordinate"])
    positions = positions[np.isfinite(positions).all(axis=1)]
    if positions.shape[1] != 2:
        raise ValueError(f"exits are of {positions.shape[1]} coordinates; a map is of 2")
    return np.asarray(positions[:: max(1, -(-len(positions) // MOST))])


def _known(grid: xarray.Dataset) -> Array:
    """Positions at which the grid's current is a number, shape (n, 2)."""
    position, current = (
        grid[name].transpose("first", "second", "coordinate").values for name in ("position", "current")
    )
    return np.asarray(position[np.isfinite(current).all(axis=-1)])


def _between(between: ArrayLike | None, drawn: list[Array | None]) -> Array:
    """Ends of both coordinates, shape (2, 2)."""
    if between is not None:
        ends = np.asarray(between, np.float64)
        if ends.shape != (2, 2) or not np.all(ends[:, 0] < ends[:, 1]):
            raise ValueError(
                f"between = {checks.plain(between)!r} must be the lower and upper end of each of the two coordinates"
            )
        return ends
    every = np.concatenate([positions for positions in drawn if positions is not None])
    low, high = every.min(axis=0), every.max(axis=0)
    if not np.all(low < high):
        raise ValueError(
            "there is no path, exit or grid that tells where to look; give between=((low, high), (low, high))"
        )
    room = MARGIN * (high - low)
    return np.stack([low - room, high + room], axis=1)


def _levels(landscape: Landscape, loss: Array, line: Array | None) -> Array:
    """Levels of the loss up to three times the highest rise of the path, else to the map's highest."""
    least = min(float(landscape.loss(landscape.reference)), float(loss.min()))
    most = float(loss.max())
    if line is not None:
        most = min(most, least + 3 * (float(np.max(landscape.loss(line))) - least))
    return np.linspace(least, most, 17)[1:]


def _draw_grid(ax: Axes, grid: xarray.Dataset) -> None:
    """Lines of the committor, if it is there, and arrows along the current."""
    dims = ("first", "second", "coordinate")
    position, current = (grid[name].transpose(*dims).values for name in ("position", "current"))
    if "committor" in grid:
        committor = grid["committor"].transpose(*dims[:2]).values
        lines = ax.contour(*np.moveaxis(position, -1, 0), committor, levels=SHARES, colors=PURPLE, linewidths=1.6)
        ax.clabel(lines, fmt="%g")
        ax.plot([], [], color=PURPLE, lw=1.6, label="committor")
    every = tuple(slice(None, None, max(1, size // ARROWS)) for size in current.shape[:2])
    here, along = position[every].reshape(-1, 2), current[every].reshape(-1, 2)
    strength = np.hypot(*along.T)
    with np.errstate(invalid="ignore"):
        shown = strength > FAINT * np.nanmax(strength)
    ax.quiver(*here[shown].T, *along[shown].T, color="black", alpha=0.6, angles="xy", width=0.003, zorder=2.5)
    ax.plot([], [], color="black", alpha=0.6, ls="none", marker=r"$\rightarrow$", ms=14, label="current")
