"""What all figures share: style, colours, how they begin and are saved; no display and no backend is needed."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from textwrap import fill
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator

from diffusion.plot.style import BLUE, DASHED, GREEN, GREY, ORANGE, PURPLE, STYLE

__all__ = ["BLUE", "DASHED", "GREEN", "GREY", "ORANGE", "PURPLE", "STYLE"]
__all__ += ["Drawn", "Named", "headline", "plain_decades", "points", "save", "subplots", "ticks"]

CHARACTERS = 10.0  # of a headline, for each inch of the figure


@dataclass(frozen=True)
class Drawn:
    """A figure on disk: its name without suffix, the claim it belongs to, and what it shows."""

    name: str
    claim: str
    caption: str
    svg: Path


def subplots(rows: int = 1, columns: int = 1, *, size: tuple[float, float], **options: Any) -> tuple[Figure, Any]:
    """A figure that only files will show, in inches, and its axes; options as of `Figure.subplots`."""
    figure = Figure(figsize=size, layout="constrained")
    return figure, figure.subplots(rows, columns, **options)


def points(axis: Axes, x: Any, value: Any, low: Any, high: Any, **style: Any) -> None:
    """Points with their intervals; style as of `Axes.errorbar`."""
    axis.errorbar(x, value, np.array([value - low, high - value]), **({"capsize": 2} | style))


def headline(figure: Figure, text: str) -> None:
    """The title of a whole figure, in as many lines as its width needs."""
    figure.suptitle(fill(text, int(CHARACTERS * figure.get_figwidth())))


def plain_decades(axis: Axis, steps: Sequence[float] = (1, 2, 5)) -> None:
    """A logarithmic axis of few decades: ticks at these steps in each, as plain numbers."""
    axis.set_major_locator(LogLocator(subs=steps))
    axis.set_major_formatter("{x:g}")
    axis.set_minor_locator(NullLocator())


def ticks(axis: Axes, at: Iterable[float]) -> None:
    """Few ticks of a logarithmic y axis, as plain numbers."""
    listed = list(at)
    axis.set_yticks(listed, [f"{tick:g}" for tick in listed])
    axis.minorticks_off()


Named = tuple[str, str, Figure, str]  # name, claim, figure, caption


def save(figures: Iterable[Named], directory: Path) -> list[Drawn]:
    """Save figures as PNG and SVG into `directory`; they are laid out once, for both."""
    directory.mkdir(parents=True, exist_ok=True)
    out = []
    with mpl.rc_context(STYLE):
        for name, claim, figure, caption in figures:
            layout = figure.get_layout_engine()
            assert layout is not None
            layout.execute(figure)
            figure.set_layout_engine(None)
            box = figure.get_tightbbox().padded(0.1)
            for suffix in ("png", "svg"):
                metadata = {"Date": None} if suffix == "svg" else {}
                figure.savefig(directory / f"{name}.{suffix}", metadata=metadata, bbox_inches=box)
            out.append(Drawn(name, claim, caption, directory / f"{name}.svg"))
    return out
