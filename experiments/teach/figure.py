"""Panels put together as one SVG figure, with a legend and a description for those who cannot see it."""

from collections.abc import Sequence
from html import escape
from typing import Protocol

BLACK = "#111111"
EDGE = 14  # pixels on either side, for numbers at the end of an axis
DASH = "9 6"  # the paper's formulas
Size = tuple[float, float]
Key = tuple[str, str, str]  # words, colour, and "line", "dash", "dot", "bar" or "band"


class Drawable(Protocol):
    """What a figure is made of."""

    keys: list[Key]

    def svg(self) -> str:
        """The drawing as SVG."""


def figure(
    panels: Sequence[Drawable], description: str, legend: Sequence[Key] = (), *, size: Size = (1240, 400)
) -> str:
    """Panels side by side in a figure of that size, above a legend of given keys and what the panels name."""
    width, height = size
    legend = list(dict.fromkeys([*legend, *(key for panel in panels for key in panel.keys)]))
    parts = [panel.svg() for panel in panels]
    widths = [72 + 10.2 * len(words) for words, _, _ in legend]
    x = (width - sum(widths)) / 2
    for (words, colour, kind), step in zip(legend, widths, strict=True):
        parts.append(_key(x, height + 14, colour, kind) + text(x + 38, height + 20, words, "start"))
        x += step
    return (
        f'<svg viewBox="{-EDGE} 0 {width + 2 * EDGE:.0f} {height + 34:.0f}" role="img" '
        f'aria-label="{escape(description)}" style="width:100%;height:auto;max-height:54vh" '
        f'font-family="system-ui,sans-serif" font-size="19">'
        f"{''.join(parts)}</svg>"
    )


def _key(x: float, y: float, colour: str, kind: str) -> str:
    if kind == "dot":
        return f'<circle cx="{x + 16}" cy="{y}" r="6" fill="{colour}"/>'
    if kind in ("bar", "band"):
        opacity = 1 if kind == "bar" else 0.22
        return f'<rect x="{x}" y="{y - 8}" width="32" height="16" fill="{colour}" fill-opacity="{opacity}"/>'
    dash = f' stroke-dasharray="{DASH}"' if kind == "dash" else ""
    return f'<path d="M{x} {y}h32" stroke="{colour}" stroke-width="3"{dash}/>'


def text(
    x: float,
    y: float,
    words: str,
    anchor: str,
    *,
    colour: str = BLACK,
    weight: int = 400,
    turned: bool = False,
    halo: bool = False,
) -> str:
    """Words at (x, y) as SVG; nothing if there are none."""
    if not words:
        return ""
    turn = f' transform="rotate(-90 {x:.1f} {y:.1f})"' if turned else ""
    under = ' stroke="white" stroke-width="5" paint-order="stroke"' if halo else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{colour}" font-weight="{weight}"{under}{turn}>'
        f"{escape(words)}</text>"
    )
