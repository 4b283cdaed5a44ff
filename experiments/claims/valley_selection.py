"""Valley selection: how long a flat and a sharp valley are occupied in the long run, and Theorem 3's ratio beside."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray

import theory
from diffusion import SGD, HessianNoise, Motion, TripleParabola, fokker_planck, simulate
from experiments.drawing import BLUE, DASHED, GREEN, GREY, ORANGE, PURPLE, Named, formula, headline, points, subplots
from experiments.problems import exits
from experiments.problems.exits import ONE
from experiments.referee import Claim, Evidence, Finding, Routes, Row, Sample, told, unsampled
from experiments.referee.faults import NOT_HAD, Fault, quietly, refused
from experiments.referee.laws import LogNormal

H_SHARP, H_SADDLE, H_FLAT = 4.0, 4.0, 1.0  # for barriers of 1, at batch size 1
SCALES = (0.8, 0.4, 0.2, 0.1)  # learning rates of that problem
STEP, STEPS = 0.05, (0.0125, 0.05, 0.2, 0.8, 1.6)  # learning rate times the sharp valley's curvature
SIMULATED = SCALES[0]  # where hops are frequent enough
SUBSTEPS = 4
RELAXED, WATCHED, APART = (
    2000,
    4000,
    20,
)  # iterations: until the start is forgotten, then counted, and between two counts
OCCUPATION = "time in the flat valley over time in the sharp one"
TEMPERATURE = "barrier_over_temperature_of_the_sharp"
OTHERS = ("stratonovich", "isothermal")  # conventions
NOT_TORCH = "torch's SGD is tested step for step elsewhere"
GRID = 1e-5  # relative, that the grid may be off


class ValleySelection(Claim):
    """Long-run occupation of two valleys under SGD, against temperature and the size of steps."""

    name = "Valley selection"
    place = "Section 3, Theorem 3; Appendix E, Figure 9"
    statement = (
        "SGD favours flat minima by as much as Theorem 3's mean escape times differ: of a sharp and a flat valley, how "
        "long each is occupied in the long run is the ratio of these times."
    )
    effort = 10

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """The ratio at four temperatures, and at one of them against the size of steps."""
        shown = Problem(SCALES[1])
        rows = [_occupation(routes, lr) for lr in SCALES]
        yield Evidence.of_rows("SGD", OCCUPATION, rows, case=(shown.landscape, shown.density()))
        exact, steps = rows[1].values["exact"], STEPS[1:-1] if routes.quick else STEPS
        yield Evidence.of_rows("SGD", OCCUPATION, [_whole_steps(step, exact) for step in steps], label="steps")

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """Whether rates give the occupation, its growth, what they lack, and what steps, grid and ensembles say."""
        rows, steps = (piece.data for piece in evidence)
        cold, warm = rows.isel(row=-1), rows.isel(row=1)
        ratio, missing = float(cold["paper"] / cold["exact"]), H_FLAT / H_SHARP
        tells = f"it is {ratio:.4g} of it at a sharp valley of {float(cold[TEMPERATURE]):g} temperatures"
        right, wrong = (f"the ratio of Theorem 3's times {verb} the long-run occupation" for verb in ("is", "is not"))
        yield Finding.judged("ratio of times over occupation", ratio, right, wrong, tells)
        with_factor = float(cold["paper"] / missing / cold["exact"])
        text = f"H_sharp/H_flat = {1 / missing:g} times that ratio is {with_factor:.4g} of the occupation"
        yield Finding("the same with the factor H_sharp/H_flat", with_factor, text)
        change = ratio / float(warm["paper"] / warm["exact"])
        right, wrong = (f"it {verb} as noise falls as the occupation does" for verb in ("grows", "does not grow"))
        tells = f"from {float(warm[TEMPERATURE]):g} temperatures on, it changes by {change:.4g} of what that does"
        yield Finding.judged("growth as noise falls, over the occupation's", change, right, wrong, tells)
        for convention in OTHERS:
            share = float(cold["paper"] / cold[convention])
            text = f"under the {convention} convention the ratio of times would be {share:.4g} of the occupation"
            yield Finding(f"over occupation, {convention}", share, text)
        for row, where in ((warm, "warm"), (cold, "cold")):
            share = float(row["exact_times"] / row["exact"])
            text = f"exact mean times from minimum to minimum have {share:.4g} of the occupation's ratio"
            text += f" (sharp valley of {float(row[TEMPERATURE]):g} temperatures)"
            yield Finding(f"ratio of exact times over occupation, {where}", share, text)
        for row in (steps.isel(row=0), steps.isel(row=-1)):
            share, step = float(row["exact_discrete"] / row["exact"]), float(row["lr_curvature"])
            text = f"whole steps of learning rate times curvature {step:g} have {share:.3g} times the SDE's"
            yield Finding(f"whole steps of {step:g}", share, text)
        yield from _measured(rows)

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """The valleys and their stationary densities, and the ratio against temperature."""
        rows = evidence[0].data
        figure, (left, right) = subplots(1, 2, size=(11.5, 5))
        _valleys(left, *evidence[0].case)
        heights = rows[TEMPERATURE].values
        left.set_title(f"the flat valley is occupied {float(rows['exact'][1]):.3g} times as long")
        _over_exact(right, rows)
        share = float((rows["paper"] / rows["exact"])[-1])
        title = f"Theorem 3's escape times give {share:.3g} of the flat valley's long-run preference"
        title += f"; H_flat/H_sharp is {H_FLAT / H_SHARP:g}"
        headline(figure, title)
        caption = (
            f"{title}. Triple parabola, H_sharp = H_saddle = 4 H_flat, equal barriers, piecewise Hessian noise; the "
            "saddle parts the valleys. Blue: the stationary density of SGD's SDE at "
            f"{heights[1]:g} temperatures. One coordinate."
        )
        yield "valley-selection", self.name, figure, caption


class Problem:
    """SGD in the two valleys, at the temperatures that it has for this learning rate where barriers are 1.

    Heights and curvatures are multiplied by what makes the learning rate times the sharp valley's curvature `step`,
    which leaves the SDE's occupation as it is.
    """

    def __init__(self, lr: float, step: float = STEP) -> None:
        height = step / (lr * H_SHARP)
        minima = (height * H_SHARP, height * H_FLAT)
        self.landscape = TripleParabola((height, height), minima, height * H_SADDLE, 1)
        self.noise, self.dynamics, self.step = HessianNoise(1, "piecewise"), SGD(lr), step
        self.motion = Motion(self.dynamics, self.landscape, self.noise)
        self.places: dict[str, Any] = {"minima": self.landscape.minima, "saddle": self.landscape.saddle}
        self.breaks = list(self.landscape.switches)

    @property
    def regime(self) -> dict[str, Any]:
        """Where."""
        sharp = self.landscape.barriers[0] / self.motion.temperature(0.0)
        where = {"optimizer": "SGD", "landscape": "triple parabola, piecewise Hessian noise", "lr": self.motion.lr}
        return ONE | where | {TEMPERATURE: round(float(sharp), 9), "lr_curvature": self.step}

    def stated(self) -> float:
        """The ratio of Theorem 3's mean escape times."""
        times = []
        for barrier, h in zip(self.landscape.barriers, self.landscape.hessian_minima, strict=True):
            h_b = self.landscape.hessian_saddle
            known: dict[str, Any] = {
                "barrier": barrier,
                "hessian_minimum": h,
                "hessian_saddle": h_b,
                "split": h_b / (h + h_b),
            }
            times.append(float(theory.sgd_escape_time(lr=self.motion.lr, batch_size=1, **known)))
        return times[1] / times[0]

    def exact(self, convention: str = "ito") -> float:
        """By quadrature of the SDE's stationary density."""
        known = self.places | {"breaks": self.breaks, "convention": convention}
        return theory.occupation_ratio(self.motion.pull, self.motion.diffusion, **known)

    def times(self) -> float:
        """The ratio of exact mean times from one minimum to the other."""
        low, high = self.landscape.minima
        there, back = (
            theory.first_passage_time(self.motion.pull, self.motion.diffusion, start=a, boundary=b, breaks=self.breaks)
            for a, b in ((low, high), (high, low))
        )
        return back / there

    def chain(self, substeps: int = 1) -> float:
        """Of whole steps, or of as many substeps."""
        known = self.places | {"breaks": self.breaks, "lr": self.motion.lr, "substeps": substeps, "tolerance": 1e-5}
        return theory.discrete_occupation_ratio(self.motion.pull, self.motion.deviation, **known)

    def density(self) -> Any:
        """The stationary density on the Fokker-Planck grid."""
        return fokker_planck.stationary_density(self.landscape, diffusion=self.motion.diffusion, breaks=self.breaks)

    def grid(self) -> float:
        """By the grid's density."""
        found = self.density()
        below, x = np.cumsum((found["density"] * found["position_width"]).values), found["position"].values
        share = float(np.interp(self.landscape.saddle, (x[1:] + x[:-1]) / 2, below[:-1]))  # cells meet halfway
        return (1 - share) / share

    def ensemble(self, routes: Routes, substeps: int, expected: float) -> Sample:
        """By independent replicas, each counted many times: the interval is that of their mean shares."""
        ends = RELAXED + WATCHED
        more: dict[str, Any] = {"iterations": ends, "save": np.arange(RELAXED, ends + 1, APART), "substeps": substeps}
        more |= {"start": self.landscape.minima[1], "keep": "states"}
        more |= routes.options(told("valleys", self.dynamics, substeps))
        try:
            with quietly():
                run = simulate(self.dynamics, self.landscape, noise=self.noise, **more)
        except NOT_HAD as error:
            return Sample(np.nan, LogNormal(np.nan, np.nan), expected, fault=refused(error))
        shares = np.mean(run["position"].values[..., 0] < self.landscape.saddle, axis=1)
        share = float(shares.mean())
        if not 0 < share < 1:
            return Sample(np.nan, LogNormal(np.nan, np.nan), expected, fault=Fault("one valley was never seen"))
        spread = float(shares.std() / np.sqrt(len(shares)) / (share * (1 - share)))
        return Sample((1 - share) / share, LogNormal(spread, spread), expected)


