"""Evidence: one quantity by every route, on a grid whose coordinates are the regime.

Exact routes and measured values are variables of one Dataset, which verdicts and figures read; what tests a measured
value is beside it in `Measured`. Claims about displacements build the arrays at once, others row by row from `Row`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import xarray
from numpy.typing import NDArray

from experiments.referee.faults import Fault, MeanExit
from experiments.referee.laws import Law, MeanSquare

Array = NDArray[np.float64]
MAY_LACK = ("paper", "power")  # the paper is not stated everywhere, and a power may be infinite
ROW = "row"  # the dimension of evidence that is built row by row


@dataclass(frozen=True)
class Measured:
    """A measured route, as arrays of the evidence's shape.

    Attributes
    ----------
    value
        What was measured, NaN where it was not.
    law
        How it is distributed.
    expected
        What the instrument should have measured, NaN where nothing is known to test it against.
    allowance
        Relative error of the expectation: the test is against the nearest value within it.
    faults
        A `Fault` where there should be a value and is none, else None.
    """

    value: Array
    law: Law
    expected: Array
    allowance: Array | float = 0.0
    faults: NDArray[np.object_] | None = None

    @property
    def tested(self) -> NDArray[np.bool_]:
        """Where there is a test."""
        return np.isfinite(self.value) & np.isfinite(self.expected) & (self.expected > 0)

    def interval(self) -> tuple[Array, Array]:
        """Interval of confidence `laws.LEVEL`, NaN where there is no value."""
        low, high = self.law.interval(self.value)
        known = np.isfinite(self.value)
        return np.where(known, low, np.nan), np.where(known, high, np.nan)

    def p_value(self) -> Array:
        """Two-sided p-value of the test against the expectation, NaN where there is none."""
        value, expected = (np.where(self.tested, numbers, 1.0) for numbers in (self.value, self.expected))
        nearest = np.clip(value, expected / (1 + self.allowance), expected * (1 + self.allowance))
        # without an allowance the nearest value is the expectation itself, whatever clip rounds
        against = np.where(np.asarray(self.allowance) > 0, nearest, expected)
        return np.where(self.tested, self.law.p_value(value, against), np.nan)

    def detectable(self, rate: float) -> Array:
        """Smallest relative deviation that the test at this rate rejects with probability `laws.POWER`."""
        beyond = self.law.detectable(np.where(self.tested, self.value, 1.0), rate)
        widened = np.where(np.asarray(self.allowance) > 0, (1 + self.allowance) * (1 + beyond) - 1, beyond)
        return np.where(self.tested, widened, np.nan)


@dataclass(frozen=True)
class Sample:
    """One measured value, or the fault that it has instead."""

    value: float
    law: Law
    expected: float | None = None
    allowance: float = 0.0
    fault: Fault | None = None

    @property
    def why_none(self) -> Fault | None:
        """Its fault, or that its expectation is no number."""
        unknown = self.expected is not None and not np.isfinite(self.expected)
        return self.fault or (Fault("what it should find is not known") if unknown else None)

    @classmethod
    def of(
        cls,
        exits: MeanExit,
        expected: float | None = None,
        allowance: float = 0.0,
        *,
        other: int = 0,
        unit: float = 1.0,
    ) -> Sample:
        """An ensemble's mean exit time, times `unit`; `other` events are behind the expectation if it is measured."""
        return cls(unit * exits.value, MeanSquare.of_times(exits.events, other), expected, allowance, exits.fault)


@dataclass(frozen=True)
class Row:
    """One point of evidence that is built row by row.

    Attributes
    ----------
    regime
        Where: values of the coordinates.
    values
        Routes without sampling, by name: "paper", "exact", "fokker_planck" and further references.
    samples
        Measured routes, by name.
    checks
        By name, (deviation, tolerance) of references that must agree.
    reasons
        Why a route has no value, by its name.
    missing
        Why the row cannot be judged at all.
    """

    regime: Mapping[str, Any]
    values: Mapping[str, float] = field(default_factory=dict)
    samples: Mapping[str, Sample] = field(default_factory=dict)
    checks: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    reasons: Mapping[str, str] = field(default_factory=dict)
    missing: str = ""

    @property
    def lost(self) -> str:
        """`missing`, or which reference has no finite value."""
        unknown = [name for name, value in self.values.items() if name not in MAY_LACK and not np.isfinite(value)]
        return self.missing or (f"no finite value of {', '.join(unknown)}" if unknown else "")


