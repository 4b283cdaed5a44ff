"""A fault in one claim's code costs that claim alone, and is told on one line with its place."""

import json

import numpy as np
import pytest

from experiments import drawing
from experiments.referee import verify
from experiments.referee.claim import Claim
from experiments.referee.evidence import Evidence, Row
from experiments.referee.verdict import Finding


class Sound(Claim):
    name = "Sound"
    place = "nowhere"
    statement = "One is one."

    def evidence(self, routes):
        yield Evidence.of_rows("it", "number", [Row({"lr": 0.1}, {"paper": 1.0, "exact": 1.0})])

    def findings(self, evidence):
        yield Finding.judged("one", evidence[0].ratio.item(), target=1, tolerance=0.1, right="right", wrong="wrong")


class Broken(Sound):
    name = "Broken"


class EvidenceBreaks(Broken):
    def evidence(self, routes):
        yield from super().evidence(routes)
        raise TypeError("no such\n thing")


class NoEvidence(Broken):
    def evidence(self, routes):
        return []


class FindingsBreak(Broken):
    def findings(self, evidence):
        yield from super().findings(evidence)
        raise KeyError("place")


class NoFindings(Broken):
    def findings(self, evidence):
        return []


class TwoOfAName(Broken):
    def findings(self, evidence):
        return 2 * [*super().findings(evidence)]


def written(claim, out):
    outcome = verify.run([claim, Sound()], size="quick")
    verify.write(outcome, out)
    return outcome, json.loads((out / "verdicts.json").read_text())


@pytest.mark.parametrize(
    ("claim", "reason"),
    [
        (EvidenceBreaks, "TypeError: no such thing (test_claim_faults.py, line "),
        (NoEvidence, "it has no evidence"),
        (FindingsBreak, "KeyError: 'place' (test_claim_faults.py, line "),
        (NoFindings, "it has no findings"),
        (TwoOfAName, "two of its findings are named 'one'"),
    ],
)
def test_a_claim_that_breaks_is_not_judged_and_the_others_are(claim, reason, tmp_path):
    outcome, verdicts = written(claim(), tmp_path)
    broken = [verdict for verdict in verdicts if verdict["claim"] == "Broken"]
    assert broken
    for verdict in broken:
        assert verdict["level"] == "open"
        assert reason in verdict["missing"]
    assert outcome.unjudged == len(broken)
    assert verdicts[-1]["level"] == "right"
    assert reason.split("'")[0] in (tmp_path / "report.html").read_text()


def test_a_figure_that_breaks_is_left_out(tmp_path):
    class Figures(Broken):
        def figures(self, evidence):
            figure, _ = drawing.subplots(size=(2, 2))
            yield "drawn", self.name, figure, "caption"
            raise RuntimeError("no ink")

    with pytest.warns(RuntimeWarning, match="a figure of the claim Broken is left out: RuntimeError: no ink"):
        _, verdicts = written(Figures(), tmp_path)
    assert [verdict["level"] for verdict in verdicts] == ["right", "right"]
    assert (tmp_path / "report.html").exists()


def test_numbers_of_numpy_are_written_and_no_data_replace_others(tmp_path):
    class Numpy(Broken):
        def evidence(self, routes):
            regime = {
                "lr": np.float32(0.5),
                "pair": (np.int64(1), np.float64(2)),
                "row": np.array([1, 2]),
                "on": np.bool_(1),
            }
            row = Row(regime, {"paper": np.float32(1), "exact": np.int64(1)})
            yield from (Evidence.of_rows("it", "number", [row]) for _ in range(2))

        def findings(self, evidence):
            yield Finding("one", np.float32(1), "one", np.int64(1), np.float32(0.5))

    _, verdicts = written(Numpy(), tmp_path)
    assert verdicts[0]["findings"][0] == {
        "name": "one",
        "holds": True,
        "value": 1.0,
        "target": 1.0,
        "tolerance": 0.5,
        "text": "one",
    }
    first = json.loads((tmp_path / "claims.json").read_text())[0]
    assert first["regime"] == {"lr": 0.5, "pair": [1, 2.0], "row": [1, 2], "on": True}
    assert {path.name for path in (tmp_path / "data").iterdir()} == {"broken-it.nc", "broken-it-2.nc", "sound-it.nc"}
