"""Figures of every fitted power, and of the collapse of rates at several learning rates."""

import numpy as np
from matplotlib import pyplot as plt

from experiments.drawing import DASHED, GREY, Named
from experiments.problems.wells import CLAIMED_POWER, OPTIMIZERS, PREFACTOR_POWER, settings
from experiments.sharpness.findings import POWER, SYMMETRY, ends, how_many, of
from experiments.sharpness.findings import collapse as one_curve
from experiments.sharpness.job import Outcome
from experiments.sharpness.marks import COLOURS, MARKERS, handle, marker, plain_ticks, route_handles
from experiments.sharpness.power import LEAST, MOST
from experiments.sharpness.powers import FEWEST

ROWS = {"exact": -0.3, "sde": -0.15, "discrete": 0.0, "torch": 0.15, "splitting": 0.3}  # places about a setting's


def powers(outcome: Outcome) -> Named:
    """Every fitted power with its interval."""
    fits = [fit for fit in outcome.fits if fit["p"] is not None]
    order = list(settings())
    shown = sorted({(order.index(fit["setting"]), fit["dimension"]) for fit in fits})
    figure, axes = plt.subplots(1, 4, figsize=(13.5, 2.2 + 0.75 * len(shown)), sharey=True, layout="constrained")
    for axis, optimizer in zip(axes, OPTIMIZERS, strict=True):
        for fit in of(fits, optimizer=optimizer):
            row = shown.index((order.index(fit["setting"]), fit["dimension"])) + ROWS[fit["route"]]
            if fit["route"] == "exact":
                axis.plot(fit["p"], row, "|", ms=13, mew=2.5, color="black")
                continue
            low, high = ends(fit, least=LEAST, most=MOST)
            error = [[fit["p"] - low], [high - fit["p"]]]
            axis.errorbar(fit["p"], row, xerr=error, **marker(fit["route"], COLOURS[optimizer]), capsize=2)
        axis.axvline(CLAIMED_POWER[optimizer], color=GREY, ls=DASHED, lw=1.4)
        axis.set(title=optimizer, xlabel="p", xlim=(-0.6, 2.6))
        axis.grid(axis="y", color="#dddddd", lw=0.8)
    axes[0].set_yticks(range(len(shown)), [f"{order[place]}, d = {dimension}" for place, dimension in shown])
    axes[0].set_ylim(len(shown) - 0.5, -0.5)
    title = how_many([fit for fit in outcome.fits if settings()[fit["setting"]].ends_at_saddle])
    figure.suptitle(title)
    handles = route_handles(list(MARKERS), {"splitting": "SDE ensemble and splitting"})
    handles += [
        handle("exact SDE", color="black", marker="|", ls="", ms=13, mew=2.5),
        handle("the paper", color=GREY, ls=DASHED),
    ]
    figure.legend(handles=handles, loc="outside lower center", ncols=6)
    caption = (
        f"{title}. p in -log(rate/k) = c + a k^-p (Adam: sqrt(k)) with 95 % intervals, over escapes alone; intervals "
        "are widened where the law does not fit. Every escape is one-dimensional or of independent coordinates."
    )
    return "powers", POWER, figure, caption


def collapse(outcome: Outcome) -> Named:
    """Rates at three learning rates against k lr, of Adam against sqrt(k) lr."""
    figure, axes = plt.subplots(1, 4, figsize=(14, 4.8), layout="constrained")
    factors = sorted({point["factor"] for point in outcome.collapse})
    for axis, optimizer in zip(axes, OPTIMIZERS, strict=True):
        exponent = PREFACTOR_POWER[optimizer]
        for factor, shape in zip(factors, "o^s", strict=True):
            points = of(outcome.collapse, optimizer=optimizer, factor=factor)
            points = [point for point in points if point["rate"] and point["events"] >= FEWEST]
            k, lr, rate, low, high = (
                np.array([point[name] for point in points])
                for name in ("sharpness", "lr", "rate", "rate_low", "rate_high")
            )
            colour = COLOURS[optimizer]
            style = {"fmt": shape, "color": colour, "mfc": "white" if factor != 1 else colour, "ms": 7, "capsize": 2}
            label = f"learning rate {points[0]['lr']:.3g}" if points else None
            axis.errorbar(lr * k**exponent, rate, [rate - low, high - rate], label=label, **style)
        scaled_by = "√k" if exponent < 1 else "k"
        axis.set(xscale="log", yscale="log", title=optimizer, xlabel=f"{scaled_by} × learning rate")
        plain_ticks(axis)
        axis.legend(loc="lower right", fontsize=9)
    axes[0].set_ylabel("escape rate per iteration")
    told = one_curve(outcome.collapse).text
    title = told[0].upper() + told[1:]
    figure.suptitle(title)
    caption = (
        f"{title}. {settings()[outcome.collapse[0]['setting']].title}, {outcome.collapse[0]['geometry']}, discrete "
        "optimizers with the exact covariance of minibatches, as shipped; 95 % intervals. Judged by the rates of "
        "escapes."
    )
    return "collapse", SYMMETRY, figure, caption
