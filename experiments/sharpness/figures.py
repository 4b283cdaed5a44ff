"""Every figure of the escape job: rates against sharpness, the paper's Figure 6, fitted powers, and the collapse."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from experiments import drawing
from experiments.drawing import BLUE, DASHED, GREEN, GREY, ORANGE, Named, drawn
from experiments.problems.wells import CLAIMED_POWER, OPTIMIZERS, PREFACTOR_POWER, SAME_IN_ONE, settings
from experiments.sharpness import findings
from experiments.sharpness.findings import FIGURE_6, NAMES, POWER, SYMMETRY, of
from experiments.sharpness.job import Outcome
from experiments.sharpness.power import FEWEST, LEAST, MOST, REJECTED, RELAXATIONS, Records, ends, interval, scaled

COLOURS = {"SGD": GREY, "Momentum": GREEN, "Adam": ORANGE, "Adai": BLUE}
MARKERS = {"sde": "o", "discrete": "s", "minibatches": "^", "splitting": "D"}
FILLED = ("sde", "splitting")
LABELS = {
    "sde": "SDE ensemble",
    "discrete": "discrete",
    "minibatches": "real minibatches",
    "splitting": "SDE by splitting",
}
FAINT = 0.3  # of rates that are not those of escapes
BEST, BEST_OF_DATA = (
    ("splitting", "sde", "discrete"),
    ("discrete", "sde", "minibatches"),
)  # whose power is told: the first's
ROWS = {"exact": -0.3, "sde": -0.15, "discrete": 0.0, "minibatches": 0.15, "splitting": 0.3}  # places about a setting's


def draw(outcome: Outcome, out: Path) -> None:
    """Draw every figure as PNG and SVG into `out`/figures, and write their captions to `out`/captions.txt."""
    captions = []
    for figure in drawn(_all(outcome)):
        figure.write(out / "figures")
        captions.append(f"{figure.name}: {figure.caption}")
    (out / "captions.txt").write_text("\n\n".join(captions) + "\n", encoding="utf-8")


def _all(outcome: Outcome) -> Iterator[Named]:
    """Every figure of which there are data."""
    for key, dimension in sorted({(point["setting"], point["dimension"]) for point in outcome.points}):
        yield figure_6(outcome) if key == "recalled" else sharpness(outcome, key, dimension)
    yield powers(outcome)
    if outcome.collapse:
        yield collapse(outcome)


def sharpness(outcome: Outcome, key: str, dimension: int) -> Named:
    """Rate over its prefactor's power of k: against 1/k, and where the claimed power is 1/2 against 1/sqrt(k)."""
    figure, axes = drawing.subplots(1, 2, size=(12.5, 5.8))
    points, lines, fits = (
        of(records, setting=key, dimension=dimension) for records in (outcome.points, outcome.lines, outcome.fits)
    )
    best = BEST_OF_DATA if settings()[key].has_data else BEST
    routes = [route for route in best if of(points, route=route)]
    handles = []
    for axis, claimed, abscissa, prefactor in zip(axes, (1.0, 0.5), ("1/k", "1/√k"), ("k", "√k"), strict=True):
        group = [optimizer for optimizer in OPTIMIZERS if CLAIMED_POWER[optimizer] == claimed]
        shown, drawn = ([row for row in rows if row["optimizer"] in group] for rows in (points, lines))
        _panel(axis, shown, drawn, _root(claimed))
        label = f"{abscissa}  (k: sharpness of the minimum)" if claimed == 1 else abscissa
        axis.set(xlabel=label, ylabel=f"−log(rate/{prefactor})   (rate per iteration)", title=", ".join(group))
        for optimizer in group:
            moved = " (points moved right)" if optimizer in SAME_IN_ONE else ""
            told = "".join(f": p = {interval(fit)}" for fit in of(fits, optimizer=optimizer, route=routes[0]))
            handles.append(_handle(f"{optimizer}{moved}{told}", color=COLOURS[optimizer], lw=4))
    handles += _route_handles(routes)
    if lines:
        handles += [_handle("exact SDE", color=GREY), _handle("the paper", color=GREY, lw=1.6, ls=DASHED)]
    title = f"{findings.how_many(fits)}\n{settings()[key].title}, {points[0]['geometry']}"
    if settings()[key].has_data:
        real = [finding.text for finding in findings.gaussian(outcome, "SGD")]
        title += "".join(f"\nSGD: {text}" for text in dict.fromkeys((*real[:1], *real[-1:])))
    figure.suptitle(title)
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    own_data = (
        " Rates on real minibatches are of one data set, with second moments from iteration 300 on."
        if of(points, route="minibatches")
        else ""
    )
    solved = " Solid: quadrature or phase-space grid; dashed: the paper's formula." if lines else ""
    caption = (
        f"{title.replace(chr(10), ' ')}. p from -log(rate/k) = c + a k^-p, of Adam with sqrt(k), with 95 % intervals, "
        f"over the escapes: points whose mean exit takes more than {RELAXATIONS} relaxation times, and whose exits "
        f"follow the exponential law (not rejected at {100 * REJECTED:g} %). Faint: the other points. A straight line "
        f"has p = 1 on the left and p = 1/2 on the right.{solved}{own_data}"
    )
    return f"sharpness-{key}-{dimension}", POWER, figure, caption


