"""Figures of one well: survival, the density as it leaks, phase space at the saddle, and where Theorem 3 holds."""

from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt

import theory
from diffusion import DoubleParabola, escape_rate, fokker_planck, simulate
from experiments.drawing import BLUE, DASHED, GREEN, GREY, ORANGE, PURPLE, Named
from experiments.problems import turnover
from experiments.problems.wells import settings
from experiments.sharpness import points
from experiments.sharpness.points import Point

LEAK_TIMES = (40, 400, 4000)  # iterations
RARE = 0.01  # p-value below which an exponential law is rejected


def all_figures(seed: int, threads: int | None, turned: list[dict[str, Any]], *, quick: bool) -> Iterator[Named]:
    """Every figure of this module; a quick run draws those that take a second."""
    yield survival(seed, threads, 300 if quick else 4000)
    yield leak(seed, threads, 2000 if quick else 40_000)
    yield theorem_3_map()
    if turned:
        yield damping(turned)
    if not quick:
        yield phase_space()


def survival(seed: int, threads: int | None, replicas: int) -> Named:
    """Share of SGD's runs still inside, against the exact curve and the exponential."""
    setting = settings()["parabolas-frozen"]
    figure, axis = plt.subplots(figsize=(8.5, 5.6), layout="constrained")
    said = []
    for k, colour in ((8.0, ORANGE), (2.0, BLUE)):
        start, boundary = setting.positions(k)
        gradient, diffusion = setting.gradient(k), setting.lr["SGD"] / 2 * setting.variance(k)(np.array([start])).item()
        where: dict[str, Any] = {"start": start, "boundary": boundary, "breaks": setting.breaks(k)}
        mean = theory.first_passage_time(gradient, diffusion, **where) / setting.lr["SGD"]
        exits = points.exits(Point("parabolas-frozen", 1, "SGD", "sde", k, replicas, seed), threads)
        rate = escape_rate(exits)
        exponent = setting.exponent("SGD", k)
        t = np.linspace(0, 4.5, 200)
        exact = theory.survival(gradient, diffusion, t * mean * setting.lr["SGD"], **where)
        axis.plot(t, exact, color=colour, lw=2, label=f"exact, barrier/temperature {exponent:.0f}")
        shown = np.linspace(0.05, 4.3, 18)
        left = 1 - np.searchsorted(np.sort(exits["exit_iteration"].values), shown * mean) / replicas
        error = 1.96 * np.sqrt(left * (1 - left) / replicas)
        axis.errorbar(
            shown, left, error, fmt="o", color=colour, ms=5, capsize=2, label=f"SDE ensemble, {replicas} runs"
        )
        p = float(rate["exponential_p"])
        said.append(f"{'no' if p < RARE else 'yes'} at barrier/temperature {exponent:.0f} (p = {p:.1g})")
    axis.plot(t, np.exp(-t), color=GREY, ls=":", lw=2, label="exponential")
    axis.set(yscale="log", ylim=(8e-3, 1.15), xlabel="time / mean exit time", ylabel="share of runs still in the well")
    axis.legend()
    title = f"Is escape exponential? {'; '.join(said)}".replace("? no", "? No").replace("? yes", "? Yes")
    axis.set_title(title)
    caption = (
        f"{title}. SGD's SDE, {setting.title}; the test of the exponential law is by the cumulative total time on test, at {100 * RARE:g} %; it "
        "rejects where runs need a time to settle that is not short beside the mean exit time. 95 % intervals."
    )
    return "survival", "Theorem 3", figure, caption


