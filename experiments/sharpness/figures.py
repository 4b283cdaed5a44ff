"""Figures of the sharpness experiment: rates against sharpness, fitted powers, the collapse, and the paper's Figure 6."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes
from scipy import stats

from experiments.drawing import BLUE, DASHED, GREEN, GREY, ORANGE, Drawn, Named, save
from experiments.problems.wells import CLAIMED_POWER, OPTIMIZERS, settings
from experiments.sharpness import well_figures
from experiments.sharpness.job import FEWEST, Outcome, interval, scaled
from experiments.sharpness.power import LEAST, MOST

COLOURS = {"SGD": GREY, "Momentum": GREEN, "Adam": ORANGE, "Adai": BLUE}
MARKERS = {
    "sde": ("o", True, "SDE ensemble"),
    "discrete": ("s", False, "discrete"),
    "torch": ("^", False, "torch, real samples"),
    "splitting": ("D", True, "SDE by splitting"),
}
FITTED = {"splitting": "SDE ensemble and splitting"}  # a power's points where they are of more than one route
Records = list[dict[str, Any]]


def draw(outcome: Outcome, directory: Path, seed: int, threads: int | None) -> list[Drawn]:
    """Draw every figure as PNG and SVG into `directory`."""
    return save(_all(outcome, seed, threads), directory)


def _all(outcome: Outcome, seed: int, threads: int | None) -> Iterator[Named]:
    shown = sorted({(point["setting"], point["dimension"]) for point in outcome.points}, key=str)
    if any(key == "recalled" for key, _ in shown):
        yield figure_6(outcome)
    for key, dimension in shown:
        if key != "recalled":
            yield sharpness(outcome, key, dimension)
    yield powers(outcome)
    if outcome.collapse:
        yield collapse(outcome)
    yield from well_figures.all_figures(seed, threads, outcome.turnover, quick=outcome.settings["quick"])


def _of(records: Records, **wanted: Any) -> Records:
    return [one for one in records if all(one[name] == value for name, value in wanted.items())]


def _measured(
    axis: Axes, found: Records, optimizer: str, route: str, x: Any, raw: bool = False, aside: float = 0.0
) -> None:
    """Points with their intervals; x is a function of the sharpness, and `aside` moves them right."""
    found = [one for one in found if one["events"] >= FEWEST]
    if not found:
        return
    k, rate, low, high = (
        np.array([one[name] for one in found]) for name in ("sharpness", "rate", "rate_low", "rate_high")
    )
    y, below, above = (scaled(optimizer, k, value, raw=raw) for value in (rate, high, low))
    marker, filled, _ = MARKERS[route]
    colour = COLOURS[optimizer]
    axis.errorbar(
        x(k) + aside,
        y,
        [y - below, above - y],
        fmt=marker,
        color=colour,
        mfc=colour if filled else "white",
        ms=6.5,
        capsize=2,
        lw=1.2,
    )


def sharpness(outcome: Outcome, key: str, dimension: int) -> Named:
    """Rate over its prefactor's power of k: against 1/k for SGD, Momentum and Adai, against 1/sqrt(k) for Adam."""
    figure, axes = plt.subplots(1, 2, figsize=(12.5, 5.8), layout="constrained")
    found = _of(outcome.points, setting=key, dimension=dimension)
    lines = _of(outcome.lines, setting=key, dimension=dimension)
    routes = [route for route in MARKERS if _of(found, route=route)]
    best = "splitting" if "splitting" in routes else routes[0]
    handles = []
    for axis, group, power in ((axes[0], ("SGD", "Momentum", "Adai"), 1.0), (axes[1], ("Adam",), 0.5)):

        def x(k: Any, power: float = power) -> Any:
            return np.asarray(k, float) ** -power

        reach = max(float(x(one["sharpness"])) for one in found if one["optimizer"] in group)
        for optimizer in group:
            aside = 0.012 * reach if optimizer == "Adai" else 0.0  # in one coordinate it is Momentum, and would hide it
            for route in routes:
                _measured(axis, _of(found, optimizer=optimizer, route=route), optimizer, route, x, aside=aside)
            line = _of(lines, optimizer=optimizer)
            if line:
                k = np.array([one["sharpness"] for one in line])
                width = 5 if optimizer == "Momentum" else 2  # Adai's lies on it
                axis.plot(x(k), scaled(optimizer, k, [one["rate"] for one in line]), color=COLOURS[optimizer], lw=width)
                axis.plot(
                    x(k),
                    scaled(optimizer, k, [one["paper"] for one in line]),
                    color=COLOURS[optimizer],
                    lw=1.6,
                    ls=DASHED,
                )
            fit = _of(outcome.fits, setting=key, dimension=dimension, optimizer=optimizer, route=best)
            name = f"{optimizer} (points moved right)" if optimizer == "Adai" else optimizer
            words = f"{name}: p = {interval(fit[0])}" if fit else name
            handles.append(mpl.lines.Line2D([], [], color=COLOURS[optimizer], lw=4, label=words))
        tops = [axis.dataLim.y1] if not lines else []
        for one in found + lines:
            if one["optimizer"] in group and one["rate"] > 0 and x(one["sharpness"]) <= 1.01 * reach:
                tops += [
                    float(scaled(one["optimizer"], one["sharpness"], one[name]))
                    for name in ("rate", "paper")
                    if one.get(name)
                ]
        axis.set_xlim(0, 1.12 * reach)
        axis.set_ylim(top=max(tops) + 0.6)
    axes[0].set(
        xlabel="1/k  (k: sharpness of the minimum)",
        ylabel="−log(rate/k)   (rate per iteration)",
        title="SGD, Momentum, Adai",
    )
    axes[1].set(xlabel="1/√k", ylabel="−log(rate/√k)   (rate per iteration)", title="Adam")
    for route in routes:
        marker, filled, label = MARKERS[route]
        handles.append(
            mpl.lines.Line2D(
                [], [], color=GREY, marker=marker, mfc=GREY if filled else "white", ls="", ms=7, label=label
            )
        )
    if lines:
        handles.append(mpl.lines.Line2D([], [], color=GREY, lw=2, label="exact SDE"))
        handles.append(mpl.lines.Line2D([], [], color=GREY, lw=1.6, ls=DASHED, label="the paper"))
    title = f"{_finding(outcome, key, dimension, best)}\n{_skewed(found)}{settings()[key].title}, d = {dimension}"
    figure.suptitle(title)
    figure.legend(handles=handles, loc="outside lower center", ncols=3)
    caption = (
        f"{title}. p from -log(rate/k) = c + a k^-p, of Adam with sqrt(k), over the {FITTED.get(best, MARKERS[best][2])} points, with 95 % intervals. A straight "
        "line has p = 1 on the left and p = 1/2 on the right."
        + (" Solid: quadrature or phase-space grid; dashed: the paper's formula." if lines else "")
    )
    return f"sharpness-{key}-{dimension}", "Table 1, minima row", figure, caption