def _occupation(routes: Routes, lr: float) -> Row:
    """The ratio by every route at one temperature; ensembles where hops are frequent enough."""
    problem = Problem(lr)
    exact, chain = problem.exact(), problem.chain()
    grid = problem.grid()
    values = {"paper": problem.stated(), "exact": exact, "fokker_planck": grid, "exact_discrete": chain}
    values["exact_times"] = problem.times()
    if lr == SCALES[-1]:
        values |= {name: problem.exact(name) for name in OTHERS}
    checks, samples, reasons = {"grid": (abs(grid / exact - 1), GRID)}, {}, unsampled(exits.TOO_HIGH)
    if lr == SIMULATED:
        values["exact_simulated"] = problem.chain(SUBSTEPS)
        samples["discrete"] = problem.ensemble(routes, 1, chain)
        samples["simulated"] = problem.ensemble(routes, SUBSTEPS, values["exact_simulated"])
    return Row(problem.regime, values, samples, checks, reasons | {"torch": NOT_TORCH, "shipped": exits.NO_SHIPPED})


def _whole_steps(step: float, exact: float) -> Row:
    """The ratio for steps of one size, beside the SDE's, which depends on none."""
    problem = Problem(SCALES[1], step)
    values = {"paper": problem.stated(), "exact": exact, "exact_discrete": problem.chain()}
    return Row(problem.regime, values, reasons=unsampled(exits.NO_SAMPLING))


