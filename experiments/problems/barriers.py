"""Formulas for escape times against the barrier: findings and figures that Theorem 3 and Propositions 2 and 4 share."""

from collections.abc import Iterator, Sequence
from itertools import cycle
from typing import Any

import numpy as np
import xarray

from experiments.drawing import BLUE, DASHED, GREEN, GREY, ORANGE, PURPLE, Named, headline, points, subplots, ticks
from experiments.problems import low_temperature
from experiments.problems.exits import AT, BARRIER, BEYOND, ITERATIONS, RATE
from experiments.referee import Claim, Evidence, Finding, size
from experiments.referee.evidence import ROW

EXPONENT = 0.03  # an exponent counts as right within this relative deviation
COLOURS = (BLUE, ORANGE, GREEN, PURPLE, GREY, "black")
WIDEST = 1 / 3  # temperature over barrier of the figure of rates


def by_line(times: Evidence, **regime: Any) -> tuple[xarray.Dataset, xarray.Dataset]:
    """Rows of arrivals at the saddle and beyond it, by barrier."""
    at, beyond = (times.where(exit=line, **regime).sortby(BARRIER) for line in (AT, BEYOND))
    return at, beyond


def findings(times: Evidence) -> Iterator[Finding]:
    """The prefactor beyond the saddle, the exponent, what the exit line is worth, and the optimizer as shipped."""
    at, beyond = by_line(times)
    yield prefactor(beyond.isel({ROW: -1}))
    yield exponent("exponent", at, beyond)
    yield exit_line("factor of the exit line", at, beyond)
    if "shipped" in times.measured and np.isfinite(at["shipped"]).any():
        yield _shipped(at.isel({ROW: np.flatnonzero(np.isfinite(at["shipped"]))}))


def exponent(name: str, at: xarray.Dataset, beyond: xarray.Dataset, where: str = "") -> Finding:
    """Whether the exact time grows with the barrier as the formula's does, between the two highest barriers.

    The exit line with the higher barriers is taken. While the growth still changes by more than the tolerance it is
    told and not judged, as it is then no limit of low temperature.
    """
    rows = max((rows for rows in (beyond, at) if rows.sizes[ROW] > 1), key=lambda rows: float(rows[BARRIER][-1]))
    # the formula's logarithm grows by the step and by what its prefactor has of sharpness, which the exact one has, too
    growth = 1 + np.diff(np.log((rows["exact"] / rows["paper"]).values)) / np.diff(rows[BARRIER].values)
    grown, low, high = float(growth[-1]), *(float(barrier) for barrier in rows[BARRIER][-2:])
    place = ", ".join(filter(None, (where, f"barrier/temperature {low:g} to {high:g}", str(rows["exit"][-1].item()))))
    if abs(grown - growth[-2:][0]) > EXPONENT:
        text = f"the exponent is not told yet: the exact one is {growth[-2]:.3g}, then {grown:.3g} times the formula's"
        return Finding(name, grown, f"{text} ({place})")
    right = f"the exponent is right within {max(100 * abs(grown - 1), 0.1):.1g} % ({place})"
    wrong = f"the exponent is not right: the exact one is {grown:.3g} times the formula's ({place})"
    return Finding.judged(name, grown, right, wrong, tolerance=EXPONENT)


def prefactor(high: xarray.Dataset) -> Finding:
    """The formula over the exact time of an arrival beyond the saddle."""
    ratio = float(high["paper"] / high["exact"])
    tells = f"arriving beyond the saddle, at barrier/temperature {float(high[BARRIER]):g}, it {size(ratio)}"
    tells = f"{tells} (formula over exact {ratio:.4g})"
    right, wrong = "the formula is right", "the formula is not right"
    return Finding.judged("time to arrive beyond the saddle", ratio, right, wrong, tells)


