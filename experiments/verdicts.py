"""Verdicts, computed from the routes: on each row, and in a sentence for each claim."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from experiments import claims
from experiments.claims import Claim
from experiments.comparison import Comparison
from experiments.judge import TABLE_1_CURVATURES, Judged
from experiments.problems import saddles as regimes

Array = NDArray[np.float64]

EXACT = 1e-9  # relative deviation below which a formula counts as exact
CLOSE = 0.05  # relative deviation below which it counts as right
NOT_JUDGED = "not judged"  # begins a sentence where rows are missing
NEAR_SHIPPED = 0.10  # the same for the optimizer as shipped against its idealization


def size(ratio: float) -> str:
    """How far a ratio is from 1, in words: "overstates 7.14 times", "understates by 12 %"."""
    if abs(ratio - 1) < EXACT:
        return "exact"
    word = "overstates" if ratio > 1 else "understates"
    factor = ratio if ratio > 1 else 1 / ratio
    if factor < 2:
        return f"{word} by {100 * abs(ratio - 1):.2g} %"
    return f"{word} {factor:.3g} times"


def row_verdict(paper: float, exact: float) -> str | None:
    """Verdict on the paper's value where both values exist and the exact one is not 0."""
    if not (np.isfinite(paper) and np.isfinite(exact)) or exact == 0:
        return None
    ratio = paper / exact
    if EXACT <= abs(ratio - 1) <= CLOSE:
        return f"within {100 * abs(ratio - 1):.2g} %"
    return size(ratio)


@dataclass
class ClaimVerdict:
    """The judgement on one claim for one kind of dynamics and one start, over all inertias.

    Attributes
    ----------
    claim, subject
        What is judged.
    sentence
        How right the paper's formula is.
    extremes
        Where it is farthest off; None where there is nothing to say.
    shipped
        How far the optimizer as shipped is from its idealization; None where they are the same.
    parts, comparisons
        The cases behind it, about saddles; the rows, about minima.
    """

    claim: Claim
    subject: str
    sentence: str
    extremes: str | None
    shipped: str | None
    parts: list[Judged]
    comparisons: list[Comparison] = field(default_factory=list)


def conclude(judged: Iterable[Judged]) -> list[ClaimVerdict]:
    """One verdict for each claim, kind of dynamics and start, in the order of the registry."""
    groups: dict[tuple[str, str], list[Judged]] = {}
    for one in judged:
        groups.setdefault((one.case.claim.name, _subject(one)), []).append(one)
    out = []
    for (_, subject), parts in groups.items():
        claim = parts[0].case.claim
        missing = [one.missing or claims.OUT_OF_RANGE for one in parts if not np.isfinite(_ratio(one)).any()]
        if missing:
            out.append(ClaimVerdict(claim, subject, f"{NOT_JUDGED}: {missing[0]}", None, None, parts))
        elif claim is claims.TABLE_1:
            out.append(ClaimVerdict(claim, subject, _table_1(parts[0]), None, None, parts))
        else:
            out.append(ClaimVerdict(claim, subject, *_formula(parts), _shipped(parts), parts))
    return out


def _subject(one: Judged) -> str:
    words = claims.describe(one.case.dynamics).split(",")[0]
    if one.case.claim is claims.TABLE_1:
        return words
    return f"{words}, {one.case.label.rsplit(', ', 1)[1]}"


def _flattest(one: Judged) -> NDArray[np.bool_]:
    return np.isclose(np.abs(one.directions), regimes.FLATTEST)


def _ratio(one: Judged, over: str = "paper", under: str = "exact") -> Array:
    """One route over another, NaN where it has no meaning."""
    upper = one.exact[over] if over in one.exact else one.measured[over].value
    with np.errstate(all="ignore"):
        ratio = upper / one.exact[under]
    return np.where(np.isfinite(ratio) & (ratio > 0), ratio, np.nan)


