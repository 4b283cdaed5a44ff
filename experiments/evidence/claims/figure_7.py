"""Figure 7: the largest eigenvalues of the Hessian at minima that optimizers find, as they are and free of scale."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
import xarray
from numpy.typing import NDArray
from scipy import stats

from experiments.drawing import BLUE, GREEN, GREY, ORANGE, PURPLE, Named, headline, plain_decades, subplots
from experiments.evidence import contest, minima
from experiments.evidence.lab import Lab
from experiments.evidence.minima import END, EQUAL, Minimum
from experiments.evidence.paired import Difference, differences
from experiments.referee import Claim, Evidence, Finding, Routes, Row, Sample, unsampled
from experiments.referee.faults import Fault
from experiments.referee.laws import LEVEL, LogNormal

Array = NDArray[np.float64]

PAIRS = (("Adai", "SGDM"), ("Adai", "Adam"), ("SGDM", "Adam"), ("AdaiW", "SGDM"))
RATIO = "logarithm of one minimum's sharpness over another's (1)"
COLOURS = {"Adai": BLUE, "AdaiW": PURPLE, "SGDM": GREEN, "Adam": ORANGE}
MEASURED = unsampled("it is measured on networks: see the columns measured and log_ratio", paper="not stated")
PLACES = (END, EQUAL)


class Figure7(Claim):
    """The order of four optimizers by sharpness, over paired seeds."""

    name = "Figure 7"
    place = "Section 6, Figure 7"
    statement = "The top eigenvalues of the Hessian given by Adai are significantly smaller than those of SGD and Adam."
    measures: ClassVar[dict[str, str]] = {"eigenvalues": "absolute", "free_eigenvalues": "free of scale"}
    quantity: ClassVar[str] = "largest eigenvalues of the Hessian (1)"
    below: ClassVar[tuple[tuple[str, str], ...]] = (("Adai", "SGDM"), ("Adai", "Adam"))  # what the paper says

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Of each optimizer what is found, and of pairs of them the ratio over the same seeds."""
        lab = Lab.of(routes)
        entries, found, made = minima.minima(lab)
        known = contest.regime(made)
        for name, each in found.items():
            regime = known | {"optimizer": name, "lr": entries[name].lr, "seeds": len(each)}
            yield Evidence.of_rows(name, self.quantity, list(self._values(regime, each)))
        rows: dict[tuple[str, str], list[Row]] = {pair: [] for pair in PAIRS}
        for measure in self.measures:
            for where in PLACES:
                for pair, row in _ratios(measure, where, found, known):
                    rows[pair].append(row)
        for (one, other), listed in rows.items():
            yield Evidence.of_rows(f"{one} against {other}", RATIO, listed)

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """Of an optimizer its numbers; of a pair whether the order is the paper's, in each measure."""
        (piece,) = evidence
        if piece.quantity != RATIO:
            yield from self._told(piece)
            return
        one, other = piece.subject.split(" against ")
        for place in range(piece.data.sizes["row"]):
            yield self._order(piece.data.isel(row=place), one, other)

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """The measures of each optimizer, and the ratios."""
        if any(piece.why_missing for piece in evidence):
            return
        figure, (*left, right) = subplots(1, 3, size=(14, 5.4), width_ratios=[1, 1, 1.1])
        data = {piece.subject: piece.data for piece in evidence if piece.quantity != RATIO}
        pairs = {piece.subject: piece.data for piece in evidence if piece.quantity == RATIO}
        for axis, measure in zip(left, self.measures, strict=True):
            self.draw(axis, measure, data)
        handles = [axis.plot([], [], "o", color=colour, label=name)[0] for name, colour in COLOURS.items()]
        handles += draw_ratios(right, self.measures, pairs)
        figure.legend(handles=handles, loc="outside lower center", ncols=len(COLOURS))
        title = self._title(evidence)
        headline(figure, title)
        scope = contest.scope(next(iter(data.values())).isel(row=0))
        caption = f"{title}. {scope}; geometric means over seeds and ratios with 95 %; * resolved by Holm's correction."
        yield self.name.lower().replace(" ", "-"), self.name, figure, caption

    def draw(self, axis: Any, measure: str, data: Mapping[str, xarray.Dataset]) -> None:
        """One measure at the end, by rank."""
        for name, rows in data.items():
            shown = rows.isel(row=(rows["measure"].values == measure) & (rows["where"].values == END))
            ends = [shown[f"measured{end}"].values for end in ("", "_low", "_high")]
            axis.plot(shown["rank"], ends[0], "o-", color=COLOURS[name], label=name, ms=5)
            axis.fill_between(shown["rank"], ends[1], ends[2], color=COLOURS[name], alpha=0.15, lw=0)
        axis.set(yscale="log", xlabel="rank", title=f"eigenvalues, {self.measures[measure]}")
        axis.set_xticks(shown["rank"].values)
        plain_decades(axis.yaxis)

    def _values(self, regime: Mapping[str, Any], found: Sequence[Minimum]) -> Iterator[Row]:
        """A row for each measure, place and rank: the geometric mean over seeds."""
        fault = contest.diverged(sum(bool(each.fault) for each in found), len(found))
        loss = [each.loss.get(END, np.nan) for each in found]
        for measure in self.measures:
            for where in PLACES:
                arrays = [_numbers(measure, each.measures[where]) for each in found if where in each.measures]
                ranks = range(1, (min(map(len, arrays)) if arrays else 1) + 1)
                for rank in ranks:
                    logs = np.log([array[rank - 1] for array in arrays]) if len(arrays) == len(found) else [np.nan]
                    lacking = None if len(arrays) == len(found) else fault or Fault("the loss is never equal", "ok")
                    place = {"measure": measure, "where": where, "rank": rank, "train_loss": float(np.mean(loss))}
                    sample = Sample(float(np.exp(np.mean(logs))), _law(np.asarray(logs)), fault=lacking)
                    yield Row({**regime, **place}, samples={"measured": sample}, reasons=MEASURED)

    def _told(self, piece: Evidence) -> Iterator[Finding]:
        data, first = piece.data, piece.data.isel(row=0)
        lr, loss = (first[name].item() for name in ("lr", "train_loss"))
        text = f"learning rate {lr:g}, training loss {loss:.3g} ({contest.scope(first)})"
        yield Finding("training loss", loss, text)
        for measure, words in self.measures.items():
            row = data.isel(row=(data["measure"].values == measure) & (data["where"].values == END)).isel(row=0)
            value, low, high = (float(row[f"measured{end}"]) for end in ("", "_low", "_high"))
            told = f"{words} {value:.3g} [{low:.3g}, {high:.3g}]"
            yield Finding(f"{self.quantity.rpartition(' (')[0]}, {words}", value, told)

    def _order(self, row: xarray.Dataset, one: str, other: str) -> Finding:
        where = f"{self.measures[row['measure'].item()]}, {row['where'].item()}"
        target = -1.0 if (one, other) in self.below else None
        name = f"sign of the logarithm of {one}'s over {other}'s, {where}"
        if not np.isfinite(row["log_ratio"]):
            return Finding(name, np.nan, f"{where} there is no ratio", target, 0.5)
        value, low, high = np.exp([float(row[f"log_ratio{end}"]) for end in ("", "_low", "_high")])
        tells = f"{value:.3g} [{low:.3g}, {high:.3g}] times {other}'s, p = {row['holm'].item():.2g} of the family"
        sign = int(row["sign"])
        if not sign:
            return Finding(name, np.nan, f"{where} the order is not resolved: {tells}", target, 0.5)
        text = f"{where} {one} is {'sharper' if sign > 0 else 'flatter'} than {other}"
        if target is None:
            return Finding(name, sign, f"{text}: {tells}")
        return Finding.judged(
            name,
            sign,
            f"{text}, as the paper has it",
            f"{text}, against the paper",
            tells,
            target=target,
            tolerance=0.5,
        )

    def _title(self, evidence: Sequence[Evidence]) -> str:
        """Which of the paper's orders hold in how many measures."""
        told = []
        for verdict in self.verdicts(evidence):
            one, _, other = verdict.subject.partition(" against ")
            if (one, other) in self.below:
                holds = [finding.holds for finding in verdict.findings]
                told.append(
                    f"{one} is flatter than {other} in {holds.count(True)} of {len(holds)} comparisons, sharper in "
                    f"{holds.count(False)}"
                )
        return f"{self.name}: {'; '.join(told)}"


