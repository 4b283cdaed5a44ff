"""Figures of rates against sharpness: one for each setting, and the paper's Figure 6."""

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from experiments.drawing import DASHED, Named
from experiments.problems.wells import CLAIMED_POWER, OPTIMIZERS, SAME_IN_ONE, settings
from experiments.sharpness.findings import FIGURE_6, NAMES, POWER, gaussian, how_many, of, slopes, valleys
from experiments.sharpness.job import Outcome
from experiments.sharpness.marks import COLOURS, MARKERS, handle, rates, route_handles, theory_handles
from experiments.sharpness.power import scaled
from experiments.sharpness.powers import FEWEST, REJECTED, RELAXATIONS, Records, interval

BEST, BEST_OF_DATA = ("splitting", "sde", "discrete"), ("discrete", "sde", "torch")  # whose power is told: the first's


def root(power: float) -> Callable[[Any], Any]:
    """The abscissa k^-power."""
    return lambda k: np.asarray(k, float) ** -power


def sharpness(outcome: Outcome, key: str, dimension: int) -> Named:
    """Rate over its prefactor's power of k: against 1/k, and where the claimed power is 1/2 against 1/sqrt(k)."""
    figure, axes = plt.subplots(1, 2, figsize=(12.5, 5.8), layout="constrained")
    points = of(outcome.points, setting=key, dimension=dimension)
    lines = of(outcome.lines, setting=key, dimension=dimension)
    best = BEST_OF_DATA if settings()[key].has_data else BEST
    routes = [route for route in best if of(points, route=route)]
    fits = of(outcome.fits, setting=key, dimension=dimension)
    handles = []
    for axis, claimed, abscissa, prefactor in zip(axes, (1.0, 0.5), ("1/k", "1/√k"), ("k", "√k"), strict=True):
        group = [optimizer for optimizer in OPTIMIZERS if CLAIMED_POWER[optimizer] == claimed]
        shown = [point for point in points if point["optimizer"] in group]
        _panel(axis, shown, [line for line in lines if line["optimizer"] in group], root(claimed))
        label = f"{abscissa}  (k: sharpness of the minimum)" if claimed == 1 else abscissa
        axis.set(xlabel=label, ylabel=f"−log(rate/{prefactor})   (rate per iteration)", title=", ".join(group))
        for optimizer in group:
            moved = " (points moved right)" if optimizer in SAME_IN_ONE else ""
            told = "".join(f": p = {interval(fit)}" for fit in of(fits, optimizer=optimizer, route=routes[0]))
            handles.append(handle(f"{optimizer}{moved}{told}", color=COLOURS[optimizer], lw=4))
    handles += route_handles(routes) + (theory_handles() if lines else [])
    title = _title(outcome, fits, f"{settings()[key].title}, {points[0]['geometry']}", key)
    figure.suptitle(title)
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    drawn = " Each rate on real minibatches is of a data set of its own." if of(points, route="torch") else ""
    solved = " Solid: quadrature or phase-space grid; dashed: the paper's formula." if lines else ""
    caption = (
        f"{title.replace(chr(10), ' ')}. p from -log(rate/k) = c + a k^-p, of Adam with sqrt(k), with 95 % intervals, "
        f"over the escapes: points whose mean exit takes more than {RELAXATIONS} relaxation times, and whose exits "
        f"follow the exponential law (not rejected at {100 * REJECTED:g} %). Faint: the other points. A straight line "
        f"has p = 1 on the left and p = 1/2 on the right.{solved}{drawn}"
    )
    return f"sharpness-{key}-{dimension}", POWER, figure, caption


def _panel(axis: Axes, points: Records, lines: Records, x: Callable[[Any], Any]) -> None:
    """Points and lines of some optimizers; the axes reach as far as the points do."""
    reach = max(float(x(point["sharpness"])) for point in points)
    for optimizer in OPTIMIZERS:
        aside = 0.012 * reach if optimizer in SAME_IN_ONE else 0.0  # else they would hide what they are the same as
        rates(axis, of(points, optimizer=optimizer), x, aside=aside)
        line = of(lines, optimizer=optimizer)
        if line:
            k, width = np.array([one["sharpness"] for one in line]), 5 if optimizer in SAME_IN_ONE.values() else 2
            for name, style in (("rate", {"lw": width}), ("paper", {"lw": 1.6, "ls": DASHED})):
                y = scaled(optimizer, k, [one[name] or np.nan for one in line])
                axis.plot(x(k), y, color=COLOURS[optimizer], **style)
    tops = [
        float(scaled(one["optimizer"], one["sharpness"], one[name]))
        for one in points + lines
        if x(one["sharpness"]) <= 1.01 * reach
        for name in ("rate", "paper")
        if one.get(name)
    ]
    axis.set_xlim(0, 1.12 * reach)
    axis.set_ylim(top=max(tops, default=1.0) + 0.6)


def _title(outcome: Outcome, fits: Records, where: str, key: str) -> str:
    """How many fitted powers are the claimed ones, and what real minibatches do."""
    real = [finding.text for finding in gaussian(outcome, "SGD")] if settings()[key].has_data else []
    more = "".join(f"\nSGD: {text}" for text in dict.fromkeys((*real[:1], *real[-1:])))
    return f"{how_many(fits)}\n{where}{more}"


def figure_6(outcome: Outcome) -> Named:
    """The paper's Figure 6: -log(rate) against 1/k and against 1/sqrt(k), all optimizers in both."""
    figure, axes = plt.subplots(1, 2, figsize=(12.5, 5.6), sharey=True, layout="constrained")
    points = of(outcome.points, setting="recalled")
    least = []
    for axis, exponent, abscissa in zip(axes, (1.0, 0.5), ("1/k  (k: sharpness)", "1/√k"), strict=True):
        x = root(exponent)
        rates(axis, points, x, raw=True)
        found = []
        for optimizer in OPTIMIZERS:
            used = [one for one in of(points, optimizer=optimizer, route="discrete") if one["events"] >= FEWEST]
            k = np.array([one["sharpness"] for one in used])
            line = np.polynomial.Polynomial.fit(x(k), -np.log([one["rate"] for one in used]), 1)
            axis.plot(*line.linspace(2, [x(k).min(), x(k).max()]), color=COLOURS[optimizer], lw=1.5)
            found.append(slopes(used, optimizer, exponent)[0])
        least.append(f"{min(found):.3f} or more with k^-{NAMES[exponent]}")
        axis.set_xlabel(abscissa)
    axes[0].set_ylabel("−log(rate)   (rate per iteration)")
    title = f"The paper's Figure 6: correlations are {' and '.join(least)};\n{valleys('recalled').text}"
    figure.suptitle(title)
    handles = [handle(optimizer, color=COLOURS[optimizer], lw=4) for optimizer in OPTIMIZERS]
    there = [route for route in MARKERS if of(points, route=route)]
    handles += route_handles(there, {"discrete": "exact covariance"})
    figure.legend(handles=handles, loc="outside lower center", ncols=6)
    caption = (
        f"{title.replace(chr(10), ' ')}. Settings recalled, not verified: loss f(sqrt(k) theta - x), 50,000 samples "
        "x ~ N(0, 4), batch 10, 10 independent coordinates, from -2.903534/sqrt(k) until one passes 0.156731/sqrt(k)."
    )
    return "figure-6", FIGURE_6, figure, caption
