"""Figures 2 and 3: learning curves, and how fast Adai converges."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import xarray
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from experiments.drawing import BLUE, GREEN, GREY, ORANGE, PURPLE, Named, headline, plain_decades, subplots
from experiments.evidence import contest
from experiments.evidence.contest import BASELINE, Entry
from experiments.evidence.lab import Lab
from experiments.evidence.paired import Difference, differences
from experiments.referee import Claim, Evidence, Finding, Measured, Routes, Row, unsampled

Array = NDArray[np.float64]

CURVES = "learning curves (losses, and error in %)"
SPEED = "epochs to a training loss, over another optimizer's (1)"
RIVALS = (BASELINE, "Adam")
COLOURS = {"Adai": BLUE, "AdaiW": PURPLE, BASELINE: GREEN, "Adam": ORANGE}


class Figure3(Claim):
    """How many epochs Adai needs for the training loss that SGDM has before its rate is lowered."""

    name = "Figures 2 and 3"
    place = "Section 6, Figures 2 and 3; Appendix F, Figure 11"
    statement = (
        "Adai converges as fast as SGD with Momentum and Adam, or faster. Convergence is counted in epochs to the "
        "training loss that SGDM has in the last epoch before rates are lowered; it is refuted where Adai surely needs "
        "more."
    )

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """The curves of all optimizers, and epochs of Adai over those of its rivals."""
        lab = Lab.of(routes)
        entries = contest.contest(lab)
        made = contest.recipe(lab, BASELINE, entries[BASELINE].lr, 0)
        known = contest.regime(made)
        for name, entry in entries.items():
            yield _curves({**known, "optimizer": name, "lr": entry.lr, "seeds": len(entry.runs)}, entry)
        lowered = int(np.ceil(made.milestones[0] * made.epochs))
        rows = [
            Row(
                {**known, "optimizer": "Adai", "other": other, "seeds": len(entries["Adai"].runs)},
                values,
                reasons=unsampled("networks are trained"),
            )
            for other, values in _speeds(entries, lowered).items()
        ]
        if rows:
            yield Evidence.of_rows("Adai", SPEED, rows, label="Adai, speed")

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """The final losses, and the ratios of epochs."""
        data = {piece.quantity: piece.data for piece in evidence}
        last = data[CURVES].isel(epoch=-1)
        ends = [float(last[f"training_loss{end}"]) for end in ("", "_low", "_high")]
        if np.isfinite(ends[0]):
            text = "its training loss ends at {:.3g} [{:.3g}, {:.3g}]".format(*ends)
            yield Finding("training loss at the end", ends[0], f"{text} ({contest.scope(last)})")
        else:
            yield Finding("training loss at the end", np.nan, "it diverged")
        for place in range(data[SPEED].sizes["row"]) if SPEED in data else ():
            yield _speed(data[SPEED].isel(row=place))

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """Training loss and test error over epochs, those of the paper's three and AdaiW with their bands."""
        yield _figure(self, evidence)


def _curves(regime: Mapping[str, object], entry: Entry) -> Evidence:
    """Means over seeds, NaN from where any of them diverged."""
    names = {"training_loss": ("running_loss", 1), "test_loss": ("test_loss", 1), "test_error": ("test_error", 100)}
    measured = {}
    for name, (curve, unit) in names.items():
        values = unit * contest.curves(entry.runs, curve)
        measured[name] = Measured(values.mean(axis=0), contest.student(values), np.full(values.shape[1], np.nan))
    epochs = np.arange(1, len(measured["test_error"].value) + 1)
    data = xarray.Dataset(coords={"epoch": epochs, **regime})
    return Evidence(str(regime["optimizer"]), CURVES, data, measured, reasons=unsampled("networks are trained"))


def epochs_to(losses: Array, level: float) -> float:
    """The epoch at which a curve of losses first is at a level, between epochs by their logarithms.

    It is NaN if the curve does not come so low; a curve that begins below the level has reached it after one epoch.
    """
    below = np.flatnonzero(losses <= level)
    if not below.size:
        return np.nan
    first = int(below[0])
    if first == 0:
        return 1.0
    before, after = np.log(losses[first - 1 : first + 1])
    return float(first + (before - np.log(level)) / (before - after))


