"""Table 1, saddle row: which optimizer leaves flat directions of a saddle slowly, which fast."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import xarray
from numpy.typing import NDArray

from experiments.claims import proposition_1, proposition_3, theorem_1
from experiments.drawing import BLUE, DASHED, GREY, ORANGE, PURPLE, Named, formula, headline, points, subplots
from experiments.problems import displacements, optimizers, panels, saddles
from experiments.problems.saddles import Departure, Saddle
from experiments.problems.table_2 import DEFAULT, SIGNS, TABLE_2, Entry
from experiments.referee import Claim, Evidence, Finding, Measured, Routes, span, unsampled
from experiments.referee.laws import LogNormal, MeanSquare
from experiments.referee.routes import NOT_QUICK

Array = NDArray[np.float64]
CURVATURES = (0.1, 0.01, 0.001)
INERTIA = 0.9  # of the departures that are compared, all of them from rest
# What the table says of each optimizer, by the claim that is about it, and the power of |H| that the word stands for.
WORDS: tuple[tuple[Claim, str], ...] = (
    (theorem_1.claim, "slow"),
    (proposition_1.claim, "fast"),
    (proposition_3.claim, "fast"),
)
POWERS = {"slow": 1.0, "fast": 0.0}
TOLERANCE = 0.5
AS_SHIPPED = "power of |H|, as shipped"  # the finding of the optimizer itself
# Of the other optimizers of Table 2 and those of signs as shipped: the word of the column to which each belongs.
OTHERS = {name: entry for name, entry in (TABLE_2 | SIGNS).items() if name not in ("Adam", "Adai")}
SADDLE = Saddle(saddles.PAPERS.problems[:1], tuple(h for h in saddles.EIGENVALUES if h))
TIMES = (1, 3, 10, 30, 100)
OF_THE_LAW = 0.25  # tolerance of 1 - 2q
ROUTES = {"exact": "exact SDE", "exact_discrete": "exact discrete optimizer", "paper": "the paper's own formula"}
QUANTITY = "factor of the MSD per decade of |H|"
EARLY = 100  # iterations that the figure's title tells of
SHOWN = {1: PURPLE, 10: BLUE, 100: ORANGE}  # iterations in the figure of all optimizers


class Table1Saddles(Claim):
    """The power of |H| with which displacements grow: 1 where flat directions are slow, 0 where they are fast."""

    name = "Table 1, saddle row"
    place = "Section 1, Table 1"
    statement = (
        "Flat directions of a saddle are escaped slowly by SGD, fast by an adaptive learning rate, fast by adaptive "
        "inertia. Where the learning rate goes like v^-q, displacements go like |H|^(1-2q)."
    )
    builds_on = tuple(claim for claim, _ in WORDS)

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """From the displacements of Theorem 1 and Propositions 1 and 3; then of all others of Table 2, as shipped."""
        for claim, word in WORDS:
            for piece in claim.sound(routes):
                if piece.case.start == "rest" and np.isclose(piece.case.beta, INERTIA):
                    yield per_decade(piece, word)
        for name, entry in OTHERS.items():
            if name in TABLE_2 or not routes.quick:
                yield other(routes, name, entry)

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """Whether the power is the word's while |H| t/(gamma M) <= 1, exactly and by the paper; then as shipped."""
        (piece,) = evidence
        near = near_saddle(piece)
        word = str(near["table"].item())
        end = int(near["iterations"][-1])
        for name, process in ROUTES.items():
            if name not in near:
                continue
            powers = np.log10(near[name].values)
            told = f"{process}: the MSD grows like |H|^p with p = {span(powers)} to {end} iterations"
            right, wrong = f"{told}, {word} as the table says", f"{told}, which the table calls {word}"
            target, name = POWERS[word], f"power of |H|, {process}"
            farthest = _farthest(powers, target)
            yield Finding.judged(name, farthest, right, wrong, target=target, tolerance=TOLERANCE)
        if "shipped" not in near:
            return
        measured = np.log10([near[f"shipped{side}"].values for side in ("", "_low", "_high")])
        known = np.isfinite(measured).all(axis=0)
        powers, low, high = measured[:, known]
        if not len(powers):
            return
        text, name = f"as shipped p = {span(powers)} (95 % intervals: {span([*low, *high])})", AS_SHIPPED
        if "law" not in near.coords:
            yield Finding(name, _farthest(powers, POWERS[word]), text)
            return
        law = float(near["law"])
        off = int(np.argmax(np.abs(powers - law)))
        text += f", farthest from 1 - 2q = {law:g} after {near['iterations'].values[known][off]} iterations"
        judge: dict[str, Any] = {
            "target": law,
            "tolerance": OF_THE_LAW,
            "interval": (float(low[off]), float(high[off])),
        }
        yield Finding.judged(name, powers[off], "it is 1 - 2q", "it is not 1 - 2q throughout", text, **judge)

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """The power against iterations for those of the theorems, and as shipped of all others."""
        others = [piece for piece in evidence if piece.subject in OTHERS]
        evidence = [piece for piece in evidence if piece.subject not in OTHERS]
        figure, axis = subplots(size=(8.5, 5.5))
        told = []
        for piece, colour in zip(evidence, (GREY, ORANGE, PURPLE, BLUE), strict=True):
            iterations, data = piece.data["iterations"].values, piece.data
            axis.plot(iterations, np.log10(data["exact"]), color=colour, lw=2, label=f"{piece.subject}, exact SDE")
            axis.plot(iterations, np.log10(data["paper"]), color=colour, lw=1.8, ls=DASHED)
            for name, (marker, shift, _) in panels.POINTS.items():
                if name in piece.measured:
                    interval = (np.log10(data[name + end].values) for end in ("", "_low", "_high"))
                    style = {"fmt": marker, "color": colour, "mfc": "white" if name == "torch" else colour, "ms": 6.5}
                    points(axis, shift * iterations, *interval, **style)
            told.append(f"{piece.subject} {span(np.log10(data['exact'].values[iterations <= EARLY]))}")
        axis.axhline(0, color=GREY, lw=1)
        axis.set(xscale="log", xlabel="iterations T", ylabel="p in  MSD ∝ |H|ᵖ,  |H| = 0.001 to 0.1")
        title = f"Table 1: p in MSD ∝ |H|ᵖ to {EARLY} iterations: {', '.join(told)}"
        headline(figure, title)
        axis.plot([], [], color=GREY, lw=1.8, ls=DASHED, label="the paper")
        for name, words in (("simulated", "SDE ensemble, 95 %"), ("torch", "torch, as shipped, 95 %")):
            if any(name in piece.measured for piece in evidence):
                fill = "white" if name == "torch" else GREY
                axis.plot([], [], panels.POINTS[name][0], color=GREY, mfc=fill, ms=6.5, label=words)
        figure.legend(loc="outside lower center", ncols=4)
        caption = (
            f"{title}. p = 0: curvature does not matter (the table's 'fast'); p = 1: the MSD is proportional to |H| "
            "('slow'). Solid: exact SDE; dashed: the paper's own formulas; filled: SDE ensembles; open triangles: "
            "torch, as shipped."
        )
        yield "table-1", self.name, figure, caption
        if any("shipped" in piece.data for piece in others):
            yield _figure(self, others)


