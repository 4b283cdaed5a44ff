"""Tables that are computed: verdicts from claims.json, result variables from their registry."""

import json
from html import escape
from pathlib import Path
from typing import Any

from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from diffusion.variables import VARIABLES
from experiments import claims, minima, standing


class ResultVariables(Directive):
    """The registry of result variables."""

    def run(self) -> list[nodes.Node]:
        """One row for each."""
        rows = "".join(
            f"<tr><td><code>{escape(one.name)}</code><td>{escape(', '.join(one.dims)) or '–'}<td>{escape(one.units)}"
            f"<td>{escape(one.long_name)}</tr>"
            for one in sorted(VARIABLES, key=lambda one: one.name)
        )
        head = "".join(f"<th>{name}" for name in ("name", "dimensions", "units", "meaning"))
        return [nodes.raw("", f"<table class='docutils'><thead><tr>{head}</thead>{rows}</table>", format="html")]


class Verdicts(SphinxDirective):
    """Where every claim stands."""

    def run(self) -> list[nodes.Node]:
        """The table of the report, with what the paper says in place of figures and rows."""
        path = Path(self.config.claims_json)
        if not path.is_file():
            raise ExtensionError(f"there is no {path}: `make docs` computes it, by `diffusion-lab verify --quick`")
        self.env.note_dependency(str(path))
        rows = json.loads(path.read_text())
        try:
            found = standing.standings(rows)
        except ValueError as error:
            raise ExtensionError(f"{path}: {error}") from error
        stated = {claim.name: claim for claim in (*claims.CLAIMS, *minima.CLAIMS)}

        def inside(name: str) -> str:
            return (
                f"<p>The paper ({escape(stated[name].place)}): {escape(stated[name].statement)}</p><p>Instrument: "
                f"{escape(standing.instrument([one for one in found if one.claim == name]))}.</p>"
            )

        intro = f"In this run the instrument was tested on {len(rows)} rows, each a claim in a regime: {standing.instrument(found)}."
        html = f"<style>{standing.STYLE}</style><p>{intro}</p>{standing.table(found, inside)}"
        return [nodes.raw("", html, format="html")]


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    app.add_config_value("claims_json", "", "env")
    app.add_directive("result-variables", ResultVariables)
    app.add_directive("verdicts", Verdicts)
    return {"parallel_read_safe": True}
