"""Which minimum: how long flat and sharp minima are kept in the long run by each optimizer, as a network of rates."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray

import theory
from diffusion import SGD, HessianNoise, IsotropicNoise, MuellerBrown, TripleParabola, rates_between_minima, simulate
from experiments.drawing import BLUE, GREY, ORANGE, Named, headline, subplots
from experiments.problems.exact import Motion
from experiments.problems.exits import BARRIER, NO_SHIPPED, NOT_SAID, ONE, ONLY_GRID
from experiments.problems.optimizers import BETA1, LEAVERS, escape_time
from experiments.problems.wells import GRID_TOLERANCE, SAME_IN_ONE
from experiments.referee import EVERY, Claim, Evidence, Finding, Routes, Row, Sample, told, unsampled
from experiments.referee.faults import NOT_HAD, Fault, quietly, refused
from experiments.referee.laws import LogNormal

STEP = 0.1  # learning rate times the sharp valley's curvature, of SGD
SHARPER = 2.0  # than the flat valley are the sharp one and the saddle
HEIGHT = 3.0  # barrier over temperature of the sharp valley, the same for every optimizer
LEARNING_RATES = {"SGD": 1.0, "Momentum": 1 - BETA1, "Adam": float(np.sqrt(STEP)), "Adai": 1.0}  # which makes it so
WHERE = {"landscape": "triple parabola, piecewise Hessian noise", BARRIER: HEIGHT}
PREFERENCE = "time kept by the flat minimum over time kept by the sharp one"
BOTH = "time at the minimum that is flat in both coordinates over time elsewhere"
DEEPEST = "time at the deepest of three minima over time elsewhere"
GIBBS_STEP, HEAT = 2e-5, 15.0  # learning rate and temperature between Müller and Brown's minima
PLANE, CELLS = ((-1.6, 1.2), (-0.5, 2.1)), 401  # where these are, and points of it along each axis
RELAXED, WATCHED, APART = 12_000, 12_000, 40  # iterations: until the start is forgotten, counted, and between counts
# Of the replicas of displacements this part starts from each minimum, or runs on.
SHARES = {"network": 2, "long run": 4, "three minima": 1}
HORIZON = 10**6
ENDS = ("", "_low", "_high")  # of an interval's numbers
RARE = 0.03  # transitions from a minimum that are less are not drawn
NEAR = 0.05  # what stays of a few hundred relaxation times may lack of the exponential law
ALIKE = 0.2  # relative, of two preferences
LESS = (0.5, 0.45)  # a power that is below 1, and above 0
SHORT = "the barriers are low enough for two coordinates, which are measured in rows of their own"


class WhichMinimum(Claim):
    """Occupation of sharp and flat minima: by exact rates in one coordinate, by measured ones between four in two."""

    name = "Which minimum"
    place = "Section 4; Section 5, Proposition 4"
    statement = (
        "SGD and Adai prefer flat minima to sharp ones, Adai as much as SGD, and Adam less; by as much as mean escape "
        "times from them differ."
    )
    effort = 15

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """The preference of each optimizer at the same temperature in the sharp valley, and networks of four minima."""
        rows = {name: _preference(name) for name in LEAVERS if name not in SAME_IN_ONE.values()}
        rows |= {same: _preference(same, rows[name].values) for name, same in SAME_IN_ONE.items()}
        ordered = [rows[name] for name in LEAVERS]
        yield Evidence.of_rows(EVERY, PREFERENCE, ordered)
        networks: dict[str, xarray.Dataset] = {}
        three = ("SGD", "Momentum", "Adam")
        tried = routes.pick(("SGD",), three, (*three, "Adai"))
        measured = [_network(routes, name, rows[name].values, networks) for name in tried]
        yield Evidence.of_rows(EVERY, BOTH, measured, label="network", case=networks)
        if routes.full:
            yield Evidence.of_rows(EVERY, DEEPEST, [three_minima(routes)], label="three minima")

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """Whether flat minima are preferred, by whom more, as the paper's times say, and whether networks tell it."""
        rows = {str(row["optimizer"].values): row for row in _rows(evidence[0].data)}
        kept = {name: float(row["exact"]) for name, row in rows.items()}
        least = min(kept["SGD"], kept["Adai"])
        right, wrong = (f"SGD and Adai {verb} the flat minimum" for verb in ("prefer", "do not prefer"))
        tells = f"it is kept {kept['SGD']:.3g} and {kept['Adai']:.3g} times as long as the sharp one"
        name = "time at the sharp over the flat minimum"
        yield Finding.judged(name, 1 / least, right, wrong, tells, target=0.5, tolerance=0.5)
        right, wrong = (f"Adai {verb} it as much as SGD" for verb in ("prefers", "does not prefer"))
        alike = kept["Adai"] / kept["SGD"]
        tells = f"{alike:.3g} times as much"
        yield Finding.judged("Adai's preference over SGD's", alike, right, wrong, tells, tolerance=ALIKE)
        right, wrong = (f"Adam {verb} it less" for verb in ("prefers", "does not prefer"))
        power = np.log(kept["Adam"]) / np.log(least)
        tells = f"it is kept {kept['Adam']:.3g} times as long, a power {power:.3g} of the others'"
        name = "power of Adam's preference"
        yield Finding.judged(name, power, right, wrong, tells, target=LESS[0], tolerance=LESS[1])
        for name in ("Momentum", "Adam", "Adai"):  # of SGD "Valley selection" judges it
            share = float(rows[name]["paper"] / rows[name]["exact"])
            right, wrong = (f"the paper's escape times of {name} {verb} this ratio" for verb in ("have", "do not have"))
            tells = f"{share:.3g} of it"
            yield Finding.judged(f"ratio of {name}'s times over its preference", share, right, wrong, tells)
        for row in _rows(evidence[1].data):
            yield from _told(row)
        for piece in evidence[2:]:
            value, low, high = (float(piece.data[f"network{end}"][0] / piece.data["exact"][0]) for end in ENDS)
            text = "SGD between Müller and Brown's minima: time at the deepest over time elsewhere, by measured rates, "
            text += f"is {value:.3f} of that of Gibbs' measure (95 % interval {low:.3f} to {high:.3f})"
            yield Finding("SGD, network over Gibbs' measure", value, text, interval=(low, high))

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """How long the flat minimum is kept by each optimizer, and the networks of four minima."""
        rows, measured, networks = evidence[0].data, evidence[1].data, evidence[1].case
        columns = 1 + len(networks) // 2
        figure, axes = subplots(2, columns, size=(5.2 * columns, 9.6), squeeze=False)
        _bars(axes[0, 0], rows)
        for axis in axes.flat[1 + len(networks) :]:
            axis.set_axis_off()
        for axis, (name, network) in zip(axes.flat[1:], networks.items(), strict=False):
            _draw(axis, name, network, measured.isel(row=measured["optimizer"].values == name))
        kept = dict(zip(rows["optimizer"].values.tolist(), rows["exact"].values.tolist(), strict=True))
        title = (
            f"SGD keeps the flat minimum {kept['SGD']:.3g} times as long as the sharp one, Adai {kept['Adai']:.3g}, "
        )
        title += f"Adam {kept['Adam']:.3g}"
        headline(figure, title)
        caption = (
            f"{title}. Triple parabola, H_sharp = H_saddle = {SHARPER:g} H_flat, equal barriers, {HEIGHT:g} "
            "temperatures of the sharp valley for every optimizer. Bars: one coordinate, mean times from minimum to "
            "minimum of the SDE, exact, and as the paper has them. Others: two coordinates, four minima; discs are "
            "occupations by measured rates; on arrows mean iterations between direct transitions."
        )
        yield "which-minimum", self.name, figure, caption


