"""Table 1, saddle row: which optimizer leaves flat directions of a saddle slowly, which fast."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray
from numpy.typing import NDArray

from experiments.claims import proposition_1, proposition_3, theorem_1
from experiments.drawing import BLUE, DASHED, GREY, ORANGE, PURPLE, Named, points, subplots
from experiments.problems import displacements, optimizers, panels, saddles
from experiments.referee import Claim, Evidence, Finding, Measured, Routes, span
from experiments.referee.laws import LogNormal, MeanSquare

Array = NDArray[np.float64]
CURVATURES = (0.1, 0.01, 0.001)
USED = np.isin(np.abs(saddles.HESSIAN), CURVATURES)
INERTIA = 0.9  # of the departures that are compared, all of them from rest
# What the table says of each optimizer, by the claim that is about it, and the power of |H| that the word stands for.
WORDS: tuple[tuple[Claim, str], ...] = (
    (theorem_1.claim, "slow"),
    (proposition_1.claim, "fast"),
    (proposition_3.claim, "fast"),
)
POWERS = {"slow": 1.0, "fast": 0.0}
TOLERANCE = 0.5
ROUTES = {"exact": "exact SDE", "exact_discrete": "exact discrete optimizer", "paper": "the paper's own formula"}
QUANTITY = "factor of the MSD per decade of |H|"
EARLY = 100  # iterations that the figure's title tells of


class Table1Saddles(Claim):
    """The power of |H| with which displacements grow: 1 where flat directions are slow, 0 where they are fast."""

    name = "Table 1, saddle row"
    place = "Section 1, Table 1"
    statement = (
        "Flat directions of a saddle are escaped slowly by SGD, fast by an adaptive learning rate, fast by adaptive "
        "inertia."
    )

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """From the displacements of Theorem 1 and Propositions 1 and 3."""
        for claim, word in WORDS:
            for piece in claim.sound(routes):
                if piece.case.start == "rest" and np.isclose(piece.case.beta, INERTIA):
                    yield per_decade(piece, word)

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """Whether the power is the word's while |H| t/(gamma M) <= 1, exactly and by the paper; then as shipped."""
        (piece,) = evidence
        near = near_saddle(piece)
        word = str(near["table"].item())
        end = int(near["iterations"][-1])
        for name, process in ROUTES.items():
            powers = np.log10(near[name].values)
            told = f"{process}: the MSD grows like |H|^p with p = {span(powers)} to {end} iterations"
            right, wrong = f"{told}, {word} as the table says", f"{told}, which the table calls {word}"
            target, name = POWERS[word], f"power of |H|, {process}"
            farthest = _farthest(powers, target)
            yield Finding.judged(name, farthest, right, wrong, target=target, tolerance=TOLERANCE)
        if "shipped" not in near:
            return
        measured = np.log10([near[f"shipped{side}"].values for side in ("", "_low", "_high")])
        powers, low, high = measured[:, np.isfinite(measured).all(axis=0)]
        if len(powers):
            text = f"as shipped p = {span(powers)} (95 % intervals: {span([*low, *high])})"
            yield Finding("power of |H|, as shipped", _farthest(powers, POWERS[word]), text)

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """The power against iterations, for each optimizer."""
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
        axis.set_title(title)
        figure.legend(loc="outside lower center", ncols=2)
        caption = (
            f"{title}. p = 0: curvature does not matter (the table's 'fast'); p = 1: the MSD is proportional to |H| "
            "('slow'). Solid: exact SDE; dashed: the paper's own formulas; filled: SDE ensembles; open triangles: "
            "torch, as shipped."
        )
        yield "table-1", self.name, figure, caption


def per_decade(piece: Evidence, word: str) -> Evidence:
    """The factor by which the MSD grows per decade of |H|: 10 if it is proportional to |H|, 1 if independent of it.

    Ten to the least-squares slope of log10 MSD over log10 |H|, both signs of |H| = 0.1, 0.01 and 0.001 together.
    """
    departure = piece.case
    data = piece.data.isel(eigenvalue=0, drop=True).drop_vars(piece.data.data_vars)
    data = data.assign_coords(quantity=QUANTITY, table=word)
    for name in ("paper", "exact", "exact_simulated", "exact_discrete"):
        data[name] = ("iterations", _factor(piece.data[name].values))
    finer, finest = (_factor(departure.exact_recursion(factor)) for factor in displacements.FACTORS)
    orders = displacements.order(data["exact"].values, finer, finest)
    data["substeps_deviation"] = data["exact_simulated"] / data["exact"] - 1
    data["substeps_order"] = ("iterations", orders)
    measured = {name: _measured(route) for name, route in piece.measured.items()}
    reasons = {name: _along(texts) for name, texts in piece.reasons.items()}
    subject = optimizers.variant(departure.dynamics)
    checks = displacements.order_check(orders)
    return Evidence(subject, QUANTITY, data, measured, checks, reasons, case=departure)


def near_saddle(piece: Evidence) -> xarray.Dataset:
    """The iterations with |H| t/(gamma M) <= 1 along all directions that are used."""
    steepest = float(piece.case.escape_rate()[saddles.EIGENVALUES.index(max(CURVATURES))])
    return piece.data.isel(iterations=np.flatnonzero(piece.data["iterations"].values * steepest <= 1 + 1e-9))


def _farthest(powers: Array, target: float) -> float:
    """The power that is farthest from its target; NaN if none is known."""
    return float(powers[np.argmax(np.nan_to_num(np.abs(powers - target), nan=-1.0))])


def _weights() -> Array:
    decades = np.log10(np.abs(saddles.HESSIAN[USED]))
    return np.asarray((decades - decades.mean()) / np.sum((decades - decades.mean()) ** 2))


def _factor(values: Array) -> Array:
    """Of values on (iterations, directions)."""
    with np.errstate(invalid="ignore"):
        return np.asarray(np.exp(np.log(values[:, USED]) @ _weights()))


def _measured(route: Measured) -> Measured:
    """A measured route with the errors of its directions, which are independent, combined on the log scale."""
    law = route.law
    if isinstance(law, MeanSquare):
        law = LogNormal.of_gaussians(law.freedom, route.value.shape)
    assert isinstance(law, LogNormal)
    errors = (np.sqrt(np.asarray(each)[:, USED] ** 2 @ _weights() ** 2) for each in (law.error, law.test_error))
    faults = np.full(len(route.value), None, object)
    for place, along in enumerate([] if route.faults is None else route.faults[:, USED]):
        faults[place] = next((fault for fault in along if fault), None)
    return Measured(_factor(route.value), LogNormal(*errors), _factor(route.expected), faults=faults)


def _along(texts: Any) -> Any:
    """Reasons along one of the directions that are used, where they are told for each."""
    listed = np.asarray(texts, object)
    return listed[:, np.flatnonzero(USED)[0]] if listed.ndim else texts


claim = Table1Saddles()
