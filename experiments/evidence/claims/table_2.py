"""Table 2: test errors of eleven optimizers, each beside SGDM's."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import xarray

from experiments.drawing import BLUE, GREY, ORANGE, Named, headline, subplots
from experiments.evidence import contest
from experiments.evidence.contest import AUTHORS, AUTHORS_RUNS, BASELINE, Entry
from experiments.evidence.lab import Lab
from experiments.evidence.paired import Difference, differences
from experiments.referee import Claim, Evidence, Finding, Routes, Row, Sample, unsampled
from experiments.referee.laws import LEVEL, Student

ERROR = "test error (%)"
HELD_OUT = "error on images held out of the training set (%)"
DIFFERENCE = "test error minus another optimizer's (points)"
OTHER = "Adam"  # beside SGDM, what the paper compares Adai with
SIGN = "sign of the difference from {}"
CIFAR = "the authors' numbers are of ResNet18 on CIFAR-10"


class Table2(Claim):
    """Eleven optimizers with rates selected alike, over paired seeds."""

    name = "Table 2"
    place = "Section 6, Table 2"
    statement = (
        "Adai and AdaiW generalize better than SGD with Momentum, and Adam and its variants do not, at weight decay "
        "5e-4. Learning rates are selected here on images held out of the training set, which is stricter than the "
        "paper, that names none; errors are those at the end, where the authors report the best of a run."
    )
    weight_decay: ClassVar[float] = contest.DECAY

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Of each optimizer what was selected, its error, and how far it is from SGDM's over the same seeds."""
        lab = Lab.of(routes)
        entries = contest.contest(lab, self.weight_decay)
        known = contest.regime(contest.recipe(lab, BASELINE, entries[BASELINE].lr, 0))
        known["weight_decay"] = self.weight_decay
        compared = compare(entries)
        for name, entry in entries.items():
            regime = known | {"optimizer": name, "seeds": len(entry.runs)}
            rows = [_tried(regime, entry, place) for place in range(len(entry.rates))]
            yield Evidence.of_rows(name, HELD_OUT, rows, label=f"{name}, selection")
            yield Evidence.of_rows(name, ERROR, [_row(regime, name, entry)])
            pairs = [_difference(regime, other, each) for (one, other), each in compared.items() if one == name]
            if pairs:
                yield Evidence.of_rows(name, DIFFERENCE, pairs, label=f"{name}, difference")

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """The rate and the error, and whether its order is the authors'."""
        data = {piece.quantity: piece.data for piece in evidence}
        if ERROR not in data or "lr" not in data[ERROR]:
            return
        row = data[ERROR].isel(row=0)
        tried = data[HELD_OUT]
        rates = ", ".join(f"{rate:g}" for rate in tried["lr"].values)
        text = f"lr = {row['lr'].item():g} of {rates} is selected on images held out of the training set"
        lost = zip(tried["lr"].values, tried["diverged"].values, tried["seeds"].values, strict=True)
        text += "".join(f"; at {rate:g} {number} of {total} runs diverged" for rate, number, total in lost if number)
        yield Finding("learning rate", row["lr"].item(), text)
        if row["diverged"].item():
            text = f"{row['diverged'].item()} of {row['seeds'].item()} runs diverged, so that it is not compared"
            yield Finding(ERROR, np.nan, f"{text} ({contest.scope(row)})")
        else:
            text = f"{interval(row)} % of test images are wrong ({contest.scope(row)})"
            name = row["optimizer"].item()
            if name in AUTHORS:
                text += "; the authors have {:.2f} +- {:.2f} % of CIFAR-10 with ResNet18".format(*AUTHORS[name])
            yield Finding(ERROR, float(row["trained"]), text)
        for place in range(data[DIFFERENCE].sizes["row"]) if DIFFERENCE in data else ():
            yield _order(data[DIFFERENCE].isel(row=place))

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """Errors here and on CIFAR-10, and differences from SGDM's here."""
        if any("trained" in piece.data for piece in evidence if piece.quantity == ERROR and "lr" in piece.data):
            yield _figure(self, evidence)


def compare(entries: Mapping[str, Entry]) -> dict[tuple[str, str], Difference]:
    """Every optimizer against SGDM, and Adai against Adam: one family, without those that diverged."""
    wanted = [(name, BASELINE) for name in entries if name != BASELINE] + [("Adai", OTHER)]
    pairs = {
        (one, other): entries[one].errors - entries[other].errors
        for one, other in wanted
        if not entries[one].fault and not entries[other].fault
    }
    found = differences({f"{one} {other}": pair for (one, other), pair in pairs.items()})
    return dict(zip(pairs, found.values(), strict=True))


def interval(row: xarray.Dataset, name: str = "trained", digits: int = 2) -> str:
    """A number of a row with its interval."""
    value, low, high = (float(row[f"{name}{end}"]) for end in ("", "_low", "_high"))
    return f"{value:.{digits}f} [{low:.{digits}f}, {high:.{digits}f}]"


def _tried(regime: Mapping[str, Any], entry: Entry, place: int) -> Row:
    """One learning rate that was tried."""
    errors = entry.held_out[place]
    lost = int(np.isnan(errors).sum())
    sample = Sample(float(errors.mean()), contest.student(errors), fault=contest.diverged(lost, len(errors)))
    rate = entry.rates[place]
    chosen = {"lr": rate, "selected": rate == entry.lr, "seeds": len(errors), "diverged": lost}
    return Row({**regime, **chosen}, samples={"trained": sample}, reasons=unsampled("networks are trained"))


