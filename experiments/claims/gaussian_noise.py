"""Gaussian noise in place of minibatches: by what factor escapes differ, from exact chains of both."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import xarray
from numpy.polynomial import Polynomial
from numpy.typing import NDArray
from scipy import special, stats

import theory
from diffusion import SGD, exit_times
from diffusion.noise import NoiseModel
from experiments.drawing import BLUE, DASHED, GREY, ORANGE, Named, headline, points, subplots, ticks
from experiments.problems import exits
from experiments.problems.exits import AT, ITERATIONS, ONE
from experiments.problems.wells import SAMPLES, Setting, sample_gradient, settings
from experiments.referee import Claim, Evidence, Finding, Routes, Row, Sample, told, unsampled
from experiments.referee.faults import mean_exit

LR = 0.0152  # of the setting of minibatches, at k = 1
LARGER = (0.0304, 0.0228)
SETS, QUICK_SETS = 5, 2  # data sets
MOST = 2000.0  # largest mean time in iterations that is simulated
ERROR = 2e-3  # relative, of chains of minibatches: a few thousandths of a factor
WIDE, NODES = 9.0, 3001  # of the quadrature that stands for infinite data: deviations, and points
LEAST = 1e-3  # skewness, of which the gamma law is as good as normal
INFINITE = "infinite data"
DATA, ACTION = "data", "action of an escape (learning rate over batch size)"
LEVEL = 0.95

Array = NDArray[np.float64]


class GaussianNoise(Claim):
    """Exact mean escape times under minibatches, and under Gaussian and skewed noise of their moments."""

    name = "Gaussian noise in place of minibatches"
    place = "Appendix C"
    statement = (
        "The noise of minibatches is approximately Gaussian in common settings: escapes take as long under Gaussian "
        "noise of the same covariance."
    )
    effort = 25

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Over data sets and learning rates; then ensembles under Gaussian noise; then actions."""
        setting = settings()["minibatch"]
        infinite, first, *others = _sources(setting, QUICK_SETS if routes.quick else SETS)
        rates = (*LARGER[:1], LR) if routes.quick else (*LARGER, LR)
        rows = [_time(routes, setting, infinite, lr) for lr in rates]
        rows += [_time(routes, setting, first, lr) for lr in rates if lr >= LR]
        rows += [_time(routes, setting, other, LR) for other in others]
        yield Evidence.of_rows("SGD", ITERATIONS, rows, label="SGD")
        gauss = [_gaussian(routes, setting, lr) for lr in rates if lr > LR]
        yield Evidence.of_rows(
            "SGD", "mean escape time under Gaussian noise (iterations)", gauss, label="SGD, Gaussian"
        )
        yield Evidence.of_rows("SGD", ACTION, [_action(setting, first)], label="SGD, action")

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """The factor with its spread, its two parts, and its growth as the learning rate falls."""
        times, gauss, actions = (piece.data for piece in evidence)
        factors = _factors(times)
        middle, low, high = _spread(factors)
        tells = f"they leave {middle:.3g} times as fast on average over {len(factors)} data sets of {SAMPLES:,}"
        tells += f" ({low:.3g} to {high:.3g}; the sets themselves {factors.min():.3g} to {factors.max():.3g})"
        right, wrong = (f"escapes {word} as long as under Gaussian noise" for word in ("take", "do not take"))
        interval = {"interval": (low, high)}
        yield Finding.judged("rate over that of Gaussian noise", middle, right, wrong, tells, **interval)
        at = _infinite(times).sel(row=_infinite(times)["lr"].values == LR).isel(row=0)
        whole, skew = (float(at["paper"] / at[name]) for name in ("exact", "skewed"))
        text = f"of infinite data the factor is {whole:.3g}: skewness alone has {skew:.3g}, the rest {whole / skew:.3g}"
        yield Finding("factor of infinite data", whole, text)
        yield Finding("factor of skewness alone", skew, f"a gamma law of equal variance and skewness has {skew:.3g}")
        grown = _growth(times)
        ends = ", ".join(f"{float(row['paper'] / row['exact']):.3g} at {float(row['lr']):g}" for row in _by_rate(times))
        tells = f"log tau grows {grown:.3f} times as much as under it as the learning rate falls: the factor is {ends}"
        right, wrong = (f"the exponent is {word}that of Gaussian noise" for word in ("", "not "))
        yield Finding.judged("growth of log tau over that of Gaussian noise", grown, right, wrong, tells)
        ratio = float((actions["exact"] / actions["paper"]).item())
        tells = f"the action of the first data set is {ratio:.3f} of that of Gaussian noise"
        right, wrong = (f"large deviations of minibatches are {word}Gaussian" for word in ("", "not "))
        yield Finding.judged("action over that of Gaussian noise", ratio, right, wrong, tells)
        off = np.concatenate([abs(rows["discrete"] / rows["exact"] - 1).values for rows in (times, gauss)])
        if np.isfinite(off).any():
            text = "ensembles on minibatches and under Gaussian noise leave after the chains' means within "
            text += f"{100 * np.nanmax(off):.2g} %"
            yield Finding("deviation of ensembles from the chains", float(np.nanmax(off)), text)

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """The factor against the learning rate, and over data sets."""
        times = evidence[0].data
        figure, (left, right) = subplots(1, 2, size=(12, 5.2))
        infinite, first = _infinite(times), _of(times, _names(times)[0])
        for rows, name, colour, style, label in (
            (infinite, "exact", BLUE, "-", "minibatches of infinite data, exact chain"),
            (first, "exact", BLUE, DASHED, f"minibatches of {SAMPLES:,} samples, exact chain"),
            (infinite, "skewed", ORANGE, "-", "noise of equal variance and skewness"),
        ):
            left.plot(rows["lr"], rows["paper"] / rows[name], color=colour, ls=style, lw=2, label=label)
        ends = (first["paper"] / first[f"discrete{end}"] for end in ("", "_high", "_low"))
        points(left, first["lr"].values, *(end.values for end in ends), fmt="o", color=BLUE, mfc="white", ms=7)
        left.plot([], [], "o", color=BLUE, mfc="white", ms=7, label="ensemble on minibatches, 95 %")
        left.axhline(1, color=GREY, lw=1.5)
        left.set(xscale="log", yscale="log", xlabel="learning rate", ylabel="rate over that under Gaussian noise")
        shown = sorted(set(infinite["lr"].values.tolist()))
        left.set_xticks(shown, [f"{lr:g}" for lr in shown])
        left.minorticks_off()
        ticks(left, (1, 3, 10, 30, 100, 300))
        left.legend(fontsize=10)
        sets = _at_rate(times)
        order = np.argsort((sets["paper"] / sets["exact"]).values)
        for name, colour, label in (("exact", BLUE, "minibatches"), ("skewed", ORANGE, "equal skewness")):
            right.plot(
                np.arange(1, len(order) + 1), (sets["paper"] / sets[name]).values[order], "o", color=colour, ms=7
            )
            at = infinite.isel(row=np.flatnonzero(infinite["lr"].values == LR))
            right.axhline(float((at["paper"] / at[name]).item()), color=colour, lw=1.5, label=f"{label}, infinite data")
        right.set(xlabel=f"data set of {SAMPLES:,}, in order", ylabel="rate over that under Gaussian noise")
        right.set(xlim=(0.5, len(order) + 0.5), ylim=(0, None))
        right.set_xticks(np.arange(1, len(order) + 1))
        right.legend(fontsize=10, loc="lower right")
        middle, _, _ = _spread(_factors(times))
        grows = "grows" if _growth(times) < 1 else "does not grow"
        title = (
            f"Real minibatches leave {middle:.3g} times as fast as Gaussian noise of the same covariance; the factor "
        )
        title += f"{grows} as the learning rate falls"
        headline(figure, title)
        caption = (
            f"{title}. {settings()['minibatch'].title}, one coordinate, batch size 10; right at learning rate {LR:g}."
        )
        yield "gaussian-noise", self.name, figure, caption


