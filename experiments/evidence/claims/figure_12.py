"""Figure 12: Adai and Adam trained for long at a rate that is never lowered."""

from collections.abc import Iterator, Sequence

import numpy as np

from experiments.evidence import contest
from experiments.evidence.lab import Lab
from experiments.evidence.paired import differences
from experiments.referee import Claim, Evidence, Finding, Routes, Row, unsampled

LONGER = 5  # times the epochs of Table 2
NUMBERS = {"training loss": ("running_loss", 1), "test error": ("test_error", 100)}
DIFFERENCE = "Adai's minus Adam's at a fixed learning rate"


class Figure12(Claim):
    """Training losses and test errors after many epochs at the rates selected for Table 2, in a full run."""

    name = "Figure 12"
    place = "Appendix F, Figure 12"
    statement = "At a learning rate that is fixed for a long training, Adai converges and generalizes beside Adam."

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Differences over seeds at the end."""
        lab = Lab.of(routes)
        if lab.size != "full":
            yield contest.not_run(DIFFERENCE, "it needs --full")
            return
        names, seeds = ("Adai", "Adam"), contest.seeds(lab)
        epochs = LONGER * contest.recipe(lab, "Adai", 1.0, 0).epochs
        recipes = [
            contest.recipe(lab, name, entry.lr, seed, epochs=epochs, milestones=(), every=10)
            for name, entry in contest.selection(lab, names).items()
            for seed in seeds
        ]
        ended = lab.runs(recipes, "at a fixed rate")
        regime = contest.regime(recipes[0]) | {"optimizer": "Adai", "other": "Adam", "seeds": len(seeds)}
        pairs = {}
        for name, (curve, unit) in NUMBERS.items():
            adai, adam = unit * contest.curves(ended, curve)[:, -1].reshape(2, -1)
            pairs[name] = adai - adam
        if not all(np.isfinite(pair).all() for pair in pairs.values()):
            yield contest.not_run(DIFFERENCE, "not compared, as some of its runs diverged")
            return
        rows = [
            Row(regime | {"of": name}, found.as_values, reasons=unsampled("networks are trained"))
            for name, found in differences(pairs).items()
        ]
        yield Evidence.of_rows("Adai", DIFFERENCE, rows)

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """Which is lower, if that is resolved."""
        for piece in evidence:
            for place in range(piece.data.sizes["row"]) if "of" in piece.data else ():
                row = piece.data.isel(row=place)
                found, what = contest.difference(row), row["of"].item()
                words = {-1: "below Adam's", 0: "not told apart from Adam's", 1: "above Adam's"}
                text = f"Adai's {what} is {words[found.sign]}: {found.told(3)} ({contest.scope(row)})"
                yield Finding(f"{what} minus Adam's", found.value, text)


claim = Figure12()
