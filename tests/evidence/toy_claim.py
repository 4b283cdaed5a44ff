"""A claim about networks for tests of the job: that the digits can be learnt."""

import numpy as np

from experiments.evidence.lab import Lab
from experiments.evidence.training import Recipe
from experiments.referee.claim import Claim
from experiments.referee.evidence import Evidence, Row, Sample
from experiments.referee.faults import Fault
from experiments.referee.laws import Student
from experiments.referee.verdict import Finding


class Learnt(Claim):
    """Test errors of two learning rates, the second of which diverges."""

    name = "Figure 0"
    place = "nowhere"
    statement = "digits can be learnt"

    def evidence(self, routes):
        lab = Lab.of(routes)
        rows = []
        for lr in (0.1, 1e30):
            recipes = [
                Recipe(data=lab.images, samples=256, epochs=1, batch_size=32, lr=lr, seed=lab.seed + k)
                for k in range(2)
            ]
            runs = lab.runs(recipes, f"lr {lr:g}")
            errors = [run.curves["test_error"][-1] for run in runs if not run.fault]
            law, fault = (
                Student(np.std(errors, ddof=1) / np.sqrt(len(errors)), len(errors)) if errors else Student(1.0, 2),
                None,
            )
            if not errors:
                fault = Fault(runs[0].fault, "ok")
            rows.append(Row({"lr": lr}, samples={"test_error": Sample(np.mean(errors or np.nan), law, fault=fault)}))
        yield Evidence.of_rows("SGDM", "test error", rows)

    def findings(self, evidence):
        error = float(evidence[0].data["test_error"][0])
        yield Finding("test error", error, f"its test error is {error:.2f}")


CLAIM = Learnt()
