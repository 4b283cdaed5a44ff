"""Plots of functions of position: landscapes, densities and committors."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import xarray
from numpy.typing import ArrayLike

from diffusion.landscapes import Landscape
from diffusion.plot.style import BLUE, GREY, ORANGE, SEQUENCE, axes_or_new, axis_label, needed, set_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SMALLEST = 0.02  # share of the largest current that has an arrow
POINTS = 400  # of a curve; a fifth of it along each side of a map


def landscape(
    landscape: Landscape,
    ax: Axes | None = None,
    *,
    between: tuple[float, float],
    coordinate: int = 0,
    other: int | None = None,
    other_between: tuple[float, float] | None = None,
    **kwargs: Any,
) -> Axes:
    """The loss along one coordinate as a curve, or over two as contours; all others rest at the reference point.

    Parameters
    ----------
    landscape
        Any landscape of the library, or your own.
    ax
        Axes to draw on; None: new ones.
    between
        Ends of the coordinate, in theta units.
    coordinate
        Which one.
    other
        A second coordinate, for contours.
    other_between
        Its ends; None: those of the first.
    **kwargs
        Passed to `matplotlib.axes.Axes.plot` or `matplotlib.axes.Axes.contour`.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.
    """
    ax = axes_or_new(ax)
    if other is None:
        x = np.linspace(*between, POINTS)
        at = np.tile(landscape.reference, (POINTS, 1))
        at[:, coordinate] = x
        ax.plot(x, landscape.loss(at), **({"color": GREY} | kwargs))
        ax.set(xlabel="position [theta]", ylabel="loss")
        return ax
    x, y = (np.linspace(*ends, POINTS // 5) for ends in (between, other_between or between))
    at = np.tile(landscape.reference, (len(y), len(x), 1))
    at[..., coordinate], at[..., other] = np.meshgrid(x, y)
    if not {"cmap", "colors"} & set(kwargs):
        kwargs = {"colors": GREY, "linewidths": 0.7, "negative_linestyles": "solid"} | kwargs
    ax.contour(x, y, landscape.loss(at), **({"levels": 15} | kwargs))
    ax.set(xlabel=f"coordinate {coordinate} [theta]", ylabel=f"coordinate {other} [theta]")
    return ax


def density(result: xarray.Dataset, ax: Axes | None = None, *, times: ArrayLike | None = None, **kwargs: Any) -> Axes:
    """Probability density over position, one line for each time; in phase space without time, and with two coordinates,
    a map; over the contours of the loss see `escape_map`.

    Parameters
    ----------
    result
        Result of `density`, `stationary_density` or `escape_rate` of `diffusion.fokker_planck`.
    ax
        Axes to draw on; None: new ones.
    times
        Times to show, the nearest computed ones; None: all. Later ones are lighter.
    **kwargs
        Passed to `matplotlib.axes.Axes.plot` or `matplotlib.axes.Axes.pcolormesh`.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    ValueError
        If the dataset has no density, or times are given where there are none.
    """
    needed(result, "diffusion.fokker_planck.density", "density")
    if times is not None and "time" not in result.dims:
        raise ValueError("times are given, but this density does not depend on time; leave them out")
    ax = axes_or_new(ax)
    if "first" in result.dims:
        return _plane_map(result, "density", ax, kwargs)
    if "time" not in result.dims:
        if "velocity" in result.dims:
            return _phase_map(result.density, ax, kwargs)
        ax.plot(result.position, result.density, **({"color": BLUE} | kwargs))
    else:
        from matplotlib import colormaps

        name = "position_density" if "velocity" in result.dims else "density"
        shown = result[name] if times is None else result[name].sel(time=np.asarray(times), method="nearest")
        shades = colormaps[SEQUENCE](np.linspace(0, 0.85, shown.sizes["time"]))
        for one, shade in zip(shown, shades, strict=True):
            look = {"color": shade, "label": f"$t$ = {one.time.item():.3g}"} | kwargs
            ax.plot(result.position, one, **look)
    set_labels(ax, axis_label(result.position), ("probability density [1 / theta]", "density [1 / theta]"))
    return ax


def committor(result: xarray.Dataset, ax: Axes | None = None, **kwargs: Any) -> Axes:
    """Probability of reaching the right end, or the second region, first: a curve, or a map with the line of one half.

    With two coordinates `escape_map` draws its lines on the loss, with the current, a path and exits.

    Parameters
    ----------
    result
        Result of `diffusion.fokker_planck.committor`.
    ax
        Axes to draw on; None: new ones.
    **kwargs
        Passed to `matplotlib.axes.Axes.plot` or `matplotlib.axes.Axes.pcolormesh`.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    ValueError
        If the dataset has no committor.
    """
    needed(result, "diffusion.fokker_planck.committor", "committor")
    ax = axes_or_new(ax)
    if "first" in result.dims:
        ax = _plane_map(result, "committor", ax, {"vmin": 0, "vmax": 1} | kwargs)
        x, y = np.moveaxis(result.position.values, -1, 0)
        ax.contour(x, y, result.committor, levels=[0.5], colors="white", linewidths=1.5)
        return ax
    if "velocity" in result.dims:
        ax = _phase_map(result.committor, ax, {"vmin": 0, "vmax": 1} | kwargs)
        half = result.committor.transpose("velocity", "position")
        ax.contour(result.position, result.velocity, half, levels=[0.5], colors="white", linewidths=1.5)
        return ax
    ax.plot(result.position, result.committor, **({"color": BLUE} | kwargs))
    set_labels(ax, axis_label(result.position), axis_label(result.committor))
    return ax


def current(result: xarray.Dataset, ax: Axes | None = None, *, arrows: int = 25, **kwargs: Any) -> Axes:
    """Arrows along the probability current in two coordinates, their lengths in proportion to it; draw them over
    contours or a map.

    Parameters
    ----------
    result
        Result of `escape_rate`, `committor` or `stationary_density` of `diffusion.fokker_planck`.
    ax
        Axes to draw on; None: new ones.
    arrows
        About how many in each direction.
    **kwargs
        Passed to `matplotlib.axes.Axes.quiver`.

    Returns
    -------
    matplotlib.axes.Axes
        The axes.

    Raises
    ------
    ValueError
        If the dataset has no current.
    """
    needed(result, "diffusion.fokker_planck.escape_rate", "current")
    ax = axes_or_new(ax)
    every = [max(1, result.sizes[name] // arrows) for name in ("first", "second")]
    shown = result.isel(first=slice(every[0] // 2, None, every[0]), second=slice(every[1] // 2, None, every[1]))
    x, y, u, v = (part for field in (shown.position, shown.current) for part in np.moveaxis(field.values, -1, 0))
    large = np.hypot(u, v) > SMALLEST * np.nanmax(np.hypot(u, v))
    look: dict[str, Any] = {"color": ORANGE, "angles": "xy", "width": 0.004} | kwargs
    ax.quiver(x[large], y[large], u[large], v[large], **look)
    set_labels(ax, ["coordinate 0 [theta]"], ["coordinate 1 [theta]"])
    return ax


def _plane_map(result: xarray.Dataset, name: str, ax: Axes, kwargs: dict[str, Any]) -> Axes:
    x, y = np.moveaxis(result.position.values, -1, 0)
    look: dict[str, Any] = {"cmap": SEQUENCE, "shading": "gouraud", "rasterized": True} | kwargs
    mesh = ax.pcolormesh(x, y, np.ma.masked_invalid(result[name]), **look)
    figure = ax.figure
    figure.colorbar(mesh, ax=ax, label=axis_label(result[name])[0])
    set_labels(ax, ["coordinate 0 [theta]"], ["coordinate 1 [theta]"])
    return ax


def _phase_map(variable: xarray.DataArray, ax: Axes, kwargs: dict[str, Any]) -> Axes:
    values = variable.transpose("velocity", "position")
    look: dict[str, Any] = {"cmap": SEQUENCE, "shading": "nearest", "rasterized": True} | kwargs
    mesh = ax.pcolormesh(variable.position, variable.velocity, values, **look)
    figure = ax.figure
    figure.colorbar(mesh, ax=ax, label=axis_label(variable)[0])
    set_labels(ax, axis_label(variable.position), ["velocity [loss / theta]"])
    return ax
