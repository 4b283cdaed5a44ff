"""Shuffling: Theorems 1 and 2 when every epoch is a new order of the same data, and what that does to escapes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray
from numpy.typing import NDArray
from scipy.special import ndtri

import theory
from diffusion import SGD, DoubleParabola, Minibatches, Momentum, QuadraticSaddle, escape_rate, exit_times, simulate
from diffusion.dynamics import Dynamics, Rule
from experiments.drawing import BLUE, DASHED, GREEN, GREY, ORANGE, Named, headline, points, subplots
from experiments.problems import exits, optimizers
from experiments.problems.exits import ONE
from experiments.referee import Claim, Evidence, Finding, Routes, Row, Sample, size, told, unsampled
from experiments.referee.faults import NOT_HAD, Fault, quietly, refused
from experiments.referee.laws import MeanSquare
from experiments.referee.routes import NOT_QUICK, TORCH_MISSING

Array = NDArray[np.float64]

LR, BATCHES, BATCH_SIZE = 0.01, 100, 2  # learning rate; minibatches of an epoch, and their size
HESSIANS = (-0.1, -0.01, -1.0)
FLAT = HESSIANS[0]  # along which an epoch is a tenth of the time of departure
ITERATIONS = (2, 50, 100, 1000, 1050)
INSIDE, END = 1050, 1000  # half an epoch after the end of the tenth one
DISPLACEMENT = "mean squared displacement (theta^2)"
RATIO = "mean escape time, shuffled over drawn with replacement"
STEP, BARRIER_OVER_TEMPERATURE, ESCAPE_BATCH = 0.05, 2.0, 4  # learning rate times curvature at the minimum
EPOCHS = (60, 200, 1000, 4000)  # minibatches an epoch, in the rows of escapes
RELAXATIONS = "epoch_over_relaxation_time"
SHARE = 8  # of the replicas of exits are run shuffled, which takes long
LONGEST = 50  # times the mean with replacement, that a run may take
CHAIN = 0.005  # allowance: samples are normal quantiles, and minibatches of four all but normal
ONCE = "run for the shortest epoch alone, as its length does not matter"


class Shuffling(Claim):
    """Displacements at the end of epochs and inside them, and mean escape times against the length of an epoch."""

    name = "Shuffling"
    place = "Section 2.2, Theorem 1; Section 3, Theorems 2 and 3"
    statement = (
        "Theorems 1, 2 and 3 hold of training, whose minibatches are not drawn anew but run through shuffled data, "
        "epoch by epoch."
    )
    effort = 17

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Of SGD and of Momentum in both styles from a saddle; then of SGD over a barrier."""
        data = Shuffled(routes)
        for dynamics in (SGD(LR), *(Momentum(LR, 0.9, style) for style in optimizers.STYLES)):
            rows = [data.row(dynamics, h, t) for h in HESSIANS for t in ITERATIONS]
            yield Evidence.of_rows(optimizers.variant(dynamics), DISPLACEMENT, rows)
        rows = [_escape(routes, batches) for batches in (EPOCHS[1:3] if routes.quick else EPOCHS)]
        yield Evidence.of_rows("SGD, escapes", RATIO, rows)

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """The formula at the end of an epoch and inside one, what is left of it, or what escapes take."""
        (piece,) = evidence
        yield from (_escapes(piece.data) if piece.quantity == RATIO else _displacements(piece))

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """SGD's displacement through eleven epochs, and the factor in escape times."""
        figure, (left, right) = subplots(1, 2, size=(11.5, 5))
        over, factor = _departure(left, evidence[0]), _slower(right, evidence[-1].data)
        title = (
            f"Shuffled, SGD's mean square distance from a flat saddle after ten epochs is {1 / over:.2g} of Theorem "
            f"1's, and an escape takes {factor:.2g} times as long"
        )
        headline(figure, title)
        caption = (
            f"{title} if an epoch is {float(evidence[-1].data[RELAXATIONS][0]):g} relaxation times. Left: learning "
            f"rate times curvature {LR * FLAT:g}, {BATCHES} minibatches an epoch. Right: double parabola, barrier "
            f"{BARRIER_OVER_TEMPERATURE:g} temperatures, learning rate times curvature {STEP:g} at the minimum, noise "
            "the same everywhere."
        )
        yield "shuffling", self.name, figure, caption


def linear(theta: Any, x: Any, hessian: Any) -> Any:
    """Gradient of a sample's loss, ``hessian (theta - x)^2/2`` but for the scale of x."""
    return hessian * theta - x


def parabolas(theta: Any, x: Any, join: Any, h_a: Any, h_b: Any) -> Any:
    """Gradient of a sample's loss: a double parabola, tilted by x."""
    return h_a * np.minimum(theta, join) - h_b * np.maximum(theta - join, 0.0) - x


