"""The figures: theory as lines, measurements as points with intervals, a title that states the finding."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

import theory
from diffusion import SGD, Adai, Adam, HessianNoise, Momentum, QuadraticSaddle, simulate
from experiments import claims, verdicts
from experiments.comparison import Comparison
from experiments.drawing import BLUE, GREEN, GREY, ORANGE, PURPLE, Drawn, Named, save
from experiments.judge import Judged
from experiments.minima import figures as minima_figures
from experiments.problems import saddles as regimes
from experiments.verdicts import ClaimVerdict

FARTHEST = 3.0  # curves end where |H| t/(gamma M) reaches this: no saddle is that wide
POINTS = {"simulated": ("o", 1.0, "SDE ensemble"), "torch": ("^", 1.12, "torch")}


def draw(found: list[ClaimVerdict], directory: Path, seed: int = 0) -> list[Drawn]:
    """Draw every figure as PNG and SVG into `directory`."""
    judged = [one for verdict in found for one in verdict.parts]
    comparisons = [one for verdict in found for one in verdict.comparisons]
    return save(_all(judged, comparisons, seed), directory)


def _all(judged: list[Judged], comparisons: list[Comparison], seed: int) -> Iterable[Named]:
    if not any(one.missing for one in judged):
        yield from _claim_figures(judged)
    yield _regime_map()
    yield _cloud(seed)
    yield from minima_figures.all_figures(comparisons)


@dataclass(frozen=True)
class _Series:
    """One colour of a claim's figure: cases (one for each panel) along one direction."""

    label: str
    colour: str
    cases: list[Judged]
    eigenvalue: float


def _claim_figures(judged: list[Judged]) -> Iterable[Named]:
    def pick(claim: claims.Claim, kind: type, start: str, style: str | None = None) -> list[Judged]:
        return [
            one
            for one in judged
            if one.case.claim is claim
            and isinstance(one.case.dynamics, kind)
            and one.case.start == start
            and getattr(one.case.dynamics, "style", None) == style
        ]

    def curvatures(found: list[Judged]) -> list[_Series]:
        return [
            _Series(f"H = {h:g}", colour, found, h) for h, colour in ((-0.001, BLUE), (-0.01, ORANGE), (-0.1, GREEN))
        ]

    sgd = pick(claims.THEOREM_1, SGD, "rest")
    with np.errstate(invalid="ignore"):  # where both are infinite
        off = float(np.nanmax(np.abs(sgd[0].exact["paper"] / sgd[0].exact["exact"] - 1)))
    yield _panels("theorem-1", f"Theorem 1 (SGD) equals the exact MSD, to {off:.0e}", sgd, curvatures(sgd))
    for style, word in (("ema", "EMA"), ("heavy-ball", "heavy-ball")):
        starts = {start: pick(claims.THEOREM_2, Momentum, start, style) for start in ("rest", "thermal")}
        series = [
            _Series(f"{claims.STARTED[start]}, H = {-regimes.FLATTEST:g}", colour, starts[start], -regimes.FLATTEST)
            for start, colour in (("rest", BLUE), ("thermal", ORANGE))
        ]
        factors = ", ".join(f"{_at_memory(starts[start]):.3g} ({claims.STARTED[start]})" for start in starts)
        title = f"Theorem 2 ({word} Momentum) over exact MSD at T = 1/(1−β₁), β₁ = 0.9: {factors}"
        yield _panels(f"theorem-2-{style}", title, starts["rest"], series)
        drift = pick(claims.DRIFT, Momentum, "thermal", style)
        off = 100 * abs(_at_memory(drift) - 1)
        title = f"Theorem 2's drift term ({word}) alone: {off:.1g} % off at T = 1/(1−β₁), β₁ = 0.9, H = −0.001"
        yield _panels(f"theorem-2-drift-{style}", title, drift, curvatures(drift))
    adam = pick(claims.PROPOSITION_1, Adam, "rest")
    title = f"Proposition 1 (Adam, from rest) over exact MSD at T = 1/(1−β₁), β₁ = 0.9: {_at_memory(adam):.3g}"
    yield _panels("proposition-1", title, adam, curvatures(adam), shipped=True)
    adai = pick(claims.PROPOSITION_3, Adai, "rest")
    one, flat = adai[0], adai[0].directions.index(-regimes.FLATTEST)
    worst = float(np.nanmax(one.exact["paper"][:, flat] / one.exact["exact"][:, flat]))
    title = f"Proposition 3 (Adai, from rest) is up to {worst:,.0f} times the exact MSD at H = −0.001"
    yield _panels("proposition-3", title, adai, curvatures(adai), shipped=True)
    yield _table_1([one for one in judged if one.case.claim is claims.TABLE_1])


