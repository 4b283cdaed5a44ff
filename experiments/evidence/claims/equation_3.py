"""Equation 3: the noise of minibatches is like the Hessian."""

from collections.abc import Callable, Iterator, Mapping, Sequence

import numpy as np

from experiments.drawing import Named
from experiments.evidence import noise, noise_figures
from experiments.evidence.lab import Lab
from experiments.evidence.networks import Case, cases, unreached
from experiments.evidence.noise import HESSIAN, MODELS, Point
from experiments.evidence.over_seeds import MEASURED, Interval, judged, sample
from experiments.referee import Claim, Evidence, Finding, Routes, Row, unsampled

SLOPE = "power of |H_i| that the variance C_ii goes with"
RATIO = "log10 of C_ii over |H_i|/B"
COSINE = "cosine between the matrices C and |H|"
GAIN = "correlation of C_ii with |H_i|, the smaller half of |H_i| less the larger"
MISFIT = "how far models of C_ii are off (decades)"
FREE = "how far models of C_ii are off but for one constant (decades)"
BEHIND = "behind_the_nearest"  # a route: how much more a model is off than the nearest
POWER = 0.1  # tolerance: over six decades of curvature a power of 1.1 is off by a factor 4
FACTOR = float(np.log10(2))  # a variance is as stated within a factor 2
PARALLEL = 0.1  # a cosine of 0.9 at least
NEAR = 0.05  # decades: a model that is so little behind the nearest is as good
REASON = "measured on networks alone"
EVERYWHERE = "all directions"
HELD = {True: "as stated", False: "not as stated", None: "not resolved"}