@dataclass(frozen=True)
class _Source:
    """Where minibatches come from: samples, how likely each is (None: all alike), and noise for an ensemble, if any."""

    name: str
    samples: Array
    weights: Array | None = None
    noise: NoiseModel | None = None

    @cached_property
    def moments(self) -> tuple[Polynomial, Polynomial, Polynomial]:
        """Mean, variance and third central moment of one sample's gradient, polynomials of the position."""
        x = self.samples
        weights = np.full(x.size, 1.0) if self.weights is None else self.weights
        parts = np.array([-2 * x**3 + 16 * x + 2.5, 6 * x**2 - 16, -6 * x, np.full(x.size, 2.0)])  # of powers of theta
        weighted = weights / weights.sum() * parts
        mean, square, cube = weighted.sum(axis=1), np.zeros(7), np.zeros(10)
        for i, one in enumerate(weighted):
            for j, another in enumerate(parts):
                product = one * another
                square[i + j] += product.sum()
                cube[i + j : i + j + 4] += parts @ product
        first, second, third = Polynomial(mean), Polynomial(square), Polynomial(cube)
        return first, second - first**2, third - 3 * first * second + 2 * first**3

    def chain(self, setting: Setting, lr: float, *, skewed: bool) -> float:
        """Mean iterations under noise of their mean and covariance: Gaussian, or of a gamma law of their skewness."""
        mean, variance, third = self.moments
        size = setting.batch_size

        def skewness(x: Any) -> Any:
            value = third(x) / variance(x) ** 1.5 / np.sqrt(size)
            return np.copysign(np.maximum(np.abs(value), LEAST), value)

        more: dict[str, Any] = {}
        if skewed:
            more = {"law": lambda z, x: gamma_density(z, skewness(x)), "tolerance": ERROR}
            more["law_breaks"] = [lambda x: -2 / skewness(x)]
        start, boundary = setting.positions(1.0)
        where: dict[str, Any] = {"lr": lr, "start": start, "boundary": boundary}
        return theory.discrete_first_passage_time(mean, lambda x: np.sqrt(variance(x) / size), **where, **more)


