"""The table of findings in README.md, from the verdicts that docs/verdicts.json keeps of the last full runs.

`python docs/_ext/readme.py results/*/verdicts.json` keeps these and renews the table; without files it renews
the table alone.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from experiments.referee.report import SIGNS
from experiments.referee.standing import Json, by_claim, shortlist, tally
from experiments.referee.verdict import LEFT_OUT

ROOT = Path(__file__).parents[2]
README, KEPT = ROOT / "README.md", ROOT / "docs" / "verdicts.json"
BEGIN, END = "<!-- findings, by `make readme` -->\n", "<!-- end of the findings -->\n"


def table(verdicts: Iterable[Json]) -> str:
    """The table in Markdown; subjects of a claim of which the same is said share a line."""
    lines = ["| claim | of | verdict |", "|---|---|---|"]
    for claim, group in by_claim(verdicts).items():
        said: dict[str, list[str]] = {}
        for verdict in group:
            said.setdefault(summary(verdict), []).append(verdict["subject"])
        for place, (words, subjects) in enumerate(said.items()):
            lines.append(f"| {'' if place else _plain(claim)} | {_plain('; '.join(subjects))} | {words} |")
    return "\n".join(lines) + "\n"


def summary(verdict: Json) -> str:
    """The level, how many findings hold, and some of them."""
    findings = verdict["findings"]
    if not findings:
        return f"**{verdict['level']}**: {_plain(verdict['missing'])}"
    if all(finding["name"] == LEFT_OUT for finding in findings):  # a number of what is missing says nothing: why does
        return f"**{verdict['level']}**: {'; '.join(_plain(finding['text']) for finding in findings)}"
    return f"**{verdict['level']}**{tally(findings)}: {'; '.join(map(_told, shortlist(findings)))}"


def renewed(readme: str, verdicts: Iterable[Json]) -> str:
    """README.md with the table made anew between its marks."""
    before, begin, rest = readme.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(
            f"README.md lacks the lines between which the table belongs: {BEGIN.strip()} and {END.strip()}"
        )
    return before + begin + table(verdicts) + end + after


def main(paths: Sequence[str]) -> None:
    """Keep the verdicts in these files, if any are given, and renew the table."""
    if paths:
        verdicts = [verdict for path in paths for verdict in json.loads(Path(path).read_text(encoding="utf-8"))]
        KEPT.write_text(json.dumps(verdicts, indent=1) + "\n", encoding="utf-8")
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    README.write_text(renewed(README.read_text(encoding="utf-8"), kept), encoding="utf-8")


def _told(finding: Json) -> str:
    """A finding's number, with its interval where the verdict has one, beside the paper's."""
    value = "not known" if finding["value"] is None else f"{finding['value']:.4g}"
    if "interval" in finding:
        value += r" \[{:.2f}, {:.2f}]".format(*finding["interval"])
    value += f", exact {finding['exact']:.4g}" if "exact" in finding else ""
    beside = "" if finding["target"] is None else f" ({finding['target']:.3g} ± {finding['tolerance']:.2g})"
    return f"{SIGNS[finding['holds']]} {_plain(finding['name'])}: {value}{beside}"


def _plain(text: str) -> str:
    """A text whose characters mean nothing to Markdown."""
    return "".join(f"\\{character}" if character in r"\|*_`<[" else character for character in text)


if __name__ == "__main__":
    main(sys.argv[1:])
