"""What the escape job says of the paper: powers of sharpness, Figure 6, Gaussian noise, the scaling symmetry."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from scipy import stats

from experiments.problems.wells import CLAIMED_POWER, OPTIMIZERS, PREFACTOR_POWER, settings
from experiments.referee.claim import EVERY
from experiments.referee.laws import MeanSquare
from experiments.referee.verdict import Finding, Verdict
from experiments.sharpness.job import Outcome
from experiments.sharpness.power import FEWEST, REJECTED, Records, ends, interval, limits, scaled

POWER, FIGURE_6, SYMMETRY = "Table 1, minima row", "Figure 6", "Scaling symmetry"
GAUSSIAN = "Gaussian noise in place of minibatches"
PLACES = {
    POWER: "Section 1, Table 1",
    FIGURE_6: "Section 6, Appendix E",
    GAUSSIAN: "Appendix C",
    SYMMETRY: "Section 6, Figure 6",
}
ROUTES = {
    "exact": "exact SDE",
    "sde": "SDE ensembles",
    "splitting": "SDE ensembles and splitting",
    "discrete": "discrete optimizer",
    "minibatches": "real minibatches",
}
NEAR = 0.1  # a power this close to the claimed one counts as that: corrections to it vanish with temperature alone
NAMES = {1.0: "1", 0.5: "1/2"}  # of powers; and one is the other's rival


def of(records: Records, **wanted: Any) -> Records:
    """The records with these values."""
    return [record for record in records if all(record[name] == value for name, value in wanted.items())]


def verdicts(outcome: Outcome) -> list[Verdict]:
    """Every verdict of the job."""
    out = []
    subjects: dict[tuple[str, str, str], Records] = {}
    for fit in outcome.fits:
        if settings()[fit["setting"]].ends_at_saddle:
            subjects.setdefault((fit["optimizer"], fit["setting"], fit["geometry"]), []).append(fit)
    for (optimizer, key, geometry), fitted in subjects.items():
        subject = f"{optimizer}: {settings()[key].title}, {geometry}"
        out.append(Verdict(POWER, PLACES[POWER], subject, tuple(map(power, fitted))))
    recalled = of(outcome.points, setting="recalled", route="discrete")
    if recalled:
        out.append(Verdict(FIGURE_6, PLACES[FIGURE_6], EVERY, (valleys("recalled"), *dependence(recalled))))
        for optimizer in OPTIMIZERS:
            judged = tuple(straight(of(recalled, optimizer=optimizer), optimizer))
            out.append(Verdict(FIGURE_6, PLACES[FIGURE_6], optimizer, judged))
    for optimizer in OPTIMIZERS:
        judged = tuple(gaussian(outcome, optimizer))
        if judged:
            subject = f"{optimizer}: {settings()['minibatch'].title}, 10 independent coordinates"
            out.append(Verdict(GAUSSIAN, PLACES[GAUSSIAN], subject, judged))
    if outcome.collapse:
        out.append(Verdict(SYMMETRY, PLACES[SYMMETRY], EVERY, (collapse(outcome.collapse),)))
    return out


def power(fit: dict[str, Any]) -> Finding:
    """Whether a fitted power is the claimed one, by an interval that is wide enough for all that are judged together.

    It is not judged where the rival power is as possible.
    """
    claimed, name = fit["claimed"], f"power, {ROUTES[fit['route']]}"
    rival = 1.5 - claimed
    escapes = f"{fit['points']} escape{'' if fit['points'] == 1 else 's'}"
    together = f", {limits(fit, 'judged_')} with all powers judged together" if "judged_low" in fit else ""
    tells = f"{ROUTES[fit['route']]}: p = {interval(fit)}{together}, by {escapes}"
    if fit["p"] is None:
        return Finding(name, np.nan, f"{ROUTES[fit['route']]}: the power cannot be told from {escapes}")
    own = ends(fit)
    measured: dict[str, Any] = {"interval": own} if "low" in fit and np.isfinite(own).all() else {}
    low, high = ends(fit, "judged_")
    if low - NEAR <= claimed <= high + NEAR and low - NEAR <= rival <= high + NEAR:
        return Finding(name, fit["p"], f"{tells}, which cannot tell {NAMES[claimed]} from {NAMES[rival]}", **measured)
    reach = NEAR + (fit["p"] - low if claimed < fit["p"] else high - fit["p"])
    return Finding.judged(
        name,
        fit["p"],
        target=claimed,
        tolerance=min(reach, 10.0),
        right=f"{tells}, as claimed ({NAMES[claimed]})",
        wrong=f"{tells}, not {NAMES[claimed]} as claimed",
        **measured,
    )


def how_many(fits: Records) -> str:
    """How many fitted powers are the claimed ones."""
    held = [power(fit).holds for fit in fits]
    right, untold = held.count(True), held.count(None)
    if untold == len(held):
        return f"None of {untold} fitted powers of k can be told"
    more = f"; {untold} more cannot be told" if untold else ""
    return f"{right} of {len(held) - untold} fitted powers of k are the claimed ones{more}"


def valleys(key: str) -> Finding:
    """How many valleys the expected loss has."""
    number = settings()[key].minima()
    tells = f"the expected loss has {number} {'minimum' if number == 1 else 'minima'} along a coordinate"
    return Finding.judged(
        "minima of the expected loss",
        number,
        target=2,
        tolerance=0,
        right=f"{tells}: a valley is left for another",
        wrong=f"{tells}: a level is crossed, no saddle",
    )


def slopes(points: Records, optimizer: str, power: float) -> tuple[float, float]:
    """Correlation of -log(rate) with k^-power, and the p-value of a straight line."""
    used = [point for point in points if point["rate"] and point["events"] >= FEWEST]
    if len(used) < 3:
        return np.nan, np.nan
    x = np.array([point["sharpness"] for point in used]) ** -power
    y = scaled(optimizer, x, [point["rate"] for point in used], raw=True)
    weight = np.array([point["events"] for point in used]) ** 0.5
    line = np.polynomial.Polynomial.fit(x, y, 1, w=weight)
    misfit = float(np.sum((weight * (line(x) - y)) ** 2))
    return float(np.corrcoef(x, y)[0, 1]), float(stats.chi2.sf(misfit, len(used) - 2))


def straight(points: Records, optimizer: str) -> Iterator[Finding]:
    """Whether -log(rate) is a straight line in the claimed power of k, and how it correlates with both powers."""
    claimed = CLAIMED_POWER[optimizer]
    rival = 1.5 - claimed
    (correlation, p), (other, _) = (slopes(points, optimizer, power) for power in (claimed, rival))
    if np.isnan(p):
        return
    name = f"straight in k^-{NAMES[claimed]}"
    yield Finding.judged(
        f"p-value of a line {name}",
        p,
        target=1,
        tolerance=1 - REJECTED,
        right=f"-log(rate) is {name} (p = {p:.2g})",
        wrong=f"-log(rate) is not {name} (p = {p:.1g})",
    )
    text = f"its correlation with k^-{NAMES[claimed]} is {correlation:.4f}, with k^-{NAMES[rival]} {other:.4f}"
    yield Finding("correlation", correlation, text)


def dependence(points: Records) -> Iterator[Finding]:
    """Whether Adam's rate changes less with sharpness than those of all optimizers whose law is in 1/k."""
    spans = {}
    for optimizer in OPTIMIZERS:
        rates = [point["rate"] for point in of(points, optimizer=optimizer) if point["rate"]]
        if len(rates) < 2:
            return
        spans[optimizer] = float(np.log(max(rates) / min(rates)))
    weak, strong = (
        [span for optimizer, span in spans.items() if (PREFACTOR_POWER[optimizer] < 1) == wanted]
        for wanted in (True, False)
    )
    ratio = max(weak) / min(strong)
    tells = f"over the same sharpnesses Adam's log rate changes {ratio:.2g} times as much as that of the least other"
    right, wrong = f"Adam depends less on sharpness: {tells}", f"Adam does not depend less on sharpness: {tells}"
    yield Finding.judged("Adam's dependence", ratio, target=0, tolerance=1, right=right, wrong=wrong)