def _measured(rows: Any) -> Iterator[Finding]:
    """What ensembles say, where they are."""
    for name, words in (("discrete", "discrete SGD"), ("simulated", f"the SDE in {SUBSTEPS} substeps")):
        if name in rows and np.isfinite(rows[name]).any():
            row = rows.isel(row=int(np.flatnonzero(np.isfinite(rows[name]))[0]))
            value, low, high = (float(row[f"{name}{end}"] / row[f"exact_{name}"]) for end in ("", "_low", "_high"))
            text = (
                f"an ensemble of {words} has {value:.3f} (95 % interval {low:.3f} to {high:.3f}) of its chain's ratio"
            )
            yield Finding(f"ensemble of {words}", value, text, interval=(low, high))


def _over_exact(axis: Any, rows: xarray.Dataset) -> None:
    """Every route over the exact occupation of the SDE, against temperature."""
    heights, exact = rows[TEMPERATURE].values, rows["exact"]
    times, steps = rows["paper"] / exact, f"η H = {STEP:g}"
    axis.axhline(1, color=GREY, lw=1)
    axis.plot(heights, times, color=ORANGE, ls=DASHED, lw=2, label="ratio of Theorem 3's escape times")
    axis.plot(heights, H_SHARP / H_FLAT * times, color=ORANGE, lw=2, label=formula("the same times H_sharp/H_flat"))
    axis.plot(
        heights, rows["exact_times"] / exact, color=PURPLE, lw=2, label="ratio of exact mean times, minimum to minimum"
    )
    axis.plot(heights, rows["fokker_planck"] / exact, "x", color=BLUE, ms=8, label="Fokker-Planck grid")
    axis.plot(
        heights,
        rows["exact_discrete"] / exact,
        "s",
        color=GREEN,
        mfc="white",
        label=f"discrete SGD, {steps}: its chain",
    )
    if "discrete" in rows:
        measured = (rows[f"discrete{end}"] / exact for end in ("", "_low", "_high"))
        points(axis, heights, *measured, fmt=".", color=GREEN, label="discrete SGD: ensemble, 95 %")
    axis.set(xscale="log", ylim=(0, 1.25), xlabel="barrier over temperature of the sharp valley")
    axis.set(ylabel="time in flat / time in sharp, over the SDE's")
    axis.set_xticks(heights, [f"{height:.3g}" for height in heights])
    axis.minorticks_off()
    axis.legend(fontsize=10, loc="center right", bbox_to_anchor=(1, 0.38))


