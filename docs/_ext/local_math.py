"""MathJax from files of the site itself: its code, fonts and extensions are copied from an installed package."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util.fileutil import copy_asset

WANTED = ("tex-chtml.js", "output/chtml/fonts", "input/tex/extensions")


def copy_mathjax(app: Sphinx, error: Exception | None) -> None:
    """Put MathJax beside the pages."""
    if error is not None or app.builder.format != "html":
        return
    package = find_spec("sphinx-mathjax-offline")
    assert package is not None
    assert package.origin is not None
    source, target = Path(package.origin).parent / "static" / "mathjax", app.outdir / "_static" / "mathjax"
    for name in WANTED:
        copy_asset(source / name, (target / name).parent if (source / name).is_file() else target / name)


def setup(app: Sphinx) -> dict[str, Any]:
    """Let Sphinx's own MathJax extension load the copy."""
    app.setup_extension("sphinx.ext.mathjax")
    app.config.mathjax_path = "mathjax/tex-chtml.js"
    app.connect("build-finished", copy_mathjax)
    return {"parallel_read_safe": True}
