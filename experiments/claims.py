"""The registry of claims: each knows what the paper says, where, for which dynamics, and how to compute it.

A `Case` is one claim for one dynamics and one start; its routes are arrays over (iteration, direction).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

import theory
from diffusion import SGD, Adai, Adam, HessianNoise, Momentum, QuadraticSaddle, RMSprop
from diffusion.dynamics import Dynamics, Rule
from experiments.problems import saddles as regimes

Array = NDArray[np.float64]

HESSIAN = np.array(regimes.EIGENVALUES)
NO_TORCH_START = "torch optimizers start with an empty momentum buffer, that is at rest"
NO_ZERO_ADAI = "Proposition 3 is stated for noise |H|/B, which is 0 in every direction here"
NOT_SIMULATED = "beyond the simulated part of the grid; exact routes only"
OUT_OF_RANGE = "beyond the range of float64"
NO_DISPLACEMENT = "the exact value is 0"
HIDDEN_BY_ROUNDING = "smaller than the rounding of the displacements it is the difference of"
DIVERGED = "replicas left floating-point range"
NOTHING_RUNNING = "this optimizer has no second moment: as shipped it is the discrete ensemble"
SHIPPED_AT_REST = "the optimizer as shipped starts at rest"


@dataclass(frozen=True)
class Claim:
    """A statement of the paper about saddles."""

    name: str
    place: str
    statement: str


THEOREM_1 = Claim(
    "Theorem 1",
    "Section 2.2, proof in A.1",
    "SGD's displacement from a saddle is Gaussian with variance D/H [1 - exp(-2 H t)].",
)
THEOREM_2 = Claim(
    "Theorem 2",
    "Section 3, Equation 9, proof in A.2",
    "Momentum's mean squared displacement is a drift term D/(gamma^3 M^2) [1 - exp(-gamma t)]^2 plus SGD's diffusion.",
)
DRIFT = Claim(
    "Theorem 2, drift term",
    "Section 3, Equation 9, first term; proof in A.2, step II (a)",
    "The velocity that Momentum arrives with adds D/(gamma^3 M^2) [1 - exp(-gamma t)]^2, whatever the curvature.",
)
PROPOSITION_1 = Claim(
    "Proposition 1",
    "Section 4",
    "Adam's mean squared displacement, lr^2/(2(1-beta1)) [1 - exp(-(1-beta1)T)]^2 + lr^2 T, does not depend on the Hessian.",
)
PROPOSITION_3 = Claim(
    "Proposition 3",
    "Section 5",
    "Adai's mean squared displacement is a drift term whose size does not depend on the Hessian, plus Momentum's diffusion.",
)
TABLE_1 = Claim(
    "Table 1, saddle row",
    "Section 1, Table 1",
    "Flat directions of a saddle are escaped slowly by SGD, fast by an adaptive learning rate, fast by adaptive inertia.",
)
CLAIMS = (THEOREM_1, THEOREM_2, DRIFT, PROPOSITION_1, PROPOSITION_3, TABLE_1)


@dataclass(frozen=True)
class Case:
    """One claim for one dynamics and one start.

    `beta` is the inertia that sets the grid of iterations; `memory` tells whether all directions share it.
    """

    claim: Claim
    dynamics: Dynamics
    start: str
    beta: float
    memory: bool = True

    @property
    def iterations(self) -> NDArray[np.int64]:
        """Iterations at which the exact routes are computed."""
        return regimes.iteration_grid(self.beta)

    @property
    def simulated(self) -> NDArray[np.int64]:
        """Iterations at which ensembles are measured: the beginning of `iterations`."""
        return regimes.simulated_grid(self.beta)

    @property
    def drift(self) -> bool:
        """Whether the quantity is the share of the thermal start alone."""
        return self.claim is DRIFT

    @property
    def label(self) -> str:
        """What tells this case from the others of its claim."""
        return f"{describe(self.dynamics)}, {'thermal minus rest' if self.drift else STARTED[self.start]}"

    def regime(self) -> dict[str, object]:
        """The part of a row's regime that all rows of the case share."""
        known = ("beta1", "beta0", "style")
        chosen = {name: getattr(self.dynamics, name) for name in known if hasattr(self.dynamics, name)}
        return {"optimizer": type(self.dynamics).__name__, **chosen, "start": self.start, "lr": regimes.LR}

    def rule(self) -> Rule:
        """The idealized rule along every direction, each under its own noise."""
        curved = HESSIAN != 0
        parts = []
        for mask, variance in ((curved, None), (~curved, regimes.ISOTROPIC_VARIANCE)):
            landscape = QuadraticSaddle(HESSIAN[mask])
            c = HessianNoise(regimes.BATCH_SIZE).variance_along(landscape) if variance is None else np.array([variance])
            parts.append((mask, self.dynamics.rule(c)))

        def joined(name: str) -> Array:
            out = np.empty(len(HESSIAN))
            for mask, rule in parts:
                out[mask] = getattr(rule, name)
            return out

        return Rule(joined("inertia"), joined("learning_rate"), joined("gradient_weight"), joined("noise_variance"))

    def escape_rate(self) -> Array:
        """|H| dt/(gamma M): by how much, per iteration, the exponent of growth or decay along each direction advances."""
        rule = self.rule()
        friction = np.where(rule.inertia > 0, rule.damping * rule.mass, 1.0)
        return np.asarray(np.abs(HESSIAN) * rule.learning_rate / friction)

    def paper(self, iterations: ArrayLike | None = None) -> Array:
        """The paper's formula at `iterations` (None: the case's grid); NaN where it is not stated."""
        return PAPER[self.claim.name](self, np.asarray(self.iterations if iterations is None else iterations))

    def exact(self, iterations: ArrayLike | None = None) -> Array:
        """The exact value for the SDE, at `iterations` as above."""
        rule, h = self.rule(), HESSIAN
        t = np.asarray(self.iterations if iterations is None else iterations)[:, None] * rule.learning_rate
        out = np.empty(t.shape)
        inert = rule.inertia > 0
        out[:, ~inert] = theory.sgd_msd_exact(t[:, ~inert], hessian=h[~inert], diffusion=rule.diffusion[~inert])
        arguments = {
            "hessian": h[inert],
            "diffusion": rule.diffusion[inert],
            "mass": rule.mass[inert],
            "damping": rule.damping[inert],
        }
        if self.drift:
            out[:, inert] = theory.momentum_drift_msd_exact(t[:, inert], **arguments)
        else:
            out[:, inert] = theory.momentum_msd_exact(t[:, inert], start=self.start, **arguments)
        return out

    def exact_recursion(self, factor: int | None) -> Array:
        """The exact value for the recursion at `factor` times the graded substeps, or the discrete optimizer (None)."""
        rule, t = self.rule(), self.iterations[:, None]
        substeps = 1 if factor is None else factor * regimes.substeps(int(self.iterations[-1]))
        arguments = {
            "hessian": HESSIAN,
            "noise_variance": rule.noise_variance,
            "lr": rule.learning_rate,
            "inertia": rule.inertia,
            "gradient_weight": rule.gradient_weight,
        }
        if self.drift:
            return theory.discrete_drift_msd(t, **arguments, substeps=substeps)
        return theory.discrete_msd(t, **arguments, substeps=substeps, start=self.start)