def leak(seed: int, threads: int | None, replicas: int) -> Named:
    """Density of SGD's replicas as they leave Styblinski-Tang's local well, against the Fokker-Planck solution."""
    setting, k = settings()["tang-piecewise"], 2 * np.sqrt(2)
    start, crest = setting.positions(k)
    lr = setting.lr["SGD"]
    run = simulate(
        setting.dynamics("SGD", idealized=True), setting.landscape(1, k), noise=setting.noise, iterations=LEAK_TIMES[-1],
        save=LEAK_TIMES, replicas=replicas, keep="states", substeps=16, seed=seed, threads=threads,
    )  # fmt: skip
    solved = fokker_planck.density(
        setting.landscape(1, k), diffusion=setting.diffusion(k, lr), start=start, times=np.array(LEAK_TIMES) * lr,
        breaks=setting.breaks(k),
    )  # fmt: skip
    figure, axes = plt.subplots(1, len(LEAK_TIMES), figsize=(14, 4.8), sharex=True, layout="constrained")
    x = solved["position"].values
    edges = np.linspace(-2.4, 2.4, 61)
    shares = []
    for i, (axis, time) in enumerate(zip(axes, LEAK_TIMES, strict=True)):
        position = run["position"].values[:, i, 0]
        count, _ = np.histogram(position, edges)
        middle, height = (edges[1:] + edges[:-1]) / 2, count / replicas / np.diff(edges)
        error = 1.96 * np.sqrt(count) / replicas / np.diff(edges)
        shown = count > 0
        axis.errorbar(
            middle[shown], height[shown], error[shown], fmt="o", color=BLUE, ms=4, capsize=0, label="SDE ensemble"
        )
        axis.plot(x, solved["density"].values[i], color=GREY, lw=1.8, label="Fokker-Planck equation")
        axis.axvline(crest, color=ORANGE, ls=":", lw=1.5)
        shares.append((float(np.mean(position < crest)), time))
        axis.set(
            title=f"after {time} iterations: {100 * shares[-1][0]:.2g} % beyond the saddle",
            xlabel="θ",
            xlim=(-2.4, 2.4),
        )
    axes[0].set_ylabel("density (1/θ)")
    axes[0].legend(loc="upper left")
    mass = solved["density"].where(solved["position"] < crest, 0.0) * solved["position_width"]
    expected = mass.sum("position").values
    gaps = np.array([found for found, _ in shares]) - expected
    worst = float(np.max(np.abs(gaps) / np.sqrt(expected * (1 - expected) / replicas)))
    title = (
        f"Share beyond the saddle: SDE ensemble and Fokker-Planck equation agree to {100 * np.max(np.abs(gaps)):.1g} points, "
        f"{worst:.1f} standard errors"
    )
    figure.suptitle(title)
    caption = (
        f"{title}. SGD's SDE on Styblinski-Tang (d = 1, k = {k:.3g}), piecewise Hessian noise, {replicas} replicas at 16 substeps; 95 % intervals. The "
        "steps of the density are where the noise jumps, at the inflections: the Ito density is proportional to 1/D. Dotted: the saddle."
    )
    return "leak", "Theorem 3", figure, caption


def theorem_3_map() -> Named:
    """Theorem 3 without inertia over the exact Ito mean, against exponent and the ratio of curvatures."""
    exponents, ratios = np.geomspace(1, 30, 16), np.geomspace(0.1, 10, 15)
    ratio = np.array([[_paper_over_exact(e, r) for e in exponents] for r in ratios])
    figure, axis = plt.subplots(figsize=(8.8, 5.8), layout="constrained")
    image = axis.pcolormesh(
        exponents, ratios, ratio, norm=mpl.colors.LogNorm(0.1, 10), cmap="RdBu_r", shading="gouraud", rasterized=True
    )
    lines = axis.contour(exponents, ratios, ratio, levels=[0.2, 0.5, 0.8, 1, 1.25, 2, 5], colors="black", linewidths=1)
    axis.clabel(lines, fmt=lambda level: f"{level:g}", fontsize=10)
    axis.set(
        xscale="log", yscale="log", xlabel="barrier / temperature", ylabel="curvature at the saddle / at the minimum"
    )
    figure.colorbar(image, ax=axis, label="Theorem 3 / exact mean escape time (Ito)")
    last = ratio[:, -1]
    title = (
        f"Theorem 3's prefactor belongs to isothermal noise: under Ito it is off\nby H_a/H_b, here {last[0]:.1f} to {last[-1]:.2f} "
        f"times at barrier/temperature {exponents[-1]:.0f}"
    )
    axis.set_title(title)
    caption = f"{title}. SGD's SDE on the double parabola with piecewise Hessian noise, from the minimum to an arrival beyond the saddle, by quadrature."
    return "theorem-3-map", "Theorem 3", figure, caption


def _paper_over_exact(exponent: float, ratio: float) -> float:
    well = DoubleParabola(1.0, 1.0, ratio, 1)
    split = ratio / (1 + ratio)
    lr = 2 / exponent * (split + (1 - split) / ratio)
    paper = theory.sgd_escape_time(
        barrier=1.0, hessian_minimum=1.0, hessian_saddle=ratio, lr=lr, batch_size=1.0, split=split
    )
    depth = 8 * lr / 2  # eight temperatures of the saddle, lr H/2, below it
    exact = theory.first_passage_time(
        lambda x: well.gradient(x[..., None])[..., 0], lambda x: lr / 2 * np.where(x < well.join, 1.0, ratio), start=0.0,
        boundary=well.saddle + np.sqrt(2 * depth), breaks=[well.join],
    )  # fmt: skip
    return float(paper) / exact


