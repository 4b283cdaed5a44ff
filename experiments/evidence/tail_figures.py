"""Figures of how Gaussian the noise of minibatches is."""

from collections.abc import Sequence

import numpy as np

from experiments.drawing import BLUE, DASHED, GREEN, GREY, ORANGE, PURPLE, Named, headline, points, subplots
from experiments.referee import Evidence, span
from experiments.referee.pages import slug

STYLES = {"initialisation": ":", "early": DASHED, "late": "-"}


def kurtosis(claim: str, pieces: Sequence[Evidence], limit: float, batch_size: int) -> Named:
    """The excess kurtosis against the batch size, whose value in the paper is given."""
    figure, axes = subplots(1, 2, size=(11.5, 5.6), sharey=True)
    names = dict.fromkeys(piece.subject.rpartition(", ")[0] for piece in pieces)
    colours = dict(zip(names, (BLUE, ORANGE, GREEN, PURPLE), strict=False))
    enough: dict[str, list[float]] = {"coordinates": [], "eigenvectors": []}  # batch sizes
    for axis, along in zip(axes, enough, strict=True):
        for piece in pieces:
            name, _, stage = piece.subject.rpartition(", ")
            rows = piece.data.isel(row=np.flatnonzero(piece.data["along"].values == along))
            style = {"color": colours[name], "ls": STYLES[stage], "marker": "o", "ms": 5, "capsize": 3}
            low = np.maximum(rows["measured_low"], rows["measured"] / 100)
            points(axis, rows["batch_size"], rows["measured"], low, rows["measured_high"], label=piece.subject, **style)
            enough[along].append(max(1.0, float(rows["measured"][0] * rows["batch_size"][0]) / limit))
        axis.axhline(limit, color="black", lw=1, label=f"{limit:g}: twice Gauss' share beyond 3 sigma")
        axis.axvline(batch_size, color=GREY, lw=1, ls=":", label=f"B = {batch_size}, from which on the paper has it")
        axis.set(xscale="log", yscale="log", xlabel="batch size B", title=f"along {along}")
    axes[0].set_ylabel("excess kurtosis, median")
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    told = ", ".join(f"{span(sizes, 0)} along {along}" for along, sizes in enough.items())
    title = f"{claim}: the gradient's excess kurtosis falls below {limit:g} at batch sizes of {told}"
    headline(figure, title)
    caption = f"{title}. It is that of one sample over B; medians, with 95 % intervals over seeds."
    return f"{slug(claim)}-kurtosis", claim, figure, caption


def indices(claim: str, pieces: Sequence[Evidence], alike: int, unlike: int) -> Named:
    """Tail indices of the noise and of Gaussian noise of the same covariance, of which so many are found alike."""
    rows = [(piece.subject, piece.data.isel(row=k)) for piece in pieces for k in range(piece.data.sizes["row"])]
    kinds = list(dict.fromkeys((str(row["over"].values), int(row["batch_size"])) for _, row in rows))
    figure, axes = subplots(
        1, len(kinds), size=(1.5 + 3.2 * len(kinds), 2.2 + 0.42 * len(pieces)), sharex=True, sharey=True
    )
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
        axis.set_xlabel("tail index")
    axes[0].set_yticks(range(len(pieces)), [piece.subject for piece in pieces])
    axes[0].set_ylim(len(pieces) - 0.4, -0.6)
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=2)
    differences = {over: span(float(row["difference"]) for _, row in rows if row["over"] == over) for over, _ in kinds}
    told = ", ".join(f"{difference} over {over.partition(',')[0]}" for over, difference in differences.items())
    title = f"{claim}: the tail index less Gaussian noise's is {told}; alike in {alike} of {len(rows)}, unlike in "
    title += f"{unlike}"
    headline(figure, title)
    caption = f"{title}. Gaussian noise is of the same covariance; 2 is Gauss' index; 95 % intervals over seeds."
    return f"{slug(claim)}-tail-index", claim, figure, caption
