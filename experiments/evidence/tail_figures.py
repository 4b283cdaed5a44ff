"""Figures of how Gaussian the noise of minibatches is."""

from collections.abc import Sequence

import numpy as np

from experiments.drawing import BLUE, DASHED, GREEN, GREY, ORANGE, PURPLE, Named, points, subplots
from experiments.referee import Evidence
from experiments.referee.pages import slug

STYLES = {"initialisation": ":", "early": DASHED, "late": "-"}


def kurtosis(claim: str, pieces: Sequence[Evidence], limit: float) -> Named:
    """The excess kurtosis against the batch size, along coordinates and along eigenvectors."""
    figure, axes = subplots(1, 2, size=(11.5, 5), sharey=True)
    names = dict.fromkeys(piece.subject.rpartition(", ")[0] for piece in pieces)
    colours = dict(zip(names, (BLUE, ORANGE, GREEN, PURPLE), strict=False))
    for axis, along in zip(axes, ("coordinates", "eigenvectors"), strict=True):
        for piece in pieces:
            name, _, stage = piece.subject.rpartition(", ")
            rows = piece.data.isel(row=np.flatnonzero(piece.data["along"].values == along))
            style = {"color": colours[name], "ls": STYLES[stage], "marker": "o", "ms": 5, "capsize": 3}
            low = np.maximum(rows["measured_low"], rows["measured"] / 100)
            points(axis, rows["batch_size"], rows["measured"], low, rows["measured_high"], label=piece.subject, **style)
        axis.axhline(limit, color="black", lw=1)
        axis.set(xscale="log", yscale="log", xlabel="batch size B", title=f"along {along}")
    axes[0].annotate(
        f"{limit:g}: twice Gauss' share beyond 3 sigma",
        (1000, limit),
        xytext=(0, 4),
        textcoords="offset points",
        ha="right",
    )
    axes[0].set_ylabel("excess kurtosis, median")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    title = f"{claim}: how Gaussian the gradient of a minibatch is"
    figure.suptitle(title)
    caption = f"{title}: its excess kurtosis, that of one sample over B, in the median, with 95 % intervals over seeds."
    return f"{slug(claim)}-kurtosis", claim, figure, caption


def indices(claim: str, pieces: Sequence[Evidence]) -> Named:
    """Tail indices of the noise beside those of Gaussian noise of the same covariance."""
    rows = [(piece.subject, piece.data.isel(row=k)) for piece in pieces for k in range(piece.data.sizes["row"])]
    kinds = list(dict.fromkeys((str(row["over"].values), int(row["batch_size"])) for _, row in rows))
    figure, axes = subplots(1, len(kinds), size=(1.5 + 3.2 * len(kinds), 1.8 + 0.42 * len(pieces)), sharey=True)
    for axis, (over, size) in zip(axes, kinds, strict=True):
        chosen = [
            (name, row) for name, row in rows if (str(row["over"].values), int(row["batch_size"])) == (over, size)
        ]
        for place, (_, row) in enumerate(chosen):
            for route, colour, marker, shift in (("measured", BLUE, "o", -0.12), ("gauss", GREY, "s", 0.12)):
                value, low, high = (float(row[f"{route}{end}"]) for end in ("", "_low", "_high"))
                label = {"measured": "noise of minibatches", "gauss": "Gaussian, same covariance"}[route]
                ends = [[value - low], [high - value]]
                axis.errorbar(
                    value,
                    place + shift,
                    xerr=ends,
                    fmt=marker,
                    color=colour,
                    capsize=3,
                    ms=6,
                    label=None if place else label,
                )
        axis.axvline(2, color="black", ls=DASHED, lw=1)
        axis.set_title(f"over {over.partition(',')[0]}\nB = {size}", fontsize=11)
        axis.set(xlim=(0.8, 2.15), xlabel="tail index")
    axes[0].set_yticks(range(len(pieces)), [piece.subject for piece in pieces])
    axes[0].set_ylim(len(pieces) - 0.4, -0.6)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    title = f"{claim}: tail index of the noise, and of Gaussian noise of the same covariance"
    figure.suptitle(title)
    caption = (
        f"{title} (2 is Gauss'), over parameters and, along eigenvectors, over minibatches; 95 % intervals over seeds."
    )
    return f"{slug(claim)}-tail-index", claim, figure, caption
