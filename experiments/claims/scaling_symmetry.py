"""The scaling symmetry: sharpness and learning rate enter an escape together."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from diffusion import SGD, Adai, Adam, Momentum, exit_times
from diffusion.dynamics import Dynamics
from diffusion.rates import FEW
from experiments.problems.exits import ONE
from experiments.problems.optimizers import BETA0, BETA1
from experiments.problems.wells import settings
from experiments.referee import EVERY, Claim, Evidence, Finding, Routes, Row, unsampled
from experiments.referee.faults import quietly

SHARPNESS = 4.0
SLOWER = 3.0  # the learning rate is divided by this, and sharpness multiplied by it, of Adam by its square
MOST_ITERATIONS, MOST_REPLICAS = 100_000, 2000
ROUNDING = 2e-3  # most runs that rounding may send out at another iteration
IDENTITY = "an identity of trajectories, checked on our kernels"

Make = Callable[[float], Dynamics]
CASES: tuple[tuple[str, str, float, Make], ...] = (  # subject, whose learning rate, power of SLOWER, optimizer
    ("SGD", "SGD", 1, SGD),
    ("Momentum", "Momentum", 1, lambda lr: Momentum(lr, BETA1, "heavy-ball")),
    ("Adai", "Adai", 1, lambda lr: Adai(lr, BETA0)),
    ("Adai as shipped", "Adai", 1, lambda lr: Adai(lr, BETA0, second_moment="running")),
    ("Adam, v following", "Adam", 2, lambda lr: Adam(lr, BETA1, second_moment="following")),
    ("Adam as shipped", "Adam", 2, lambda lr: Adam(lr, BETA1, eps=1e-300, second_moment="running")),
)


class ScalingSymmetry(Claim):
    """The same draws at two sharpnesses."""

    name = "Scaling symmetry"
    place = "Section 6, Figure 6"
    statement = (
        "Sharpness k and learning rate enter an escape through k lr (SGD, Momentum, Adai) or sqrt(k) lr (Adam) alone."
    )

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """The share of runs that leave at the same iteration at (k, lr) and at (3k, lr/3), of Adam (9k, lr/3)."""
        rows = (_row(routes, *case) for case in CASES)
        yield Evidence.of_rows(EVERY, "share of runs that leave at the same iteration", rows)

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """Whether every run does."""
        (piece,) = evidence
        same = float(piece.data["exact_discrete"].min())
        share = "every run leaves" if same == 1 else f"all but a share of {1 - same:.2g} of the runs leave"
        meaning = "this follows from the algebra of the updates, so that the row tests the instrument"
        tells = f"at the same draws {share} at the same iteration; {meaning}"
        name = "runs that leave at the same iteration"
        yield Finding.judged(name, same, "right", "not found", tells, tolerance=ROUNDING)


def _row(routes: Routes, subject: str, optimizer: str, power: float, make: Make) -> Row:
    """One optimizer at both sharpnesses."""
    setting = settings()["parabolas-piecewise"]
    lr, sharper = setting.lr[optimizer], SLOWER**power
    times = []
    for k, slower in ((SHARPNESS, 1.0), (sharper * SHARPNESS, SLOWER)):
        start, saddle = setting.positions(k)
        options: dict[str, Any] = {"start": start, "boundary": saddle, "max_iterations": MOST_ITERATIONS}
        options |= {"replicas": min(routes.exits, MOST_REPLICAS), "seed": routes.seed, "threads": routes.threads}
        with quietly():
            run = exit_times(make(lr / slower), setting.landscape(1, k), noise=setting.noise, **options)
        times.append(run["exit_iteration"].values)
        diverged = int(run["diverged"].sum())
        if diverged:
            raise ValueError(f"{subject}: {diverged} of {len(times[-1])} replicas diverged at lr = {lr / slower:.3g}")
    left = np.isfinite(times[0]) | np.isfinite(times[1])
    if left.sum() < FEW:
        raise ValueError(f"{subject}: only {left.sum()} of {len(left)} replicas left within 100,000 iterations")
    same = float(np.mean(times[0][left] == times[1][left]))
    regime = {"optimizer": subject, "sharpness": [SHARPNESS, sharper * SHARPNESS], "lr": [lr, lr / SLOWER]}
    reasons = unsampled(IDENTITY, discrete="given as exact_discrete: there is no sampling at fixed draws")
    values = {"paper": 1.0, "exact": 1.0, "exact_discrete": same}
    return Row(ONE | regime, values, {}, {"rounding": (1 - same, ROUNDING)}, reasons)


claim = ScalingSymmetry()
