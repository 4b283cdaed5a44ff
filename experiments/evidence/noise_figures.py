"""Figures of the noise beside the curvature."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import LogNorm

from experiments.drawing import BLUE, DASHED, GREEN, GREY, ORANGE, PURPLE, Named, headline, subplots
from experiments.evidence import noise
from experiments.evidence.networks import Case
from experiments.evidence.over_seeds import Interval
from experiments.referee import Evidence, span
from experiments.referee.pages import slug

COLOURS = dict(zip(noise.MODELS, (BLUE, GREEN, ORANGE, PURPLE), strict=True))
DECADES = 5.0  # of a matrix that are shown
SIGNS = {"positive": (BLUE, "H > 0"), "negative": (ORANGE, "H < 0")}


def scatter(claim: str, case: Case, title: str, judged: Mapping[str, str]) -> Named:
    """The variance along each eigenvector against its curvature, by stage, with what theories and verdicts say."""
    figure, axes = subplots(1, len(case.stages), size=(max(7, 1 + 4.2 * len(case.stages)), 5.2), squeeze=False)
    for axis, (stage, points) in zip(axes[0], case.points.items(), strict=True):
        for group, (colour, label) in SIGNS.items():
            for point in points:
                chosen = point.groups[group]
                x, y = np.abs(point.curvature[chosen]), point.variance[chosen]
                axis.plot(
                    x, y, "o", ms=2.5, mew=0, alpha=0.6, color=colour, label=label if point is points[0] else None
                )
        ends = np.array(
            [min(np.abs(p.curvature[p.resolved]).min() for p in points), max(p.curvature.max() for p in points)]
        )
        axis.plot(ends, ends, color="black", ls=DASHED, label="|H|, as the paper has it")
        loss = float(np.mean([point.loss for point in points]))
        factor = loss * points[0].loss_factor
        axis.plot(
            ends, factor * ends, color=GREY, lw=1.5, label="loss times |H|" if factor == loss else "2 loss |H|/classes"
        )
        axis.set(xscale="log", yscale="log", xlabel="$|H_i|$", title=f"{stage}, loss {loss:.2g}\n{judged[stage]}")
    axes[0, 0].set_ylabel("variance of one sample's gradient, $B\\,C_{ii}$")
    axes[0, 0].legend(loc="upper left", markerscale=3, fontsize=9)
    headline(figure, title)
    caption = f"{title}. {case.told(case.stages[-1])}; a point for each seed and eigenvector that was measured."
    return f"{slug(claim)}-{slug(case.name)}", claim, figure, caption


def matrices(claim: str, case: Case, title: str) -> Named:
    """|H| and C in the Hessian's eigenbasis at the first stage and the last, as the paper's Figure 1 has them."""
    stages = list(dict.fromkeys((case.stages[0], case.stages[-1])))
    figure, axes = subplots(len(stages), 2, size=(9.5, 1 + 4.2 * len(stages)), squeeze=False)
    for row, stage in zip(axes, stages, strict=True):
        more = case.points[stage][0].more
        size = np.abs(more["block_curvature"])
        least = size.max() / 10**DECADES
        norm = LogNorm(least, size.max())
        for axis, matrix, name in zip(row, (np.diag(size), np.abs(more["block"])), ("|H|", "B |C|"), strict=True):
            shown = axis.imshow(np.maximum(matrix, least), norm=norm, cmap="viridis", interpolation="nearest")
            axis.set(title=f"{name}, {stage}", xlabel="eigenvector, from the sharpest", xticks=[], yticks=[])
        figure.colorbar(shown, ax=row[1], fraction=0.046)
    headline(figure, title)
    caption = (
        f"{title}. In the Hessian's eigenbasis, as the paper's Figure 1 has them, at eigenvectors whose ranks are "
        f"spaced in logarithms; the first seed of {case.told(case.stages[0])}."
    )
    return f"{slug(claim)}-matrices", claim, figure, caption


def models(claim: str, pieces: Sequence[Evidence]) -> Named:
    """How far off the models are that state the size of the noise, at each stage."""
    figure, axis = subplots(size=(9.5, 1.6 + 0.55 * len(pieces)))
    for place, piece in enumerate(pieces):
        for k, model in enumerate(piece.data["model"].values.tolist()):
            interval = Interval.of(piece.data.isel(row=k))
            y = place + 0.18 * (k - 1)
            _bar(axis, interval, y, COLOURS[model], model if not place else "")
    axis.set_yticks(range(len(pieces)), [piece.subject for piece in pieces])
    axis.set_ylim(len(pieces) - 0.4, -0.6)
    axis.set_xlim(left=0)
    axis.set_xlabel("median size of $\\log_{10}$ of the variance over the model (decades)")
    axis.legend(loc="best")
    title = _nearest(claim, pieces)
    headline(figure, title)
    caption = f"{title}. How far off models that state the noise's size are, over all eigenvectors, with 95 % intervals"
    caption += " over seeds."
    return f"{slug(claim)}-models", claim, figure, caption


def _nearest(claim: str, pieces: Sequence[Evidence]) -> str:
    """Which model is the nearest most often, how far off it is there, and how far off |H| is."""
    off = [
        dict(zip(piece.data["model"].values.tolist(), piece.data["measured"].values, strict=True)) for piece in pieces
    ]
    (winner, wins), *_ = Counter(min(each, key=lambda model: each[model]) for each in off).most_common()
    far = {model: span(each[model] for each in off) for model in (winner, noise.HESSIAN)}
    told = f"{claim}: of models of the noise, {winner} is nearest in {wins} of {len(off)}, off by {far[winner]} decades"
    return told if winner == noise.HESSIAN else f"{told}; |H| is off by {far[noise.HESSIAN]}"


def exponents(claim: str, measured: Iterable[Case], factors: Mapping[str, float]) -> Named:
    """Theorem 3's exponent with the measured noise, over its own, against the loss."""
    figure, axis = subplots(size=(9, 5.6))
    colours, losses = (BLUE, ORANGE, GREEN, PURPLE), []
    for case, colour in zip(measured, colours, strict=False):
        stages = list(case.points.values())
        loss = np.array([[point.loss_factor * point.loss for point in points] for points in stages])
        for group, style in (("positive", "o-"), ("top", "s:")):
            ratio = np.array([[10 ** -noise.log_ratio(point, group) for point in points] for points in stages])
            label = f"{case.name}, {'all' if group == 'positive' else 'sharpest'} directions"
            for seed in range(loss.shape[1]):
                filled = colour if group == "positive" else "white"
                axis.plot(
                    loss[:, seed],
                    ratio[:, seed],
                    style,
                    color=colour,
                    mfc=filled,
                    ms=6,
                    lw=1,
                    label=None if seed else label,
                )
        losses += loss.ravel().tolist()
    axis.axhline(1, color="black", ls=DASHED)
    ends = np.array([min(losses), max(losses)])
    axis.annotate("Theorem 3", (ends[1], 1), xytext=(0, 5), textcoords="offset points", ha="right")
    axis.plot(ends, 1 / ends, color=GREY, lw=2)
    axis.annotate("1/loss", (ends[1], 1 / ends[1]), xytext=(-12, 0), textcoords="offset points", color=GREY, ha="right")
    axis.set(xscale="log", yscale="log", xlabel="loss; of mean-square loss 2/classes times it")
    axis.set_ylabel("exponent with the measured noise over Theorem 3's")
    axis.legend(fontsize=9)
    told = ", ".join(f"{factor:.3g} ({name})" for name, factor in factors.items())
    title = f"Theorem 3's exponent with the measured noise is late in training {told} times the paper's"
    headline(figure, title)
    caption = f"{title}. A line for each seed, from initialisation to late training."
    return slug(claim), claim, figure, caption


def _bar(axis: Axes, interval: Interval, y: float, colour: str, label: str) -> None:
    if interval.known:
        ends = [[interval.value - interval.low], [interval.high - interval.value]]
        axis.errorbar(interval.value, y, xerr=ends, fmt="o", color=colour, capsize=3, ms=6, label=label or None)
