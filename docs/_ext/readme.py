"""The tables of findings, by claim in README.md and by subject in docs/findings.md, from docs/verdicts.json.

`python docs/_ext/readme.py results/*/verdicts.json` keeps the verdicts of the last full runs there and renews both
tables; without files it renews them alone.
"""

import json
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from experiments.referee.report import SIGNS
from experiments.referee.standing import Json, by_claim, shortlist, tally
from experiments.referee.verdict import LEFT_OUT, LEVELS, level

ROOT = Path(__file__).parents[2]
README, FINDINGS, KEPT = ROOT / "README.md", ROOT / "docs" / "findings.md", ROOT / "docs" / "verdicts.json"
BEGIN, END = "<!-- findings, by `make readme` -->\n", "<!-- end of the findings -->\n"
NAMED = 2  # subjects of a level that are named; of more the number is given


def headlines(verdicts: Iterable[Json]) -> str:
    """A table in Markdown with a line for each claim: its level for all subjects together, and some of its findings."""
    lines = ["| claim | verdict | for example |", "|---|---|---|"]
    for claim, group in by_claim(verdicts).items():
        everything = [
            finding | {"name": f"{verdict['subject']}, {finding['name']}" if len(group) > 1 else finding["name"]}
            for verdict in group
            for finding in verdict["findings"]
            if finding["name"] != LEFT_OUT
        ]
        overall = f"**{level([finding['holds'] for finding in everything])}**{tally(everything)}"
        told = "; ".join(map(_told, shortlist(everything))) or summary(group[0]).partition(": ")[2]
        lines.append(f"| {_plain(claim)} | {overall}{_subjects(group)} | {told} |")
    return "\n".join(lines) + "\n"


def table(verdicts: Iterable[Json]) -> str:
    """A table with a line for each subject of each claim; those of which the same is said share one."""
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


def renewed(page: str, made: str) -> str:
    """A page with the table that was made anew between its marks."""
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        raise ValueError(f"the page lacks the lines between which the table belongs: {BEGIN.strip()} and {END.strip()}")
    return before + begin + made + end + after


def main(paths: Sequence[str]) -> None:
    """Keep the verdicts in these files, if any are given, and renew the tables."""
    if paths:
        verdicts = [verdict for path in paths for verdict in json.loads(Path(path).read_text(encoding="utf-8"))]
        KEPT.write_text(json.dumps(verdicts, indent=1) + "\n", encoding="utf-8")
    kept = json.loads(KEPT.read_text(encoding="utf-8"))
    for page, made in ((README, headlines), (FINDINGS, table)):
        page.write_text(renewed(page.read_text(encoding="utf-8"), made(kept)), encoding="utf-8")


def _subjects(verdicts: Sequence[Json]) -> str:
    """Which subjects have which level, by name where they are few; nothing where all have the same."""
    groups = {each: [verdict["subject"] for verdict in verdicts if verdict["level"] == each] for each in LEVELS}
    some = {each: names for each, names in groups.items() if names}
    parts = [
        f"{each} for {_plain(' and '.join(names)) if len(names) <= NAMED else len(names)}"
        for each, names in some.items()
    ]
    return f": {'; '.join(parts)}" if len(parts) > 1 else ""


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