def _rows(data: xarray.Dataset) -> Iterator[xarray.Dataset]:
    return (data.isel(row=k) for k in range(data.sizes["row"]))


def _problem(name: str, dimension: int) -> tuple[Any, TripleParabola, HessianNoise]:
    """The optimizer, idealized, and both valleys, of equal barriers; noise of batch size 1."""
    curvatures = np.array([SHARPER, SHARPER, 1.0]) * STEP / SHARPER
    sharp, saddle, flat = curvatures.tolist()
    landscape = TripleParabola((HEIGHT * STEP / 2,) * 2, (sharp, flat), saddle, dimension)
    moment = "following" if LEAVERS[name].adaptive else "frozen"
    if name == "Adai" and dimension > 1:  # its inertia then goes by the mean over coordinates: as shipped
        moment = "running"
    return LEAVERS[name].make(LEARNING_RATES[name], moment), landscape, HessianNoise(1, "piecewise")


def _preference(name: str, known: Any = None) -> Row:
    """One optimizer in one coordinate; Momentum's and Adai's are the same per iteration, and computed once."""
    dynamics, landscape, noise = _problem(name, 1)
    values = {"paper": _stated(dynamics, landscape)}
    if known is None:
        motion = Motion(dynamics, landscape, noise)
        low, high = landscape.minima
        there, back = (motion.passage(*ends, GRID_TOLERANCE) for ends in ((low, high), (high, low)))
        values |= {"exact": back.iterations / there.iterations}
        values |= {"exact_from_sharp": there.iterations, "exact_from_flat": back.iterations}
        if not motion.inertia:
            at: dict[str, Any] = {"minima": landscape.minima, "saddle": landscape.saddle, "breaks": motion.breaks}
            options: dict[str, Any] = {"lr": motion.lr, "tolerance": 1e-5}
            values["exact_discrete"] = theory.discrete_occupation_ratio(motion.pull, motion.deviation, **at, **options)
    else:
        values |= {route: value for route, value in known.items() if route != "paper"}
    grid = ONLY_GRID if name != "SGD" else "the claim on valley selection compares it"
    return Row(_regime(name, 1), values, reasons=unsampled(SHORT, fokker_planck=grid, shipped=NO_SHIPPED))