def other(routes: Routes, name: str, entry: Entry) -> Evidence:
    """The factors of one optimizer as shipped beside the SDE with v held at its level, where it has one."""
    departure = Departure(
        entry.near_saddle(saddles.LR), "rest", INERTIA, saddle=SADDLE, times=TIMES, longest=max(TIMES)
    )
    exact = {"exact": departure.exact(departure.iterations), "exact_discrete": departure.exact_recursion(None)}
    dims, along = ("iterations", "eigenvalue"), departure.coordinates() | {"optimizer": name, "beta2": DEFAULT}
    known = {route: (dims, values) for route, values in exact.items() if name in TABLE_2}
    measured = {}
    if entry.quick or not routes.quick:
        measured["shipped"] = displacements.shipped(routes, departure, entry.make(saddles.LR, DEFAULT))
    reasons = unsampled("the optimizer as shipped alone", paper="the paper has no formula for it")
    reasons |= {"exact": "it has no idealized rule", "shipped": NOT_QUICK}
    piece = Evidence(name, QUANTITY, xarray.Dataset(known, along), measured, reasons=reasons, case=departure)
    inertial = entry.power == 0 and not entry.variant and name != "AdaiW"
    law = {"law": 1 - 2 * entry.power, "weight_decay": entry.decay}
    return _of_decades(piece, "slow" if inertial else "fast", law)


def _figure(claim: Claim, evidence: Sequence[Evidence]) -> Named:
    """What each gives after 1, 10 and 100 iterations, beside 1 - 2q."""
    figure, axis = subplots(size=(8.5, 6.5))
    tried, off = 0, []
    for place, piece in enumerate(evidence):
        law = float(piece.data["law"])
        axis.plot([law] * 2, [place - 0.4, place + 0.4], color=GREY, lw=3, solid_capstyle="butt")
        for shift, (iterations, colour) in zip((-0.22, 0, 0.22), SHOWN.items(), strict=True):
            row = piece.data.sel(iterations=iterations)
            if "exact" in row:
                axis.plot(np.log10(float(row["exact"])), place + shift, "x", color=colour, ms=7, mew=2)
            if "shipped" in row:
                p, low, high = (float(np.log10(row[f"shipped{end}"])) for end in ("", "_low", "_high"))
                style = {"fmt": "o", "color": colour, "mfc": "white", "ms": 7, "capsize": 3}
                axis.errorbar(p, place + shift, xerr=[[p - low], [high - p]], **style)
        holds = [each.holds for each in claim.findings([piece]) if each.name == AS_SHIPPED and each.holds is not None]
        tried += bool(holds)
        off += [] if all(holds) else [piece.subject]
    for iterations, colour in SHOWN.items():
        axis.plot([], [], "o", color=colour, mfc="white", ms=7, label=f"as shipped, T = {iterations}")
    axis.plot([], [], "x", color=GREY, ms=7, mew=2, ls="", label="exact SDE, v at rest")
    axis.plot([], [], "|", color=GREY, ms=14, mew=3, label=formula("1 − 2q, learning rate ∝ v^(-q)"))
    axis.set_yticks(range(len(evidence)), [piece.subject for piece in evidence])
    axis.set_ylim(len(evidence) - 0.4, -0.6)
    axis.set_xlabel("p in  MSD ∝ |H|ᵖ,  |H| = 0.001 to 0.1: 1 as for SGD, 0 as for Adam")
    figure.legend(loc="outside lower center", ncols=3)
    told = f", not of {' and '.join(off)}" if off else ""
    title = f"Saddles: as shipped, displacements of {tried - len(off)} of {tried} optimizers go like "
    title += f"|H|^(1-2q){told}"
    headline(figure, title)
    caption = f"{title}. From rest, learning rate {saddles.LR:g}, beta2 = {DEFAULT:g}, 95 %."
    return "table-1-all", claim.name, figure, caption


