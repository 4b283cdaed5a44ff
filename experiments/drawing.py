"""What all figures share: style, colours, how they begin and are saved; no display and no backend is needed."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
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
__all__ += ["Drawn", "Named", "drawn", "headline", "plain_decades", "points", "save", "subplots", "ticks"]

CHARACTERS = 10.0  # of a headline, for each inch of the figure


@dataclass(frozen=True)
class Drawn:
    """A figure as files: their name without suffix, the claim it belongs to, what it shows, and what the files hold."""

    name: str
    claim: str
    caption: str
    png: bytes
    svg: bytes

    def write(self, directory: Path) -> list[Path]:
        """Write both files into a directory, which is made if it is not there."""
        directory.mkdir(parents=True, exist_ok=True)
        contents = {directory / f"{self.name}.png": self.png, directory / f"{self.name}.svg": self.svg}
        for path, content in contents.items():
            path.write_bytes(content)
        return list(contents)


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


def drawn(figures: Iterable[Named]) -> Iterator[Drawn]:
    """Draw figures as PNG and SVG; they are laid out once, for both."""
    with mpl.rc_context(STYLE):
        for name, claim, figure, caption in figures:
            layout = figure.get_layout_engine()
            assert layout is not None
            layout.execute(figure)
            figure.set_layout_engine(None)
            box, png, svg = figure.get_tightbbox().padded(0.1), BytesIO(), BytesIO()
            figure.savefig(png, format="png", bbox_inches=box)
            figure.savefig(svg, format="svg", metadata={"Date": None}, bbox_inches=box)
            yield Drawn(name, claim, caption, png.getvalue(), svg.getvalue())


def save(figures: Iterable[Named], directory: Path) -> list[Path]:
    """Draw figures and write their files into a directory, which is made if it is not there."""
    return [path for figure in drawn(figures) for path in figure.write(directory)]
