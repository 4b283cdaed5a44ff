"""Figure 8: the noise of minibatches is Gaussian, and only looks heavy-tailed across parameters."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray

from experiments.drawing import Named
from experiments.evidence import tail_figures
from experiments.evidence.lab import Lab
from experiments.evidence.networks import Case, cases, unreached
from experiments.evidence.noise import Point
from experiments.evidence.noise_task import BATCH_SIZES
from experiments.evidence.over_seeds import MEASURED, Interval, judged, sample
from experiments.referee import Claim, Evidence, Finding, Routes, Row, unsampled

KURTOSIS = "excess kurtosis of a minibatch's gradient, median"
SKEWNESS = "size of its skewness, median"
INDEX = "tail index, mean"
OF_BATCHES = (10, 16, 100, 1000)
RECALLED = 16  # "at least when the batch size is larger than" it: the number is lost in the text, and recalled
ALONG = {"coordinates": "coordinate_", "eigenvectors": ""}
GAUSSIAN = 0.5  # excess kurtosis: Student's law with it has twice Gauss' share beyond three standard deviations
SKEWED = 0.5  # skewness: a gamma law with it has two and a half times Gauss' share beyond them on its longer side
ALIKE = 0.1  # difference of tail indices, which lie between 0 and 2
GAUSS, DIFFERENCE = "gauss", "difference"  # routes
REASON = "measured on networks alone"


class Figure8(Claim):
    """Moments of minibatches, exactly from those of single samples, and tail indices beside those of Gaussian noise."""

    name = "Figure 8"
    place = "Appendix C, Figure 8"
    statement = (
        f"The gradient of a minibatch is Gaussian if the batch size is above {RECALLED} (the number is lost in the "
        "text, and recalled); it looks heavy-tailed (Simsekli et al. 2019) only where parameters are taken for samples "
        "of one law, as Gaussian noise of the same covariance would."
    )

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Of each network, loss and stage."""
        for case in cases(Lab.of(routes)):
            for stage in case.stages:
                yield from at_stage(case, stage)
            yield from unreached(case)

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """Whether it is Gaussian by its moments, and whether its tail index is that of Gaussian noise."""
        data = {piece.quantity: piece.data for piece in evidence}
        if INDEX not in data:  # a stage that training did not reach
            return
        for quantity, name in ((KURTOSIS, "excess kurtosis"), (SKEWNESS, "skewness")):
            for along in ALONG:
                yield _moment(
                    name, along, _where(data[quantity], along=along), GAUSSIAN if quantity == KURTOSIS else SKEWED
                )
        yield from (_index(data[INDEX].isel(row=k)) for k in range(data[INDEX].sizes["row"]))

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """Kurtosis against the batch size, and tail indices beside Gaussian ones."""
        of = {name: [piece for piece in evidence if piece.quantity == name] for name in (KURTOSIS, INDEX)}
        if of[INDEX]:
            yield tail_figures.kurtosis(self.name, of[KURTOSIS], GAUSSIAN, RECALLED)
            alike = [
                _index(piece.data.isel(row=k)).holds for piece in of[INDEX] for k in range(piece.data.sizes["row"])
            ]
            yield tail_figures.indices(self.name, of[INDEX], alike.count(True), alike.count(False))


def at_stage(case: Case, stage: str) -> Iterator[Evidence]:
    """All numbers of one stage."""
    points, subject = case.points[stage], f"{case.name}, {stage}"
    for quantity, name, power in ((KURTOSIS, "kurtosis", 1.0), (SKEWNESS, "skewness", 0.5)):
        rows = []
        for along, prefix in ALONG.items():
            one = [_median(point, prefix + name) for point in points]
            regime = case.regime(stage) | {"along": along}
            for size in OF_BATCHES:
                samples = {MEASURED: sample(np.array(one) / size**power)}
                rows.append(_row(regime | {"batch_size": size}, {"paper": 0.0} if size >= RECALLED else {}, samples))
        yield Evidence.of_rows(subject, quantity, rows, case=case.told(stage))
    rows = []
    for size in BATCH_SIZES:
        for over, known in (("across", "parameters"), ("along", "minibatches, along eigenvectors")):
            noise, gauss = (
                [float(np.mean(point.more[f"{over} {what} {size}"])) for point in points] for what in ("noise", "gauss")
            )
            samples = {MEASURED: sample(noise), GAUSS: sample(gauss), DIFFERENCE: sample(np.subtract(noise, gauss))}
            rows.append(_row(case.regime(stage) | {"over": known, "batch_size": size}, {}, samples))
    yield Evidence.of_rows(subject, INDEX, rows, case=case.told(stage))


def _median(point: Point, name: str) -> float:
    """Of the sizes of a moment of one sample, over directions in which there is noise."""
    moments = point.more[name] if name in point.more else getattr(point, name)
    size = np.abs(moments) if name.endswith("skewness") else moments
    return float(np.nanmedian(size)) if np.isfinite(size).any() else np.nan


def _row(regime: dict[str, Any], values: dict[str, float], samples: dict[str, Any]) -> Row:
    return Row(regime, values, samples, reasons=unsampled(REASON, exact=REASON, paper="it has no number"))


def _where(data: xarray.Dataset, **regime: Any) -> xarray.Dataset:
    keep = np.logical_and.reduce([data[name].values == value for name, value in regime.items()])
    return data.isel(row=np.flatnonzero(keep))


def _moment(name: str, along: str, data: xarray.Dataset, tolerance: float) -> Finding:
    by_size = {size: Interval.of(_where(data, batch_size=size).isel(row=0)) for size in OF_BATCHES}
    right, wrong = (f"along {along} its {name} is {word} at B = {RECALLED}" for word in ("near Gauss'", "not Gauss'"))
    tells = ", ".join(f"{interval.told()} at B = {size}" for size, interval in by_size.items())
    return judged(f"{name} along {along}", by_size[RECALLED], right, wrong, tells, target=0, tolerance=tolerance)


def _index(row: xarray.Dataset) -> Finding:
    over, size = str(row["over"].values), int(row["batch_size"])
    right, wrong = (f"over {over} the tail index is {word}that of Gaussian noise" for word in ("", "not "))
    ends = [Interval.of(row, route).told() for route in (MEASURED, GAUSS, DIFFERENCE)]
    tells = (
        f"{ends[0]}, and {ends[1]} of Gaussian noise of the same covariance, a difference of {ends[2]}, at B = {size}"
    )
    name = f"tail index over {over}, B = {size}"
    return judged(name, Interval.of(row, DIFFERENCE), right, wrong, tells, target=0, tolerance=ALIKE)


claim = Figure8()
