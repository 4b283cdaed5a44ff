"""Figure 5: the basin of test errors over learning rate and weight decay."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import xarray
from numpy.typing import NDArray
from scipy.interpolate import RegularGridInterpolator

from experiments.drawing import Named, headline, subplots
from experiments.evidence import contest
from experiments.evidence.claims import table_2
from experiments.evidence.lab import Lab
from experiments.evidence.paired import Difference, differences
from experiments.evidence.training import Recipe
from experiments.referee import Claim, Evidence, Finding, Routes, Row, Sample, unsampled

Array = NDArray[np.float64]

NAMES = ("Adai", "SGDM", "Adam")
FACTORS = (1 / 3, 1.0, 3.0)  # of the learning rate that is selected for Table 2
DECAYS = (1e-4, 5e-4, 2.5e-3)
MARGIN = 1.0  # points above an optimizer's own least error within which its basin is
FEWER = 5000  # samples of a run that is not full
FINE = 61  # points of a side at which a surface is looked at
GRID = "test error (%)"
WIDTH = f"share of the grid within {MARGIN:g} point of its own least error (1)"
DIFFERENCE = "Adai's minus another's"
WORDS = {"basin": ("wider", "narrower", 1), "least error": ("lower", "higher", -1)}  # as in the paper, against it, sign
INSTEAD = 100.0  # error of a run that diverged


class Figure5(Claim):
    """Surfaces of error over a grid around each optimizer's own rate."""

    name = "Figure 5"
    place = "Section 6, Figure 5"
    statement = (
        "Adai has a lower least test error than SGD with Momentum and Adam, and a wider basin around it: more of the "
        "grid of learning rates and weight decays, centred for each at the rate that is selected for it, is within "
        f"{MARGIN:g} point of its own least error. It is refuted where, over the same seeds, a rival's share is surely "
        "larger."
    )

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """The grid of each optimizer, how wide its basin is, and differences over seeds."""
        lab = Lab.of(routes)
        rates = {name: tried.lr for name, tried in contest.selection(lab, NAMES).items()}
        seeds = contest.seeds(lab)[: lab.pick(2, 3, 8)]
        recipes = [
            _recipe(lab, name, factor * rates[name], seed, decay)
            for name in NAMES
            for seed in seeds
            for factor in FACTORS
            for decay in DECAYS
        ]
        ended = lab.runs(recipes, "basins of error")
        errors = 100 * contest.curves(ended, "test_error")[:, -1]
        surfaces = dict(zip(NAMES, errors.reshape(len(NAMES), len(seeds), len(FACTORS), len(DECAYS)), strict=True))
        known = contest.regime(recipes[0]) | {"seeds": len(seeds)}
        for name, surface in surfaces.items():
            regime = known | {"optimizer": name, "centre": rates[name]}
            yield Evidence.of_rows(name, GRID, _grid(regime, surface), label=f"{name}, grid")
            shares = np.array([basin(errors) for errors in surface])
            sample = Sample(float(shares.mean()), contest.student(shares))
            row = Row(
                regime, {"at_edge": _at_edge(surface)}, {"trained": sample}, reasons=unsampled("networks are trained")
            )
            yield Evidence.of_rows(name, WIDTH, [row], label=f"{name}, basin")
        rows = [
            Row(
                {**known, "optimizer": "Adai", "other": other, "of": what},
                each.as_values,
                reasons=unsampled("networks are trained"),
            )
            for (what, other), each in compare(surfaces).items()
        ]
        yield Evidence.of_rows("Adai", DIFFERENCE, rows, label="Adai, differences")

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """The share and the least error; of Adai the signs of its differences."""
        data = {piece.quantity: piece.data for piece in evidence}
        row, errors = data[WIDTH].isel(row=0), data[GRID]["trained"].values
        share = [float(row[f"trained{end}"]) for end in ("", "_low", "_high")]
        text = "{:.0f} % [{:.0f}, {:.0f}]".format(*np.clip(np.multiply(share, 100), 0, 100))
        text += f" of its grid is within {MARGIN:g} point of its least error"
        if float(row["at_edge"]):
            text += (
                f", which with {100 * float(row['at_edge']):.0f} % of seeds is at the grid's edge: it goes on beyond"
            )
        yield Finding("width of the basin", share[0], f"{text} ({contest.scope(row)})")
        if np.isfinite(errors).any():
            least = data[GRID].isel(row=int(np.nanargmin(errors)))
            where = f"lr = {least['lr'].item():.3g} and weight decay {least['weight_decay'].item():g}"
            text = f"its least mean error is {table_2.interval(least)} %, at {where}"
            yield Finding("least error (%)", float(least["trained"]), text)
        for place in range(data[DIFFERENCE].sizes["row"]) if DIFFERENCE in data else ():
            yield _judged(data[DIFFERENCE].isel(row=place))

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """The three grids."""
        yield _figure(self, evidence)


def _recipe(lab: Lab, name: str, lr: float, seed: int, weight_decay: float) -> Recipe:
    """A shorter run than those of Table 2, evaluated at its end."""
    made = contest.recipe(lab, name, lr, seed, weight_decay)
    changes: dict[str, Any] = {"held_out": 0, "every": made.epochs}
    if lab.size != "full":
        changes["epochs"] = made.epochs // 2
        changes["samples"] = min(made.samples or 0, FEWER)
    return contest.recipe(lab, name, lr, seed, weight_decay, **changes)


