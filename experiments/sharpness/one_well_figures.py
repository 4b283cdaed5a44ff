"""Figures of one well: survival, the density as it leaks, and phase space at the saddle."""

from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray
from matplotlib import pyplot as plt

from experiments.drawing import BLUE, GREY, ORANGE, Named
from experiments.problems.wells import settings
from experiments.sharpness.one_well import (
    LEAK,
    LEAK_SUBSTEPS,
    LEAK_TIMES,
    PHASE_SPACE,
    SURVIVAL,
    Leak,
    OneWell,
    Survival,
)
from experiments.sharpness.powers import REJECTED


def all_figures(computed: OneWell) -> Iterator[Named]:
    """Every figure of which there are data."""
    yield survival(computed.survival)
    yield leak(computed.leak)
    if computed.phase_space is not None:
        yield phase_space(computed.phase_space)


def survival(runs: tuple[Survival, ...]) -> Named:
    """Share of SGD's runs still inside, against the exact curve and the exponential."""
    figure, axis = plt.subplots(figsize=(8.5, 5.6), layout="constrained")
    said = []
    for run, colour in zip(runs, (ORANGE, BLUE), strict=True):
        axis.plot(run.times, run.inside, color=colour, lw=2, label=f"exact, barrier/temperature {run.exponent:.0f}")
        shown = np.linspace(0.05, 4.3, 18)
        number = len(run.exits)
        left = 1 - np.searchsorted(np.sort(run.exits), shown) / number
        error = 1.96 * np.sqrt(left * (1 - left) / number)
        style: dict[str, Any] = {"fmt": "o", "color": colour, "ms": 5, "capsize": 2}
        axis.errorbar(shown, left, error, label=f"SDE ensemble, {number} runs", **style)
        followed = "rejected" if run.p < REJECTED else "not rejected"
        said.append(f"{followed} at barrier/temperature {run.exponent:.0f} (p = {run.p:.1g})")
    times = runs[0].times
    axis.plot(times, np.exp(-times), color=GREY, ls=":", lw=2, label="exponential")
    axis.set(yscale="log", ylim=(8e-3, 1.15), xlabel="time / mean exit time", ylabel="share of runs still in the well")
    axis.legend()
    title = f"The exponential law of exits is {', '.join(said)}"
    axis.set_title(title)
    caption = (
        f"{title}. SGD's SDE, {settings()[SURVIVAL[0]].title}, one-dimensional; the test is by the cumulative total "
        f"time on test, at {100 * REJECTED:g} %; it rejects where runs need a time to settle that is not short beside "
        "the mean exit time. 95 % intervals."
    )
    return "survival", "Theorem 3", figure, caption


def leak(found: Leak) -> Named:
    """Density of SGD's replicas as they leave Styblinski-Tang's local well, against the Fokker-Planck solution."""
    key, k = LEAK
    replicas = len(found.positions)
    figure, axes = plt.subplots(1, len(LEAK_TIMES), figsize=(14, 4.8), sharex=True, layout="constrained")
    edges = np.linspace(-2.4, 2.4, 61)
    for place, (axis, time) in enumerate(zip(axes, LEAK_TIMES, strict=True)):
        count, _ = np.histogram(found.positions[:, place], edges)
        middle, unit = (edges[1:] + edges[:-1]) / 2, replicas * np.diff(edges)
        shown = count > 0
        error = 1.96 * np.sqrt(count) / unit
        style: dict[str, Any] = {"fmt": "o", "color": BLUE, "ms": 4, "capsize": 0, "label": "SDE ensemble"}
        axis.errorbar(middle[shown], (count / unit)[shown], error[shown], **style)
        solved = found.solved["density"].values[place]
        axis.plot(found.solved["position"], solved, color=GREY, lw=1.8, label="Fokker-Planck equation")
        axis.axvline(found.crest, color=ORANGE, ls=":", lw=1.5)
        beyond = f"after {time} iterations: {100 * found.beyond[place]:.2g} % beyond the saddle"
        axis.set(title=beyond, xlabel="θ", xlim=(-2.4, 2.4))
    axes[0].set_ylabel("density (1/θ)")
    axes[0].legend(loc="upper left")
    gaps = np.abs(found.beyond - found.expected)
    worst = float(np.max(gaps / np.sqrt(found.expected * (1 - found.expected) / replicas)))
    title = (
        "Share beyond the saddle: SDE ensemble and Fokker-Planck equation differ by at most "
        f"{100 * gaps.max():.1g} points, {worst:.1f} standard errors"
    )
    figure.suptitle(title)
    caption = (
        f"{title}. SGD's SDE on Styblinski-Tang (d = 1, k = {k:.3g}), {settings()[key].title}, {replicas} replicas at "
        f"{LEAK_SUBSTEPS} substeps; 95 % intervals. The steps of the density are where the noise jumps, at the "
        "inflections: the Ito density is proportional to 1/D. Dotted: the saddle."
    )
    return "leak", "Theorem 3", figure, caption


def phase_space(found: xarray.Dataset) -> Named:
    """Quasi-stationary density of Momentum in position and velocity, near the saddle."""
    key, k = PHASE_SPACE
    setting = settings()[key]
    saddle = setting.positions(k)[1]
    density, x, r = found["density"], found["position"].values, found["velocity"].values
    width = found["velocity_width"].values
    thermal = float(np.sqrt(np.average(r**2, weights=density.sum("position").values * width)))
    values = np.maximum(density.transpose("velocity", "position").values, 0)
    figure, axis = plt.subplots(figsize=(8.8, 5.8), layout="constrained")
    shades: dict[str, Any] = {
        "norm": mpl.colors.LogNorm(1e-6, 1),
        "cmap": "cividis",
        "shading": "gouraud",
        "rasterized": True,
    }
    image = axis.pcolormesh(x / saddle, r / thermal, np.maximum(values / values.max(), 1e-7), **shades)
    axis.axvline(1, color="white", ls=":")
    labels = {"xlabel": "position / position of the saddle", "ylabel": "velocity / its root mean square"}
    axis.set(xlim=(-1, 1.0), ylim=(-4.5, 4.5), **labels)
    figure.colorbar(image, ax=axis, label="quasi-stationary density / its maximum")
    edge = values[:, np.argmin(np.abs(x - 0.98 * saddle))] * width
    outward = float(np.sum(edge[r > 0]) / np.sum(edge))
    title = f"Just before the exit line {100 * outward:.0f} % of Momentum's runs move outwards"
    axis.set_title(title)
    caption = (
        f"{title}. Phase-space Fokker-Planck equation, absorbing at the saddle for outward velocities; "
        f"{setting.title}, one-dimensional, k = {k:g}, barrier/temperature {setting.exponent('Momentum', k):.0f}."
    )
    return "phase-space", "Theorem 3", figure, caption
