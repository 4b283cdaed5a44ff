"""The batch scaling rules: the learning rate that goes with a larger minibatch."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np

import theory
from diffusion import SGD, HessianNoise, RMSprop, exit_times
from diffusion.dynamics import Dynamics
from experiments.problems import exits
from experiments.problems.exits import BARRIER, ONE
from experiments.problems.wells import HIGHEST, settings
from experiments.referee import Claim, Evidence, Finding, Routes, Row, Sample, told, unsampled
from experiments.referee.faults import mean_exit

EXPONENT = 4.0
FACTORS = (1, 2, 4)  # of the learning rate
RULES = (("SGD", False), ("RMSprop, v following", True))  # subject, and whether gradients are divided by the noise
SAME_SDE = 1e-8
BY_DEFINITION = "the SDE is the same by definition; the discrete step is in question"


class BatchRules(Claim):
    """SGD at (c lr, c B) and RMSprop at (c lr, c^2 B)."""

    name = "Batch scaling rules"
    place = "Theorem 3, Propositions 2 and 4"
    statement = "Escapes depend on lr/B alone (SGD, Momentum, Adai), or on lr/sqrt(B) alone (Adam)."

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Mean escape times in the unit in which the rule predicts the same: iterations times c, of RMSprop c^2."""
        for subject, adaptive in RULES:
            rows = _rows(routes, subject, adaptive)
            yield Evidence.of_rows(subject, "mean escape time over that at c = 1, in the rule's unit", rows)

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """Whether the rule holds for the SDE and for the discrete optimizer, each where it is farthest off."""
        (piece,) = evidence
        ratio = (piece.data["exact"] / piece.data["paper"]).values
        sde = float(max(ratio, key=lambda value: abs(value - 1)))
        right, wrong = "the rule is exact for the SDE", f"the rule is off by {100 * abs(sde - 1):.2g} % for the SDE"
        yield Finding.judged("SDE", sde, right, wrong, tolerance=SAME_SDE)
        discretes = (piece.data["exact_discrete"] / piece.data["paper"]).values
        worst = int(np.argmax(np.abs(np.log(discretes))))
        discrete, farthest = float(discretes[worst]), piece.data.isel(row=worst)
        where = f"at batch size {float(farthest['batch_size']):g} and learning rate {float(farthest['lr']):.2g}"
        tells = f"the discrete optimizer takes {discrete:.2f} times what the rule says {where}{_measured(farthest)}"
        right, wrong = "it holds for whole steps", "it does not hold for whole steps"
        yield Finding.judged("discrete optimizer", discrete, right, wrong, tells)


def _measured(row: Any) -> str:
    """What the ensemble says, if there is one."""
    if "discrete" not in row or np.isnan(row["discrete"]):
        return ""
    low, high = float(row["discrete_low"]), float(row["discrete_high"])
    return f" (ensemble: 95 % interval {low:.2f} to {high:.2f})"


def _rows(routes: Routes, subject: str, adaptive: bool) -> Iterator[Row]:
    """One row for each learning rate."""
    setting, power = settings()["parabolas-piecewise"], 2 if adaptive else 1
    k = (HIGHEST / EXPONENT) ** power
    start, saddle = setting.positions(k)
    where: dict[str, Any] = {"start": start, "boundary": saddle}
    gradient, variance = setting.gradient(k), setting.variance(k)
    base: dict[str, float] = {}
    for c in FACTORS:
        lr, batch = c * setting.lr["Adam" if adaptive else "SGD"], float(c**power)

        def pull(x: Any, batch: float = batch) -> Any:
            return gradient(x) * np.sqrt(batch / variance(x)) if adaptive else gradient(x)

        def deviation(x: Any, batch: float = batch) -> Any:
            return 1.0 + 0.0 * x if adaptive else np.sqrt(variance(x) / batch)

        def spread(x: Any, lr: float = lr, deviation: Any = deviation) -> Any:
            return lr / 2 * deviation(x) ** 2

        breaks = setting.breaks(k)
        exact = c**power * theory.first_passage_time(pull, spread, breaks=breaks, **where) / lr
        discrete = c**power * theory.discrete_first_passage_time(pull, deviation, lr=lr, breaks=breaks, **where)
        base = base or {"exact": exact, "discrete": discrete}
        options = {"noise": HessianNoise(batch, "piecewise"), "max_iterations": exits.HORIZON, **where}
        options |= routes.options(told("batch", subject, c), routes.exits)
        dynamics: Dynamics = RMSprop(lr, second_moment="following") if adaptive else SGD(lr)
        mean = mean_exit(partial(exit_times, dynamics, setting.landscape(1, k), **options))
        values = {"paper": 1.0, "exact": exact / base["exact"], "exact_discrete": discrete / base["discrete"]}
        sample = Sample.of(mean, values["exact_discrete"], unit=c**power / base["discrete"])
        regime = {"optimizer": subject, "lr": lr, "batch_size": batch, BARRIER: EXPONENT}
        checks = {"sde": (abs(values["exact"] - 1), SAME_SDE)}
        yield Row(ONE | regime, values, {"discrete": sample}, checks, unsampled(BY_DEFINITION))


claim = BatchRules()