def _panel(axis: Axes, points: Records, lines: Records, x: Callable[[Any], Any]) -> None:
    """Points and lines of some optimizers; the axes reach as far as the points do."""
    reach = max(float(x(point["sharpness"])) for point in points)
    for optimizer in OPTIMIZERS:
        aside = 0.012 * reach if optimizer in SAME_IN_ONE else 0.0  # else they would hide what they are the same as
        _rates(axis, of(points, optimizer=optimizer), x, aside=aside)
        line = of(lines, optimizer=optimizer)
        if line:
            k, width = np.array([row["sharpness"] for row in line]), 5 if optimizer in SAME_IN_ONE.values() else 2
            for name, style in (("rate", {"lw": width}), ("paper", {"lw": 1.6, "ls": DASHED})):
                y = scaled(optimizer, k, [row[name] or np.nan for row in line])
                axis.plot(x(k), y, color=COLOURS[optimizer], **style)
    tops = [
        float(scaled(row["optimizer"], row["sharpness"], row[name]))
        for row in points + lines
        if x(row["sharpness"]) <= 1.01 * reach
        for name in ("rate", "paper")
        if row.get(name)
    ]
    axis.set_xlim(0, 1.12 * reach)
    axis.set_ylim(top=max(tops, default=1.0) + 0.6)


def figure_6(outcome: Outcome) -> Named:
    """The paper's Figure 6: -log(rate) against 1/k and against 1/sqrt(k), all optimizers in both."""
    figure, axes = drawing.subplots(1, 2, size=(12.5, 5.6), sharey=True)
    points = of(outcome.points, setting="recalled")
    least = []
    for axis, exponent, abscissa in zip(axes, (1.0, 0.5), ("1/k  (k: sharpness)", "1/√k"), strict=True):
        x = _root(exponent)
        _rates(axis, points, x, raw=True)
        correlations = []
        for optimizer in OPTIMIZERS:
            used = [row for row in of(points, optimizer=optimizer, route="discrete") if row["events"] >= FEWEST]
            k = np.array([row["sharpness"] for row in used])
            line = np.polynomial.Polynomial.fit(x(k), -np.log([row["rate"] for row in used]), 1)
            axis.plot(*line.linspace(2, [x(k).min(), x(k).max()]), color=COLOURS[optimizer], lw=1.5)
            correlations.append(findings.slopes(used, optimizer, exponent)[0])
        least.append(f"{min(correlations):.3f} or more with k^-{NAMES[exponent]}")
        axis.set_xlabel(abscissa)
    axes[0].set_ylabel("−log(rate)   (rate per iteration)")
    valleys = findings.valleys("recalled").text
    title = f"The paper's Figure 6: correlations are {' and '.join(least)};\n{valleys}"
    figure.suptitle(title)
    handles = [_handle(optimizer, color=COLOURS[optimizer], lw=4) for optimizer in OPTIMIZERS]
    handles += _route_handles([route for route in MARKERS if of(points, route=route)], discrete="exact covariance")
    figure.legend(handles=handles, loc="outside lower center", ncols=6)
    caption = (
        f"{title.replace(chr(10), ' ')}. Settings recalled, not verified: loss f(sqrt(k) theta - x), 50,000 samples "
        "x ~ N(0, 4), batch 10, 10 independent coordinates, from -2.903534/sqrt(k) until one passes 0.156731/sqrt(k)."
    )
    return "figure-6", FIGURE_6, figure, caption


def powers(outcome: Outcome) -> Named:
    """Every fitted power with its interval."""
    fits = [fit for fit in outcome.fits if fit["p"] is not None]
    order = list(settings())
    shown = sorted({(order.index(fit["setting"]), fit["dimension"]) for fit in fits})
    figure, axes = drawing.subplots(1, 4, size=(13.5, 2.2 + 0.75 * len(shown)), sharey=True)
    exact = {"marker": "|", "color": "black", "ls": "", "ms": 13, "mew": 2.5}
    for axis, optimizer in zip(axes, OPTIMIZERS, strict=True):
        for fit in of(fits, optimizer=optimizer):
            row = shown.index((order.index(fit["setting"]), fit["dimension"])) + ROWS[fit["route"]]
            if fit["route"] == "exact":
                axis.plot(fit["p"], row, **exact)
                continue
            low, high = ends(fit, least=LEAST, most=MOST)
            error = [[fit["p"] - low], [high - fit["p"]]]
            axis.errorbar(fit["p"], row, xerr=error, **_marker(fit["route"], COLOURS[optimizer]), capsize=2)
        axis.axvline(CLAIMED_POWER[optimizer], color=GREY, ls=DASHED, lw=1.4)
        axis.set(title=optimizer, xlabel="p", xlim=(-0.6, 2.6))
        axis.grid(axis="y", color="#dddddd", lw=0.8)
    axes[0].set_yticks(range(len(shown)), [f"{order[place]}, d = {dimension}" for place, dimension in shown])
    axes[0].set_ylim(len(shown) - 0.5, -0.5)
    title = findings.how_many([fit for fit in outcome.fits if settings()[fit["setting"]].ends_at_saddle])
    figure.suptitle(title)
    handles = _route_handles(list(MARKERS), splitting="SDE ensemble and splitting")
    handles += [_handle("exact SDE", **exact), _handle("the paper", color=GREY, ls=DASHED)]
    figure.legend(handles=handles, loc="outside lower center", ncols=6)
    caption = (
        f"{title}. p in -log(rate/k) = c + a k^-p (Adam: sqrt(k)) with 95 % intervals, over escapes alone; intervals "
        "are widened where the law does not fit. Every escape is one-dimensional or of independent coordinates."
    )
    return "powers", POWER, figure, caption


