"""Verdicts on the claims about minima, each a sentence made of computed numbers."""

from collections.abc import Callable

import numpy as np

from experiments.comparison import Comparison
from experiments.minima import claims
from experiments.verdicts import CLOSE, EXACT, NOT_JUDGED, ClaimVerdict, row_verdict

Group = list[Comparison]
CONVENTIONS = {"Ito": "exact", "Stratonovich": "exact_stratonovich", "isothermal": "exact_isothermal"}
BARRIER, DAMPED = claims.BARRIER, "damping_over_omega_b"  # in a row's regime


def conclude(found: Group) -> list[ClaimVerdict]:
    """One verdict for each claim and subject, in the order of the registry; none is drawn where rows of the claim are missing."""
    groups: dict[tuple[str, str], Group] = {}
    for one in found:
        subject = claims.EVERY if one.claim is claims.SYMMETRY else one.subject
        groups.setdefault((one.claim.name, subject), []).append(one)
    missing = {one.claim.name: f"{NOT_JUDGED}: {one.missing}" for one in found if one.missing}
    return [
        ClaimVerdict(
            group[0].claim, subject, missing.get(name) or SENTENCES[name](group) + _faults(group), None, None, [], group
        )
        for (name, subject), group in groups.items()
    ]


def _faults(group: Group) -> str:
    """Which ensembles are not behind a sentence, and why."""
    reasons = [f"{route}: {fault.reason}" for one in group for route, fault in one.faults.items()]
    return f"; {len(reasons)} ensembles are left out ({reasons[0]})" if reasons else ""


def comparison_verdict(one: Comparison) -> str | None:
    """Verdict of one row."""
    if one.missing:
        return None
    if one.claim is claims.THEOREM_4:
        bound, measured = one.values["paper"], one.values["measured"]
        if one.values["measured_low"] > bound:
            return f"violated: the minimum is {measured / bound:.2f} times the bound"
        if one.values["measured_high"] < bound:
            return f"holds, {bound / measured:.3g} times loose"
        return "holds within sampling"
    return row_verdict(one.values.get("paper", np.nan), one.values.get("exact", np.nan))


def _ends(group: Group, by: str) -> str:
    """Paper over exact at the ends of a regime's range."""
    ordered = sorted(group, key=lambda one: float(one.regime[by]))
    return " and ".join(f"{one.ratio:.3g} at {one.regime[by]:g}" for one in (ordered[0], ordered[-1]))


def _theorem_3(group: Group) -> str:
    said = []
    for landscape in dict.fromkeys(one.regime["landscape"] for one in group):
        final = [
            one for one in group if one.regime["landscape"] == landscape and one.regime["exit"] == "beyond the saddle"
        ]
        before, high = sorted(final, key=lambda one: float(one.regime[BARRIER]))[-2:]
        # dynamical time runs with k lr, and k is inversely proportional to the exponent
        grown = np.log(high.values["exact"] * before.regime[BARRIER] / before.values["exact"] / high.regime[BARRIER])
        exponent = grown / (high.regime[BARRIER] - before.regime[BARRIER])
        ratios = {name: high.values["paper"] / high.values[key] for name, key in CONVENTIONS.items()}
        belongs = min(ratios, key=lambda name: abs(np.log(ratios[name])))
        listed = ", ".join(f"{ratio:.2f} ({name})" for name, ratio in ratios.items())
        said.append(
            f"{landscape}: the exponent is right within {100 * abs(exponent - 1):.1g} %; the prefactor, formula over exact at "
            f"barrier/temperature {high.regime[BARRIER]:g}, is {listed}: it belongs to the {belongs} convention"
        )
    return f"{'; '.join(said)}; the ensembles follow {_followed([one for one in group if 'simulated' in one.samples])}"


def _followed(tested: Group) -> str:
    """The convention whose exact times the ensembles are nearest to."""
    if not tested:
        return "nothing, as none is whole"
    off = {
        name: float(np.mean([abs(np.log(one.samples["simulated"].value / one.values[key])) for one in tested]))
        for name, key in CONVENTIONS.items()
    }
    nearest = min(off, key=lambda name: off[name])
    listed = ", ".join(f"{100 * np.expm1(value):.0f} % from {name}" for name, value in off.items())
    return f"{nearest} (at {claims.SUBSTEPS} substeps off by {listed}, on average)"


NEARLY = 1.5 * CLOSE  # Kramers' limit has corrections of its own at a finite temperature


def _damping(group: Group) -> str:
    final = sorted(
        (one for one in group if one.regime["exit"] == "beyond the saddle"), key=lambda one: -float(one.regime[DAMPED])
    )
    kramers = [one.values["exact"] / one.values["kramers"] for one in final]
    right = next(
        (i for i, ratio in enumerate(kramers) if abs(ratio - 1) > NEARLY), len(final)
    )  # from strong damping down
    prefactor = final[0].values["paper"] / final[0].values["kramers"]
    said = f"at one temperature the formula's prefactor is {prefactor:.2g} times Kramers'"
    if right:
        off = max(abs(ratio - 1) for ratio in kramers[:right])
        said += f"; the factor of damping is right within {100 * off:.1g} % for gamma/omega_b >= {final[right - 1].regime[DAMPED]:g}"
    if right < len(final):
        turned = max(abs(one.values["exact"] / one.values["melnikov"] - 1) for one in final[right:])
        said += (
            f"; at weaker damping escape takes up to {max(kramers[right:]):.3g} times Kramers' time, at {final[-1].regime[DAMPED]:g}, which Mel'nikov and "
            f"Meshkov's factor gives within {100 * turned:.1g} %"
        )
    return said


