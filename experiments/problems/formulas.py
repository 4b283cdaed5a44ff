"""How right a formula for displacements is: the findings that Theorems 1 and 2 and Propositions 1 and 3 share."""

from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
import xarray

from experiments.problems import optimizers
from experiments.problems.saddles import FLATTEST
from experiments.referee import CLOSE, EXACT, Evidence, Finding, size

NEAR_SHIPPED = 0.10  # the optimizer as shipped counts as near its idealization within this relative deviation
FLAT = (-FLATTEST, FLATTEST)
PROCESSES = {"exact": "the exact SDE", "exact_discrete": "the exact discrete optimizer"}
MEMORY = "at T = 1/(1-beta1)"
NEARBY, LINEAR = 1.0, 0.05  # |H| t/(gamma M) up to which a formula is judged; where it leaves out what grows with that
BEGINNING, END = "at the beginning of the grid", "at the end of the grid"


def findings(evidence: Sequence[Evidence], reach: float = NEARBY) -> Iterator[Finding]:
    """Of one optimizer from one start, over all its inertias.

    An exact formula has one finding. Any other is judged where the iterations fill the optimizer's memory, and while
    |H| t/(gamma M) is within `reach`: at the end of that along flat directions, and where it is farthest off. A formula
    that is stated to first order in it, with reach `LINEAR`, is not asked to be exact.
    """
    ratio, where = _worst(evidence)
    off = max(ratio, 1 / ratio) - 1
    right = f"exact: equal to the exact value to {max(off, 1e-16):.0e} over the whole grid"
    wrong = f"not exact, and farthest off at {where}, where it {size(ratio)}"
    name = "deviation on the whole grid"
    everywhere = Finding.judged(name, off, right, wrong, target=0, tolerance=EXACT)
    yield everywhere if reach > LINEAR else Finding(name, off, f"the formula is to first order; {everywhere.text}")
    if everywhere.holds:
        return
    if all(piece.case.memory for piece in evidence):
        yield from (at_moment(evidence, MEMORY, memory_time, exact) for exact in PROCESSES)
    yield _late(evidence, reach)
    yield _near(evidence, reach)
    if "shipped" in evidence[0].measured:
        yield _shipped(evidence)


def at_moment(
    evidence: Sequence[Evidence], when: str, place: Callable[[Evidence], int], exact: str = "exact"
) -> Finding:
    """The formula over an exact value, of `PROCESSES`, in the flattest direction of negative curvature.

    The moment is given in words and by its place among the iterations; the evidence is of all inertias.
    """
    ratios = [ratio_at(piece, place(piece), exact) for piece in evidence]
    worst = max(ratios, key=lambda ratio: abs(np.log(ratio)))
    amounts = together((inertia(piece), size(ratio)) for piece, ratio in zip(evidence, ratios, strict=True))
    process, there = PROCESSES[exact], f"{when}, H = {-FLATTEST:g}, it is"
    right = f"{there} within {100 * CLOSE:g} % of {process}: {amounts}"
    wrong = f"{there} not that of {process}, which it {amounts}"
    return Finding.judged(f"formula over {process} {when}", worst, right, wrong)


def ratio_at(piece: Evidence, place: int, exact: str = "exact") -> float:
    """The formula over an exact value at one place among the iterations, in the same direction."""
    here = piece.data.isel(iterations=place).sel(eigenvalue=-FLATTEST)
    return float(here["paper"] / here[exact])


def memory_time(piece: Evidence) -> int:
    """The place among the iterations where they fill the optimizer's memory."""
    return int(np.abs(piece.data["iterations"].values * (1 - piece.case.beta) - 1).argmin())


def _late(evidence: Sequence[Evidence], reach: float) -> Finding:
    """The formula over the exact value at the last iterations within reach, along flat directions."""
    known = [within(piece, reach).sel(eigenvalue=list(FLAT)).dropna("iterations") for piece in evidence]
    last = np.concatenate([ratio.isel(iterations=-1).values for ratio in known])
    worst = float(last[np.argmax(np.abs(np.log(last)))])
    windows = together((inertia(piece), f"within {window(piece.ratio, CLOSE)}") for piece in evidence)
    right, wrong = (f"{state} near flat directions" for state in ("right in the end", "not right in the end either,"))
    tells = f"with |H| t/(gamma M) up to {reach:g} it {size(worst)}; at |H| = {FLATTEST:g} {windows}"
    return Finding.judged("formula over exact at the end, along flat directions", worst, right, wrong, tells)


def _near(evidence: Sequence[Evidence], reach: float) -> Finding:
    """Where the formula is farthest off while |H| t/(gamma M) is within reach."""
    ratio, where = _worst(evidence, reach)
    nearby = f"while |H| t/(gamma M) <= {reach:g}"
    right = f"within {100 * CLOSE:g} % {nearby}"
    wrong = f"{nearby} it is farthest off at {where}, where it {size(ratio)}"
    return Finding.judged(f"formula over exact, farthest off {nearby}", ratio, right, wrong)