def exit_line(name: str, at: xarray.Dataset, beyond: xarray.Dataset, where: str = "") -> Finding:
    """How much longer it takes to arrive beyond the saddle than to reach it; the paper says nothing of it."""
    barrier = max(set(at[BARRIER].values.tolist()) & set(beyond[BARRIER].values.tolist()))
    near, far = (rows.isel({ROW: rows[BARRIER].values.tolist().index(barrier)}) for rows in (at, beyond))
    factor = float(far["exact"] / near["exact"])
    text = f"an exit line at the saddle is reached {factor:.3g} times sooner, at barrier/temperature {barrier:g}"
    return Finding(name, factor, ", ".join(filter(None, (text, where))))


def _shipped(at: xarray.Dataset) -> Finding:
    """The formula over the optimizer with a running second moment, stopped at the saddle."""
    columns = zip(*(ratio.values for ratio in _over(at, "shipped")), at[BARRIER].values, strict=True)
    told = [
        f"{ratio:.2f} ({low:.2f} to {high:.2f}) at barrier/temperature {barrier:g}"
        for ratio, low, high, barrier in columns
    ]
    text = f"over the optimizer as shipped, stopped at the saddle, the formula is {' and '.join(told)}"
    return Finding("formula over the optimizer as shipped", float((at["paper"] / at["shipped"])[-1]), text)


def _over(rows: xarray.Dataset, route: str) -> list[xarray.DataArray]:
    """The formula over a measured value, with the ends of its interval."""
    return [rows["paper"] / rows[f"{route}{end}"] for end in ("", "_high", "_low")]


Curve = tuple[str, str, Any, xarray.Dataset]  # label, exit line, colour, and rows by barrier


def _curves(evidence: Sequence[Evidence], quantity: str, **regime: Any) -> Iterator[Curve]:
    """One for each subject, landscape and exit line."""
    colours = cycle(COLOURS)
    for piece in (piece for piece in evidence if piece.quantity == quantity):
        landscapes = list(dict.fromkeys(piece.data["landscape"].values.tolist()))
        for landscape in landscapes:
            label, colour = ", ".join([piece.subject, *([landscape] if len(landscapes) > 1 else [])]), next(colours)
            for line in (BEYOND, AT):
                rows = piece.where(landscape=landscape, exit=line, **regime).sortby(BARRIER)
                if rows.sizes[ROW]:
                    yield label, line, colour, rows


def times(name: str, claim: Claim, evidence: Sequence[Evidence]) -> Named:
    """Formula over exact mean time, and over the optimizer as shipped, against barrier over temperature."""
    figure, axis = subplots(size=(9.5, 6.2))
    ends, tried = [], set()
    for label, line, colour, rows in _curves(evidence, ITERATIONS):
        tried |= set(rows[BARRIER].values.tolist())
        ratio = rows["paper"] / rows["exact"]
        if line == BEYOND:
            axis.plot(rows[BARRIER], ratio, "-o", color=colour, lw=2.5, ms=6, label=label)
            ends.append((float(ratio[-1]), float(rows[BARRIER][-1])))
        else:
            axis.plot(rows[BARRIER], ratio, ls=DASHED, marker=".", color=colour, lw=1.3)
        if "shipped" in rows:
            points(axis, rows[BARRIER], *_over(rows, "shipped"), fmt="^", color=colour, mfc="white", ms=8)
    axis.plot([], [], color=GREY, ls=DASHED, marker=".", lw=1.3, label="stopped at the saddle")
    if any("shipped" in piece.measured for piece in evidence):
        label = "over the optimizer as shipped, at the saddle, 95 %"
        axis.plot([], [], "^", color=GREY, mfc="white", ms=8, label=label)
    axis.set(xscale="log", yscale="log", xlabel="barrier / temperature", ylabel="formula / exact mean escape time")
    axis.set_xticks(sorted(tried), [f"{barrier:g}" for barrier in sorted(tried)])
    _finish(figure, axis, ncols=2)
    columns = zip(*ends, strict=True)
    ratios, highest = (sorted({f"{number:.3g}" for number in column}, key=float) for column in columns)
    title = (
        f"{claim.name}: {' to '.join(dict.fromkeys((ratios[0], ratios[-1])))} times the exact time to arrive beyond "
        f"the saddle, at the highest barriers (barrier/temperature {' and '.join(highest)})"
    )
    headline(figure, title)
    caption = f"{title}. One coordinate. A level line is a right exponent; its height is the prefactor."
    return name, claim.name, figure, caption