def collapse(outcome: Outcome) -> Named:
    """Rates at three learning rates against k lr, of Adam against sqrt(k) lr."""
    figure, axes = drawing.subplots(1, 4, size=(14, 4.8))
    factors = sorted({point["factor"] for point in outcome.collapse})
    for axis, optimizer in zip(axes, OPTIMIZERS, strict=True):
        exponent, colour = PREFACTOR_POWER[optimizer], COLOURS[optimizer]
        for factor, shape in zip(factors, "o^s", strict=True):
            points = of(outcome.collapse, optimizer=optimizer, factor=factor)
            points = [point for point in points if point["rate"] and point["events"] >= FEWEST]
            names = ("sharpness", "lr", "rate", "rate_low", "rate_high")
            k, lr, rate, low, high = (np.array([point[name] for point in points]) for name in names)
            style = {"fmt": shape, "color": colour, "mfc": "white" if factor != 1 else colour, "ms": 7, "capsize": 2}
            label = f"learning rate {points[0]['lr']:.3g}" if points else None
            axis.errorbar(lr * k**exponent, rate, [rate - low, high - rate], label=label, **style)
        scaled_by = "√k" if exponent < 1 else "k"
        axis.set(xscale="log", yscale="log", title=optimizer, xlabel=f"{scaled_by} × learning rate")
        axis.xaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 2, 3, 5)))
        axis.xaxis.set_major_formatter(mpl.ticker.FormatStrFormatter("%g"))
        axis.xaxis.set_minor_locator(mpl.ticker.NullLocator())
        axis.yaxis.set_minor_formatter(mpl.ticker.NullFormatter())
        axis.legend(loc="lower right", fontsize=9)
    axes[0].set_ylabel("escape rate per iteration")
    told = findings.collapse(outcome.collapse).text
    title = told[0].upper() + told[1:]
    figure.suptitle(title)
    point = outcome.collapse[0]
    caption = (
        f"{title}. {settings()[point['setting']].title}, {point['geometry']}, discrete optimizers with the exact "
        "covariance of minibatches, as shipped; 95 % intervals. Judged by the rates of escapes."
    )
    return "collapse", SYMMETRY, figure, caption


def _root(power: float) -> Callable[[Any], Any]:
    """The abscissa k^-power."""
    return lambda k: np.asarray(k, float) ** -power


def _rates(axis: Axes, points: Records, x: Callable[[Any], Any], *, raw: bool = False, aside: float = 0.0) -> None:
    """Measured points with their intervals, moved to the right by `aside`; faint if they are not those of escapes.

    Raw rates, without the prefactor's power of k taken out, are none of them faint.
    """
    for point in points:
        if not point["rate"] or point["events"] < FEWEST:
            continue
        optimizer, k = point["optimizer"], point["sharpness"]
        y, below, above = (scaled(optimizer, k, point[name], raw=raw) for name in ("rate", "rate_high", "rate_low"))
        style = _marker(point["route"], COLOURS[optimizer]) | {"capsize": 2, "lw": 1.2}
        faint = FAINT if point["why_not"] and not raw else 1.0
        axis.errorbar(x(k) + aside, y, np.array([[y - below], [above - y]]), alpha=faint, **style)


def _marker(route: str, colour: str) -> dict[str, Any]:
    """How a route's points are drawn."""
    return {
        "marker": MARKERS[route],
        "color": colour,
        "mfc": colour if route in FILLED else "white",
        "ms": 6.5,
        "ls": "",
    }


def _handle(label: str, **style: Any) -> Line2D:
    """An entry of a legend."""
    return Line2D([], [], label=label, **({"lw": 2} | style))


def _route_handles(routes: list[str], **labels: str) -> list[Line2D]:
    """Entries for routes, with other labels for some."""
    return [_handle((LABELS | labels)[route], **_marker(route, GREY)) for route in MARKERS if route in routes]