def _numbers(measure: str, arrays: Mapping[str, Array]) -> Array:
    """Eigenvalues by rank; the mean of rises."""
    return arrays[measure] if "eigenvalues" in measure else np.array([arrays[measure].mean()])


def _law(logs: Array) -> LogNormal:
    """Of a geometric mean over few seeds: the error with which the normal law has Student's interval."""
    count = len(logs)
    factor = stats.t.isf((1 - LEVEL) / 2, count - 1) / stats.norm.isf((1 - LEVEL) / 2) if count > 1 else np.nan
    error = float(factor * np.std(logs, ddof=min(count - 1, 1)) / np.sqrt(count))
    return LogNormal(error, error)


def _ratios(
    measure: str, where: str, found: Mapping[str, Sequence[Minimum]], known: Mapping[str, Any]
) -> Iterator[tuple[tuple[str, str], Row]]:
    """Of every pair the mean log-ratio over seeds, as one of the family of pairs."""
    logs = {
        name: np.array([_log(measure, each.measures[where]) if where in each.measures else np.nan for each in listed])
        for name, listed in found.items()
    }
    pairs = {f"{one} {other}": logs[one] - logs[other] for one, other in PAIRS}
    compared = differences({name: pair for name, pair in pairs.items() if np.isfinite(pair).all()})
    for one, other in PAIRS:
        pair = pairs[f"{one} {other}"]
        difference = compared.get(f"{one} {other}", Difference(np.nan, np.nan, np.nan, 1.0))
        lacking = int(np.isnan(pair).sum())
        fault = Fault(f"{lacking} of {len(pair)} seeds have no ratio", "ok") if lacking else None
        place = {"optimizer": one, "other": other, "measure": measure, "where": where, "seeds": len(pair)}
        place |= {"holm": difference.p, "sign": difference.sign}
        sample = Sample(difference.value, contest.student(pair), fault=fault)
        yield (one, other), Row({**known, **place}, samples={"log_ratio": sample}, reasons=MEASURED)