def _speeds(entries: Mapping[str, Entry], lowered: int) -> dict[str, dict[str, float]]:
    """By rival, the ratio of epochs with its interval; only over seeds of which all have reached the level."""
    names = ("Adai", *RIVALS)
    if any(entries[name].fault for name in names):
        return {}
    losses = {name: contest.curves(entries[name].runs, "running_loss") for name in names}
    levels = losses[BASELINE][:, lowered - 1]
    epochs = {
        name: np.array([epochs_to(losses, level) for losses, level in zip(losses[name], levels, strict=True)])
        for name in names
    }
    pairs = {other: np.log(epochs["Adai"] / epochs[other]) for other in RIVALS}
    reached = {other: np.isfinite(pair) for other, pair in pairs.items()}
    compared = differences({other: pairs[other][kept] for other, kept in reached.items() if kept.sum() > 1})
    return {
        other: {
            "ratio": np.exp(each.value),
            "ratio_low": np.exp(each.low),
            "ratio_high": np.exp(each.high),
            "holm": each.p,
            "reached": float(reached[other].mean()),
            "level": float(levels.mean()),
        }
        for other, each in compared.items()
    }


def _speed(row: xarray.Dataset) -> Finding:
    """Whether Adai surely needs more epochs; a ratio that is not resolved is neither."""
    other = row["other"].item()
    ratio, low, high, p = (float(row[name]) for name in ("ratio", "ratio_low", "ratio_high", "holm"))
    resolved = Difference(np.log(ratio), np.log(low), np.log(high), p).sign
    tells = (
        f"{ratio:.2f} [{low:.2f}, {high:.2f}] times {other}'s epochs to a training loss of {float(row['level']):.3g}"
    )
    if float(row["reached"]) < 1:
        tells += f", over the {100 * float(row['reached']):.0f} % of pairs in which both reach it"
    words = {
        -1: f"Adai converges faster than {other}",
        0: f"Adai's speed and {other}'s are not told apart",
        1: f"Adai converges slower than {other}",
    }
    return Finding(f"speed against {other}", resolved or np.nan, f"{words[resolved]}: {tells}", -1, 0.5)


def _figure(claim: Claim, evidence: Sequence[Evidence]) -> Named:
    figure, axes = subplots(1, 2, size=(12.5, 5.2))
    labelled = False
    curves = [piece for piece in evidence if piece.quantity == CURVES]
    names = {"training_loss": "training loss", "test_error": "test error (%)"}
    means = {name: np.concatenate([piece.data[name].values for piece in curves]) for name in names}
    limits = {name: (np.nanmin(values) / 1.5, np.nanmax(values) * 1.2) for name, values in means.items()}
    for piece in curves:
        colour = COLOURS.get(piece.subject)
        for axis, name in zip(axes, names, strict=True):
            known = piece.data.isel(epoch=np.flatnonzero(np.isfinite(piece.data[name].values)))
            if colour:
                axis.plot(known["epoch"], known[name], color=colour, lw=2, label=piece.subject, zorder=3)
                low = np.maximum(known[f"{name}_low"], limits[name][0])  # bands of few seeds may go below 0
                axis.fill_between(known["epoch"], low, known[f"{name}_high"], color=colour, alpha=0.2, lw=0)
            else:
                axis.plot(
                    known["epoch"], known[name], color=GREY, lw=1, alpha=0.5, label=None if labelled else "the others"
                )
        labelled |= colour is None
    for axis, (name, title) in zip(axes, names.items(), strict=True):
        axis.set(yscale="log", xlabel="epoch", title=title, ylim=limits[name])
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        plain_decades(axis.yaxis, (1, 1.5, 2, 3, 5, 7))
    axes[0].legend()
    findings = [finding for verdict in claim.verdicts(evidence) for finding in verdict.findings]
    texts = [finding.text.partition(":")[0] for finding in findings if finding.name.startswith("speed")]
    title = ": ".join(filter(None, (claim.name, "; ".join(texts))))
    headline(figure, title)
    first = curves[0].data
    caption = (
        f"{title}. {contest.scope(first)}. Means over {int(first['seeds'])} seeds with 95 % bands, each optimizer at "
        "the rate selected for it, which is lowered tenfold at half and at three quarters of the epochs; the training "
        "loss is the mean over an epoch's batches. Bands are cut at the axis."
    )
    return "figure-3", claim.name, figure, caption


claim = Figure3()
