"""The table: what was measured beside what was aimed at."""

import io
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Row:
    """One line of the table.

    Attributes
    ----------
    group, what
        Under which heading, and what was measured.
    values
        One for each round; empty if it could not be measured.
    unit
        "times", "s", "%", ...
    at_least, at_most
        The target; None: there is none on that side.
    note
        Why it was skipped, or what to know beside it.
    """

    group: str
    what: str
    values: list[float]
    unit: str = "times"
    at_least: float | None = None
    at_most: float | None = None
    note: str = ""

    @property
    def median(self) -> float | None:
        """Median over the rounds."""
        return float(np.median(self.values)) if self.values else None

    @property
    def verdict(self) -> str:
        """ "met" or "missed", by the median; "skipped" if it was not measured; "" without a target."""
        if self.median is None:
            return "skipped"
        if self.at_least is None and self.at_most is None:
            return ""
        low = self.at_least is None or self.median >= self.at_least
        return "met" if low and (self.at_most is None or self.median <= self.at_most) else "missed"

    @property
    def target(self) -> str:
        """The target in words."""
        if self.at_least is not None and self.at_most is not None:
            return f"{self.at_least:g} to {self.at_most:g}"
        if self.at_least is not None:
            return f">= {self.at_least:g}"
        return "" if self.at_most is None else f"<= {self.at_most:g}"

    def record(self) -> dict[str, Any]:
        """For bench.json."""
        low, high = (min(self.values), max(self.values)) if self.values else (None, None)
        return {
            "group": self.group,
            "what": self.what,
            "unit": self.unit,
            "median": self.median,
            "low": low,
            "high": high,
            "at_least": self.at_least,
            "at_most": self.at_most,
            "verdict": self.verdict,
            "note": self.note,
        }


def table(rows: list[Row], footer: list[str], *, width: int | None = None) -> str:
    """The table as text."""
    from rich import box
    from rich.console import Console
    from rich.table import Table

    out = Table(box=box.SIMPLE_HEAD, title="diffusion-lab, how fast", title_justify="left")
    for heading, justify in (("", "left"), ("median", "right"), ("range", "right"), ("target", "left"), ("", "left")):
        out.add_column(heading, justify=justify, no_wrap=not out.columns)  # type: ignore[arg-type]
    group = ""
    for row in rows:
        if row.group != group:
            group = row.group
            out.add_section()
            out.add_row(f"[bold]{group}[/bold]")
        spread = f"{min(row.values):.3g} to {max(row.values):.3g}" if len(row.values) > 1 else ""
        value = "" if row.median is None else f"{row.median:.3g} {row.unit}"
        ending = ", ".join(word for word in (row.verdict, row.note) if word)
        out.add_row(f"  {row.what}", value, spread, row.target, ending)
    console = Console(file=io.StringIO(), width=width or 132, color_system=None)
    console.print(out)
    for line in footer:
        console.print(line, markup=False)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()
