"""Docstrings are written for readers of the source: |H| there is an absolute value, and types of arrays are short."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sphinx.application import Sphinx
from sphinx.util.typing import stringify_annotation


def escape_bars(app: Sphinx, what: str, name: str, obj: object, options: object, lines: list[str]) -> None:
    """Escape bars outside of literals."""
    for k, line in enumerate(lines):
        parts = line.split("``")
        parts[::2] = [part.replace("|", r"\|") for part in parts[::2]]
        lines[k] = "``".join(parts)


SHORT = {
    stringify_annotation(long, mode): short
    for long, short in ((ArrayLike, "~numpy.typing.ArrayLike"), (NDArray[np.float64], "~numpy.ndarray"))
    for mode in ("smart", "fully-qualified-except-typing")
}


def shorten(app: Sphinx, domain: str, kind: str, node: object) -> None:
    """Before autodoc merges the types that it recorded into the description."""
    for types in app.env.current_document.autodoc_annotations.values():
        for parameter, text in types.items():
            for long, short in SHORT.items():
                text = text.replace(long, short)
            types[parameter] = text


def setup(app: Sphinx) -> dict[str, Any]:
    """Before napoleon, which reads sections."""
    app.connect("autodoc-process-docstring", escape_bars, priority=400)
    app.connect("object-description-transform", shorten, priority=400)
    return {"parallel_read_safe": True}
