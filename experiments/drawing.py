"""What all figures share: style, colours, how they begin and are saved; no display and no backend is needed."""

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from textwrap import wrap
from typing import Any

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke
from matplotlib.ticker import LogLocator, NullLocator

from diffusion.plot.style import BLUE, DASHED, GREEN, GREY, ORANGE, PURPLE, STYLE

__all__ = ["BLUE", "DARK_EDGE", "DASHED", "GREEN", "GREY", "ORANGE", "PURPLE", "STYLE"]
__all__ += ["Drawn", "Named", "drawn", "formula", "headline", "plain_decades", "points", "save", "subplots", "ticks"]

CHARACTERS = 8.0  # of a headline, for each inch of the figure
DARK_EDGE = (withStroke(linewidth=3, foreground="#222222"),)  # of white lines and words on any colour
INDEX = re.compile(r"(?<![A-Za-z])([A-Za-zωθ])_([A-Za-z]+)")  # of a symbol in a text: H_b
POWER = re.compile(r"\^\(([^()]*)\)|\^(-?\w+)")  # in a text: x^2, x^(1-2q)


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
    """The title of a whole figure: each of its lines in as few as the width lets, and these about equally long."""
    text = re.sub(r" ?([=±]) | (?=%)", lambda found: found[0].replace(" ", "\N{NO-BREAK SPACE}"), text)
    widest = int(CHARACTERS * figure.get_figwidth())
    figure.suptitle(formula("\n".join(_broken(line, widest) for line in text.split("\n"))))


def _broken(line: str, widest: int) -> str:
    """A line broken where its pieces are as few as fit, and the longest of them as short as can be."""
    fewest = len(wrap(line, widest))
    return "\n".join(next(lines for width in range(1, widest + 1) if len(lines := wrap(line, width)) <= fewest))


def formula(text: str) -> str:
    """A text whose symbols, such as H_b and x^(1-2q), are typeset; captions keep it as it is."""
    text = INDEX.sub(lambda found: rf"${found[1]}_{{\mathrm{{{found[2]}}}}}$", text)
    return POWER.sub(lambda found: f"$^{{{found[1] or found[2]}}}$", text)


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
    """Draw figures as PNG and SVG, laid out once for both; in our style if they are made as they are asked for."""
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
