"""Table 3 and Figure 10: the contest at a weaker weight decay, and what it does to SGDM."""

from collections.abc import Iterator, Sequence
from typing import ClassVar

import numpy as np

from experiments.evidence import contest
from experiments.evidence.claims.table_2 import ERROR, Table2
from experiments.evidence.contest import BASELINE
from experiments.evidence.lab import Lab
from experiments.evidence.paired import differences
from experiments.referee import Evidence, Finding, Routes, Row, unsampled

STRONGER = "SGDM's test error at weight decay 1e-4 minus that at 5e-4 (points)"


class Table3(Table2):
    """The same at weight decay 1e-4, in a full run."""

    name = "Table 3"
    place = "Appendix F, Table 3 and Figure 10"
    statement = (
        "At weight decay 1e-4, which papers on Adam's variants use, SGD with Momentum is a weaker baseline than at "
        "5e-4; Adai and SGDM are still ahead of the variants. Rates are selected as for Table 2; the authors' numbers "
        "beside are those of Table 2."
    )
    weight_decay: ClassVar[float] = contest.WEAK_DECAY

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """That of Table 2, and SGDM at both weight decays."""
        lab = Lab.of(routes)
        if lab.size != "full":
            yield contest.not_run(ERROR, "it needs --full")
            return
        yield from super().evidence(routes)
        weak, strong = (contest.contest(lab, decay)[BASELINE] for decay in (contest.WEAK_DECAY, contest.DECAY))
        found = differences({BASELINE: weak.errors - strong.errors})[BASELINE]
        regime = contest.regime(contest.recipe(lab, BASELINE, weak.lr, 0)) | {"optimizer": BASELINE}
        row = Row(regime | {"seeds": len(weak.runs)}, found.as_values, reasons=unsampled("networks are trained"))
        yield Evidence.of_rows(BASELINE, STRONGER, [row], label=f"{BASELINE}, weight decays")

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """Those of Table 2; of SGDM whether the stronger weight decay is better."""
        yield from super().findings(evidence)
        for piece in evidence:
            if piece.quantity == STRONGER:
                found = contest.difference(piece.data.isel(row=0))
                words = {1: "the stronger decay is better", 0: "not told apart", -1: "the weaker decay is better"}
                text = f"of SGDM at 1e-4 and 5e-4 {words[found.sign]}: {found.told()} points"
                yield Finding("sign of the difference from 5e-4", found.sign or np.nan, text, 1, 0.5)


claim = Table3()