def within(piece: Evidence, reach: float) -> xarray.DataArray:
    """The formula over the exact value where |H| t/(gamma M) is within reach, NaN elsewhere."""
    advance = piece.data["iterations"].values[:, None] * piece.case.escape_rate()
    return piece.ratio.where(xarray.DataArray(advance <= reach, dims=("iterations", "eigenvalue")))


def _worst(evidence: Sequence[Evidence], reach: float = np.inf) -> tuple[float, str]:
    """The ratio that is farthest from 1, of all within reach, and its regime in words."""
    worst, regime = 1.0, "any point"
    for piece in evidence:
        off = _off(within(piece, reach)).values
        i, j = np.unravel_index(int(np.argmax(np.nan_to_num(off, nan=-1.0))), off.shape)
        if off[i, j] > max(worst, 1 / worst):
            worst = float(piece.ratio[i, j])
            eigenvalue, iterations = piece.data["eigenvalue"].values[j], piece.data["iterations"].values[i]
            parts = [inertia(piece), f"H = {eigenvalue:g}", f"{iterations} iteration{'' if iterations == 1 else 's'}"]
            regime = ", ".join(part for part in parts if part)
    return worst, regime


def _shipped(evidence: Sequence[Evidence]) -> Finding:
    """How far the optimizer as shipped is from the idealized one, and the formula from it; the paper does not say."""
    told, farthest = [], 1.0
    for piece in evidence:
        flat = piece.data.sel(eigenvalue=-FLATTEST)
        if np.isnan(flat["shipped"]).all():
            told.append((inertia(piece), "not measured"))
            continue
        formula, _, within = _shipped_over(flat, "paper")
        farthest = max(farthest, formula)
        _, k, moves = _shipped_over(flat, "exact_discrete")
        word = "as much" if flat["shipped"][k] > flat["exact_discrete"][k] else "less"
        close = window(piece.data["shipped"] / piece.data["exact_discrete"], NEAR_SHIPPED)
        text = f"MSD within {close}, farthest off at iteration {int(flat.iterations[k])}: {moves} times {word}"
        told.append((inertia(piece), f"{text}; the formula is within a factor {within} of the shipped optimizer"))
    text = f"at H = {-FLATTEST:g}, as shipped against idealized: {together(told)}"
    return Finding("formula over the optimizer as shipped, farthest off", farthest, text)


def _shipped_over(flat: xarray.Dataset, route: str) -> tuple[float, int, str]:
    """The factor by which the shipped optimizer is farthest off from a route, where, and the factor in words."""
    value, *ends = (_off(flat[f"shipped{end}"] / flat[route]).values for end in ("", "_low", "_high"))
    k = int(np.argmax(np.nan_to_num(value, nan=-1.0)))
    low, high = sorted(float(end[k]) for end in ends)
    return float(value[k]), k, f"{value[k]:.3g} (95 %: {low:.3g} to {high:.3g})"


def window(ratio: xarray.DataArray, limit: float) -> str:
    """The iterations in which a ratio is within the limit of 1 in both flat directions, up to the last known one."""
    flat = ratio.sel(eigenvalue=list(FLAT))
    deviation = np.abs(flat.values - 1).max(axis=flat.get_axis_num("eigenvalue"))
    iterations = ratio["iterations"].values
    last = int(np.flatnonzero(np.isfinite(deviation))[-1])
    close = np.flatnonzero(np.where(np.isfinite(deviation), deviation, np.inf) <= limit)
    if not len(close):
        return f"{100 * limit:.0f} % nowhere on the grid"
    begin = end = int(close[-1])
    while begin > 0 and deviation[begin - 1] <= limit:
        begin -= 1
    most = f"{max(100 * deviation[begin : end + 1].max(), 0.01):.2g} %"
    if begin == 0 and end == last:
        return f"{most} throughout (to {iterations[end]} iterations)"
    if begin == last:
        return f"{most} at the last alone, {iterations[end]} iterations"
    if end == last:
        return f"{most} from {iterations[begin]} iterations to the last, {iterations[end]}"
    return f"{most} from {iterations[begin]} to {iterations[end]} iterations only"


def inertia(piece: Evidence) -> str:
    """The inertia that tells a piece of evidence from others of its subject; empty if there is one alone."""
    return f"beta1 = {piece.case.beta:g}" if "beta1" in optimizers.inertia(piece.case.dynamics) else ""


def together(told: Iterable[tuple[str, str]]) -> str:
    """ "A (beta1 = 0.5, 0.9); B (beta1 = 0.99)" from what is told at each inertia."""
    inertias: dict[str, list[str]] = {}
    for where, text in told:
        inertias.setdefault(text, []).append(where.removeprefix("beta1 = "))
    return "; ".join(f"{text} (beta1 = {', '.join(at)})" if all(at) else text for text, at in inertias.items())


def _off(ratio: xarray.DataArray) -> xarray.DataArray:
    """The factor, at least 1, by which a ratio is off; NaN where it has no meaning."""
    with np.errstate(all="ignore"):
        positive = ratio.where(np.isfinite(ratio) & (ratio > 0))
        return positive.copy(data=np.maximum(positive.values, 1 / positive.values))