def _off(ratio: Array) -> Array:
    """The factor, at least 1, by which a ratio is off."""
    return np.maximum(ratio, 1 / ratio)


def _inertia(one: Judged) -> str:
    return f"beta1 = {one.case.beta:g}" if hasattr(one.case.dynamics, "beta1") else ""


def _formula(parts: list[Judged]) -> tuple[str, str | None]:
    """How right a formula is near flat directions, and where it is farthest off."""
    worst_by_part = [float(np.nanmax(_off(_ratio(one)))) for one in parts]
    if max(worst_by_part) - 1 < EXACT:
        return f"exact: equal to the exact value to {max(max(worst_by_part) - 1, 1e-16):.0e} over the whole grid", None
    said = []
    remembered = [one for one in parts if one.case.memory]
    if remembered:
        said.append(_at_memory(remembered))
    windows = _shared((_inertia(one), f"within {_window(one, CLOSE)}") for one in parts)
    said.append(f"at |H| = {regimes.FLATTEST:g} {windows}")
    asymptotic = all(_holds_at_end(one) for one in parts)
    sentence = ("asymptotic near flat directions: " if asymptotic else "approximate: ") + "; ".join(said)
    near = max((_worst(one, near=True) for one in parts), key=lambda found: found[0])
    extremes = f"farthest off while |H| t/(gamma M) <= 1: {near[1]}"
    far = max((_worst(one, near=False) for one in parts), key=lambda found: found[0])
    if far[0] > near[0]:
        extremes += f"; beyond that: {far[1]}"
    return sentence, extremes


def _shared(said: Iterable[tuple[str, str]]) -> str:
    """ "A (beta1 = 0.5, 0.9); B (beta1 = 0.99)" from what is said at each inertia."""
    together: dict[str, list[str]] = {}
    for inertia, text in said:
        together.setdefault(text, []).append(inertia.removeprefix("beta1 = "))
    return "; ".join(f"{text} (beta1 = {', '.join(at)})" if all(at) else text for text, at in together.items())


def _worst(one: Judged, near: bool) -> tuple[float, str]:
    """Largest factor by which the formula is off, and in which regime, near the saddle or anywhere."""
    nearby = one.case.iterations[:, None] * one.case.escape_rate() <= 1
    ratio = np.where(nearby, _ratio(one), np.nan) if near else _ratio(one)
    i, j = np.unravel_index(np.nanargmax(_off(ratio)), ratio.shape)
    regime = ", ".join(
        part for part in (_inertia(one), f"H = {one.directions[j]:g}", f"{one.case.iterations[i]} iterations") if part
    )
    return float(_off(ratio)[i, j]), f"{size(float(ratio[i, j]))} at {regime}"


def _at_memory(parts: list[Judged]) -> str:
    """The ratio after 1/(1-beta1) iterations in the flattest direction of negative curvature."""
    said = []
    for one in parts:
        i = int(np.argmin(np.abs(one.case.iterations * (1 - one.case.beta) - 1)))
        ratio = float(_ratio(one)[i, one.directions.index(-regimes.FLATTEST)])
        word, _, amount = size(ratio).partition(" ")
        said.append((_inertia(one), f"{word} the exact MSD {amount}".strip()))
    return f"at T = 1/(1-beta1), H = {-regimes.FLATTEST:g}, it {_shared(said)}"


def _close(one: Judged, limit: float, over: str = "paper", under: str = "exact") -> tuple[Array, NDArray[np.bool_]]:
    """Largest deviation in the flattest directions at each number of iterations, and where it is within the limit."""
    ratio = _ratio(one, over, under)[:, _flattest(one)]
    known = np.isfinite(ratio).all(axis=1)
    deviation = np.where(known, np.max(np.abs(np.where(np.isfinite(ratio), ratio, 1) - 1), axis=1), np.nan)
    return deviation, np.where(known, deviation, np.inf) <= limit


def _holds_at_end(one: Judged) -> bool:
    return bool(_close(one, CLOSE)[1][-1])


