"""`compare`, and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import xarray
from numpy.typing import ArrayLike

from diffusion import checks
from diffusion.dynamics import Dynamics
from diffusion.landscapes import Landscape
from diffusion.noise import NoiseModel
from experiments import drawing
from experiments.comparison import table
from experiments.comparison.question import REPLICAS, TORCH_REPLICAS, Question, ask
from experiments.referee import Evidence, Routes

SECONDS = 30.0  # that one sampled route may take
WIDTH = 140  # of the printed table


@dataclass(frozen=True, repr=False)
class Comparison:
    """One quantity by every route; it prints as a table.

    Attributes
    ----------
    question, evidence
        What was asked, as a claim, and its evidence.
    """

    question: Question
    evidence: Sequence[Evidence]

    @property
    def table(self) -> xarray.Dataset:
        """`value`, `low` and `high`, the same as `ratio` to the reference, and the `reason` of what is missing.

        On route and exit, or on start, route, iterations and eigenvalue. The reference is exact or, where that is
        out of reach, the limit of low temperature.
        """
        told = [piece for piece in self.evidence if table.tells(piece)]
        pieces = [table.table(piece) for piece in told]
        if self.question.escapes:
            return pieces[0]
        starts = xarray.Variable("start", [piece.case.start for piece in told])
        return xarray.concat([piece.drop_vars("start") for piece in pieces], starts, combine_attrs="drop_conflicts")

    @property
    def findings(self) -> list[str]:
        """What the numbers say of the paper's formula."""
        return [finding.text for finding in self.question.findings(self.evidence)]

    @property
    def lost(self) -> bool:
        """Whether a route that was to run could not give its number, or nothing could."""
        return any(piece.why_missing or any(piece.faults) for piece in self.evidence)

    def __str__(self) -> str:
        from rich.console import Console

        console = Console(file=StringIO(), width=WIDTH)
        for piece in filter(table.tells, self.evidence):
            shown = table.table(piece)
            for lines in table.of_escapes(shown) if self.question.escapes else (table.of_displacements(shown),):
                console.print(lines)
            if self.question.escapes:
                for text in table.missing(shown, self.question.foretold):
                    console.print(text, highlight=False)
        for text in [*self.findings, *(piece.why_missing for piece in self.evidence if piece.why_missing)]:
            console.print(text, highlight=False)
        return console.file.getvalue().rstrip()  # type: ignore[attr-defined, no-any-return]

    __repr__ = __str__

    def save(self, out: str | Path) -> list[Path]:
        """Write table.csv, table.json and the figure, as SVG and PNG, to a directory; gives the files' paths."""
        folder = Path(out)
        folder.mkdir(parents=True, exist_ok=True)
        rows = self.table.to_dataframe().reset_index()
        rows.to_csv(folder / "table.csv", index=False)
        rows.to_json(folder / "table.json", orient="records", indent=1, double_precision=15)
        figures = drawing.save(self.question.figures(self.evidence), folder)
        return [folder / "table.csv", folder / "table.json", *figures]


def compare(
    dynamics: Dynamics,
    landscape: Landscape,
    noise: NoiseModel,
    *,
    boundary: Any = None,
    start: ArrayLike | None = None,
    iterations: Sequence[int] | None = None,
    seconds: float = SECONDS,
    seed: int = 0,
    threads: int | None = None,
    say: Callable[[str], None] = print,
) -> Comparison:
    """Ask one question of every route: the paper, exact, grid, SDE, discrete, splitting and torch.

    Of a `QuadraticSaddle` it is the mean squared displacement, from rest and with a thermal velocity; of a well the
    mean escape time in iterations. It says first what is within reach, and why what is not is left out.

    Parameters
    ----------
    dynamics, landscape, noise
        The optimizer, idealized, and its problem; as shipped it is compared too. One with the running second moment is
        compared as shipped alone.
    boundary
        As in `diffusion.exit_times`, or "saddle". None: at the landscape's saddle, and, if the optimizer is idealized,
        beyond it where an arrival is final.
    start
        Where it starts; None: at the landscape's reference point.
    iterations
        At which displacements are compared; None: from a tenth to 100 times the optimizer's memory.
    seconds
        That one sampled route may take at one exit, about, on an idle machine.
    seed, threads
        Seed of all ensembles; threads, None: all cores.
    say
        What is told before anything runs goes here.

    Returns
    -------
    Comparison
        Prints as a table; `.table` is an xarray.Dataset, `.save(out)` writes it with the figure.

    Raises
    ------
    ValueError
        If a parameter is out of range, there is neither a saddle nor a boundary, or nothing can be compared.

    Examples
    --------
    >>> from diffusion import DoubleParabola, HessianNoise, Momentum
    >>> from experiments import compare
    >>> well = DoubleParabola(barrier=0.4, hessian_minimum=2.0, hessian_saddle=0.7, dimension=1)
    >>> compare(Momentum(0.05, 0.95), well, HessianNoise(16, "piecewise"))  # doctest: +SKIP
    """
    checks.positive("seconds", seconds)
    seed = checks.whole("seed", seed, least=0)
    question = ask(dynamics, landscape, noise, boundary, start, iterations, seconds, threads)
    say(question.outlook)
    evidence = question.tried(Routes(REPLICAS, TORCH_REPLICAS, seed, threads))
    if not any(map(table.tells, evidence)):
        raise ValueError(f"nothing can be compared: {evidence[0].why_missing}")
    return Comparison(question, evidence)