def ratios(outcome: Outcome, optimizer: str) -> list[tuple[dict[str, Any], float, float, float]]:
    """Rates on real minibatches over those under Gaussian noise, with intervals, where both are escapes."""
    measured = [
        row for row in outcome.points + outcome.data_sets if not row["why_not"] and row["setting"] == "minibatch"
    ]
    gaussian = sorted(of(measured, optimizer=optimizer, route="discrete"), key=lambda row: row["events"])
    reference = {(row["dimension"], row["sharpness"]): row for row in gaussian}  # that of most exits
    out = []
    for real in of(measured, optimizer=optimizer, route="minibatches"):
        noise = reference.get((real["dimension"], real["sharpness"]))
        if noise is not None:
            ratio = real["rate"] / noise["rate"]
            low, high = MeanSquare.of_times(real["events"], noise["events"]).interval(ratio)
            out.append((real, ratio, float(low), float(high)))
    return out


def gaussian(outcome: Outcome, optimizer: str) -> Iterator[Finding]:
    """How much faster real minibatches leave than Gaussian noise of their covariance, and over several data sets."""
    compared = ratios(outcome, optimizer)
    for real, ratio, low, high in compared:
        if real["seed"] == outcome.settings["seed"]:
            name = f"rate over that of Gaussian noise, d = {real['dimension']}, k = {real['sharpness']:.3g}"
            told = f"{ratio:.3g} [{low:.3g}, {high:.3g}] times as fast as under Gaussian noise"
            tolerance = ratio - low if ratio > 1 else high - ratio
            tells = f"at k = {real['sharpness']:.3g} real minibatches leave {told}"
            exact = real.get("exact_factor")
            tells += f", by exact chains of these data {exact:.3g} times" if exact else ""
            right, wrong = f"{tells}: as fast", f"{tells}: {'faster' if ratio > 1 else 'slower'}"
            judged = Finding.judged(
                name, ratio, target=1, tolerance=tolerance, right=right, wrong=wrong, interval=(low, high)
            )
            yield replace(judged, exact=exact)
    values = sorted(over_data_sets(compared))
    if len(values) > 1:
        middle = float(np.median(values))
        text = (
            f"over {len(values)} data sets the factor is {values[0]:.3g} to {values[-1]:.3g}, the median {middle:.3g}"
        )
        yield Finding("median factor over data sets", middle, text)