def _window(one: Judged, limit: float, over: str = "paper", under: str = "exact") -> str:
    """The iterations in which one route is close to another."""
    deviation, close = _close(one, limit, over, under)
    last = int(np.flatnonzero(np.isfinite(deviation))[-1])
    if not close.any():
        return f"{100 * limit:.0f} % nowhere on the grid"
    found = np.flatnonzero(close)
    end = int(found[-1])
    begin = end
    while begin > 0 and close[begin - 1]:
        begin -= 1
    x = f"{max(100 * deviation[begin : end + 1].max(), 0.01):.2g} %"
    first, until = one.case.iterations[begin], one.case.iterations[end]
    if begin == 0 and end == last:
        return f"{x} throughout (to {until} iterations)"
    if end == last:
        return f"{x} beyond {first} iterations"
    return f"{x} from {first} to {until} iterations only"


def _shipped(parts: list[Judged]) -> str | None:
    """How far the optimizer as shipped is from the idealized one, and the paper's formula from it."""
    measured = [one for one in parts if "shipped" in one.measured]
    if not measured or parts[0].case.claim is claims.TABLE_1:
        return None
    said = []
    for one in measured:
        if one.measured["shipped"].lost.any():
            said.append((_inertia(one), f"{NOT_JUDGED}: {one.measured['shipped'].why}"))
            continue
        j = one.directions.index(-regimes.FLATTEST)
        ratio = _ratio(one, "shipped", "exact_discrete")[:, j]
        farthest = int(np.nanargmax(_off(ratio)))
        moves = "as much" if ratio[farthest] > 1 else "less"
        with np.errstate(all="ignore"):
            formula = float(np.nanmax(_off(one.exact["paper"][:, j] / one.measured["shipped"].value[:, j])))
        said.append(
            (
                _inertia(one),
                f"MSD within {_window(one, NEAR_SHIPPED, 'shipped', 'exact_discrete')}, farthest off at "
                f"{one.case.iterations[farthest]} iterations: {_off(ratio)[farthest]:.3g} times {moves}; "
                f"the formula is within a factor {formula:.2f} of the shipped optimizer",
            )
        )
    return f"at H = {-regimes.FLATTEST:g}, as shipped against idealized: {_shared(said)}"


def _table_1(one: Judged) -> str:
    """Slow or fast, by the power p of |H| that the MSD grows with while |H| t/(gamma M) <= 1 in all directions used."""
    rate = float(one.case.escape_rate()[list(claims.HESSIAN).index(max(TABLE_1_CURVATURES))])
    near = one.case.iterations * rate <= 1 + 1e-9
    powers = {name: np.log10(one.exact[name][near, 0]) for name in ("paper", "exact", "exact_discrete")}
    found = {name: "slow" if p.min() >= 0.5 else "fast" if p.max() < 0.5 else "mixed" for name, p in powers.items()}
    says = claims.TABLE_1_SAYS[type(one.case.dynamics).__name__]
    spans = {name: span(p) for name, p in powers.items()}
    agree = "borne out" if found["exact"] == says else "not borne out"
    text = (
        f"{agree}: the table says {says}; to {one.case.iterations[near][-1]} iterations the MSD grows like |H|^p with "
        f"p = {spans['exact']} (exact SDE, {found['exact']}), {spans['paper']} by the paper's own formula ({found['paper']})"
    )
    if "shipped" in one.measured and not one.measured["shipped"].lost.any():
        shipped = np.log10(one.measured["shipped"].value[near, 0])
        text += f", {span(shipped)} as shipped"
    return text


def span(p: Array) -> str:
    """The range of some numbers, in words."""
    low, high = float(p.min()), float(p.max())
    low, high = (0.0 if abs(value) < 0.005 else value for value in (low, high))
    return f"{low:.2f}" if high - low < 0.005 else f"{low:.2f} to {high:.2f}"
