"""The rows of claims.json: one for each point of the evidence, with every route and the state of the instrument."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import xarray
from numpy.typing import NDArray

from experiments.referee import laws
from experiments.referee.claim import Claim
from experiments.referee.evidence import Evidence
from experiments.referee.verdict import Verdict

EXACT_ROUTES = ("paper", "exact", "fokker_planck", "exact_simulated", "exact_discrete")
SAMPLED_ROUTES = ("simulated", "discrete", "torch", "shipped")
EXPLAINED = ("paper", "exact", "fokker_planck", *SAMPLED_ROUTES)  # where null, with a reason
STATES = ("ok", "failed", "inconclusive")


def rows(claim: Claim, verdict: Verdict, evidence: Evidence, rate: float) -> Iterator[dict[str, Any]]:
    """All rows of a piece of evidence; `rate` is the false-positive rate of each single test."""
    data = evidence.data
    shape = tuple(data.sizes.values())
    p_values = {name: route.p_value() for name, route in evidence.measured.items()}
    detectable = {name: route.detectable(rate) for name, route in evidence.measured.items()}
    grid = xarray.DataArray(np.zeros(shape), dims=list(data.sizes))

    def everywhere(values: xarray.DataArray) -> NDArray[Any]:
        return values.reset_coords(drop=True).broadcast_like(grid).transpose(*grid.dims).values

    coordinates = {str(name): everywhere(values) for name, values in data.coords.items()}
    variables = {str(name): everywhere(values) for name, values in data.data_vars.items()}
    missing = np.broadcast_to(np.asarray(evidence.missing, object), shape)
    reasons = {name: np.broadcast_to(np.asarray(texts, object), shape) for name, texts in evidence.reasons.items()}
    sampled = dict.fromkeys((*SAMPLED_ROUTES, *evidence.measured))
    blank = dict.fromkeys((*EXACT_ROUTES, *(f"{name}{end}" for name in sampled for end in ("", "_low", "_high"))))
    for place in np.ndindex(shape):
        regime = {name: plain(values[place]) for name, values in coordinates.items()}
        row: dict[str, Any] = {"claim": claim.name, "place": claim.place, "subject": evidence.subject}
        row["quantity"] = evidence.quantity
        row["regime"] = {name: value for name, value in regime.items() if value is not None}
        row |= blank | {name: number(values[place]) for name, values in variables.items()}
        known = row["paper"] is not None and row["exact"] not in (None, 0)
        row["deviation"] = number(row["paper"] / row["exact"] - 1) if known else None
        row["verdict"] = None if missing[place] else claim.row_verdict(row)
        row["claim_verdict"] = verdict.sentence
        row["tests"] = {
            name: {"p": float(p_values[name][place]), "detectable": float(detectable[name][place])}
            for name, route in evidence.measured.items()
            if route.tested[place]
        }
        row["checks"] = {
            name: {"deviation": number(np.broadcast_to(deviation, shape)[place]), "tolerance": most}
            for name, (deviation, most) in evidence.checks.items()
            if np.broadcast_to(deviation, shape)[place] != -np.inf
        }
        known_faults = {name: each.faults for name, each in evidence.measured.items() if each.faults is not None}
        faults: dict[str, Any] = {name: each[place] for name, each in known_faults.items() if each[place] is not None}
        why = dict.fromkeys(EXPLAINED, missing[place] or "not stated")
        why |= {} if missing[place] else {name: str(texts[place]) for name, texts in reasons.items() if texts[place]}
        why |= {name: fault.reason for name, fault in faults.items()}
        row["reasons"] = {name: reason for name, reason in why.items() if row.get(name) is None}
        row["faults"] = [missing[place]] * bool(missing[place])
        row["faults"] += [f"{name}: {fault.reason}" for name, fault in faults.items()]
        row["instrument"] = _instrument(row, rate, bool(missing[place]), {fault.state for fault in faults.values()})
        yield row


def _instrument(row: dict[str, Any], rate: float, missing: bool, states: set[str]) -> str:
    """Failed if a test rejects, references disagree or something broke; inconclusive if a test is weak; else ok."""
    rejected = any(not test["p"] >= rate for test in row["tests"].values())
    checks = row["checks"].values()
    apart = any(each["deviation"] is None or not each["deviation"] <= each["tolerance"] for each in checks)
    if rejected or apart or missing or "failed" in states:
        return "failed"
    weak = any(not test["detectable"] <= laws.LARGEST_DETECTABLE[name] for name, test in row["tests"].items())
    return "inconclusive" if weak or "inconclusive" in states else "ok"


def number(value: Any) -> float | None:
    """A number as JSON has it: None where it is not finite."""
    return float(value) if np.isfinite(value) else None


def plain(value: Any) -> Any:
    """A coordinate's value as JSON has it; None where there is none."""
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and np.isnan(value) else value