def _regime(name: str, coordinates: int) -> dict[str, Any]:
    return ONE | WHERE | {"optimizer": name, "lr": LEARNING_RATES[name], "coordinates": coordinates}


def _stated(dynamics: Any, landscape: TripleParabola) -> float:
    """The ratio of the paper's mean escape times."""
    times, saddle = [], landscape.hessian_saddle
    for barrier, h in zip(landscape.barriers, landscape.hessian_minima, strict=True):
        known: dict[str, Any] = {"barrier": barrier, "hessian_minimum": h, "hessian_saddle": saddle, "batch_size": 1}
        times.append(float(escape_time(dynamics, h, split=saddle / (h + saddle), **known)))
    return times[1] / times[0]


def _odds(share: float) -> float:
    return share / (1 - share)


def _network(routes: Routes, name: str, known: Any, networks: dict[str, xarray.Dataset]) -> Row:
    """Four minima in two coordinates: the network of measured rates, and a long run, which tests it."""
    ratios = {route: known[route] for route in ("exact", "exact_discrete") if route in known}
    values = {route: _odds((ratio / (1 + ratio)) ** 2) for route, ratio in ratios.items()}
    long_run = _long_run(routes, name, values.get("exact_discrete"))
    dynamics, landscape, noise = _problem(name, 2)
    low, high = landscape.minima
    where: dict[str, Any] = {"box": [(low - (high - low), high + (high - low))] * 2, "noise": noise}
    where |= _options(routes, "network", dynamics)
    network, seen = _measured(dynamics, landscape, (1.0, 1.0), long_run, **where)
    networks |= {} if seen is None else {name: seen}
    reasons = unsampled("the optimizer itself is run, in whole steps", shipped=NO_SHIPPED, paper=NOT_SAID)
    return Row(_regime(name, 2), values, {"long_run": long_run, "network": network}, reasons=reasons)


