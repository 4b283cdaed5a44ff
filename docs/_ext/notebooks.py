"""Notebooks of the gallery, executed: sphinx-gallery writes them, this runs three and keeps them beside."""

from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

log = logging.getLogger(__name__)


def execute(app: Sphinx) -> None:
    """Run each notebook that is older than its script."""
    import nbformat
    from nbclient import NotebookClient

    gallery, target = Path(app.srcdir) / "auto_gallery", Path(app.srcdir) / "auto_gallery" / "executed"
    target.mkdir(exist_ok=True)
    for name in app.config.notebooks:
        source, done = gallery / f"{name}.ipynb", target / f"{name}.ipynb"
        if done.exists() and done.stat().st_mtime >= source.stat().st_mtime:
            continue
        log.info("executing the notebook %s", name)
        notebook = nbformat.read(source, as_version=4)
        NotebookClient(
            notebook, timeout=300, kernel_name="python3", resources={"metadata": {"path": str(gallery)}}
        ).execute()
        nbformat.write(notebook, done)


def setup(app: Sphinx) -> dict[str, Any]:
    """After sphinx-gallery, which also generates when the builder is ready."""
    app.add_config_value("notebooks", [], "env")
    app.connect("builder-inited", execute, priority=900)
    return {"parallel_read_safe": True}
