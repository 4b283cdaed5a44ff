"""Where HTML comes from: the templates of this folder, and of others that a page adds."""

import re
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import ChoiceLoader, Environment, FileSystemLoader, PackageLoader, StrictUndefined

from diffusion.plot.style import BLUE, GREY, ORANGE
from experiments.referee.verdict import level

COLOURS = {"blue": BLUE, "light": "#56B4E9", "orange": ORANGE, "grey": GREY}


def environment(*folders: Path) -> Environment:
    """Templates of these folders and of the referee's own; whatever is put into one is escaped."""
    loader = ChoiceLoader([FileSystemLoader(folders), PackageLoader("experiments.referee")])
    made = Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    made.filters.update(number=number, slug=slug)
    made.globals.update(colours=COLOURS, level=level)
    return made


def number(value: Any) -> str:
    """Four digits; a dash where there is no number."""
    return "–" if value is None or not np.isfinite(value) else f"{value:.4g}"


def slug(text: str) -> str:
    """A text as the name of a file, or of a place on a page."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")
