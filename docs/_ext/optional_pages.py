"""A list of pages, for a toctree, of which those that do not exist are left out."""

from pathlib import Path
from typing import Any

from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.directives.other import TocTree


class Existing(TocTree):
    """A toctree of the pages that are there."""

    def run(self) -> Any:
        """Leave out entries without a file."""
        here = Path(self.env.doc2path(self.env.docname)).parent
        found = [
            line for line in self.content if any((here / f"{line.strip()}{end}").exists() for end in (".md", ".rst"))
        ]
        self.content = StringList(found, self.env.docname)
        return super().run() if found else []


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directive."""
    app.add_directive("existing-toctree", Existing)
    return {"parallel_read_safe": True}