def over_data_sets(compared: list[tuple[dict[str, Any], float, float, float]]) -> list[float]:
    """The ratios at the sharpness at which there are most data sets."""
    groups: dict[tuple[int, float], list[float]] = {}
    for real, ratio, _, _ in compared:
        groups.setdefault((real["dimension"], real["sharpness"]), []).append(ratio)
    return max(groups.values(), key=len, default=[])


def collapsed(points: Records) -> tuple[float, float]:
    """Largest factor between rates of escapes that should be one, and the p-value of their all being one.

    Where exits do not follow the exponential law their number does not tell a rate's error.
    """
    groups: dict[tuple[str, float], list[tuple[float, float]]] = {}
    for point in points:
        if not point["why_not"]:
            place = np.log(point["lr"] * point["sharpness"] ** PREFACTOR_POWER[point["optimizer"]])
            group = groups.setdefault((point["optimizer"], round(float(place), 6)), [])
            group.append((float(np.log(point["rate"])), point["events"]))
    worst, misfit, freedom = 0.0, 0.0, 0
    for members in groups.values():
        values, weights = np.array(members).T
        worst = max(worst, float(np.ptp(values)))
        misfit += float(np.sum(weights * (values - np.average(values, weights=weights)) ** 2))
        freedom += len(values) - 1
    return float(np.exp(worst)), float(stats.chi2.sf(misfit, freedom))


def collapse(points: Sequence[dict[str, Any]]) -> Finding:
    """Whether rates at several learning rates lie on one curve."""
    factor, p = collapsed(list(points))
    number = len({point["factor"] for point in points})
    tells = f"rates at {number} learning rates lie within a factor {factor:.2f} of one curve"
    return Finding.judged(
        "p-value of one curve for all learning rates",
        p,
        target=1,
        tolerance=1 - REJECTED,
        right=f"{tells}, as sampling allows (p = {p:.2g})",
        wrong=f"{tells}, more than sampling allows (p = {p:.1g})",
    )
