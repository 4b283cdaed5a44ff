"""Momentum's minima selection: whether it prefers flat minima as SGD does, if the learning rate is matched."""

from collections.abc import Iterator, Sequence

import numpy as np

from experiments.claims import proposition_4
from experiments.problems.exits import AT, BARRIER, NO_SAMPLING, ONE, ONLY_GRID, RATE
from experiments.problems.optimizers import BETA1
from experiments.problems.wells import Setting, exact_rate, paper_rate, settings, sharpness_at
from experiments.referee import Claim, Evidence, Finding, Routes, Row, unsampled

LEAST = 4.0  # barrier over temperature of the sharp minimum; the flat one's is twice that
ALMOST = 0.15  # relative, of the logarithm of how many times longer the flat one is kept


class MomentumSelection(Claim):
    """How many times longer the flat one of two minima is kept, one twice as sharp as the other."""

    name = "Momentum's minima selection"
    place = "Section 3, after Theorem 3; Abstract"
    statement = (
        "Momentum almost does not affect the selection of minima if its learning rate is (1 - beta1) times SGD's."
    )
    builds_on = (proposition_4.claim,)

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """In heavy-ball style, whose learning rate is the one to match: at the matched one, and at SGD's own."""
        known = list(_rates(routes))
        for subject, share in (("Momentum, learning rate matched", 1 - BETA1), ("Momentum, learning rate of SGD", 1.0)):
            rows = [_selection(*pair, share) for pair in known]
            yield Evidence.of_rows(subject, "log of how many times longer the flat minimum is kept", rows)

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """The logarithm over SGD's: 1 where the learning rate is matched, gamma M = 1 - beta1 where it is SGD's."""
        data = evidence[0].data
        for row in (data.isel(row=k) for k in range(data.sizes["row"])):
            expected = (1 - BETA1) / float(row["share_of_lr"])
            power, formula = (float(row[route] / row["exact_sgd"]) for route in ("exact", "paper"))
            kept, by_sgd = (float(np.exp(row[route])) for route in ("exact", "exact_sgd"))
            where = f"{row['landscape'].values}, barriers of {float(row[BARRIER]):g} temperatures and half that"
            tells = (
                f"the flat minimum is kept {kept:.3g} times longer, by SGD {by_sgd:.3g}: a power {power:.3g} of it, by "
                f"Theorem 3 {formula:.3g} ({where})"
            )
            name = f"power of SGD's selection, {where}"
            if expected != 1:  # the paper speaks of the matched learning rate alone
                yield Finding(name, power, tells)
                continue
            right, wrong = "it almost does not affect the selection", "it affects the selection"
            yield Finding.judged(name, power, right, wrong, tells, tolerance=ALMOST)


def _rates(routes: Routes) -> Iterator[tuple[Setting, float, list[float]]]:
    """Momentum's exact rates of the flat and the sharp minimum, by setting and barrier of the flat one.

    In one coordinate Adai is Momentum, so that they are those of Proposition 4.
    """
    titles = {setting.title: setting for setting in settings().values()}
    for piece in proposition_4.claim.sound(routes):
        at = piece.where(exit=AT)
        rate = at["exact"] if piece.quantity == RATE else 1 / at["exact"]
        known = dict(zip(at[BARRIER].values.tolist(), rate.values.tolist(), strict=True))
        setting = titles[str(at["landscape"].values[0])]
        for barrier in sorted(known):
            if barrier >= 2 * LEAST and barrier / 2 in known:
                yield setting, barrier, [known[barrier], known[barrier / 2]]


def _selection(setting: Setting, barrier: float, rates: list[float], share: float) -> Row:
    """One pair of minima, Momentum having this share of SGD's learning rate.

    An escape depends on sharpness times learning rate (the claim "Scaling symmetry" tests it), so that minima which are
    flatter by what the learning rate is larger have the same rates: Momentum's are those at the matched one.
    """
    sharpness = [sharpness_at("Adai", barrier), sharpness_at("Adai", barrier / 2)]
    pair = [(1 - BETA1) / share * k for k in sharpness]

    def selected(rates: list[float]) -> float:
        return float(np.log(rates[1] / rates[0]))

    values = {
        "paper": selected([paper_rate(setting, "Momentum", k, 1) for k in sharpness]),
        "exact": selected(rates),
        "exact_sgd": selected([float(exact_rate(setting, "SGD", k)["rate"]) for k in pair]),
    }
    regime = {"optimizer": "Momentum", "landscape": setting.title, "exit": AT, "beta1": BETA1, "share_of_lr": share}
    regime |= {BARRIER: barrier, "sharpness": tuple(pair)}
    return Row(ONE | regime, values, reasons=unsampled(NO_SAMPLING, fokker_planck=ONLY_GRID))


claim = MomentumSelection()