def per_decade(piece: Evidence, word: str) -> Evidence:
    """The factor by which the MSD grows per decade of |H|: 10 if it is proportional to |H|, 1 if independent of it.

    Ten to the least-squares slope of log10 MSD over log10 |H|, both signs of |H| = 0.1, 0.01 and 0.001 together.
    """
    factors, departure = _of_decades(piece, word), piece.case
    data, used = factors.data, _used(piece)
    finer, finest = (_factor(departure.exact_recursion(factor), used) for factor in displacements.FACTORS)
    orders = displacements.order(data["exact"].values, finer, finest)
    data["substeps_deviation"] = data["exact_simulated"] / data["exact"] - 1
    data["substeps_order"] = ("iterations", orders)
    return replace(
        factors, subject=optimizers.variant(departure.dynamics), label="", checks=displacements.order_check(orders)
    )


def _of_decades(piece: Evidence, word: str, more: Mapping[str, Any] | None = None) -> Evidence:
    """The factors of every route; `more` are further coordinates."""
    used = _used(piece)
    data = piece.data.isel(eigenvalue=0, drop=True).drop_vars(piece.data.data_vars)
    data = data.assign_coords(quantity=QUANTITY, table=word, **(more or {}))
    for name in ("paper", "exact", "exact_simulated", "exact_discrete"):
        if name in piece.data:
            data[name] = ("iterations", _factor(piece.data[name].values, used))
    measured = {name: _measured(route, used) for name, route in piece.measured.items()}
    reasons = {name: _along(texts, used) for name, texts in piece.reasons.items()}
    return Evidence(piece.subject, QUANTITY, data, measured, reasons=reasons, case=piece.case)


def near_saddle(piece: Evidence) -> xarray.Dataset:
    """The iterations with |H| t/(gamma M) <= 1 along all directions that are used."""
    steepest = float(piece.case.escape_rate()[piece.case.saddle.eigenvalues.index(max(CURVATURES))])
    return piece.data.isel(iterations=np.flatnonzero(piece.data["iterations"].values * steepest <= 1 + 1e-9))


def _farthest(powers: Array, target: float) -> float:
    """The power that is farthest from its target; NaN if none is known."""
    return float(powers[np.argmax(np.nan_to_num(np.abs(powers - target), nan=-1.0))])


def _used(piece: Evidence) -> Array:
    """The curvatures of all directions, NaN of those that are not used."""
    size = np.abs(piece.case.saddle.hessian)
    return np.where(np.isin(size, CURVATURES), size, np.nan)


def _weights(used: Array) -> Array:
    decades = np.log10(used[np.isfinite(used)])
    return np.asarray((decades - decades.mean()) / np.sum((decades - decades.mean()) ** 2))


def _factor(values: Array, used: Array) -> Array:
    """Of values on (iterations, directions)."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.exp(np.log(values[:, np.isfinite(used)]) @ _weights(used)))


def _measured(route: Measured, used: Array) -> Measured:
    """A measured route with the errors of its directions, which are independent, combined on the log scale."""
    law = route.law
    if isinstance(law, MeanSquare):
        law = LogNormal.of_gaussians(law.freedom, route.value.shape)
    assert isinstance(law, LogNormal)
    errors = (
        np.sqrt(np.asarray(each)[:, np.isfinite(used)] ** 2 @ _weights(used) ** 2)
        for each in (law.error, law.test_error)
    )
    faults = np.full(len(route.value), None, object)
    for place, along in enumerate([] if route.faults is None else route.faults[:, np.isfinite(used)]):
        faults[place] = next((fault for fault in along if fault), None)
    return Measured(_factor(route.value, used), LogNormal(*errors), _factor(route.expected, used), faults=faults)


def _along(texts: Any, used: Array) -> Any:
    """Reasons along one of the directions that are used, where they are told for each."""
    listed = np.asarray(texts, object)
    return listed[:, np.flatnonzero(np.isfinite(used))[0]] if listed.ndim else texts


claim = Table1Saddles()