def _skewed(found: Records) -> str:
    """By how much real minibatches escape faster than Gaussian noise of their covariance, at most; empty without data."""
    ratios = [
        real["rate"] / one["rate"]
        for real in _of(found, route="torch")
        if real["rate"] > 0
        for one in _of(found, route="discrete", optimizer=real["optimizer"], sharpness=real["sharpness"])
        if one["rate"] > 0
    ]
    return (
        f"Real minibatches leave up to {max(ratios):.0f} times as fast as Gaussian noise of their covariance\n"
        if ratios
        else ""
    )


def _finding(outcome: Outcome, key: str, dimension: int, route: str) -> str:
    said = []
    for optimizer in OPTIMIZERS:
        fit = _of(outcome.fits, setting=key, dimension=dimension, optimizer=optimizer, route=route)
        if fit:
            claimed, other = CLAIMED_POWER[optimizer], 1.5 - CLAIMED_POWER[optimizer]
            names = {1.0: "1", 0.5: "1/2"}
            state = "excluded" if fit[0][f"excludes_{names[claimed]}"] else "possible"
            rival = "" if fit[0][f"excludes_{names[other]}"] else f", {names[other]} too"
            said.append(f"{optimizer} p = {fit[0]['p']:.2f} ({names[claimed]} {state}{rival})")
    return "; ".join(said)