def _options(routes: Routes, route: str, dynamics: Any) -> dict[str, Any]:
    return routes.options(told(f"which minimum, {route}", dynamics), routes.replicas // SHARES[route])


def _long_run(routes: Routes, name: str, expected: float | None) -> Sample:
    """By replicas that run on, each counted many times: the interval is that of their mean shares."""
    dynamics, landscape, noise = _problem(name, 2)
    counted = np.arange(RELAXED, RELAXED + WATCHED + 1, APART)
    more: dict[str, Any] = {"iterations": RELAXED + WATCHED, "save": counted, "start": (landscape.minima[1],) * 2}
    more |= _options(routes, "long run", dynamics)
    try:
        with quietly():
            run = simulate(dynamics, landscape, noise=noise, keep="states", **more)
    except NOT_HAD as error:
        return Sample(np.nan, LogNormal(np.nan, np.nan), expected, fault=refused(error))
    shares = np.mean(np.all(run["position"].values > landscape.saddle, axis=2), axis=1)
    share = float(shares.mean())
    if not 0 < share < 1:
        return Sample(np.nan, LogNormal(np.nan, np.nan), expected, fault=Fault("only some valleys were seen"))
    spread = float(shares.std() / np.sqrt(len(shares)) / (share * (1 - share)))
    return Sample(_odds(share), LogNormal(spread, spread), expected)


def three_minima(routes: Routes) -> Row:
    """Müller and Brown's three minima at one temperature: the network, and Gibbs' measure beside the higher saddle."""
    landscape, dynamics, noise = MuellerBrown(), SGD(GIBBS_STEP), IsotropicNoise(2 * HEAT / GIBBS_STEP)
    points = landscape.critical_points(PLANE)
    position, loss = points["position"].values, points["loss"].values
    deepest, saddle = position[np.argmin(loss)], position[np.argmax(loss)]
    across = np.linalg.eigh(landscape.hessian_matrix(saddle))[1][:, 0]
    places = np.stack(np.meshgrid(*(np.linspace(*ends, CELLS) for ends in PLANE)), axis=-1)
    weights = np.exp((landscape.loss(deepest) - landscape.loss(places)) / HEAT)
    home = (places - saddle) @ across * ((deepest - saddle) @ across) > 0
    exact = _odds(float(weights[home].sum() / weights.sum()))
    options = _options(routes, "three minima", dynamics)
    known = Sample(exact, LogNormal(0.0, 0.0))
    network, _ = _measured(dynamics, landscape, deepest - saddle, known, noise=noise, box=PLANE, **options)
    regime = {
        "optimizer": "SGD",
        "lr": GIBBS_STEP,
        "coordinates": 2,
        "landscape": "Müller and Brown's, isotropic noise",
    }
    regime[BARRIER] = float(landscape.loss(saddle) - landscape.loss(deepest)) / HEAT
    reasons = unsampled("the optimizer itself is run, in whole steps", shipped=NO_SHIPPED, paper=NOT_SAID)
    return Row(regime, {"exact": exact}, {"network": network}, reasons=reasons)


def _measured(
    dynamics: Any, landscape: Any, towards: Any, known: Sample, **options: Any
) -> tuple[Sample, xarray.Dataset | None]:
    """Time at the minimum farthest in one direction, by rates between all, tested against what is known."""
    try:
        with quietly():
            network = rates_between_minima(dynamics, landscape, max_iterations=HORIZON, **options)
    except NOT_HAD as error:
        return Sample(np.nan, LogNormal(np.nan, np.nan), fault=refused(error)), None
    kept = int(np.argmax(network["position"].values @ np.asarray(towards)))
    share, bottom, top = (_odds(float(network[f"occupation{end}"][kept])) for end in ENDS)
    spread = float(np.log(top / bottom)) / (2 * 1.96)
    law = LogNormal(spread, np.hypot(spread, vars(known.law)["error"]))
    return Sample(share, law, None if known.fault else known.value, NEAR), network


def _told(row: xarray.Dataset) -> Iterator[Finding]:
    """What rates between four minima say, beside the long run and the exact rates of independent coordinates."""
    name = str(row["optimizer"].values)
    for route, words in (("long_run", "a long run's"), ("exact", "that of exact rates")):
        if np.isfinite(row["network"]) and np.isfinite(row[route]):
            value, low, high = (float(row[f"network{end}"] / row[route]) for end in ENDS)
            text = f"{name} between four minima: time at the flattest over time elsewhere, by measured rates, is "
            text += f"{value:.3f} of {words}"
            text += f" (95 % interval of the rates {low:.3f} to {high:.3f})"
            yield Finding(f"{name}, network over {words}", value, text, interval=(low, high))


def _bars(axis: Any, rows: xarray.Dataset) -> None:
    """Preferences side by side."""
    places = np.arange(rows.sizes["row"])
    axis.bar(places - 0.2, rows["exact"], 0.4, color=BLUE, label="exact mean times of the SDE")
    axis.bar(places + 0.2, rows["paper"], 0.4, color=ORANGE, label="the paper's mean escape times")
    for k, route in ((-0.2, "exact"), (0.2, "paper")):
        for place, value in zip(places, rows[route].values, strict=True):
            axis.annotate(f"{value:.3g}", (place + k, value), (0, 2), textcoords="offset points", ha="center")
    axis.set(yscale="log", ylabel="time at flat over time at sharp", ylim=(1, 4 * float(rows["exact"].max())))
    axis.set_xticks(places, rows["optimizer"].values)
    axis.set_yticks([1, 2, 5, 10, 20, 50], ["1", "2", "5", "10", "20", "50"])
    axis.minorticks_off()
    axis.legend(loc="upper left")
    axis.set_title("one coordinate, two minima")


def _draw(axis: Any, name: str, network: xarray.Dataset, row: xarray.Dataset) -> None:
    """The minima as discs, as large as they are occupied, and direct transitions as arrows."""
    centers, shares, rates = (network[each].values for each in ("position", "occupation", "rate"))
    middle, size = centers.mean(axis=0), np.ptp(centers)
    for i, j in np.argwhere(network["fraction"].values > RARE):
        way = (centers[j] - centers[i]) / np.linalg.norm(centers[j] - centers[i])
        aside = np.array([-way[1], way[0]])
        start, end = centers[i] + size * (0.22 * way + 0.05 * aside), centers[j] + size * (0.05 * aside - 0.22 * way)
        axis.annotate("", end, start, arrowprops={"arrowstyle": "->", "color": GREY, "lw": 1.5})
        text = {"ha": "center", "va": "center", "rotation": 90 * abs(way[1])}
        axis.annotate(f"{1 / rates[i, j]:,.0f}", (start + end) / 2 + 0.07 * size * aside, **text)
    axis.scatter(*centers.T, s=2600 * shares, color=BLUE, alpha=0.5)
    for center, share in zip(centers, shares, strict=True):
        words = ", ".join("flat" if x > m else "sharp" for x, m in zip(center, middle, strict=True))
        place = center + np.array([0, 0.33 * size * np.sign(center[1] - middle[1])])
        axis.annotate(f"{words}\n{100 * share:.3g} %", place, ha="center", va="center")
    axis.set(xlim=middle[0] + size * np.array([-1, 1]), ylim=middle[1] + size * np.array([-1, 1]), aspect="equal")
    axis.set_axis_off()
    odds = float(row["long_run"][0])
    long_run = f"\n(a long run: {100 * odds / (1 + odds):.3g} % flat, flat)" if np.isfinite(odds) else ""
    axis.set_title(f"{name}: mean iterations between minima{long_run}")


claim = WhichMinimum()
