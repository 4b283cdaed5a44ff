"""Optimizers as shipped and their SDE, in which the second moment has no noise of its own: the order of the error."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from diffusion import Adam, RMSprop
from diffusion.dynamics import Dynamics, Update
from experiments.problems.exits import ONE
from experiments.referee import Claim, Evidence, Finding, Routes, Row, Sample, unsampled
from experiments.referee.laws import Student

# Kept fixed as lr falls: the time lr^2 T, the noise's deviation times lr, (1 - beta1)/lr^2 and (1 - beta2)/lr^2.
TIME, START, MEMORY1, MEMORY2 = 1.0, 1.0, 4.0, 2.0  # at curvature 1; the noise's deviation is 1/lr
ITERATIONS = (8, 16, 32, 64)  # one over lr^2
SUBSTEPS = 4  # at these the scheme is a quarter as far from the SDE as whole iterations are: the order is the same
PAIRS, BLOCKS, QUICK_BLOCKS, CONTROL_BLOCKS = 5000, 32, 8, 3  # of draws and their opposites
MOMENTS = ("theta", "theta^2", "v^2")
SDE, OWN = "v takes the mean of g^2", "v takes the substeps' own g^2"  # the second is a control, which has to fail
NEAR, REJECTED = 0.25, 0.5  # of order 1, and the largest order of the control
ALLOWED = 0.01  # relative error of theta^2 up to which the SDE counts as usable

Array = NDArray[np.float64]
Make = Callable[[float], Dynamics]


def _adam(lr: float) -> Dynamics:
    return Adam(lr, 1 - MEMORY1 * lr**2, 1 - MEMORY2 * lr**2, second_moment="running")


def _rmsprop(lr: float) -> Dynamics:
    return RMSprop(lr, 1 - MEMORY2 * lr**2, second_moment="running")


CASES: tuple[tuple[str, Make, bool], ...] = (  # subject, optimizer, whether v is at the noise's variance when it begins
    ("Adam, v settled", _adam, True),
    ("RMSprop, v settled", _rmsprop, True),
    ("Adam, from its start", _adam, False),
)


class ShippedSDE(Claim):
    """Moments of position and second moment, of whole iterations less those of the SDE at the same noise."""

    name = "SDE of optimizers as shipped"
    place = "Section 4, with a running second moment"
    statement = (
        "An adaptive optimizer as shipped is close to an SDE, to first order in lr^2 where the noise's deviation grows "
        "like 1/lr, and 1 - beta1 and 1 - beta2 fall like lr^2 (Malladi et al. 2022)."
    )
    effort = 9

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """The order by which the error of each moment falls with lr^2, for the SDE and for a wrong one."""
        for subject, make, settled in CASES:
            rows = _rows(routes, subject, make, settled)
            yield Evidence.of_rows(subject, "order in lr^2 of the weak error", rows)

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """Whether the order is 1, what the control's is, and where the SDE may be used."""
        (piece,) = evidence
        rows = piece.data
        ours = rows["form"].values == SDE
        orders, errors = rows["order"].values[ours], rows["order_error"].values[ours]
        order, error = np.average(orders, weights=errors**-2.0), np.sum(errors**-2.0) ** -0.5
        listed = ", ".join(f"{each:.2f} ({moment})" for each, moment in zip(orders, MOMENTS, strict=True))
        tells = f"as lr falls its moments' errors fall like lr^2 to the power {order:.2f} +- {2 * error:.2f}: {listed}"
        yield Finding.judged("order", order, "it is of first order", "not of first order", tells, tolerance=NEAR)
        wrong = rows["order"].values[~ours]
        if wrong.size:
            text = f"with the substeps' own g^2 in v the order is at most {wrong.max():.2f}"
            yield Finding("largest order of the wrong form", float(wrong.max()), text)
        square = rows.isel(row=MOMENTS.index("theta^2"))
        if not square["settled"]:
            growth, error = 100 * float(square["growth"]), 200 * float(square["growth_error"])
            text = f"the error of theta^2 over lr^2 grows by {growth:.0f} +- {error:.0f} % where lr^2 is halved: "
            text += "lr^2 log(1/lr) is to be expected, as v is a mean of few in the first iterations"
            yield Finding("growth of the error of theta^2 over lr^2", growth / 100, text)
        share, error = float(square["error_over_lr2"]), 2 * float(square["error_over_lr2_error"])
        limit = ALLOWED / share
        text = f"theta^2 is off by {share:.2g} +- {error:.1g} times lr H/sigma, sigma the noise's deviation (it is lr "
        text += f"sqrt(H B) under Hessian noise), 1 - beta1 and 1 - beta2 {MEMORY1:g} and {MEMORY2:g} times that: by "
        text += f"{100 * ALLOWED:g} % at lr H/sigma = {limit:.2g}, beta2 = {1 - MEMORY2 * limit:.3g}"
        yield Finding("error of theta^2 over lr H/sigma", share, text)