def describe(dynamics: Dynamics) -> str:
    """A dynamics in words, for tables and titles."""
    match dynamics:
        case Momentum(beta1=beta1, style=style):
            return f"Momentum ({'EMA' if style == 'ema' else 'heavy ball'}), beta1 = {beta1:g}"
        case Adam(beta1=beta1):
            return f"Adam, beta1 = {beta1:g}"
        case Adai(beta0=beta0):
            return f"Adai, beta0 = {beta0:g}"
    return type(dynamics).__name__


def _langevin(case: Case) -> dict[str, Array]:
    rule = case.rule()
    return {"diffusion": rule.diffusion, "mass": rule.mass, "damping": rule.damping}


def _theorem_1(case: Case, iterations: NDArray[Any]) -> Array:
    rule = case.rule()
    return theory.sgd_msd(iterations[:, None] * rule.learning_rate, hessian=HESSIAN, diffusion=rule.diffusion)


def _theorem_2(case: Case, iterations: NDArray[Any]) -> Array:
    return theory.momentum_msd(iterations[:, None] * regimes.LR, hessian=HESSIAN, **_langevin(case))


def _drift(case: Case, iterations: NDArray[Any]) -> Array:
    return theory.momentum_drift_msd(iterations[:, None] * regimes.LR, **_langevin(case))


def _proposition_1(case: Case, iterations: NDArray[Any]) -> Array:
    value = theory.adam_msd(iterations, lr=regimes.LR, beta1=getattr(case.dynamics, "beta1", 0.0))
    return np.repeat(value[:, None], len(HESSIAN), axis=1)


def _proposition_3(case: Case, iterations: NDArray[Any]) -> Array:
    curved = HESSIAN != 0
    out = np.full((len(iterations), len(HESSIAN)), np.nan)
    assert isinstance(case.dynamics, Adai)
    out[:, curved] = theory.adai_msd(
        iterations[:, None],
        hessian=HESSIAN[curved],
        lr=regimes.LR,
        beta0=case.dynamics.beta0,
        batch_size=regimes.BATCH_SIZE,
    )
    return out


PAPER: dict[str, Callable[[Case, NDArray[Any]], Array]] = {
    THEOREM_1.name: _theorem_1,
    THEOREM_2.name: _theorem_2,
    DRIFT.name: _drift,
    PROPOSITION_1.name: _proposition_1,
    PROPOSITION_3.name: _proposition_3,
}


def cases() -> list[Case]:
    """Every case of the run but those of Table 1, which are derived from these."""
    sgd_like = 0.9  # rules without inertia share Momentum's middle grid
    found = [Case(THEOREM_1, SGD(regimes.LR), "rest", sgd_like, memory=False)]
    for style in ("ema", "heavy-ball"):
        for beta in regimes.BETAS:
            dynamics = Momentum(regimes.LR, beta, style)
            found += [Case(THEOREM_2, dynamics, start, beta) for start in ("rest", "thermal")]
            found.append(Case(DRIFT, dynamics, "thermal", beta))
    for beta in regimes.BETAS:
        found += [Case(PROPOSITION_1, Adam(regimes.LR, beta), start, beta) for start in ("rest", "thermal")]
    found.append(Case(PROPOSITION_1, RMSprop(regimes.LR), "rest", sgd_like, memory=False))
    adai = Adai(regimes.LR)
    found += [Case(PROPOSITION_3, adai, start, 1 - adai.beta0, memory=False) for start in ("rest", "thermal")]
    return found


def table_1_cases(found: list[Case]) -> list[Case]:
    """The cases whose dependence on |H| Table 1 speaks of: all of them from rest, at the same grid of iterations."""
    return [
        case
        for case in found
        if case.start == "rest"
        and case.claim in (THEOREM_1, PROPOSITION_1, PROPOSITION_3)
        and np.isclose(case.beta, 0.9)
    ]


STARTED = {"rest": "from rest", "thermal": "thermal start"}
TABLE_1_SAYS = {"SGD": "slow", "Adam": "fast", "RMSprop": "fast", "Adai": "fast"}