def _at_memory(found: list[Judged]) -> float:
    """Paper over exact after 1/(1 - beta1) iterations in the flattest escape direction, at beta1 = 0.9."""
    one = next(one for one in found if np.isclose(one.case.beta, 0.9))
    i = int(np.argmin(np.abs(one.case.iterations * (1 - one.case.beta) - 1)))
    j = one.directions.index(-regimes.FLATTEST)
    return float(one.exact["paper"][i, j] / one.exact["exact"][i, j])


def _panels(name: str, title: str, columns: list[Judged], series: list[_Series], shipped: bool = False) -> Named:
    """MSD against iterations, one column for each inertia, and the ratio to the exact value below it."""
    figure, axes = plt.subplots(
        2, len(columns), figsize=(max(8.5, 4.6 * len(columns)), 7), sharex="col", height_ratios=(3, 2), squeeze=False,
        layout="constrained",
    )  # fmt: skip
    for c, column in enumerate(columns):
        case = column.case
        upper, lower = axes[0, c], axes[1, c]
        for one in series:
            judged = one.cases[c]
            j = judged.directions.index(one.eigenvalue)
            end = min(float(case.iterations[-1]), FARTHEST / judged.case.escape_rate()[j])
            dense = np.geomspace(case.iterations[0], end, 80)
            paper, exact = judged.case.paper(dense)[:, j], judged.case.exact(dense)[:, j]
            upper.plot(dense, exact, color=one.colour, lw=2)
            upper.plot(dense, paper, color=one.colour, lw=1.8, ls=(0, (4, 2)))
            lower.plot(dense, paper / exact, color=one.colour, lw=1.8, ls=(0, (4, 2)))
            _points(upper, lower, judged, j, one.colour, shipped, end)
        lower.axhline(1, color=GREY, lw=1)
        if max(lower.get_ylim()) > 3:
            lower.set_yscale("log")
        upper.set(xscale="log", yscale="log")
        upper.minorticks_off()  # over so many decades they say little, and take a third of the time to draw
        lower.xaxis.minorticks_off()
        if len(columns) > 1:
            upper.set_title(claims.describe(case.dynamics))
        lower.set_xlabel("iterations T")
        if case.memory:
            for axis in (upper, lower):
                axis.axvline(1 / (1 - case.beta), color=GREY, lw=1, ls=":")
    label = "MSD added by a thermal start (θ²)" if columns[0].case.drift else "mean squared displacement (θ²)"
    axes[0, 0].set_ylabel(label)
    axes[1, 0].set_ylabel("ratio to exact SDE")
    figure.suptitle(title)
    figure.legend(handles=_legend(series, columns, shipped), loc="outside lower center", ncols=4)
    caption = (
        f"{title}. Solid: exact SDE; dashed: the paper's formula; points: measurements with 95 % intervals, which follow "
        "the recursion they perform, not yet the SDE; curves end at |H| t/(gamma M) = 3. "
        + ("Dotted: T = 1/(1-beta1)." if columns[0].case.memory else "")
    )
    return name, columns[0].case.claim.name, figure, caption


def _points(upper: Axes, lower: Axes, judged: Judged, j: int, colour: str, shipped: bool, end: float) -> None:
    exact = judged.exact["exact"][:, j]
    for name, (marker, shift, _) in POINTS.items():
        if name not in judged.measured:
            continue
        route = judged.measured[name]
        low, high = (bound[:, j] for bound in route.interval())
        value = route.value[:, j]
        known = np.isfinite(value) & (judged.case.iterations <= end)
        x, value = shift * judged.case.iterations[known], value[known]
        error = np.array([value - low[known], high[known] - value])
        fill = "white" if name == "torch" else colour
        style: dict[str, Any] = {"fmt": marker, "color": colour, "mfc": fill, "ms": 6.5, "capsize": 2, "lw": 1.2}
        upper.errorbar(x, value, error, **style)
        if name == "simulated" or not shipped:
            lower.errorbar(x, value / exact[known], error / exact[known], **style)