def rates(name: str, claim: Claim, evidence: Sequence[Evidence]) -> Named:
    """Formula over exact rate against temperature over barrier, its limits, and split paths."""
    figure, axis = subplots(size=(9.5, 6.6))
    said, colours = [], {}
    for label, line, colour, rows in _curves(evidence, RATE, by=low_temperature.METHODS):
        ratio = rows["paper"] / rows["exact"]
        end = low_temperature.limit(rows[BARRIER], ratio, rows.get("grid_error", 0.0))
        shown = rows[BARRIER] >= 1 / WIDEST
        style: dict[str, Any] = {"color": colour, "ls": "-" if line == BEYOND else DASHED}
        axis.plot(1 / rows[BARRIER][shown], ratio[shown], marker=".", lw=2, **style)
        axis.errorbar(0, end.value, end.uncertainty, fmt="s", color=colour, ms=6, capsize=3, clip_on=False, zorder=3)
        colours[str(rows["landscape"][0].item()), line] = colour
        tends = _with_uncertainty(end.value, max(end.uncertainty, 1e-4))
        axis.plot([], [], marker="s", lw=2, ms=6, label=f"{label}, {line}: {tends}", **style)
        said.append((f"{tends} ({label})", line))
    for piece in evidence:
        if "splitting" in piece.measured and np.isfinite(piece.data["splitting"]).any():
            split = piece.where(by=low_temperature.SPLITTING)
            where = str(split["landscape"][0].item()), str(split["exit"][0].item())
            _split(axis, split, colours.get(where, GREY))
    axis.set(yscale="log", xlabel="temperature / barrier", ylabel="formula / exact escape rate")
    axis.set_xlim(-0.006, WIDEST + 0.006)
    _finish(figure, axis, ncols=1)
    lines = [line for _, line in said]
    first = BEYOND if BEYOND in lines else AT
    told = ", ".join(text for text, line in said if line == first)
    title = f"{claim.name}: as temperature falls, {first}, formula over exact rate tends to {told}"
    headline(figure, title)
    caption = (
        f"{title}. One coordinate. Squares at 0: limits by extrapolation in the square root of temperature, "
        "with their uncertainty. The learning rate is the same at all temperatures, so that inertia dies out with them."
    )
    return name, claim.name, figure, caption


def _with_uncertainty(value: float, uncertainty: float) -> str:
    """A number to the digit of its uncertainty, and that to one digit."""
    digits = max(0, -int(np.floor(np.log10(uncertainty))))
    return f"{value:.{digits}f} ± {uncertainty:.1g}"


def _finish(figure: Any, axis: Any, ncols: int) -> None:
    """The line at 1, readable ticks of a logarithmic axis, and the legend below."""
    axis.axhline(1, color="black", lw=1)
    low, high = axis.get_ylim()
    ticks(axis, (tick for tick in (0.1, 0.2, 0.3, 0.5, 0.7, 1, 1.5, 2, 3, 5, 7, 10) if low <= tick <= high))
    figure.legend(loc="outside lower center", ncols=ncols, handlelength=4)  # a dash shows beside its marker


def _split(axis: Any, rows: xarray.Dataset, colour: Any) -> None:
    """Split paths as points with intervals, and the exact chain that they should find."""
    style = {"fmt": "D", "color": colour, "mfc": "white", "ms": 7, "capsize": 3}
    label = "over the discrete optimizer by splitting, 95 %"
    points(axis, 1 / rows[BARRIER], *_over(rows, "splitting"), label=label, **style)
    chain = rows["paper"] / rows["exact_splitting"]
    axis.plot(1 / rows[BARRIER], chain, "_", color="black", ms=18, mew=1.6, label="over its exact chain")