def _row(regime: Mapping[str, Any], name: str, entry: Entry) -> Row:
    """The error at the selected rate, beside the authors'."""
    errors = entry.errors
    sample = Sample(float(errors.mean()), contest.student(errors), fault=entry.fault)
    values = {"authors_cifar10": AUTHORS[name][0]} if name in AUTHORS else {}
    return Row(
        {**regime, "lr": entry.lr, "diverged": int(np.isnan(errors).sum())},
        values,
        {"trained": sample},
        reasons=unsampled("networks are trained", paper=CIFAR),
    )


def _difference(regime: Mapping[str, Any], other: str, found: Difference) -> Row:
    """A difference with its simultaneous interval and Holm's p, beside the authors' difference."""
    name = regime["optimizer"]
    values = found.as_values
    if {name, other} <= set(AUTHORS):
        values["authors_cifar10"] = AUTHORS[name][0] - AUTHORS[other][0]
    return Row({**regime, "other": other}, values, reasons=unsampled("networks are trained", paper=CIFAR))


def _order(row: xarray.Dataset) -> Finding:
    """Whether the optimizer's error is on the authors' side of the other's."""
    found = contest.difference(row)
    name, other = row["optimizer"].item(), row["other"].item()
    tells = f"{found.told()} points, p = {found.p:.2g} of the family"
    authors = float(row["authors_cifar10"]) if "authors_cifar10" in row else np.nan
    target = None
    if np.isfinite(authors):
        target = float(np.sign(authors))
        tells += f"; on CIFAR-10 {authors:+.2f}"
        if other == BASELINE and not contest.authors_signs()[name]:
            tells += ", which the authors' three runs do not resolve"
    sides = {1: f"its error is above {other}'s", -1: f"its error is below {other}'s"}
    if not found.sign:
        return Finding(SIGN.format(other), np.nan, f"its order against {other} is not resolved: {tells}", target, 0.5)
    text = sides[found.sign]
    if target is not None:
        text += ", as the authors have it" if found.sign == target else ", against the authors' order"
    return Finding(SIGN.format(other), found.sign, f"{text}: {tells}", target, None if target is None else 0.5)


def _figure(claim: Claim, evidence: Sequence[Evidence]) -> Named:
    rows = {piece.subject: piece.data.isel(row=0) for piece in evidence if piece.quantity == ERROR}
    pairs = {piece.subject: piece.where(other=BASELINE) for piece in evidence if piece.quantity == DIFFERENCE}
    figure, (left, middle, right) = subplots(1, 3, size=(13, 5.4), sharey=True)
    style = {"fmt": "o", "ms": 6, "capsize": 3}
    for place, (name, row) in enumerate(rows.items()):
        ours = [float(row[f"trained{end}"]) for end in ("", "_low", "_high")]
        if np.isfinite(ours[0]):
            left.errorbar(ours[0], place, xerr=[[ours[0] - ours[1]], [ours[2] - ours[0]]], color=BLUE, **style)
        else:
            left.annotate("diverged", (0.5, place), xycoords=("axes fraction", "data"), ha="center", va="center")
        if name in pairs and pairs[name].sizes["row"]:
            ends = [float(pairs[name][f"difference{end}"][0]) for end in ("", "_low", "_high")]
            sure = float(pairs[name]["holm"][0]) < 1 - LEVEL
            colour = (ORANGE if ends[0] > 0 else BLUE) if sure else GREY
            middle.errorbar(ends[0], place, xerr=[[ends[0] - ends[1]], [ends[2] - ends[0]]], color=colour, **style)
        if name in AUTHORS:
            mean, spread = AUTHORS[name]
            error = Student(spread / AUTHORS_RUNS**0.5, AUTHORS_RUNS).interval(mean)
            right.errorbar(mean, place, xerr=[[mean - error[0]], [error[1] - mean]], color=GREY, **style)
        else:
            right.annotate(
                "none", (0.5, place), xycoords=("axes fraction", "data"), ha="center", va="center", color=GREY
            )
    middle.axvline(0, color="black", lw=1)
    left.set_yticks(range(len(rows)), [f"{name}  (lr {row['lr'].item():g})" for name, row in rows.items()])
    left.set_ylim(len(rows) - 0.5, -0.5)
    first = next(iter(rows.values()))
    left.set(xlabel="test error (%)", title=str(first["data"].item()))
    middle.set(xlabel="minus SGDM's (points)", title="differences of pairs")
    right.set(xlabel="test error (%)", title="the authors': CIFAR-10, ResNet18")
    title = _title(claim, evidence)
    headline(figure, title)
    caption = (
        f"{title}. {contest.scope(first)}. Bars: 95 % over {int(first['seeds'])} seeds; in the middle of all "
        "differences together, in colour where Holm's correction resolves them; right over the authors' three runs, at "
        "their rates."
    )
    return _stem(claim), claim.name, figure, caption


def _stem(claim: Claim) -> str:
    return claim.name.lower().replace(" ", "-")


def _title(claim: Claim, evidence: Sequence[Evidence]) -> str:
    """How many orders are the authors'."""
    name = SIGN.format(BASELINE)
    holds = [
        finding.holds
        for verdict in claim.verdicts(evidence)
        for finding in verdict.findings
        if finding.name == name and finding.target is not None
    ]
    same, against = holds.count(True), holds.count(False)
    return (
        f"{claim.name}: of {len(holds)} orders against SGDM {same} are the authors', {against} "
        f"{'is' if against == 1 else 'are'} reversed, {holds.count(None)} not resolved"
    )


claim = Table2()