def _legend(series: list[_Series], columns: list[Judged], shipped: bool) -> list[Any]:
    handles = [mpl.lines.Line2D([], [], color=one.colour, lw=4, label=one.label) for one in series]
    handles.append(mpl.lines.Line2D([], [], color=GREY, lw=2, label="exact SDE"))
    handles.append(mpl.lines.Line2D([], [], color=GREY, lw=1.8, ls=(0, (4, 2)), label="the paper"))
    for name, (marker, _, label) in POINTS.items():
        if name in columns[0].measured:
            words = "torch, as shipped (running second moment)" if name == "torch" and shipped else label
            fill = "white" if name == "torch" else GREY
            handles.append(mpl.lines.Line2D([], [], color=GREY, marker=marker, mfc=fill, ls="", ms=7, label=words))
    return handles


def _table_1(found: list[Judged]) -> Named:
    """The factor of the MSD per decade of |H|, for each optimizer."""
    figure, axis = plt.subplots(figsize=(8.5, 5.5), layout="constrained")
    for one, colour in zip(found, (GREY, ORANGE, PURPLE, BLUE), strict=True):
        t, label = one.case.iterations, type(one.case.dynamics).__name__
        axis.plot(t, np.log10(one.exact["exact"][:, 0]), color=colour, lw=2, label=f"{label}, exact SDE")
        axis.plot(t, np.log10(one.exact["paper"][:, 0]), color=colour, lw=1.8, ls=(0, (4, 2)))
        for name, (marker, shift, _) in POINTS.items():
            if name in one.measured:
                low, high = (np.log10(bound[:, 0]) for bound in one.measured[name].interval())
                value = np.log10(one.measured[name].value[:, 0])
                fill = "white" if name == "torch" else colour
                axis.errorbar(
                    shift * t, value, [value - low, high - value], fmt=marker, color=colour, mfc=fill, ms=6.5, capsize=2
                )
    axis.axhline(0, color=GREY, lw=1)
    axis.set(xscale="log", xlabel="iterations T", ylabel="p in  MSD ∝ |H|ᵖ,  |H| = 0.001 to 0.1")
    early = 100
    spans = []
    for one in found:
        p = np.log10(one.exact["exact"][one.case.iterations <= early, 0])
        spans.append(f"{type(one.case.dynamics).__name__} {verdicts.span(p)}")
    title = f"Table 1: p in MSD ∝ |H|ᵖ to {early} iterations: {', '.join(spans)}"
    axis.set_title(title)
    figure.legend(loc="outside lower center", ncols=2)
    caption = (
        f"{title}. Adam and RMSprop leave p = 0 where growth along H = -0.1 sets in. p = 0 would be Hessian-independent (the table's 'fast'), p = 1 is SGD. Solid: exact SDE; dashed: the "
        "paper's own formulas; filled: SDE ensembles; open triangles: torch, as shipped."
    )
    return "table-1", claims.TABLE_1.name, figure, caption