def gamma_density(z: Any, skewness: Any) -> Any:
    """Density of a gamma law of mean 0, variance 1 and this skewness, mirrored if it is below 0."""
    shape = 4 / skewness**2
    y = shape + np.sqrt(shape) * np.sign(skewness) * z
    with np.errstate(divide="ignore", invalid="ignore"):
        log = (shape - 1) * np.log(y) - y - special.gammaln(shape) + np.log(shape) / 2
    return np.where(y > 0, np.exp(log), 0.0)


def _sources(setting: Setting, sets: int) -> list[_Source]:
    """Infinite data first."""
    deviate = np.linspace(-WIDE, WIDE, NODES)
    spread = np.sqrt(1.5)
    listed = [_Source(INFINITE, spread * deviate, np.exp(-(deviate**2) / 2))]
    for seed in range(sets):
        noise = setting.minibatches(1, 1.0, seed)
        listed.append(_Source(f"set {seed} of {SAMPLES} samples", noise.data[:, 0], noise=noise))
    return listed


def _gradient(theta: Any, x: Any) -> Any:
    return sample_gradient(theta, x, 1.0)


def _time(routes: Routes, setting: Setting, source: _Source, lr: float) -> Row:
    """Mean escape times under minibatches, Gaussian noise and skewed noise, exact, and an ensemble."""
    start, boundary = setting.positions(1.0)
    where: dict[str, Any] = {"lr": lr, "start": start, "boundary": boundary}
    exact = theory.minibatch_first_passage_time(
        source.samples, _gradient, setting.batch_size, weights=source.weights, tolerance=ERROR, **where
    )
    values = {"paper": source.chain(setting, lr, skewed=False), "exact": exact}
    values["skewed"] = source.chain(setting, lr, skewed=True)
    samples, reasons = {}, unsampled(exits.TOO_HIGH, simulated="whole steps are in question")
    if source.noise is not None and exact <= MOST:
        samples["discrete"] = _ensemble(routes, setting, source.noise, source.name, lr, exact)
    elif source.noise is None:
        reasons["discrete"] = "there are no infinite data to draw from"
    return Row(_regime(lr, setting) | {DATA: source.name}, values, samples, reasons=reasons)