@dataclass
class Evidence:
    """One quantity of one subject by every route.

    Attributes
    ----------
    subject
        Which optimizer, in which variant.
    quantity
        What the numbers are, with their unit in brackets at the end.
    data
        Variables: routes without sampling, then measured ones with `_low` and `_high`; coordinates: the regime.
    measured
        What tests the measured variables, by name.
    checks
        By name, deviation and tolerance of references that must agree; arrays of the evidence's shape, NaN deviations
        fail.
    reasons
        Why a route has no value: a text or an array of texts, by the route's name.
    missing
        Why rows cannot be judged at all, or empty: a text or an array of texts.
    label
        What tells this evidence from others of its claim; the subject if not given.
    case
        What it was computed from, for curves between its points.
    """

    subject: str
    quantity: str
    data: xarray.Dataset
    measured: dict[str, Measured] = field(default_factory=dict)
    checks: dict[str, tuple[Any, float]] = field(default_factory=dict)
    reasons: dict[str, Any] = field(default_factory=dict)
    missing: Any = ""
    label: str = ""
    case: Any = None

    def __post_init__(self) -> None:
        self.label = self.label or self.subject
        for name, route in self.measured.items():
            for suffix, values in zip(("", "_low", "_high"), (route.value, *route.interval()), strict=True):
                self.data[name + suffix] = (tuple(self.data.sizes), values)
        quantity, _, unit = self.quantity.removesuffix(")").partition(" (")
        for variable in self.data.data_vars.values():
            variable.attrs |= {"long_name": f"{quantity}: {variable.name}", "units": unit or "1"}

    @classmethod
    def of_rows(cls, subject: str, quantity: str, rows: Iterable[Row], **more: Any) -> Evidence:
        """Evidence along the dimension `ROW`.

        A measured value with a fault, or without a finite expectation where it needs one, is none.
        """
        listed = list(rows)

        def named(part: str) -> dict[str, list[Any]]:
            """What rows have of it by name, None for a row without."""
            names = dict.fromkeys(name for row in listed for name in getattr(row, part))
            return {name: [getattr(row, part).get(name) for row in listed] for name in names}

        data = xarray.Dataset(coords={name: (ROW, _column(values)) for name, values in named("regime").items()})
        for name, values in named("values").items():
            data[name] = (ROW, [np.nan if value is None else float(value) for value in values])
        data = data if data.sizes else data.expand_dims({ROW: len(listed)})
        checks = {}
        for name, pairs in named("checks").items():
            # where a row has no such check nothing deviates
            deviations, tolerances = zip(*(pair or (-np.inf, np.inf) for pair in pairs), strict=True)
            checks[name] = (np.array(deviations), min(tolerances))
        reasons = {name: np.array([text or "" for text in texts], object) for name, texts in named("reasons").items()}
        missing = np.array([row.lost for row in listed], object)
        measured = {name: _measured(samples) for name, samples in named("samples").items()}
        return cls(subject, quantity, data, measured, checks, reasons, missing, **more)

    @property
    def why_missing(self) -> str:
        """Why some of it cannot be judged; empty if all can."""
        return next((str(reason) for reason in np.ravel(np.asarray(self.missing, object)) if reason), "")

    @property
    def tests(self) -> int:
        """Number of statistical tests."""
        return sum(int(route.tested.sum()) for route in self.measured.values())

    @property
    def faults(self) -> Iterator[tuple[str, Fault]]:
        """Measured routes that have no value where they should, with why."""
        for name, route in self.measured.items():
            for fault in [] if route.faults is None else route.faults.ravel():
                if fault is not None:
                    yield name, fault

    def storable(self) -> xarray.Dataset:
        """The data with its origin, as netCDF has it: coordinates that are neither numbers nor texts as JSON."""
        kept = self.data.assign_attrs(subject=self.subject, quantity=self.quantity, case=self.label)
        for name, values in kept.coords.items():
            if values.dtype == object or values.dtype == bool:
                texts = [json.dumps(value) for value in values.values.ravel().tolist()]
                kept = kept.assign_coords({name: (values.dims, np.array(texts).reshape(values.shape))})
        return kept

    @property
    def ratio(self) -> xarray.DataArray:
        """The paper's value over the exact one; NaN where one is missing or the exact one is 0."""
        with np.errstate(all="ignore"):
            return (self.data["paper"] / self.data["exact"]).where(self.data["exact"] != 0)

    def where(self, **regime: Any) -> xarray.Dataset:
        """The rows whose coordinates have these values; of a sequence, one of its values."""
        keep = np.ones(self.data.sizes[ROW], bool)
        for name, wanted in regime.items():
            options = wanted if isinstance(wanted, tuple | list) else (wanted,)
            keep &= np.array([value in options for value in self.data[name].values.tolist()])
        return self.data.isel({ROW: np.flatnonzero(keep)})


def unsampled(why: str, **others: str) -> dict[str, str]:
    """Reasons of numbers that have neither a grid nor ensembles, and why for single routes it is another."""
    return dict.fromkeys(("fokker_planck", "simulated", "discrete", "torch", "shipped"), why) | others


def _column(values: Sequence[Any]) -> NDArray[Any]:
    """A coordinate's values; of kinds that arrays do not have, such as pairs of numbers, as objects."""
    values = [_plain(value) for value in values]
    if len({type(value) for value in values}) == 1 and isinstance(values[0], bool | int | float | str):
        return np.array(values)
    column = np.empty(len(values), object)
    column[:] = values
    return column


def _plain(value: Any) -> Any:
    """A value of numpy as one of Python, which JSON has."""
    if isinstance(value, tuple | list):
        return type(value)(map(_plain, value))
    return value.tolist() if isinstance(value, np.generic | np.ndarray) else value


def _measured(samples: Sequence[Sample | None]) -> Measured:
    """The samples of one route, one for each row, those without a fault and with what they need to be tested."""
    first = next(sample for sample in samples if sample is not None)
    faults = np.array([None if sample is None else sample.why_none for sample in samples], object)
    lacking = [sample is None or sample.why_none is not None for sample in samples]

    def column(values: Iterable[Any]) -> Array:
        pairs = zip(values, lacking, strict=True)
        return np.array([np.nan if lacks or value is None else float(value) for value, lacks in pairs])

    present = [sample or first for sample in samples]
    columns = (column(getattr(sample.law, attribute) for sample in present) for attribute in vars(first.law))
    law = type(first.law)(*columns)
    value, expected = (column(getattr(sample, name) for sample in present) for name in ("value", "expected"))
    allowance = np.array([sample.allowance for sample in present])
    return Measured(value, law, expected, allowance, faults)
