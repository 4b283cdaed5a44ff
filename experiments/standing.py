"""Where each claim stands, from the rows of claims.json: a table that is grasped at a glance, for the report and the documentation."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from html import escape
from typing import Any

import numpy as np

from diffusion.plot.style import BLUE, GREY, ORANGE
from experiments.verdicts import CLOSE, NOT_JUDGED

NEAR = 2.0  # a factor; what is farther off counts as far
LIGHT = "#56B4E9"
WORDS = {
    "right": "right",
    "in part": "in part",
    "off": "off: nowhere within 5 %, or not borne out",
    "measured": "measured, where the paper has no number",
    "open": "open: not judged, as rows are missing",
}
LEVELS = {
    "right": BLUE,
    "in part": BLUE,
    "off": ORANGE,
    "measured": GREY,
    "open": GREY,
}  # told apart by their shapes, without colour
STYLE = f"""
.standing{{font-size:.95em;line-height:1.4}}
.standing>details{{border-bottom:1px solid #8885}}
.standing>details>summary{{display:grid;grid-template-columns:11em 1fr 11em;gap:1em;padding:.5em .2em;cursor:pointer;align-items:center}}
.standing>details>summary::marker{{content:""}}
.standing .head{{display:grid;grid-template-columns:11em 1fr 11em;gap:1em;padding:.3em .2em;font-weight:bold;border-bottom:2px solid #888}}
.standing .name::before{{content:"\\25B8  "}}.standing details[open]>summary .name::before{{content:"\\25BE  "}}
.standing .name{{font-weight:bold}}.standing .chip{{display:inline-block;margin-right:1.2em;white-space:nowrap}}
.standing .mark{{display:inline-block;width:.75em;height:.75em;box-sizing:border-box;border-radius:50%;border:.14em solid;vertical-align:-.05em}}
.standing .open{{border-radius:0;border-style:dotted}}
.standing .right{{background:currentColor}}.standing .in-part{{background:linear-gradient(90deg,currentColor 50%,transparent 50%)}}
.standing .measured{{height:0;border-radius:0;border-width:.1em 0 0;vertical-align:.25em}}
.standing .bar{{display:flex;height:1.1em;border-radius:2px;overflow:hidden;background:#8883}}.standing .bar i{{display:block}}
.standing .share{{font-size:.85em;font-variant-numeric:tabular-nums}}.standing .inside{{padding:.2em 1em 1em 1.4em}}
.standing .close{{background:{BLUE}}}.standing .near{{background:{LIGHT}}}.standing .far{{background:{ORANGE}}}
.standing .key span,.standing .key b{{white-space:nowrap;font-weight:normal}}.standing .key i{{display:inline-block;width:.9em;height:.9em;margin:0 .3em 0 1em;vertical-align:-.1em}}
@media(max-width:50em){{.standing>details>summary,.standing .head{{grid-template-columns:1fr}}}}
"""


@dataclass(frozen=True)
class Standing:
    """One claim for one kind of dynamics.

    Attributes
    ----------
    claim, place, subject, sentence
        As in claims.json.
    level
        "right" (within 5 % wherever it is stated, or borne out), "in part", "off" (nowhere within 5 %), "measured" (nothing
        to compare with), or "open" (not judged).
    factors
        By how much the formula is off, at least 1, on each row where paper and exact value exist.
    instrument
        How many rows are "ok", "failed", "inconclusive".
    """

    claim: str
    place: str
    subject: str
    sentence: str
    level: str
    factors: tuple[float, ...]
    instrument: Counter[str]


def standings(rows: Iterable[dict[str, Any]]) -> list[Standing]:
    """One for each claim and kind of dynamics, in the order of the rows.

    Raises
    ------
    ValueError
        If rows come from a version that did not name the subject.
    """
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in rows:
        if "subject" not in row:
            raise ValueError("claims.json is from an earlier version; run `make verify`, or delete it")
        groups.setdefault((row["claim"], row["subject"]), []).append(row)
    out = []
    for (claim, subject), group in groups.items():
        deviations = np.array([row["deviation"] for row in group if row["deviation"] is not None])
        with np.errstate(divide="ignore"):
            factors = np.maximum(1 + deviations, 1 / np.maximum(1 + deviations, 0))
        sentence = group[0]["claim_verdict"]
        level = _level(sentence, np.abs(deviations) <= CLOSE)
        counts = Counter(row["instrument"] for row in group)
        out.append(Standing(claim, group[0]["place"], subject, sentence, level, tuple(factors.tolist()), counts))
    return out


def _level(sentence: str, close: Any) -> str:
    """A word for the verdict: the sentence's own where it gives one, else by how many rows are close."""
    for beginning, level in (
        ("borne out", "right"),
        ("exact", "right"),
        ("not borne out", "off"),
        ("not right", "off"),
        (NOT_JUDGED, "open"),
    ):
        if sentence.startswith(beginning):
            return level
    if sentence.startswith("holds"):
        return "in part" if "violated" in sentence else "right"
    if not len(close):
        return "measured"
    return "right" if close.all() else "in part" if close.any() or "is right" in sentence else "off"


def shares(found: Iterable[Standing]) -> tuple[float, float, float] | None:
    """Shares of rows within 5 %, within a factor 2, and farther off; None where there are none."""
    factors = np.array([factor for one in found for factor in one.factors])
    if not len(factors):
        return None
    close = float(np.mean((factors <= 1 + CLOSE) & (factors <= 1 / (1 - CLOSE))))
    far = float(np.mean(factors > NEAR))
    return close, 1 - close - far, far


def table(found: list[Standing], inside: Callable[[str], str]) -> str:
    """The table as HTML; `inside` gives what a claim's row unfolds to."""
    claims: dict[str, list[Standing]] = {}
    for one in found:
        claims.setdefault(one.claim, []).append(one)
    body = "".join(_row(claim, group, inside(claim)) for claim, group in claims.items())
    key = "".join(f"<b>{_mark(level)} {words}</b>&emsp;" for level, words in WORDS.items())
    colours = "".join(
        f"<b><i class='{name}'></i>{words}</b> "
        for name, words in (("close", "within 5 %"), ("near", "within a factor 2"), ("far", "farther off"))
    )
    return (
        f"<div class='standing'><p class='key'>{key}<br>Share of regimes where the formula is {colours}</p>"
        f"<div class='head'><span>claim</span><span>for</span><span>formula is right in</span></div>{body}</div>"
    )


def _mark(level: str) -> str:
    return f"<span class='mark {level.replace(' ', '-')}' style='color:{LEVELS[level]}' role='img' aria-label='{level}'></span>"


def _row(claim: str, group: list[Standing], inside: str) -> str:
    chips = "".join(
        f"<span class='chip' title='{one.level}'>{_mark(one.level)} {escape(one.subject)}</span>" for one in group
    )
    return (
        f"<details id='{anchor(claim)}'><summary><span class='name'>{escape(claim)}</span><span>{chips}</span>{_bar(group)}</summary>"
        f"<div class='inside'>{sentences(group)}{inside}</div></details>"
    )


def _bar(group: list[Standing]) -> str:
    found = shares(group)
    if found is None:
        return "<span class='share'>no formula to compare</span>"
    parts = "".join(
        f"<i class='{name}' style='width:{100 * share:.1f}%'></i>"
        for name, share in zip(("close", "near", "far"), found, strict=True)
    )
    count = sum(len(one.factors) for one in group)
    return f"<span><span class='bar'>{parts}</span><span class='share'>{100 * found[0]:.0f} % of {count}</span></span>"


def sentences(group: list[Standing]) -> str:
    """The verdict on each kind of dynamics, in full."""
    return "".join(f"<p>{_mark(one.level)} <b>{escape(one.subject)}</b>: {escape(one.sentence)}</p>" for one in group)


def instrument(found: Iterable[Standing]) -> str:
    """How many rows the instrument was right on, in words."""
    counts: Counter[str] = sum((one.instrument for one in found), Counter())
    return ", ".join(f"{counts[state]} {state}" for state in ("ok", "failed", "inconclusive") if counts[state])


def anchor(claim: str) -> str:
    """A claim's name as a fragment of an address."""
    return "".join(c if c.isalnum() else "-" for c in claim.lower())