def samples(count: int) -> Array:
    """As many quantiles of the normal law, of mean 0 and variance 1."""
    x = ndtri((np.arange(count) + 0.5) / count)
    return np.asarray(x / x.std())


@dataclass
class Shuffled:
    """Data whose minibatches have the variance |H|/B, and what optimizers do with them."""

    routes: Routes

    def scale(self, hessian: float) -> float:
        """Deviation of the samples' gradients that gives a minibatch drawn without replacement that variance."""
        count = BATCHES * BATCH_SIZE
        return float(np.sqrt(abs(hessian) * (count - 1) / (count - BATCH_SIZE)))

    def row(self, dynamics: Dynamics, hessian: float, iterations: int) -> Row:
        """The displacement by every route."""
        variance = abs(hessian) / BATCH_SIZE
        rule = dynamics.rule(np.array([variance]))
        known = recursion(rule, hessian)
        exact = float(theory.shuffled_msd(iterations / BATCHES, batches=BATCHES, **known))
        values = {"paper": stated(rule, hessian, iterations), "exact": exact, "exact_discrete": exact}
        values["with_replacement"] = float(theory.discrete_msd(iterations, **known))
        values["of_theorem"] = (LR * hessian * BATCHES) ** 2 / 12
        place = ITERATIONS.index(iterations)
        samples, reasons = {}, unsampled("the recursion's moments are closed forms", shipped=exits.NO_SHIPPED)
        for name, run in (("discrete", self.kernel), ("torch", self.torch)):
            try:
                mean_squares = run(dynamics, hessian)
            except NOT_HAD as error:
                law = MeanSquare(np.nan)
                samples[name] = Sample(np.nan, law, exact, fault=refused(error))
                continue
            if isinstance(mean_squares, str):
                reasons[name] = mean_squares
            else:
                count = self.routes.replicas if name == "discrete" else self.routes.torch_replicas
                samples[name] = Sample(float(mean_squares[place]), MeanSquare(count), exact)
        regime = {"optimizer": optimizers.name(dynamics), **optimizers.parameters(dynamics), "lr": LR}
        regime |= {"eigenvalue": hessian, "iterations": iterations, "minibatches_an_epoch": BATCHES}
        return Row(regime, values, samples, reasons=reasons)

    def kernel(self, dynamics: Dynamics, hessian: float) -> Array | str:
        """Mean squares over an ensemble of the compiled optimizer, or why there is none."""
        if self.routes.quick:
            return NOT_QUICK

        def compute() -> Array:
            data = self.scale(hessian) * samples(BATCHES * BATCH_SIZE)
            noise = Minibatches(data, linear, BATCH_SIZE, replacement=False, parameters=(hessian,))
            options = self.routes.options(told("shuffled", dynamics, hessian))
            more: dict[str, Any] = {"iterations": ITERATIONS[-1], "save": ITERATIONS, **options}
            with quietly():
                return np.asarray(
                    simulate(dynamics, QuadraticSaddle([hessian]), noise=noise, **more)["msd"].values[:, 0]
                )

        return np.asarray(self.routes.once(("shuffled", dynamics, hessian), compute))

    def torch(self, dynamics: Dynamics, hessian: float) -> Array | str:
        """The same of the torch optimizer, on minibatches by torch's own sampler."""
        if not self.routes.torch:
            return TORCH_MISSING
        every = self.routes.once(("torch's shuffles", dynamics), lambda: self.torch_displacements(dynamics))
        return np.asarray(every[:, HESSIANS.index(hessian)])

    def torch_displacements(self, dynamics: Dynamics) -> Array:
        """Mean squares of all replicas in one parameter, shape (iterations, curvatures)."""
        import torch

        hessian = torch.tensor(HESSIANS, dtype=torch.float64)
        scale = torch.tensor([self.scale(h) for h in HESSIANS], dtype=torch.float64)
        theta = torch.nn.Parameter(torch.zeros(len(self.means), len(HESSIANS), dtype=torch.float64))
        optimizer, squares = dynamics.torch_optimizer([theta]), []
        for iteration, mean in enumerate(torch.from_numpy(self.means.T), start=1):
            theta.grad = hessian * theta.detach() - scale * mean[:, None]
            optimizer.step()
            if iteration in ITERATIONS:
                squares.append((theta.detach() ** 2).mean(dim=0).numpy())
        return np.array(squares)

    @cached_property
    def means(self) -> Array:
        """Mean of every minibatch that torch's sampler gives each replica, shape (replicas, iterations)."""
        import torch
        from torch.utils.data import RandomSampler

        data = samples(BATCHES * BATCH_SIZE)
        generator = torch.Generator().manual_seed(self.routes.seed_of("torch's sampler") >> 1)
        sampler = RandomSampler(range(len(data)), generator=generator)
        epochs = -(-ITERATIONS[-1] // BATCHES)
        orders = np.array([list(sampler) for _ in range(self.routes.torch_replicas * epochs)])
        drawn = data[orders].reshape(self.routes.torch_replicas, epochs * BATCHES, BATCH_SIZE)
        return np.asarray(drawn.mean(axis=-1)[:, : ITERATIONS[-1]])


def recursion(rule: Rule, hessian: float) -> dict[str, Any]:
    """The arguments of exact moments of whole steps."""
    known = {"lr": float(rule.learning_rate[0]), "noise_variance": float(rule.noise_variance[0]), "hessian": hessian}
    return known | {"inertia": float(rule.inertia[0]), "gradient_weight": float(rule.gradient_weight[0])}


def stated(rule: Rule, hessian: float, iterations: int) -> float:
    """Theorem 1 without inertia, Theorem 2 with."""
    time, known = iterations * float(rule.learning_rate[0]), {"hessian": hessian, "diffusion": float(rule.diffusion[0])}
    if not rule.inertia.any():
        return float(theory.sgd_msd(time, **known))
    return float(theory.momentum_msd(time, mass=float(rule.mass[0]), damping=float(rule.damping[0]), **known))


def _escape(routes: Routes, batches: int) -> Row:
    """The factor in the mean escape time for epochs of one length; the mean with replacement is the exact chain's."""
    curvature = 0.5
    lr = STEP / curvature
    landscape = DoubleParabola(BARRIER_OVER_TEMPERATURE * lr / 2, curvature, 4 * curvature, 1)
    data = np.sqrt(ESCAPE_BATCH * curvature) * samples(ESCAPE_BATCH * batches)
    where: dict[str, Any] = {"boundary": landscape.saddle, "start": 0.0}

    def gradient(x: Array) -> Array:
        return landscape.gradient(x[:, None])[:, 0]

    chain = theory.discrete_first_passage_time(
        gradient, float(np.sqrt(curvature)), lr=lr, breaks=landscape.switches, **where
    )

    def ensemble(replacement: bool) -> Sample:
        parameters = (landscape.join, curvature, 4 * curvature)
        noise = Minibatches(data, parabolas, ESCAPE_BATCH, replacement, parameters=parameters)
        replicas = routes.exits if replacement else max(routes.exits // SHARE, 200)
        options = routes.options(told("shuffled exits", batches, replacement), replicas)
        options |= {"max_iterations": int(LONGEST * chain), **where}
        expected = 1.0 if replacement else None
        try:
            with quietly():
                rate = escape_rate(exit_times(SGD(lr), landscape, noise=noise, **options))
        except NOT_HAD as error:
            return Sample(np.nan, MeanSquare.of_times(1), expected, fault=refused(error))
        count = int(rate["events"])
        if count < 10:
            return Sample(np.nan, MeanSquare.of_times(1), expected, fault=Fault(f"only {count} exits", "inconclusive"))
        return Sample(
            1 / float(rate["rate"]) / chain, MeanSquare.of_times(count), expected, CHAIN if replacement else 0.0
        )

    measured = {"shuffled": ensemble(False)}
    reasons = unsampled("no exact time is known of shuffled minibatches", paper="")
    if routes.quick or batches > EPOCHS[0]:
        reasons["discrete"] = NOT_QUICK if routes.quick else ONCE
    else:
        measured["discrete"] = ensemble(True)
    regime = {"optimizer": "SGD", "landscape": "double parabola, noise of the minimum", "exit": exits.AT, "lr": lr}
    regime |= {"minibatches_an_epoch": batches, RELAXATIONS: STEP * batches, exits.BARRIER: BARRIER_OVER_TEMPERATURE}
    return Row(ONE | regime, {"paper": 1.0, "iterations_with_replacement": chain}, measured, reasons=reasons)


def _displacements(piece: Evidence) -> Iterator[Finding]:
    """What shuffling leaves of the formula."""
    end, inside, early = (piece.where(eigenvalue=FLAT, iterations=t).isel(row=0) for t in (END, INSIDE, ITERATIONS[0]))
    for name, row, words in (
        ("at the end of an epoch", end, f"at the end of the epoch, T = {END}"),
        ("inside an epoch", inside, f"half an epoch later, T = {INSIDE}"),
    ):
        ratio = float(row["paper"] / row["exact"])
        right, wrong = (f"the formula {verb} right of shuffled minibatches {name}" for verb in ("is", "is not"))
        tells = f"{words}, learning rate times curvature {LR * FLAT:g}, it {size(ratio)}"
        yield Finding.judged(f"formula over shuffled, {name}", ratio, right, wrong, tells)
    left = float(end["exact"] / end["with_replacement"])
    text = f"{left:.3g} of the displacement of draws with replacement is left"
    text += f", (lr H E)^2/12 = {float(end['of_theorem']):.3g}"
    yield Finding("shuffled over with replacement at the end of an epoch", left, text)
    share = float(early["exact"] / early["with_replacement"])
    text = f"after {ITERATIONS[0]} of the first {BATCHES} minibatches {share:.3g} of it is"
    yield Finding("shuffled over with replacement in the first steps", share, text)
    for name, words in (("discrete", "the compiled optimizer"), ("torch", "torch, by its own sampler,")):
        if name in end and np.isfinite(end[name]):
            value, low, high = (float(end[f"{name}{side}"] / end["exact"]) for side in ("", "_low", "_high"))
            text = f"{words} has {value:.3f} (95 % interval {low:.3f} to {high:.3f}) of the formula without replacement"
            yield Finding(f"{name} over the formula without replacement", value, text, interval=(low, high))


def _escapes(rows: xarray.Dataset) -> Iterator[Finding]:
    """How much longer escapes take, by the length of an epoch."""
    for place, row in enumerate(rows.isel(row=k) for k in range(rows.sizes["row"])):
        factor, low, high = (float(row[f"shuffled{end}"]) for end in ("", "_low", "_high"))
        epoch = float(row[RELAXATIONS])
        tells = (
            f"shuffled, an escape takes {factor:.3g} (95 % interval {low:.3g} to {high:.3g}) times as long where an "
        )
        tells += f"epoch is {epoch:g} relaxation times of the minimum"
        name = f"shuffled over drawn with replacement, {int(row['minibatches_an_epoch'])} minibatches"
        if place:
            yield Finding(name, factor, tells, interval=(low, high))
            continue
        right, wrong = "shuffling leaves escape times as they are", "shuffling makes escapes rarer"
        wrong = wrong if factor > 1 else "shuffling makes escapes more frequent"
        yield Finding.judged(name, factor, right, wrong, tells, interval=(low, high))


def _departure(axis: Any, piece: Evidence) -> float:
    """SGD's displacement against iterations along the flat direction; Theorem 1 over it at the end of an epoch."""
    rule = SGD(LR).rule(np.array([abs(FLAT) / BATCH_SIZE]))
    t = np.arange(1, ITERATIONS[-1] + 1)
    unit = LR**2 * abs(FLAT) / BATCH_SIZE
    known = recursion(rule, FLAT)
    axis.plot(t, [stated(rule, FLAT, int(k)) / unit for k in t], color=ORANGE, ls=DASHED, lw=2, label="Theorem 1")
    shuffled = theory.shuffled_msd(t / BATCHES, batches=BATCHES, **known) / unit
    axis.plot(t, shuffled, color=BLUE, lw=1.5, label="exact, shuffled")
    rows = piece.where(eigenvalue=FLAT)
    for name, marker, colour, label in (
        ("discrete", "o", BLUE, "ensemble"),
        ("torch", "^", GREEN, "torch, its own sampler"),
    ):
        if name in rows and np.isfinite(rows[name]).any():
            measured = (rows[f"{name}{end}"] / unit for end in ("", "_low", "_high"))
            style: dict[str, Any] = {"fmt": marker, "color": colour, "ms": 6, "mfc": "white"}
            points(axis, rows["iterations"], *measured, **style, label=f"{label}, 95 %")
    axis.set(yscale="log", xlabel="iterations T", ylabel="mean squared displacement / (η² C)", ylim=(0.5, 60_000))
    axis.legend(loc="upper left")
    end = rows.isel(row=rows["iterations"].values.tolist().index(END))
    return float(end["paper"] / end["exact"])


def _slower(axis: Any, rows: xarray.Dataset) -> float:
    """The factor in escape times against the length of an epoch; that of the shortest."""
    epoch = rows[RELAXATIONS].values
    measured = (rows[f"shuffled{end}"] for end in ("", "_low", "_high"))
    points(axis, epoch, *measured, fmt="o", color=BLUE, label="shuffled, 95 %")
    if "discrete" in rows and np.isfinite(rows["discrete"]).any():
        measured = (rows[f"discrete{end}"] for end in ("", "_low", "_high"))
        points(axis, epoch, *measured, fmt="s", color=GREY, mfc="white", label="drawn with replacement, 95 %")
    axis.axhline(1, color=ORANGE, ls=DASHED, lw=2, label="Theorem 3 knows no difference")
    axis.set(xscale="log", yscale="log", xlabel="epoch / relaxation time of the minimum")
    axis.set(ylabel="mean escape time over that with replacement")
    axis.legend(fontsize=10)
    return float(rows["shuffled"][0])


claim = Shuffling()
