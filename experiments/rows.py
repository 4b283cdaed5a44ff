"""The rows of claims.json: one per claim and regime, with every route, its interval, and the state of the instrument."""

from typing import Any

import numpy as np

from experiments import claims
from experiments.judge import Judged
from experiments.minima.verdicts import comparison_verdict
from experiments.problems import saddles as regimes
from experiments.referee import laws as statistics
from experiments.verdicts import ClaimVerdict, row_verdict

LEAST_ORDER = 0.8  # of the recursion's distance to the SDE in 1/substeps: 1, or more where the leading term vanishes
TESTED = ("simulated", "discrete", "torch")
EVERY_ROUTE = ("paper", "exact", "exact_simulated", "exact_discrete", *TESTED, "shipped")


def rows(verdict: ClaimVerdict, rate: float) -> list[dict[str, Any]]:
    """All rows of one claim's verdict; `rate` is the false-positive rate of each single test."""
    about_saddles = [row for judged in verdict.parts for row in _case_rows(judged, verdict.sentence, rate)]
    about_minima = [one.row(rate, verdict.sentence, comparison_verdict(one)) for one in verdict.comparisons]
    return [row | {"subject": verdict.subject} for row in about_saddles + about_minima]


def _case_rows(judged: Judged, sentence: str, rate: float) -> list[dict[str, Any]]:
    case = judged.case
    intervals = {name: route.interval() for name, route in judged.measured.items()}
    p_values = {name: route.p_value() for name, route in judged.measured.items()}
    detectable = {name: route.detectable(rate) for name, route in judged.measured.items()}
    order = judged.substeps_order()
    out = []
    for i, iterations in enumerate(case.iterations):
        for j, eigenvalue in enumerate(judged.directions):
            value = {name: float(values[i, j]) for name, values in judged.exact.items()}
            regime = case.regime() | {"iterations": int(iterations)}
            if case.memory:
                regime["iterations_times_damping"] = round(float(iterations * (1 - case.beta)), 10)
            if np.isfinite(eigenvalue):
                noise = (
                    f"HessianNoise({regimes.BATCH_SIZE})"
                    if eigenvalue
                    else f"IsotropicNoise({regimes.ISOTROPIC_VARIANCE})"
                )
                regime |= {"eigenvalue": eigenvalue, "noise": noise}
            else:
                regime |= {"quantity": "factor of the MSD per decade of |H|"}
            row: dict[str, Any] = {
                "claim": case.claim.name,
                "place": case.claim.place,
                "regime": regime,
                "paper": _number(value["paper"]),
                "exact": _number(value["exact"]),
            }
            for name, against in (
                ("simulated", "exact_simulated"),
                ("discrete", "exact_discrete"),
                ("torch", None),
                ("shipped", None),
            ):
                if against:
                    row[against] = _number(value[against])
                row |= _route(name, judged, intervals, i, j)
            row["substeps_deviation"] = _ratio(value["exact_simulated"], value["exact"])
            row["substeps_order"] = _number(float(order[i, j]))
            row["deviation"] = _ratio(value["paper"], value["exact"])
            row["verdict"] = row_verdict(value["paper"], value["exact"])
            row["claim_verdict"] = sentence
            row["tests"] = {
                name: {"p": float(p_values[name][i, j]), "detectable": float(detectable[name][i, j])}
                for name in TESTED
                if name in p_values and np.isfinite(p_values[name][i, j])
            }
            row["reasons"] = _reasons(judged, row, i, j)
            row["faults"] = [judged.missing] * bool(judged.missing) + [
                f"{name}: {route.why}" for name, route in judged.measured.items() if route.lost[i, j]
            ]
            row["instrument"] = _instrument(row, rate)
            out.append(row)
    return out


def _route(name: str, judged: Judged, intervals: dict[str, Any], i: int, j: int) -> dict[str, float | None]:
    if name not in judged.measured:
        return {name: None, f"{name}_low": None, f"{name}_high": None}
    low, high = intervals[name]
    value = _number(float(judged.measured[name].value[i, j]))
    return {
        name: value,
        f"{name}_low": None if value is None else _number(float(low[i, j])),
        f"{name}_high": None if value is None else _number(float(high[i, j])),
    }


def _number(value: float) -> float | None:
    return value if np.isfinite(value) else None


def _ratio(value: float, exact: float) -> float | None:
    if not (np.isfinite(value) and np.isfinite(exact)) or exact == 0:
        return None
    return _number(value / exact - 1)


def _reasons(judged: Judged, row: dict[str, Any], i: int, j: int) -> dict[str, str]:
    """Why each null route is null."""
    case = judged.case
    if judged.missing:
        return {name: judged.missing for name, value in row.items() if name in EVERY_ROUTE and value is None}
    reasons = {}
    for name in ("paper", "exact", "exact_simulated", "exact_discrete"):
        if row[name] is None:
            unstated = name == "paper" and case.claim is claims.PROPOSITION_3 and row["regime"].get("eigenvalue") == 0
            reasons[name] = claims.NO_ZERO_ADAI if unstated else claims.OUT_OF_RANGE
    if row["deviation"] is None and row["paper"] is not None and row["exact"] is not None:
        reasons["deviation"] = claims.NO_DISPLACEMENT if row["exact"] == 0 else claims.OUT_OF_RANGE
    for name in (*TESTED, "shipped"):
        if row[name] is not None:
            continue
        if name in judged.measured and judged.measured[name].lost[i, j]:
            reasons[name] = judged.measured[name].why
        elif name in judged.reasons:
            reasons[name] = judged.reasons[name]
        elif name == "shipped":
            reasons[name] = claims.NOTHING_RUNNING if case.start == "rest" else claims.SHIPPED_AT_REST
            if name in judged.measured:
                reasons[name] = claims.NOT_SIMULATED
        elif i >= len(case.simulated):
            reasons[name] = claims.NOT_SIMULATED
        else:
            reasons[name] = claims.HIDDEN_BY_ROUNDING if case.drift else claims.OUT_OF_RANGE
    return reasons


def _instrument(row: dict[str, Any], rate: float) -> str:
    """ "failed" if a test rejects or something is missing, "inconclusive" if a test is too weak, else "ok"."""
    tests = row["tests"]
    rejected = any(not test["p"] >= rate for test in tests.values())
    wrong_order = row["substeps_order"] is not None and row["substeps_order"] < LEAST_ORDER
    if rejected or wrong_order or row["faults"]:
        return "failed"
    weak = any(not test["detectable"] <= statistics.LARGEST_DETECTABLE[name] for name, test in tests.items())
    return "inconclusive" if weak else "ok"