def _log(measure: str, arrays: Mapping[str, Array]) -> float:
    return float(np.log(minima.summary(measure, arrays[measure])))


def draw_ratios(axis: Any, measures: Mapping[str, str], pairs: Mapping[str, xarray.Dataset]) -> list[Any]:
    """Ratios of pairs with intervals, each measure with its mark, open at equal loss; what a legend shows of them."""
    styles = {
        (measure, where): {"marker": mark, "color": GREY, "mfc": GREY if where == END else "white", "ms": 7}
        for measure, mark in zip(measures, "sD", strict=True)
        for where in PLACES
    }
    for place, rows in enumerate(pairs.values()):
        for k, ((measure, where), style) in enumerate(styles.items()):
            row = rows.isel(row=(rows["measure"].values == measure) & (rows["where"].values == where)).isel(row=0)
            value, low, high = np.exp([float(row[f"log_ratio{end}"]) for end in ("", "_low", "_high")])
            height = place + 0.17 * (k - 1.5)
            if np.isfinite(value):
                axis.errorbar(value, height, xerr=[[value - low], [high - value]], capsize=3, **style)
                if row["sign"]:
                    axis.annotate("*", (high, height), xytext=(4, -5), textcoords="offset points")
    axis.axvline(1, color=GREY, lw=1)
    axis.set_yticks(range(len(pairs)), [subject.replace(" against ", " / ") for subject in pairs])
    axis.set_ylim(len(pairs) - 0.5, -0.5)
    axis.set(xscale="log", xlabel="sharpness over the other's, same seeds")
    low, high = axis.get_xlim()
    shown = [tick for tick in (0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100) if low <= tick <= high]
    axis.set_xticks(shown, [f"{tick:g}" for tick in shown])
    axis.minorticks_off()
    return [
        axis.plot([], [], ls="", label=f"{measures[measure]}, {where}", **style)[0]
        for (measure, where), style in styles.items()
    ]


claim = Figure7()