def damping(turned: list[dict[str, Any]]) -> Named:
    """Mean escape time against damping: the turnover."""
    figure, axis = plt.subplots(figsize=(8.8, 5.8), layout="constrained")
    x = np.array([one["ratio"] for one in turned])
    order = np.argsort(x)
    names = ("paper", "kramers", "melnikov", "saddle", "beyond")
    column = {name: np.array([turned[i][name] for i in order]) for name in names}
    x = x[order]
    column = {name: values / column["kramers"] for name, values in column.items()}
    axis.plot(x, column["paper"], color=ORANGE, ls=DASHED, lw=2, label="Theorem 3 as printed, 2π/|H_b|")
    axis.axhline(1, color=GREY, lw=1.5, label="Kramers (1940), 2π/√(H_a|H_b|)")
    axis.plot(x, column["melnikov"], color=GREEN, lw=2, label="with the turnover (Mel'nikov & Meshkov 1986)")
    axis.plot(x, column["beyond"], "o", color=BLUE, ms=8, label="phase-space grid, arrival beyond the saddle")
    axis.plot(
        x, column["saddle"], "s", color=PURPLE, mfc="white", ms=8, label="phase-space grid, first passage at the saddle"
    )
    axis.set(xscale="log", yscale="log", xlabel="damping γ/ω_b", ylabel="mean escape time / Kramers'")
    axis.set_yticks([0.5, 0.6, 0.8, 1, 1.25, 1.5, 2], ["0.5", "0.6", "0.8", "1", "1.25", "1.5", "2"])
    axis.minorticks_off()
    axis.legend(fontsize=10)
    weakest = column["beyond"][0]
    half = column["beyond"] / column["saddle"]
    title = (
        f"At damping γ/ω_b = {x[0]:g} escape takes {weakest:.2f} times Kramers' time; where the exit line\n"
        f"lies is a factor {half[-1]:.2f} at γ/ω_b = {x[-1]:g} and {half[0]:.2f} at {x[0]:g}"
    )
    axis.set_title(title)
    caption = f"{title}. Double parabola, H_b = 4 H_a, one temperature, barrier/temperature {turnover.EXPONENT:g}. Grid errors are below the size of the points."
    return "damping", "Theorem 3", figure, caption


def phase_space() -> Named:
    """Quasi-stationary density of Momentum in position and velocity, near the saddle."""
    setting, k = settings()["parabolas-frozen"], 2.0
    start, saddle = setting.positions(k)
    lr = setting.lr["Momentum"]
    found = fokker_planck.escape_rate(
        setting.landscape(1, k), diffusion=lr / 2 * float(setting.variance(k)(np.array([start]))[0]), start=start,
        boundary=saddle, mass=lr, damping=0.1 / lr, breaks=setting.breaks(k),
    )  # fmt: skip
    density, x, r = found["density"], found["position"].values, found["velocity"].values
    thermal = float(np.sqrt(np.average(r**2, weights=density.sum("position").values * found["velocity_width"].values)))
    figure, axis = plt.subplots(figsize=(8.8, 5.8), layout="constrained")
    values = np.maximum(density.transpose("velocity", "position").values, 0)
    top = values.max()
    image = axis.pcolormesh(
        x / saddle, r / thermal, np.maximum(values / top, 1e-7), norm=mpl.colors.LogNorm(1e-6, 1), cmap="cividis",
        shading="gouraud", rasterized=True,
    )  # fmt: skip
    axis.axvline(1, color="white", ls=":")
    axis.set(
        xlabel="position / position of the saddle",
        ylabel="velocity / its root mean square",
        xlim=(-1, 1.0),
        ylim=(-4.5, 4.5),
    )
    figure.colorbar(image, ax=axis, label="quasi-stationary density / its maximum")
    edge = values[:, np.argmin(np.abs(x - 0.98 * saddle))]
    width = found["velocity_width"].values
    outward = float(np.sum((edge * width)[r > 0]) / np.sum(edge * width))
    title = f"Just before the exit line {100 * outward:.0f} % of Momentum's runs move outwards"
    axis.set_title(title)
    caption = f"{title}. Phase-space Fokker-Planck equation, absorbing at the saddle for outward velocities; {setting.title}, k = {k:g}, barrier/temperature {setting.exponent('Momentum', k):.0f}."
    return "phase-space", "Theorem 3", figure, caption