def powers(outcome: Outcome) -> Named:
    """Every fitted power with its interval."""
    shown = sorted(
        {(one["setting"], one["dimension"]) for one in outcome.fits},
        key=lambda pair: (list(settings()).index(pair[0]), pair[1]),
    )
    figure, axes = plt.subplots(1, 4, figsize=(13.5, 1.6 + 0.75 * len(shown)), sharey=True, layout="constrained")
    held = []
    for axis, optimizer in zip(axes, OPTIMIZERS, strict=True):
        for row, (key, dimension) in enumerate(shown):
            for shift, route in (
                (-0.3, "exact"),
                (-0.15, "sde"),
                (0.0, "discrete"),
                (0.15, "torch"),
                (0.3, "splitting"),
            ):
                for fit in _of(outcome.fits, setting=key, dimension=dimension, optimizer=optimizer, route=route):
                    if route == "exact":
                        axis.plot(fit["p"], row + shift, "|", ms=13, mew=2.5, color="black")
                        continue
                    low = LEAST if fit["low"] is None else fit["low"]
                    high = MOST if fit["high"] is None else fit["high"]
                    marker, filled, _ = MARKERS[route]
                    colour = COLOURS[optimizer]
                    axis.errorbar(
                        fit["p"], row + shift, xerr=[[fit["p"] - low], [high - fit["p"]]], fmt=marker, color=colour,
                        mfc=colour if filled else "white", ms=6.5, capsize=2,
                    )  # fmt: skip
                    if route == "sde" and not settings()[key].has_data:
                        held.append(low <= CLAIMED_POWER[optimizer] <= high)
        axis.axvline(CLAIMED_POWER[optimizer], color=GREY, ls=DASHED, lw=1.4)
        axis.set(title=optimizer, xlabel="p", xlim=(-0.6, 2.6))
        axis.grid(axis="y", color="#dddddd", lw=0.8)
    axes[0].set_yticks(range(len(shown)), [f"{key}, d = {dimension}" for key, dimension in shown])
    axes[0].invert_yaxis()
    title = f"The claimed power of k lies in the interval of {sum(held)} of {len(held)} SDE series under Hessian noise"
    figure.suptitle(title)
    handles = [
        mpl.lines.Line2D(
            [],
            [],
            color=GREY,
            marker=marker,
            mfc=GREY if filled else "white",
            ls="",
            ms=7,
            label=FITTED.get(route, label),
        )
        for route, (marker, filled, label) in MARKERS.items()
    ]
    handles += [
        mpl.lines.Line2D([], [], color="black", marker="|", ls="", ms=13, mew=2.5, label="exact SDE"),
        mpl.lines.Line2D([], [], color=GREY, ls=DASHED, label="the paper"),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=5)
    caption = f"{title}. p in -log(rate/k) = c + a k^-p (Adam: sqrt(k)) with 95 % intervals; intervals are widened where the law does not fit."
    return "powers", "Table 1, minima row", figure, caption


def collapse(outcome: Outcome) -> Named:
    """Rates at three learning rates against k lr, of Adam against sqrt(k) lr."""
    figure, axes = plt.subplots(1, 4, figsize=(14, 4.8), layout="constrained")
    setting = settings()["minibatch"]
    worst, misfit, freedom = 0.0, 0.0, 0
    for axis, optimizer in zip(axes, OPTIMIZERS, strict=True):
        power = 0.5 if optimizer == "Adam" else 1.0
        groups: dict[float, list[tuple[float, float]]] = {}
        for factor, marker in zip(sorted({one["factor"] for one in outcome.collapse}), "o^s", strict=True):
            found = [
                one for one in _of(outcome.collapse, optimizer=optimizer, factor=factor) if one["events"] >= FEWEST
            ]
            k, rate, low, high = (
                np.array([one[name] for one in found]) for name in ("sharpness", "rate", "rate_low", "rate_high")
            )
            x = factor * setting.lr[optimizer] * k**power
            label = f"learning rate {factor * setting.lr[optimizer]:.3g}"
            axis.errorbar(
                x,
                rate,
                [rate - low, high - rate],
                fmt=marker,
                color=COLOURS[optimizer],
                mfc="white" if factor != 1 else COLOURS[optimizer],
                ms=7,
                capsize=2,
                label=label,
            )
            for place, value, one in zip(np.round(np.log(x), 6), np.log(rate), found, strict=True):
                groups.setdefault(float(place), []).append((float(value), one["events"]))
        for members in groups.values():
            values, weights = np.array(members).T
            worst = max(worst, float(np.ptp(values)))
            misfit += float(np.sum(weights * (values - np.average(values, weights=weights)) ** 2))
            freedom += len(values) - 1
        axis.set(
            xscale="log",
            yscale="log",
            title=optimizer,
            xlabel="√k × learning rate" if optimizer == "Adam" else "k × learning rate",
        )
        axis.xaxis.set_major_locator(mpl.ticker.LogLocator(subs=(1, 2, 3, 5)))
        axis.xaxis.set_major_formatter(mpl.ticker.FormatStrFormatter("%g"))
        axis.xaxis.set_minor_locator(mpl.ticker.NullLocator())
        axis.yaxis.set_minor_formatter(mpl.ticker.NullFormatter())
        axis.legend(loc="lower right", fontsize=9)
    axes[0].set_ylabel("escape rate per iteration")
    p = stats.chi2.sf(misfit, freedom)
    state = "as sampling allows" if p > 0.01 else "more than sampling allows"
    title = f"Rates at three learning rates lie within a factor {np.exp(worst):.2f} of one curve, {state} (p = {p:.2g})"
    figure.suptitle(title)
    caption = f"{title}. {setting.title}, d = 10, discrete optimizers with the exact covariance of minibatches, as shipped; 95 % intervals."
    return "collapse", "Scaling symmetry", figure, caption


