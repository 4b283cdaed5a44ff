"""Figure 14: expected sharpness of the minima that optimizers find, as it is and free of scale."""

from collections.abc import Mapping
from typing import Any, ClassVar

import xarray

from experiments.drawing import plain_decades, points
from experiments.evidence.claims.figure_7 import COLOURS, PLACES, Figure7
from experiments.evidence.minima import END
from experiments.evidence.sharpness import RELATIVE_SIGMA, SIGMA


class Figure14(Figure7):
    """The same order by the mean rise of the loss under Gaussian perturbations."""

    name = "Figure 14"
    place = "Appendix F, Figure 14"
    statement = (
        "By the expected sharpness E[L(theta + v)] - L(theta) with Gaussian v, Adai and Momentum learn significantly "
        "flatter minima than Adam."
    )
    measures: ClassVar[dict[str, str]] = {"rise": "absolute", "free_rise": "free of scale"}
    quantity: ClassVar[str] = "expected sharpness (1)"
    below: ClassVar[tuple[tuple[str, str], ...]] = (("Adai", "Adam"), ("SGDM", "Adam"))

    def draw(self, axis: Any, measure: str, data: Mapping[str, xarray.Dataset]) -> None:
        """One measure at the end and at equal loss."""
        for place, (name, rows) in enumerate(data.items()):
            for shift, where in zip((-0.12, 0.12), PLACES, strict=True):
                shown = rows.isel(row=(rows["measure"].values == measure) & (rows["where"].values == where))
                ends = [shown[f"measured{end}"].values for end in ("", "_low", "_high")]
                style = {"color": COLOURS[name], "mfc": COLOURS[name] if where == END else "white", "ms": 8}
                points(axis, [place + shift], *ends, fmt="o", **style)
        sigma = {"rise": f"σ = {SIGMA:g}", "free_rise": f"σ = {RELATIVE_SIGMA:g} of filters"}[measure]
        axis.set(yscale="log", title=f"expected sharpness, {sigma}")
        plain_decades(axis.yaxis)
        axis.set_xticks(range(len(data)), list(data))
        axis.set_xlim(-0.5, len(data) - 0.5)


claim = Figure14()
