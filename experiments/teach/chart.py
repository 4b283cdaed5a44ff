"""Charts as SVG text, drawn in about a millisecond: a class that drags sliders together shares one interpreter.

A library made for print takes a hundred times as long; here each series of points is a single path.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from experiments.teach.figure import BLACK, Key, text
from experiments.teach.scales import place, scale, ticks

Ticks = Sequence[tuple[float, str]]

# Okabe and Ito's colours, as experiments.drawing has them; each is also told by its dash or marker
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#B35A8C", "#555555"
FAR = 1e5  # pixels; what lies beyond is cut by the frame anyway
MARGINS = (92, 22, 46, 66)  # left, right, top, bottom


class Panel:
    """One pair of axes inside a figure.

    Parameters
    ----------
    box
        (left, top, width, height) in the figure.
    x, y
        Ranges (low, high) of the axes.
    log
        Which axes are logarithmic: "", "x", "y" or "xy".
    x_ticks, y_ticks
        Values and names; None: round ones.
    margins
        Room left, right, above and below the frame.
    """

    def __init__(
        self,
        box: tuple[float, float, float, float],
        x: tuple[float, float],
        y: tuple[float, float],
        *,
        log: str = "",
        x_ticks: Ticks | None = None,
        y_ticks: Ticks | None = None,
        margins: tuple[float, float, float, float] = MARGINS,
    ) -> None:
        left, right, top, bottom = margins
        self.left, self.top = box[0] + left, box[1] + top
        self.width, self.height = box[2] - left - right, box[3] - top - bottom
        self._outer_left = box[0]
        self._log = ("x" in log, "y" in log)
        self._x = scale(x, self._log[0])
        self._y = scale(y, self._log[1])
        self._clip = "c" + "-".join(f"{side:.0f}" for side in box)
        self.keys: list[Key] = []
        self.inside: list[str] = []
        self.above: list[str] = []
        grid = []
        for value, name in ticks(x, self._log[0], self.width / 75) if x_ticks is None else x_ticks:
            at = self.px(value)
            grid.append(f"M{at:.1f} {self.top:.1f}v{self.height:.1f}")
            self.above.append(text(at, self.top + self.height + 24, name, "middle"))
        for value, name in ticks(y, self._log[1], self.height / 45) if y_ticks is None else y_ticks:
            at = self.py(value)
            grid.append(f"M{self.left:.1f} {at:.1f}h{self.width:.1f}")
            self.above.append(text(self.left - 10, at + 6, name, "end"))
        self._grid = f'<path d="{"".join(grid)}" stroke="#e4e4e4" fill="none"/>'

    def label(self, title: str, x: str, y: str = "") -> None:
        """Title of the panel and names of its axes, with units."""
        middle, base = self.left + self.width / 2, self.top + self.height
        self.above += [
            text(middle, self.top - 16, title, "middle", weight=600),
            text(middle, base + 52, x, "middle"),
            text(self._outer_left + 8, self.top + self.height / 2, y, "middle", turned=True),
        ]

    def px(self, x: Any) -> Any:
        """Pixels of x."""
        return self.left + self.width * place(x, self._x, self._log[0])

    def py(self, y: Any) -> Any:
        """Pixels of y."""
        return self.top + self.height * (1 - place(y, self._y, self._log[1]))

    def _path(self, x: ArrayLike, y: ArrayLike) -> str:
        px, py = np.broadcast_arrays(self.px(x), self.py(y))
        joined, pieces = "M", []
        for a, b in zip(px.tolist(), py.tolist(), strict=True):
            if abs(a) < FAR and abs(b) < FAR:  # not so for NaN, which leaves a gap
                pieces.append(f"{joined}{a:.1f} {b:.1f}")
                joined = "L"
            else:
                joined = "M"
        return "".join(pieces)

    def _named(self, name: str, colour: str, kind: str) -> None:
        if name:
            self.keys.append((name, colour, kind))

    def line(
        self, x: ArrayLike, y: ArrayLike, colour: str, name: str = "", *, dash: str = "", width: float = 3
    ) -> None:
        """A curve, with its name in the legend, if it is to have one."""
        self._named(name, colour, "dash" if dash else "line")
        style = f' stroke-dasharray="{dash}"' if dash else ""
        self.inside.append(
            f'<path d="{self._path(x, y)}" fill="none" stroke="{colour}" stroke-width="{width}"{style}/>'
        )

    def band(
        self, x: ArrayLike, low: ArrayLike, high: ArrayLike, colour: str, name: str = "", *, opacity: float = 0.22
    ) -> None:
        """The area between two curves."""
        self._named(name, colour, "band")
        xs = np.concatenate([np.asarray(x), np.asarray(x)[::-1]])
        ys = np.concatenate([np.broadcast_to(low, np.shape(x)), np.broadcast_to(high, np.shape(x))[::-1]])
        self.inside.append(f'<path d="{self._path(xs, ys)}Z" fill="{colour}" fill-opacity="{opacity}"/>')

    def dots(self, x: ArrayLike, y: ArrayLike, colour: str, size: float = 3.5, opacity: float = 0.45) -> None:
        """A cloud of points."""
        px, py = np.broadcast_arrays(self.px(x), self.py(y))
        seen = (np.abs(px) < FAR) & (np.abs(py) < FAR)
        path = "".join(f"M{a:.1f} {b:.1f}h0" for a, b in zip(px[seen].tolist(), py[seen].tolist(), strict=True))
        style = f'stroke-width="{size}" stroke-linecap="round" stroke-opacity="{opacity}"'
        self.inside.append(f'<path d="{path}" stroke="{colour}" {style}/>')

    def points(self, x: ArrayLike, y: ArrayLike, low: ArrayLike, high: ArrayLike, colour: str, name: str = "") -> None:
        """Measurements with their intervals."""
        self._named(name, colour, "dot")
        for a, b, c, d in zip(*(np.atleast_1d(v).tolist() for v in (x, y, low, high)), strict=True):
            if np.isfinite(self.py(b)):
                bar = self._path([a, a], np.clip([c, d], *self._ends))
                self.inside.append(
                    f'<path d="{bar}" stroke="{colour}" stroke-width="2.5"/><circle cx="{self.px(a):.1f}" '
                    f'cy="{self.py(b):.1f}" r="6" fill="{colour}" stroke="white" stroke-width="1.2"/>'
                )

    @property
    def _ends(self) -> tuple[float, float]:
        low, high = self._y
        return (10**low, 10**high) if self._log[1] else (low - 9 * (high - low), high + 9 * (high - low))

    def bar(self, middle: float, value: float, base: float, width: float, colour: str, opacity: float = 1) -> None:
        """A vertical bar `width` wide in units of x, from base to value."""
        a, b = self.px(middle - width / 2), self.px(middle + width / 2)
        low, high = sorted((float(self.py(base)), float(self.py(value))))
        self.inside.append(
            f'<rect x="{a:.1f}" y="{low:.1f}" width="{b - a:.1f}" height="{high - low:.1f}" fill="{colour}" '
            f'fill-opacity="{opacity}"/>'
        )

    def text(self, x: float, y: float, words: str, colour: str = BLACK, anchor: str = "start") -> None:
        """Words at a place, readable over lines."""
        self.above.append(text(self.px(x), self.py(y), words, anchor, colour=colour, halo=True))

    def corner(self, words: str, colour: str = BLACK, row: int = 0, *, right: bool = True, low: bool = False) -> None:
        """Words in a corner of the frame, in rows."""
        x = self.left + self.width - 8 if right else self.left + 8
        y = self.top + self.height - 10 - 24 * row if low else self.top + 22 + 24 * row
        self.above.append(text(x, y, words, "end" if right else "start", colour=colour, halo=True))

    def svg(self) -> str:
        """The panel as SVG."""
        frame = f'x="{self.left:.1f}" y="{self.top:.1f}" width="{self.width:.1f}" height="{self.height:.1f}"'
        return (
            f'<clipPath id="{self._clip}"><rect {frame}/></clipPath>{self._grid}<g clip-path="url(#{self._clip})">'
            f'{"".join(self.inside)}</g><rect {frame} fill="none" stroke="{GREY}"/>{"".join(self.above)}'
        )