def figure_6(outcome: Outcome) -> Named:
    """The paper's Figure 6: -log(rate) against 1/k and against 1/sqrt(k), all optimizers in both."""
    figure, axes = plt.subplots(1, 2, figsize=(12.5, 5.6), sharey=True, layout="constrained")
    found = _of(outcome.points, setting="recalled")
    fitted: dict[float, list[float]] = {1.0: [], 0.5: []}
    for axis, power in zip(axes, (1.0, 0.5), strict=True):

        def x(k: Any, power: float = power) -> Any:
            return np.asarray(k, float) ** -power

        for optimizer in OPTIMIZERS:
            for route in ("discrete", "torch"):
                _measured(axis, _of(found, optimizer=optimizer, route=route), optimizer, route, x, raw=True)
            these = [one for one in _of(found, optimizer=optimizer, route="discrete") if one["events"] >= FEWEST]
            k = np.array([one["sharpness"] for one in these])
            y = scaled(optimizer, k, [one["rate"] for one in these], raw=True)
            slope, intercept = np.polyfit(x(k), y, 1)
            fitted[power].append(float(np.corrcoef(x(k), y)[0, 1]))
            edge = np.array([x(k).min(), x(k).max()])
            axis.plot(edge, intercept + slope * edge, color=COLOURS[optimizer], lw=1.5)
        axis.set_xlabel("1/k  (k: sharpness)" if power == 1 else "1/√k")
    axes[0].set_ylabel("−log(rate)   (rate per iteration)")
    title = (
        f"The paper's Figure 6: 1/k and 1/√k fit alike (correlations ≥ {min(fitted[1.0]):.3f} and ≥ {min(fitted[0.5]):.3f}),\n"
        "and the expected loss at these data has one single well: nothing is escaped"
    )
    figure.suptitle(title)
    handles: list[Any] = [
        mpl.lines.Line2D([], [], color=COLOURS[optimizer], lw=4, label=optimizer) for optimizer in OPTIMIZERS
    ]
    for route in ("discrete", "torch"):
        if _of(found, route=route):
            marker, _, label = MARKERS[route]
            words = "exact covariance" if route == "discrete" else label
            handles.append(mpl.lines.Line2D([], [], color=GREY, marker=marker, mfc="white", ls="", ms=7, label=words))
    figure.legend(handles=handles, loc="outside lower center", ncols=6)
    caption = (
        f"{title}. Settings recalled, not verified: loss f(sqrt(k) theta - x), 50,000 samples x ~ N(0, 4), batch 10, d = 10, from -2.903534/sqrt(k) until a coordinate "
        "passes 0.156731/sqrt(k). With data of variance above 1.936 the expected loss has no barrier, so the run measures a level crossing inside a bowl."
    )
    return "figure-6", "Figure 6", figure, caption


def captions(drawn: Iterable[Drawn]) -> str:
    """Captions as text, to go with the figures."""
    return "\n\n".join(f"{one.name}: {one.caption}" for one in drawn) + "\n"