def _inertial_exponent(group: Group) -> str:
    worst = max(abs(one.values["exact"] - 1) for one in group)
    listed = ", ".join(
        f"{one.values['exact']:.3f} at T_b/T_a = {one.regime['temperature_ratio']:g}, gamma/omega_b = {one.regime[DAMPED]:g}"
        for one in group
    )
    off = max(abs(one.values["exact"] / one.values["effective_temperature"] - 1) for one in group)
    return (
        f"{'right' if worst <= EXPONENT_RIGHT else 'not right'} where T_b is not T_a: the exponent grows {listed} times as fast as the formula's; with T_b "
        f"replaced by (lambda T_a + gamma T_b)/(lambda + gamma), lambda Kramers' root, it is right within {100 * off:.1g} %"
    )


EXPONENT_RIGHT = 0.01


def _by_damping(group: Group) -> str:
    return f"formula over exact by gamma/omega_b: {_ends(group, DAMPED)}"


def _exit_line(group: Group) -> str:
    ordered = sorted(group, key=lambda one: float(one.regime[DAMPED]))
    listed = " and ".join(
        f"{one.values['exact']:.3g} at gamma/omega_b = {one.regime[DAMPED]:g}" for one in (ordered[-1], ordered[0])
    )
    return f"arriving beyond the saddle takes longer than reaching it by a factor {listed}"


def _by_barrier(group: Group) -> str:
    before, high = sorted(group, key=lambda one: float(one.regime[BARRIER]))[-2:]
    exponent = np.log(before.ratio / high.ratio) / (high.regime[BARRIER] - before.regime[BARRIER])
    text = (
        f"formula over the exact first passage at the saddle, by the formula's exponent: {_ends(group, BARRIER)}; the exact exponent is "
        f"{abs(100 * exponent):.1g} % {'larger' if exponent > 0 else 'smaller'} than the formula's"
    )
    shipped = [one.values["paper"] / one.samples["shipped"].value for one in group if "shipped" in one.samples]
    return text + (f"; over the optimizer as shipped: {min(shipped):.2f} to {max(shipped):.2f}" if shipped else "")


def _low_temperature(group: Group) -> str:
    said = []
    for one in group:
        if "formula_over_exact" not in one.values:
            continue
        low, high = one.regime[BARRIER]
        value, off, power = (one.values[name] for name in ("formula_over_exact", "uncertainty", "power"))
        pace = "linearly" if abs(power - 1) <= LINEAR else f"{'faster' if power > 1 else 'more slowly'} than linearly"
        pace = pace if power > 0 else "not yet as a power of temperature"
        said.append(
            f"{one.regime['landscape']}, {one.regime['exit']}: formula over exact rate tends to {value:.4g} +- {max(off, 1e-4):.1g} "
            f"(from barrier/temperature {low:g} to {high:g}), the rest dying out {pace}"
            + (f" (power {power:.2g} of temperature/barrier)" if 0 < power < np.inf else "")
        )
    split = [one for one in group if "splitting" in one.samples]
    if split:
        off = max(abs(one.samples["splitting"].value / one.values["exact_splitting"] - 1) for one in split)
        lowest = min(one.samples["splitting"].value for one in split)
        said.append(f"split paths find the discrete optimizer's rates within {100 * off:.2g} %, down to {lowest:.2g}")
    return "; ".join(said)


LINEAR = 0.1  # most that the power of a remainder may be from 1 to be called linear


def _symmetry(group: Group) -> str:
    apart = max(1 - one.values["exact_discrete"] for one in group)
    if apart == 0:
        return "exact: at the same draws every run leaves at the same iteration"
    state = "exact but for rounding" if apart <= claims.ROUNDING else "not exact"
    return f"{state}: at the same draws up to {apart:.2g} of the runs leave at another iteration"


def _batch_rules(group: Group) -> str:
    last = group[-1]
    off = max(abs(one.ratio - 1) for one in group)
    return (
        f"{'exact' if off < EXACT else f'off by {100 * off:.2g} %'} for the SDE; the discrete optimizer takes {last.values['exact_discrete']:.2f} times what the rule says at "
        f"batch size {last.regime['batch_size']:g} and learning rate {last.regime['lr']:.2g}"
    )


def _table_1(group: Group) -> str:
    p, claimed = group[0].values["exact"], group[0].values["paper"]
    borne = "borne out" if abs(p - claimed) < abs(p - (1.5 - claimed)) else "not borne out"
    low, high = group[0].regime["sharpness"]
    return f"{borne}: p = {p:.2f} over a factor {high / low:.3g} in sharpness, the table says {claimed:g}"


def _theorem_4(group: Group) -> str:
    proved = [one for one in group if one.regime["inertias_independent_of_noise"]]
    loose = [one.values["paper"] / one.values["measured"] for one in proved]
    state = (
        "holds" if all(one.values["measured_high"] < one.values["paper"] for one in proved) else "does not always hold"
    )
    text = f"{state} for inertias that are independent of the noise, {min(loose):.2g} to {max(loose):.2g} times loose"
    return "; ".join(
        [text, *(f"{one.regime['case']}: {comparison_verdict(one)}" for one in group if one not in proved)]
    )


SENTENCES: dict[str, Callable[[Group], str]] = {
    "Theorem 3": _theorem_3,
    "Theorem 3, damping": _damping,
    "Theorem 3, exponent with inertia": _inertial_exponent,
    "Equation 57": _by_damping,
    "Exit line": _exit_line,
    "Proposition 2": _by_barrier,
    "Proposition 4": _by_barrier,
    "Low temperature": _low_temperature,
    "Scaling symmetry": _symmetry,
    "Batch scaling rules": _batch_rules,
    "Table 1, minima row": _table_1,
    "Theorem 4": _theorem_4,
}
