"""Tables that are computed: verdicts from verdicts.json and claims.json, result variables from their registry."""

import json
from base64 import b64encode
from pathlib import Path
from typing import Any

import paper
import readme
from docutils import nodes
from docutils.parsers.rst import Directive
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from diffusion.variables import VARIABLES
from experiments.evidence.claims import PARTS
from experiments.referee import pages, registry, standing

NETWORKS = {claim.name: claim for claims in PARTS.values() for claim in claims}
TEMPLATES = pages.environment(Path(__file__).parent / "templates")


def rendered(template: str, **content: Any) -> list[nodes.Node]:
    """What a template makes of this content, as a directive gives it."""
    return [nodes.raw("", TEMPLATES.get_template(template).render(**content), format="html")]


class Results(SphinxDirective):
    """A directive that reads what `diffusion-lab verify` wrote."""

    def read(self, name: str) -> list[dict[str, Any]]:
        """One of its files, which the page then depends on."""
        path = Path(self.config.verify_results) / name
        if not path.is_file():
            raise ExtensionError(f"there is no {path}: `make docs` computes it, by `diffusion-lab verify --quick`")
        self.env.note_dependency(str(path))
        entries: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
        return entries


class ResultVariables(Directive):
    """The registry of result variables."""

    def run(self) -> list[nodes.Node]:
        """One row for each."""
        return rendered("result_variables.html", variables=sorted(VARIABLES, key=lambda variable: variable.name))


class Verdicts(Results):
    """Where every claim stands."""

    def run(self) -> list[nodes.Node]:
        """The table of the report, without figures and rows."""
        rows = self.read("claims.json")
        standings = standing.standings(self.read("verdicts.json"), rows)
        statements = {claim.name: claim.statement for claim in registry.registered()}
        return rendered(
            "verdicts.html",
            count=len(rows),
            instrument=standing.counted(rows),
            absent=[name for name in statements if name not in {each.claim for each in standings}],
            standings=standings,
            statements={each.claim: statements.get(each.claim, "a claim of the reader's") for each in standings},
        )


class PaperSentences(Results):
    """The sentences of the paper, in its order."""

    def run(self) -> list[nodes.Node]:
        """Each with the verdicts on it, those of the last full run where this run has none, or with what is missing."""
        verdicts = self.read("verdicts.json")
        here = {verdict["claim"] for verdict in verdicts}
        others = [verdict for verdict in kept(self) if verdict["claim"] not in here]
        pages_of = dict.fromkeys(here, "verdicts.html") | dict.fromkeys(NETWORKS, "networks.html")
        return rendered("paper.html", sentences=paper.judged([*verdicts, *others]), pages_of=pages_of)


class KeptVerdicts(SphinxDirective):
    """The verdicts on the claim that is named, of the last full run, which docs/verdicts.json keeps."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Of each subject what was found."""
        claim = self.arguments[0]
        verdicts = [verdict for verdict in kept(self) if verdict["claim"] == claim]
        job = "evidence" if claim in NETWORKS else "verify"
        return rendered("kept_verdicts.html", claim=claim, verdicts=verdicts, job=job)


class ClaimFigure(SphinxDirective):
    """The figure of that name of the last `diffusion-lab verify`; the content is for those who do not see it."""

    required_arguments = 1
    has_content = True

    def run(self) -> list[nodes.Node]:
        """The picture inside the page, or a line that says that there is none."""
        path = Path(self.config.verify_results) / "figures" / f"{self.arguments[0]}.svg"
        self.env.note_dependency(str(path))
        picture = b64encode(path.read_bytes()).decode() if path.is_file() else ""
        return rendered("claim_figure.html", picture=picture, text=" ".join(self.content))


class NetworkVerdicts(SphinxDirective):
    """The same of every claim about networks, with what each says."""

    def run(self) -> list[nodes.Node]:
        """One section for each claim, which other pages can point to."""
        by_claim: dict[str, list[dict[str, Any]]] = {name: [] for name in NETWORKS}
        for verdict in kept(self):
            by_claim.get(verdict["claim"], []).append(verdict)
        return rendered("network_verdicts.html", claims=NETWORKS.values(), verdicts=by_claim)


def kept(directive: SphinxDirective) -> list[dict[str, Any]]:
    """The verdicts of the last full runs, on which the directive's page then depends."""
    directive.env.note_dependency(str(readme.KEPT))
    entries: list[dict[str, Any]] = json.loads(readme.KEPT.read_text(encoding="utf-8"))
    return entries


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the directives."""
    app.add_config_value("verify_results", "", "env")
    app.add_directive("result-variables", ResultVariables)
    app.add_directive("verdicts", Verdicts)
    app.add_directive("paper-sentences", PaperSentences)
    app.add_directive("kept-verdicts", KeptVerdicts)
    app.add_directive("claim-figure", ClaimFigure)
    app.add_directive("network-verdicts", NetworkVerdicts)
    return {"parallel_read_safe": True}
