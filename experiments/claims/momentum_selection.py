"""Momentum's minima selection: whether it prefers flat minima as SGD does, if the learning rate is matched."""

from collections.abc import Iterator, Sequence

import numpy as np

from experiments.problems.exits import AT, NO_SAMPLING, ONE, ONLY_GRID
from experiments.problems.optimizers import BETA1
from experiments.problems.wells import Setting, exact_rate, paper_rate, settings
from experiments.referee.claim import Claim
from experiments.referee.evidence import Evidence, Row
from experiments.referee.routes import Routes
from experiments.referee.verdict import Finding

KEYS = ("parabolas-frozen", "parabolas-piecewise", "tang-frozen", "tang-piecewise")
PAIR = slice(0, 3, 2)  # of the sharpnesses at which Momentum is run: the flat minimum and one twice as sharp
ALMOST = 0.15  # relative, of the logarithm of how many times longer the flat one is kept


class MomentumSelection(Claim):
    """How many times longer the flat one of two minima is kept, by Momentum and by SGD."""

    name = "Momentum's minima selection"
    place = "Section 3, after Theorem 3; Abstract"
    statement = (
        "Momentum almost does not affect the selection of minima if its learning rate is (1 - beta1) times SGD's."
    )

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """In heavy-ball style, whose learning rate is the one to match: at the matched one, and at SGD's own."""
        keys = KEYS[:1] if routes.quick else KEYS
        for subject, share in (("Momentum, learning rate matched", 1 - BETA1), ("Momentum, learning rate of SGD", 1.0)):
            rows = [_selection(routes, settings()[key], share) for key in keys]
            yield Evidence.of_rows(subject, "log of how many times longer the flat minimum is kept", rows)

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """The logarithm over SGD's: 1 where the learning rate is matched, gamma M = 1 - beta1 where it is SGD's."""
        data = evidence[0].data
        for row in (data.isel(row=k) for k in range(data.sizes["row"])):
            expected = (1 - BETA1) / float(row["share_of_lr"])
            share, formula = (float(row[route] / row["exact_sgd"]) for route in ("exact", "paper"))
            kept, by_sgd = (float(np.exp(row[route])) for route in ("exact", "exact_sgd"))
            landscape = str(row["landscape"].values)
            tells = (
                f"the flat minimum is kept {kept:.3g} times longer, by SGD {by_sgd:.3g}: a power {share:.3g} of it, by "
                f"Theorem 3 {formula:.3g} ({landscape})"
            )
            right, wrong = (
                f"almost SGD's selection to the power {expected:.2g}: {tells}",
                f"not SGD's selection to the power {expected:.2g}: {tells}",
            )
            tolerance, name = ALMOST * expected, f"power of SGD's selection, {landscape}"
            yield Finding.judged(name, share, target=expected, tolerance=tolerance, right=right, wrong=wrong)


def _selection(routes: Routes, setting: Setting, share: float) -> Row:
    """One pair of minima, Momentum having this share of SGD's learning rate.

    An escape depends on sharpness times learning rate (the claim "Scaling symmetry" tests it), so that minima which are
    flatter by what the learning rate is larger have the same rates: Momentum's are computed at the matched one alone.
    """
    flatter, sharpness = (1 - BETA1) / share, setting.sharpness["Momentum"][PAIR]

    pair = tuple(flatter * k for k in sharpness)

    def rate(optimizer: str, k: float) -> float:
        found = routes.once(("exact rate", setting.key, optimizer, k), lambda: exact_rate(setting, optimizer, k))
        return float(found["rate"])

    def selected(rates: list[float]) -> float:
        return float(np.log(rates[1] / rates[0]))

    values = {
        "paper": selected([paper_rate(setting, "Momentum", k, 1) for k in sharpness]),
        "exact": selected([rate("Momentum", k) for k in sharpness]),
        "exact_sgd": selected([rate("SGD", k) for k in pair]),
    }
    regime = {"optimizer": "Momentum", "landscape": setting.title, "exit": AT, "beta1": BETA1, "share_of_lr": share}
    regime |= {"sharpness": pair}
    reasons = {"fokker_planck": ONLY_GRID}
    reasons |= dict.fromkeys(("simulated", "discrete", "torch", "shipped"), NO_SAMPLING)
    return Row(ONE | regime, values, reasons=reasons)


claim = MomentumSelection()