def _gaussian(routes: Routes, setting: Setting, lr: float) -> Row:
    """An ensemble under Gaussian noise of the covariance of infinite data."""
    exact = setting.motion(SGD(lr), 1.0).chain(*setting.positions(1.0))
    samples = (
        {"discrete": _ensemble(routes, setting, setting.noise, "Gaussian noise", lr, exact)}
        if exact <= 10 * MOST
        else {}
    )
    return Row(_regime(lr, setting) | {DATA: INFINITE}, {"exact": exact}, samples, reasons=unsampled(exits.TOO_HIGH))


def _action(setting: Setting, source: _Source) -> Row:
    """The exponents of large deviations, of the data and of Gaussian noise."""
    mean, variance, _ = source.moments
    start, boundary = setting.positions(1.0)
    roots = mean.roots().tolist()  # the data's own minimum and saddle
    where = {"start": _nearest(roots, start), "boundary": _nearest(roots, boundary)}
    cumulants: dict[str, Callable[[Any, Any], Any]] = {
        "paper": lambda s, x: s * s * variance(x) / 2,
        "exact": theory.empirical_cumulant(source.samples, _gradient),
    }
    values = {name: theory.minibatch_action(mean, cumulant, **where) for name, cumulant in cumulants.items()}
    return Row(_regime(LR, setting) | {DATA: source.name}, values, reasons=unsampled(exits.NO_SAMPLING))


def _nearest(roots: Sequence[complex], place: float) -> float:
    return min(roots, key=lambda root: abs(root - place)).real


def _ensemble(routes: Routes, setting: Setting, noise: NoiseModel, name: str, lr: float, expected: float) -> Sample:
    start, boundary = setting.positions(1.0)
    options: dict[str, Any] = {"start": start, "boundary": boundary, "max_iterations": exits.HORIZON}
    options |= routes.options(told("gaussian noise", name, lr), routes.exits)
    mean = mean_exit(lambda: exit_times(SGD(lr), setting.landscape(1, 1.0), noise=noise, **options))
    return Sample.of(mean, expected, 2 * ERROR)


def _regime(lr: float, setting: Setting) -> dict[str, Any]:
    return ONE | {
        "optimizer": "SGD",
        "landscape": setting.title,
        "exit": AT,
        "lr": lr,
        "batch_size": setting.batch_size,
    }


def _of(times: xarray.Dataset, name: str) -> xarray.Dataset:
    return times.isel(row=np.flatnonzero(times[DATA].values == name)).sortby("lr")


def _infinite(times: xarray.Dataset) -> xarray.Dataset:
    return _of(times, INFINITE)


def _names(times: xarray.Dataset) -> list[str]:
    """The finite data sets."""
    return [name for name in dict.fromkeys(times[DATA].values.tolist()) if name != INFINITE]


def _at_rate(times: xarray.Dataset) -> xarray.Dataset:
    """Finite data sets at the learning rate that all have."""
    return times.isel(row=np.flatnonzero((times["lr"].values == LR) & (times[DATA].values != INFINITE)))


def _factors(times: xarray.Dataset) -> Array:
    rows = _at_rate(times)
    return np.asarray((rows["paper"] / rows["exact"]).values)


def _spread(factors: Array) -> tuple[float, float, float]:
    """The geometric mean with Student's interval over data sets."""
    logs = np.log(factors)
    reach = stats.t.ppf((1 + LEVEL) / 2, len(logs) - 1) * logs.std(ddof=1) / np.sqrt(len(logs))
    middle = float(logs.mean())
    return float(np.exp(middle)), float(np.exp(middle - reach)), float(np.exp(middle + reach))


def _by_rate(times: xarray.Dataset) -> list[xarray.Dataset]:
    """The rows of infinite data, the smallest learning rate last."""
    rows = _infinite(times).sortby("lr", ascending=False)
    return [rows.isel(row=k) for k in range(rows.sizes["row"])]


def _growth(times: xarray.Dataset) -> float:
    """How much log tau of infinite data grows, over that of Gaussian noise, between the two smallest learning rates."""
    before, last = _by_rate(times)[-2:]
    return float(np.log(last["exact"] / before["exact"]) / np.log(last["paper"] / before["paper"]))


claim = GaussianNoise()