def basin(errors: Array, margin: float = MARGIN) -> float:
    """The share of a grid, in the logarithms of its coordinates, where the error is within a margin of its least.

    The surface is bilinear between the grid's points; a run that diverged, NaN, is wrong throughout.
    """
    known = np.nan_to_num(errors, nan=INSTEAD)
    rows, columns = (np.linspace(0, size - 1, FINE) for size in known.shape)
    surface = RegularGridInterpolator(tuple(map(np.arange, known.shape)), known)
    fine = surface(np.stack(np.meshgrid(rows, columns, indexing="ij"), axis=-1))
    inside = (fine <= known.min() + margin).astype(float)
    weights = np.ones(FINE)
    weights[[0, -1]] = 0.5
    return float(weights @ inside @ weights / weights.sum() ** 2)


def compare(surfaces: Mapping[str, Array]) -> dict[tuple[str, str], Difference]:
    """Adai's width and least error minus those of the others, of surfaces (seeds, rates, decays): one family."""
    numbers = {
        "basin": {name: np.array([basin(errors) for errors in surface]) for name, surface in surfaces.items()},
        "least error": {
            name: np.nan_to_num(surface, nan=INSTEAD).min(axis=(1, 2)) for name, surface in surfaces.items()
        },
    }
    keys = [(what, other) for what in numbers for other in surfaces if other != "Adai"]
    found = differences({f"{what} {other}": numbers[what]["Adai"] - numbers[what][other] for what, other in keys})
    return dict(zip(keys, found.values(), strict=True))


def _grid(regime: Mapping[str, Any], surface: Array) -> Iterator[Row]:
    """The grid's points, with how many runs diverged there."""
    for i, factor in enumerate(FACTORS):
        for j, decay in enumerate(DECAYS):
            errors = surface[:, i, j]
            lost = int(np.isnan(errors).sum())
            fault = contest.diverged(lost, len(errors))
            sample = Sample(float(errors.mean()), contest.student(errors), fault=fault)
            point = {"lr": factor * regime["centre"], "weight_decay": decay, "diverged": lost}
            yield Row({**regime, **point}, samples={"trained": sample}, reasons=unsampled("networks are trained"))


def _at_edge(surface: Array) -> float:
    """The share of seeds whose least error is at the edge of the grid."""
    known = np.nan_to_num(surface, nan=INSTEAD)
    inner = known[:, 1:-1, 1:-1].min(axis=(1, 2))
    return float((known.min(axis=(1, 2)) < inner).mean())


def _judged(row: xarray.Dataset) -> Finding:
    """Whether a difference has the paper's sign."""
    found = contest.difference(row)
    what, other = row["of"].item(), row["other"].item()
    right, wrong, paper = WORDS[what]
    words = {
        paper: f"Adai's {what} is {right} than {other}'s",
        0: f"Adai's {what} and {other}'s are not told apart",
        -paper: f"Adai's {what} is {wrong} than {other}'s, against the paper",
    }
    unit = "of the grid" if what == "basin" else "points"
    tells = f"{found.told()} {unit}, p = {found.p:.2g} of the family"
    return Finding(f"{what} against {other}", found.sign or np.nan, f"{words[found.sign]}: {tells}", paper, 0.5)


def _figure(claim: Claim, evidence: Sequence[Evidence]) -> Named:
    grids = {piece.subject: piece.data for piece in evidence if piece.quantity == GRID}
    shares = {piece.subject: float(piece.data["trained"][0]) for piece in evidence if piece.quantity == WIDTH}
    shape = (len(FACTORS), len(DECAYS))
    tables = {name: data["trained"].values.reshape(shape) for name, data in grids.items()}
    own = {name: float(np.nan_to_num(table, nan=INSTEAD).min()) for name, table in tables.items()}
    least = min(own.values())
    figure, axes = subplots(1, len(grids), size=(13, 4.8))
    for axis, (name, table) in zip(axes, tables.items(), strict=True):
        shown = axis.imshow(
            table.T, origin="lower", cmap="viridis_r", vmin=least, vmax=least + 8 * MARGIN, aspect="auto"
        )
        for i, j in np.ndindex(shape):
            inside = table[i, j] <= own[name] + MARGIN
            text = f"{table[i, j]:.1f}" if np.isfinite(table[i, j]) else "diverged"
            dark = np.isfinite(table[i, j]) and table[i, j] > least + 4 * MARGIN
            axis.text(
                i,
                j,
                text,
                ha="center",
                va="center",
                color="white" if dark else "black",
                weight="bold" if inside else "normal",
            )
        rates = grids[name]["lr"].values.reshape(shape)[:, 0]
        axis.set_xticks(range(shape[0]), [f"{rate:.2g}" for rate in rates])
        axis.set_yticks(range(shape[1]), [f"{decay:g}" for decay in DECAYS])
        share = f"{100 * shares[name]:.0f} % within {MARGIN:g} point of its least"
        axis.set(xlabel="learning rate", title=f"{name}: {share}")
    axes[0].set_ylabel("weight decay")
    figure.colorbar(shown, ax=list(axes), label="test error (%)", extend="max")
    findings = [finding for verdict in claim.verdicts(evidence) for finding in verdict.findings]
    compared = {f"basin against {name}" for name in grids}
    texts = [finding.text.partition(":")[0] for finding in findings if finding.name in compared]
    title = f"{claim.name}: {'; '.join(texts)}"
    headline(figure, title)
    first = next(iter(grids.values())).isel(row=0)
    caption = (
        f"{title}. {contest.scope(first)}. Mean test error (%) over {int(first['seeds'])} seeds; bold: within "
        f"{MARGIN:g} point of the optimizer's own least."
    )
    return "figure-5", claim.name, figure, caption


claim = Figure5()