def _rows(routes: Routes, subject: str, make: Make, settled: bool) -> Iterator[Row]:
    """One for each moment and form; of the control where v is settled."""
    lr2 = TIME / np.array(ITERATIONS)
    reasons = unsampled("a coupling to the optimizer itself", exact="no moment of it has a closed form")
    for own in (False, True)[: 1 + settled]:
        blocks = CONTROL_BLOCKS if own else QUICK_BLOCKS if routes.quick else BLOCKS
        seeds = [routes.seed_of(f"{subject}, {size} iterations") for size in ITERATIONS]
        apart = [_apart(make(lr), lr, settled, own, blocks, seed) for lr, seed in zip(np.sqrt(lr2), seeds, strict=True)]
        for k, moment in enumerate(MOMENTS):
            if own and moment == "theta^2":
                continue  # its error passes 0
            mean, error = np.array(apart)[:, :, k].T
            order, spread = order_of(lr2, mean, error)
            share, relative = np.abs(mean) / lr2 * SUBSTEPS / (SUBSTEPS - 1), error / np.abs(mean)
            values = {"paper": 1.0, "order_error": spread}
            values |= {"error_over_lr2": share[-1], "error_over_lr2_error": share[-1] * relative[-1]}
            values |= {"growth": np.sqrt(share[-1] / share[-3]) - 1, "growth_error": np.hypot(*relative[[-1, -3]]) / 2}
            regime = {"optimizer": subject, "form": OWN if own else SDE, "moment": moment, "settled": settled}
            regime |= {"lr": np.sqrt(lr2).tolist(), "substeps": SUBSTEPS}
            checks = {"control is rejected": (order + 3 * spread, REJECTED)} if own else {}
            yield Row(ONE | regime, values, {"order": Sample(order, Student(spread, blocks))}, checks, reasons)


def order_of(lr2: Array, mean: Array, error: Array) -> tuple[float, float]:
    """The power p of errors ``a lr2^p exp(b lr2)``, whose last factor is the next order, and its standard error."""
    weight = np.abs(mean) / error
    terms = np.column_stack([np.ones_like(lr2), np.log(lr2), lr2]) * weight[:, None]
    covariance = np.linalg.inv(terms.T @ terms)
    powers = covariance @ terms.T @ (np.log(np.abs(mean)) * weight)
    return float(powers[1]), float(np.sqrt(covariance[1, 1]))


def _apart(dynamics: Dynamics, lr: float, settled: bool, own: bool, blocks: int, seed: int) -> Array:
    """Relative differences of the moments and their standard errors, shape (2, moments)."""
    rng = np.random.default_rng(seed)
    found = np.array([_block(dynamics, lr, settled, own, rng) for _ in range(blocks)])
    apart = (found[:, 0] - found[:, 1]) / np.abs(found[:, 1].mean(axis=0))
    return np.array([apart.mean(axis=0), apart.std(axis=0, ddof=1) / np.sqrt(blocks)])


def _block(dynamics: Dynamics, lr: float, settled: bool, own: bool, rng: np.random.Generator) -> Array:
    """The moments at the end, of whole iterations and in substeps, driven by the same noise."""
    assert dynamics.update is not None
    whole, parts = (_Walk(update, lr, settled) for update in (dynamics.update, dynamics.substep(SUBSTEPS)))
    for _ in range(round(TIME / lr**2)):
        half = rng.standard_normal((SUBSTEPS, PAIRS))
        draws = np.concatenate([half, -half], axis=1)
        whole.step(1, draws.sum(axis=0) / np.sqrt(SUBSTEPS))
        for xi in draws:
            parts.step(SUBSTEPS, xi, own)
    return np.array([[walk.theta.mean(), (walk.theta**2).mean(), (walk.v**2).mean()] for walk in (whole, parts)])


class _Walk:
    """Replicas in a parabola of curvature 1, by an update's formulas, from its start or with v at its noise."""

    def __init__(self, update: Update, lr: float, settled: bool) -> None:
        self.update, self.deviation = update, 1 / lr
        start = (*update.slots[:-1], self.deviation**2) if settled else update.slots
        self.slots = tuple(np.full(2 * PAIRS, value) for value in start)
        self.theta = np.full(2 * PAIRS, START)
        self.powers = np.full(len(update.betas), 0.0 if settled else 1.0)

    @property
    def v(self) -> Array:
        """The second moment over the noise's variance."""
        return self.slots[-1] / self.deviation**2

    def step(self, substeps: int, xi: Array, own: bool = False) -> None:
        """One part of so many of an iteration."""
        update = self.update
        self.powers = self.powers * np.array(update.betas)
        shared = update.shared(1.0, tuple(self.powers), update.parameters)  # none of them reads the iteration
        g = self.theta + np.sqrt(substeps) * self.deviation * xi
        rms = g if own else np.sqrt(self.theta**2 + self.deviation**2)
        sizes = (g,) if substeps == 1 else (g, rms)
        self.theta, *slots = update.step(self.theta, *sizes, self.slots, shared, update.parameters)
        self.slots = tuple(slots)


claim = ShippedSDE()