def _valleys(axis: Any, landscape: TripleParabola, density: xarray.Dataset) -> None:
    """The loss, and how likely each position is in the long run."""
    low, high = landscape.minima
    x = np.linspace(low - 0.3 * (high - low), high + 0.35 * (high - low), 400)
    axis.plot(x, landscape.losses(x[:, None])[:, 0] / landscape.barriers[0], color=GREY, lw=2)
    axis.axvline(landscape.saddle, color=GREY, lw=1, ls=":")
    axis.set(xlabel="position", ylabel="loss / barrier", ylim=(-0.15, 2.0), xlim=(x[0], x[-1]))
    other = axis.twinx()
    other.fill_between(density["position"], density["density"], color=BLUE, alpha=0.3, lw=0)
    peak = density.isel(position=int(np.argmax(density["density"].values)))
    beside = {"xytext": (-30, -40), "textcoords": "offset points", "ha": "right", "color": BLUE}
    other.annotate("how long SGD's SDE\nis at a position", (float(peak["position"]), float(peak["density"])), **beside)
    other.set(yticks=[], ylim=(-0.075 * float(density["density"].max()), float(density["density"].max())))
    for place, word in ((low, "sharp"), (high, "flat")):
        axis.annotate(word, (place, 0), xytext=(0, -14), textcoords="offset points", ha="center")


claim = ValleySelection()