def _regime_map() -> Named:
    """Theorem 2 over exact, against inertia and iterations."""
    damping, t = np.geomspace(0.5, 0.001, 120), np.geomspace(1, 1e5, 160)
    figure, axes = plt.subplots(1, 2, figsize=(11.5, 5), sharey=True, layout="constrained")
    rule: dict[str, Any] = {
        "hessian": -regimes.FLATTEST,
        "diffusion": regimes.LR / 2 * regimes.FLATTEST / regimes.BATCH_SIZE,
    }
    rule |= {"mass": regimes.LR / damping[:, None], "damping": damping[:, None] / regimes.LR}
    paper = theory.momentum_msd(regimes.LR * t, **rule)
    levels = [1.02, 1.1, 1.5, 2, 7, 50]
    for axis, start in zip(axes, ("rest", "thermal"), strict=True):
        ratio = paper / theory.momentum_msd_exact(regimes.LR * t, **rule, start=start)
        image = axis.pcolormesh(
            t, damping, ratio, norm=mpl.colors.LogNorm(1, 100), cmap="cividis", shading="gouraud", rasterized=True
        )
        lines = axis.contour(t, damping, ratio, levels=levels, colors="white", linewidths=1.2)
        axis.clabel(lines, fmt=lambda level: f"{level:g}", fontsize=10)
        axis.plot(1 / damping, damping, color="white", ls=":", lw=1.5)
        axis.set(xscale="log", yscale="log", xlim=(1, 1e5), xlabel="iterations T", title=claims.STARTED[start])
        axis.invert_yaxis()
        axis.set_yticks([0.5, 0.1, 0.01, 0.001], ["0.5", "0.9", "0.99", "0.999"])
        axis.minorticks_off()
    axes[0].set_ylabel("inertia β₁")
    figure.colorbar(image, ax=axes, label="Theorem 2 / exact MSD", extend="max")
    needed = _iterations_until(regimes.LR * t, paper, rule, t, damping)
    title = f"Theorem 2 comes within 5 % of the exact MSD only after {needed} times 1/(1−β₁) iterations, β₁ = 0.9"
    figure.suptitle(title)
    caption = (
        f"{title}. EMA Momentum, H = {-regimes.FLATTEST:g}, learning rate {regimes.LR:g}. Dotted: T = 1/(1-beta1)."
    )
    return "theorem-2-map", claims.THEOREM_2.name, figure, caption


def _iterations_until(time: Any, paper: Any, rule: dict[str, Any], t: Any, damping: Any) -> str:
    """Range, over starts at beta1 = 0.9, of T (1 - beta1) from which the formula is within `verdicts.CLOSE`."""
    row = int(np.argmin(np.abs(damping - 0.1)))
    found = []
    for start in ("thermal", "rest"):
        ratio = (paper / theory.momentum_msd_exact(time, **rule, start=start))[row]
        found.append(t[np.argmax(np.abs(ratio - 1) <= verdicts.CLOSE)] * damping[row])
    return f"{found[0]:.0f} (thermal) to {found[1]:.0f} (rest)"


def _cloud(seed: int) -> Named:
    """Replicas leaving a saddle under the four optimizers."""
    landscape, noise, iterations = QuadraticSaddle([0.1, -0.001]), HessianNoise(regimes.BATCH_SIZE), 100
    chosen = [
        (SGD(regimes.LR), GREY),
        (Momentum(regimes.LR), GREEN),
        (Adam(regimes.LR), ORANGE),
        (Adai(regimes.LR), BLUE),
    ]
    figure, axes = plt.subplots(1, 4, figsize=(14, 4.6), sharex=True, sharey=True, layout="constrained")
    shares = {}
    for axis, (dynamics, colour) in zip(axes, chosen, strict=True):
        run = simulate(
            dynamics,
            landscape,
            noise=noise,
            iterations=iterations,
            replicas=1500,
            save=[iterations],
            keep="states",
            seed=seed,
        )
        position = run["position"].values[:, 0]
        steep, flat = np.sqrt(run["msd"].values[0])
        name = type(dynamics).__name__
        shares[name] = flat / steep
        axis.plot(*(position / steep).T, ".", ms=3, color=colour, alpha=0.5, rasterized=True)
        axis.set(title=f"{name}: {flat / steep:.2g}", aspect="equal", xlim=(-4, 4), ylim=(-4, 4))
        axis.set_xlabel("steep, stable direction, H = 0.1")
        axis.axhline(0, color=GREY, lw=0.5, zorder=0)
    axes[0].set_ylabel("flat escape direction, H = −0.001")
    found = ", ".join(f"{name} {share:.2g}" for name, share in shares.items())
    title = f"Displacement along the flat escape direction over the steep one, {iterations} iterations: {found}"
    figure.suptitle(title)
    caption = (
        f"{title}. 1,500 replicas of each discrete optimizer (idealized Adam and Adai, equal learning rate) from a saddle; both "
        "axes in units of the root-mean-square displacement along the steep direction."
    )
    return "replica-cloud", claims.TABLE_1.name, figure, caption