class Equation3(Claim):
    """Slopes, ratios and directions of the noise, and how four models of it fare."""

    name = "Equation 3"
    place = "Section 2.1, Equation 3; Figure 1 and Appendix C"
    statement = (
        "The noise of a minibatch is C = H/B near a critical point, and approximately so away from one: its variance "
        "along each eigenvector of the Hessian is |H_i|/B, whatever the loss; they go together especially well along "
        "directions of small |H_i|."
    )

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Of each network and loss, at each stage, and over its stages together."""
        for case in cases(Lab.of(routes)):
            for stage in case.stages:
                yield from at_stage(case, stage)
            yield from unreached(case)
            if len(case.stages) > 1:
                yield _models(
                    case, "over training", FREE, [list(seed) for seed in zip(*case.points.values(), strict=True)]
                )

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """Whether it is proportional, equal and parallel to the Hessian; and which of four models is nearest."""
        pieces = {piece.quantity: piece for piece in evidence}
        where = evidence[0].data.attrs.get("told", "")
        for quantity, told in ((SLOPE, _slope), (RATIO, _ratio), (COSINE, _cosine), (GAIN, _gain)):
            if quantity in pieces:
                data = pieces[quantity].data
                for k, group in enumerate(data["directions"].values.tolist()):
                    interval = Interval.of(data.isel(row=k))
                    if interval.known:
                        yield told(group, interval)
        for quantity in (MISFIT, FREE):
            if quantity in pieces:
                yield from _ranked(pieces[quantity], where)

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """The noise against curvature, the matrices, and how far off four models are."""
        told = {verdict.subject: {each.name: each for each in verdict.findings} for verdict in self.verdicts(evidence)}
        measured: list[Case] = [case for case in dict.fromkeys(piece.case for piece in evidence) if case.stages]
        for case in measured:
            found = {stage: told[f"{case.name}, {stage}"] for stage in case.stages}
            yield noise_figures.scatter(self.name, case, f"{self.name}, {case.name}: {_like(found)}", _judged(found))
        for case in measured[:1]:
            ends = {stage: told[f"{case.name}, {stage}"] for stage in (case.stages[0], case.stages[-1])}
            cosines = _by_stage(ends, "cosine of C and |H|").items()
            listed = ", ".join(f"{each.value:.2f} ({stage}: {HELD[each.holds]})" for stage, each in cosines)
            title = f"{self.name}, {case.name}: the cosine between the matrices C and |H| is {listed or 'not known'}"
            yield noise_figures.matrices(self.name, case, title)
            yield noise_figures.models(self.name, [piece for piece in evidence if piece.quantity == MISFIT])


def at_stage(case: Case, stage: str) -> Iterator[Evidence]:
    """All numbers of one stage."""
    points = case.points[stage]
    groups = list(points[0].groups)
    of_groups: dict[str, tuple[Callable[[Point, str], float], float]] = {
        SLOPE: (noise.slope, 1.0),
        RATIO: (noise.log_ratio, 0.0),
    }
    for quantity, (statistic, stated) in of_groups.items():
        values = {group: [statistic(point, group) for point in points] for group in groups}
        yield _piece(
            case, stage, quantity, {k: seeds for k, seeds in values.items() if not np.isnan(seeds).all()}, stated
        )
    cosines = [float(point.more["cosine"]) for point in points]
    if np.isfinite(cosines).any():
        yield _piece(case, stage, COSINE, {EVERYWHERE: cosines}, 1.0)
    yield _piece(case, stage, GAIN, {EVERYWHERE: [noise.correlation_gain(point) for point in points]})
    yield _models(case, stage, MISFIT, [[point] for point in points])


def _piece(
    case: Case, stage: str, quantity: str, values: Mapping[str, Sequence[float]], stated: float | None = None
) -> Evidence:
    paper = {} if stated is None else {"paper": stated}
    reasons = unsampled(REASON, exact=REASON, paper="it has no number")
    rows = [
        Row(case.regime(stage) | {"directions": group}, paper, {MEASURED: sample(seeds)}, reasons=reasons)
        for group, seeds in values.items()
    ]
    return _told(Evidence.of_rows(f"{case.name}, {stage}", quantity, rows, case=case), case, stage)


def _models(case: Case, stage: str, quantity: str, seeds: Sequence[Sequence[Point]]) -> Evidence:
    """How far off each model is, and how much more than the nearest, seed by seed."""
    free = quantity == FREE
    stated = [model for model in MODELS if free or model not in noise.SCALELESS]
    off = {model: np.array([noise.misfit(points, model, free=free) for points in seeds]) for model in stated}
    nearest = min(off.values(), key=np.mean)
    reasons = unsampled(REASON, exact=REASON, paper="it has no number")
    regime = case.regime(case.stages[-1] if free else stage) | {"stage": stage}
    rows = [
        Row(regime | {"model": model}, {}, {MEASURED: sample(each), BEHIND: sample(each - nearest)}, reasons=reasons)
        for model, each in off.items()
    ]
    return _told(Evidence.of_rows(f"{case.name}, {stage}", quantity, rows, case=case), case, case.stages[-1])


def _told(piece: Evidence, case: Case, stage: str) -> Evidence:
    piece.data.attrs["told"] = case.told(stage)
    return piece


def _slope(group: str, interval: Interval) -> Finding:
    right, wrong = (f"along {group} directions the noise is {word} the Hessian" for word in ("like", "not like"))
    tells = f"C_ii goes with |H_i| to the power {interval.told()}"
    return judged(f"power, {group}", interval, right, wrong, tells, target=1, tolerance=POWER)


def _ratio(group: str, interval: Interval) -> Finding:
    right, wrong = (f"along {group} directions it is {word} in size" for word in ("as stated", "not as stated"))
    tells = f"in the median C_ii is {interval.told_as_factor()} times |H_i|/B"
    return judged(f"log10 of ratio, {group}", interval, right, wrong, tells, target=0, tolerance=FACTOR)


def _cosine(group: str, interval: Interval) -> Finding:
    right, wrong = (f"as matrices they are {word}" for word in ("parallel", "not parallel"))
    tells = f"their cosine is {interval.told()}"
    return judged("cosine of C and |H|", interval, right, wrong, tells, target=1, tolerance=PARALLEL)


def _gain(group: str, interval: Interval) -> Finding:
    """The paper says that the difference is above 0: between 0 and its largest possible value, 2."""
    right, wrong = (f"they go together {word} along the flatter half" for word in ("better", "less well"))
    tells = f"their logarithms' correlation there less that in the sharper half is {interval.told()}"
    return judged("correlation along flat directions", interval, right, wrong, tells, target=1, tolerance=1)


def _by_stage(found: Mapping[str, Mapping[str, Finding]], name: str) -> dict[str, Finding]:
    """The findings of a name, of the stages that have it."""
    return {stage: findings[name] for stage, findings in found.items() if name in findings}


def _like(found: Mapping[str, Mapping[str, Finding]]) -> str:
    """How large the noise is at each stage, and what it goes with."""
    sizes = ", ".join(f"{10**each.value:.2g}" for each in _by_stage(found, "log10 of ratio, positive").values())
    powers = ", ".join(f"{each.value:.2f}" for each in _by_stage(found, "power, positive").values())
    return f"where H > 0, B C is {sizes} times |H| in the median, and goes with its power {powers}"


def _judged(found: Mapping[str, Mapping[str, Finding]]) -> dict[str, str]:
    """Whether that is as stated, by stage."""
    names = {"size": "log10 of ratio, positive", "power": "power, positive"}
    return {
        stage: ", ".join(f"{word} {HELD[each[name].holds]}" for word, name in names.items() if name in each)
        for stage, each in found.items()
    }


def _ranked(piece: Evidence, where: str) -> Iterator[Finding]:
    rows = {str(model): piece.data.isel(row=k) for k, model in enumerate(piece.data["model"].values)}
    off = {model: Interval.of(row) for model, row in rows.items()}
    nearest = min(off, key=lambda model: off[model].value)
    listed = ", ".join(f"{model} {interval.told()}" for model, interval in off.items())
    constant = ", each with one constant for all stages" if piece.quantity == FREE else ""
    text = f"nearest of {len(off)} models is {nearest}; they are off by {listed} decades{constant} ({where})"
    yield Finding("the nearest model of the noise", off[nearest].value, text)
    behind = Interval.of(rows[HESSIAN], BEHIND)
    right, wrong = (f"|H| is {word} model as any of them" for word in ("as good a", "not as good a"))
    tells = f"it is off by {behind.told()} decades more than the nearest"
    yield judged("|H| among models of the noise", behind, right, wrong, tells, target=0, tolerance=NEAR)


claim = Equation3()
