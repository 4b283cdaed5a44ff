"""Lemmas 1 to 4: what the proof of Theorem 4 rests on."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

import theory
from diffusion.dynamics import adaptive_inertia
from experiments.problems.convergence import BETA0, LARGEST, RARE, biased_gradient
from experiments.referee import EXACT, Claim, Evidence, Finding, Routes, Row, unsampled

Array = NDArray[np.float64]

ITERATIONS = (10, 300)
START, STEP, DEVIATION = 1.5, 0.01, 0.5  # on the quadratic loss; DEVIATION is the noise's standard deviation
INDEPENDENT, OWN = "inertias independent of the noise", "Adai's own inertias"
SAYS = {
    1: "the weights of the gradients in the momentum sum to at least 1 - beta_max^(t+1)",
    2: "the mean square of the momentum is at most G^2 + delta^2",
    3: "the mean age of the gradients in the momentum is at most beta_max/(1 - beta_max)",
    4: "the momentum's part along the gradient is at least (1 - beta_max) |grad L|^2 as the learning rate tends to 0",
}


class Lemmas(Claim):
    """Exact sums and moments, without sampling, beside the four bounds."""

    name = "Lemmas 1 to 4"
    place = "Appendix A.6"
    statement = (
        "The weights of all gradients in Adai's momentum sum to 1 - beta_max^(t+1) or more, its mean square is at most "
        "G^2 + delta^2, the gradients' mean age is at most beta_max/(1 - beta_max), and so it goes down the loss "
        "(Lemmas 2 to 4 as the proof of Theorem 4 needs them)."
    )

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """A quadratic loss under inertias of four kinds, and Adai under skewed noise."""
        rows: list[Row] = []
        for iterations in ITERATIONS:
            for kind, inertias in _kinds(iterations, routes.seed_of("lemmas")).items():
                rows += _on_a_parabola(kind, inertias)
        quantity = "what a lemma bounds from above"
        yield Evidence.of_rows(INDEPENDENT, quantity, rows)
        yield Evidence.of_rows(OWN, quantity, _adai())

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """Of each lemma, in how many cases it is violated."""
        (piece,) = evidence
        for lemma in dict.fromkeys(piece.data["lemma"].values.tolist()):
            rows = piece.where(lemma=lemma)
            excess = rows["exact"].values - rows["paper"].values
            violated = int(np.sum(excess > EXACT * np.abs(rows["paper"].values)))
            cases = f"{len(excess)} case{'s' * (len(excess) > 1)}"
            right = f"Lemma {lemma} holds in {cases}: {SAYS[lemma]}"
            wrong = f"Lemma {lemma} is violated in {violated} of {cases}, by up to {excess.max():.3g}"
            wrong = f"{wrong}; it says that {SAYS[lemma]}"
            yield Finding.judged(f"violations of Lemma {lemma}", violated, right, wrong, target=0, tolerance=0)

    def row_verdict(self, row: Mapping[str, object]) -> str | None:
        """None: a bound is not off where it is loose."""
        return None


def _kinds(iterations: int, seed: int) -> dict[str, Array]:
    """Inertias of all iterations, by what they are."""
    rng = np.random.Generator(np.random.Philox(seed))
    count = np.arange(iterations)
    return {
        "constant": np.full(iterations, LARGEST),
        "random": rng.uniform(0, LARGEST, iterations),
        "decreasing": LARGEST / np.sqrt(1 + count),
        "none but one": np.where(count == 0, LARGEST, 0.0),
    }


def _on_a_parabola(kind: str, inertias: Array) -> Iterator[Row]:
    """Each lemma on L = x^2/2 at the iteration where it is closest to its bound, by exact moments of (x, m)."""
    square = np.diag([START**2, 0.0])
    moments = []  # E|m|^2, E|grad L|^2 and E<grad L, m> of each iteration
    for beta in inertias:
        pushed, moved = np.array([[1, 0], [1 - beta, beta]]), np.array([[1, -STEP], [0, 1]])
        square = pushed @ square @ pushed.T  # the momentum moves by the gradient at x, and then x by the momentum
        square[1, 1] += ((1 - beta) * DEVIATION) ** 2
        moments.append((square[1, 1], square[0, 0], square[0, 1]))
        square = moved @ square @ moved.T
    momentum, slope, along = np.array(moments).T
    sums = [theory.lemma_1(inertias[: t + 1]) for t in range(len(inertias))]
    backwards = [np.cumprod(inertias[t::-1]) for t in range(len(inertias))]
    ages = [float(np.sum(products - products[-1])) for products in backwards]
    bounds = {"gradient_bound": np.sqrt(slope.max()), "noise_variance": DEVIATION**2}
    largest = float(inertias.max())
    most = theory.lemma_4(square_gradient=slope, smoothness=1.0, largest_inertia=largest, step=STEP, **bounds)
    ends = {
        1: (np.array([1 - bounds.lower for bounds in sums]), np.array([1 - bounds.total for bounds in sums])),
        2: (theory.lemma_2(**bounds), momentum),
        3: (theory.lemma_3(largest), np.array(ages)),
        4: (most, -along),
    }
    for lemma, (paper, exact) in ends.items():
        bound = np.broadcast_to(paper, exact.shape)
        worst = int((exact - bound).argmax())
        yield _row(lemma, kind, len(inertias), float(bound[worst]), float(exact[worst]))


def _adai() -> Iterator[Row]:
    """Lemmas 2 and 4 for Adai without memory in v, where its mean step vanishes, as the learning rate tends to 0."""
    draws, chances = 3 * np.array([1 / 3, -3.0]), np.array([1 - RARE, RARE])
    slope = biased_gradient()
    gradients = slope + np.array([[a, b] for a in draws for b in draws])
    likely = np.outer(chances, chances).ravel()
    beta = np.array([adaptive_inertia(g**2, np.mean(g**2), (0.0, BETA0, 1 - LARGEST)) for g in gradients])
    mean_beta, mean_square_beta = likely @ beta, likely @ beta**2
    step = likely @ ((1 - beta) * gradients) / (1 - mean_beta)  # the mean momentum
    noise = likely @ ((1 - beta) ** 2 * gradients**2) + 2 * (likely @ (beta * (1 - beta) * gradients)) * step
    momentum = float((noise / (1 - mean_square_beta)).sum())
    variance = float((likely @ gradients**2).sum()) - 2 * slope**2
    bounds = {"gradient_bound": np.sqrt(2) * slope, "noise_variance": variance}
    most = theory.lemma_4(square_gradient=2 * slope**2, smoothness=1.0, largest_inertia=LARGEST, step=0.0, **bounds)
    yield _row(2, OWN, 0, float(theory.lemma_2(**bounds)), momentum)
    yield _row(4, OWN, 0, float(most), -float((step * slope).sum()))


def _row(lemma: int, kind: str, iterations: int, paper: float, exact: float) -> Row:
    regime = {"optimizer": "Adai", "lemma": lemma, "inertias": kind, "iterations": iterations}
    return Row(regime, {"paper": paper, "exact": exact}, reasons=unsampled("exact sums and moments"))


claim = Lemmas()
