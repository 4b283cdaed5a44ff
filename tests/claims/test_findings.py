"""Every finding of every claim can fall: numbers that are changed change what holds, what is said, and the level."""

import numpy as np
import pytest
from changed_numbers import changes

from experiments.claims import CLAIMS
from experiments.referee.verdict import level


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_changed_numbers_drive_every_finding_to_the_other_verdict(claim, quick_routes):
    evidence = claim.tried(quick_routes)
    before = {verdict.subject: verdict for verdict in claim.verdicts(evidence)}
    findings = {(subject, finding.name): finding for subject, verdict in before.items() for finding in verdict.findings}
    assert len(findings) == sum(len(verdict.findings) for verdict in before.values())  # names tell them apart
    assert findings
    left = {key for key, finding in findings.items() if finding.holds is not None}
    judged = {subject for subject, _ in left}
    levels = {subject: {verdict.level} for subject, verdict in before.items()}
    with np.errstate(all="ignore"):
        for changed in changes(evidence):
            for verdict in claim.verdicts(changed):
                assert verdict.level == level([finding.holds for finding in verdict.findings])
                levels[verdict.subject].add(verdict.level)
                for finding in verdict.findings:
                    known = findings.get((verdict.subject, finding.name))
                    if known and known.holds is not None and finding.holds is (not known.holds):
                        assert finding.text != known.text
                        left.discard((verdict.subject, finding.name))
            if not left and all(len(levels[subject]) > 1 for subject in judged):
                break
    assert not left
    assert all(len(levels[subject]) > 1 for subject in judged)


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.name)
def test_a_verdict_follows_from_the_numbers_alone(claim, quick_routes):
    """The same numbers give the same verdict, twice, and change nothing in the evidence."""
    evidence = claim.tried(quick_routes)
    data = [piece.data.copy(deep=True) for piece in evidence]
    first, second = ([verdict.as_json() for verdict in claim.verdicts(evidence)] for _ in range(2))
    assert first == second
    assert all(piece.data.identical(copy) for piece, copy in zip(evidence, data, strict=True))
