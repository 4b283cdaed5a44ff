"""Links in Markdown to files of the repository outside docs: to their page here, or else only their name."""

import os
import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

PAGES = {"benchmarks/README.md": "benchmarks.md"}  # files that a page includes
LINK = re.compile(r"(?<!!)\[([^\]]+)\]\((\.\./[^)#\s]+)(#[^)]*)?\)")


def redirect(app: Sphinx, name: str, source: list[str]) -> None:
    """Rewrite links that leave the documentation."""
    here = Path(app.env.doc2path(name)).parent
    docs = Path(app.srcdir)

    def target(link: re.Match[str]) -> str:
        path = Path(os.path.normpath(here / link[2]))
        if path.is_relative_to(docs):
            return link[0]
        repository = path.relative_to(docs.parent).as_posix()
        if repository in PAGES:
            return f"[{link[1]}]({os.path.relpath(docs / PAGES[repository], here)})"
        return f"{link[1]} (`{repository}`)"

    source[0] = LINK.sub(target, source[0])


def setup(app: Sphinx) -> dict[str, Any]:
    """Before Markdown is read."""
    app.connect("source-read", redirect)
    return {"parallel_read_safe": True}
