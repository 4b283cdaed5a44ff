"""Two figures that the claims about Theorem 3 draw."""

from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt

import theory
from diffusion import DoubleParabola
from experiments.drawing import BLUE, DASHED, GREEN, GREY, ORANGE, PURPLE, Named
from experiments.problems import turnover


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
