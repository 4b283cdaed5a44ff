"""What all figures share: style, colours, and how they are saved."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")  # figures are files; no display is needed
from matplotlib import pyplot as plt
from matplotlib.figure import Figure

# Okabe and Ito's colours: distinct for colour-blind readers, and in this order also in grey
BLUE, ORANGE, GREEN, PURPLE, GREY = "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#555555"
DASHED = (0, (4, 2))  # the paper's formulas
STYLE: dict[Any, Any] = {
    "font.size": 11,
    "axes.titlesize": 12,
    "figure.titlesize": 14,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "svg.hashsalt": "diffusion-lab",
    "savefig.dpi": 130,
}


@dataclass(frozen=True)
class Drawn:
    """A figure on disk: its name without suffix, the claim it belongs to, and what it shows."""

    name: str
    claim: str
    caption: str
    svg: Path


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
            plt.close(figure)
            out.append(Drawn(name, claim, caption, directory / f"{name}.svg"))
    return out
