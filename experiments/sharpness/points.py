"""Measured points and exact lines of the escape experiment: what each is, and how a sweep measures it."""

import warnings
from dataclasses import asdict, dataclass
from typing import Any
from zlib import crc32

import numpy as np
import xarray

from diffusion import escape_rate, exit_times, rare_escape_rate
from experiments.problems.wells import Setting, exact_rate, expected_iterations, settings

SUBSTEPS = 8  # of the SDE, at learning rate times curvature 0.05 to 0.2
DISCRETE = ("discrete", "minibatches")  # routes without substeps
REPETITIONS = 12  # of splitting
LONGEST = 60  # expected exit times until a run is censored
BURN_IN = 300  # iterations until running second moments, with beta2 = 0.99, have forgotten the start
MINIBATCH_ITERATIONS = 30_000  # until a run on real minibatches is censored
MOST_UPDATES = 4e11  # of one point: about a quarter of an hour on two cores
OF_EXITS = ("events", "censored", "diverged", "exponential_p", "exponential_detectable")
NAMES = ("rate", "rate_low", "rate_high", *OF_EXITS, "reliable")  # numbers of a measured point


@dataclass(frozen=True)
class Point:
    """One rate to be measured; `factor` multiplies the setting's learning rate.

    Its routes are "sde", "splitting" and "exact" (of the same SDE), "discrete", and "minibatches" (of real data, the
    same for all points of a seed).
    """

    setting: str
    dimension: int
    optimizer: str
    route: str
    sharpness: float
    replicas: int
    seed: int
    factor: float = 1.0

    @property
    def label(self) -> str:
        """What it is, for readers."""
        more = f", {self.factor:g} x lr" if self.factor != 1 else ""
        which = f", {self.replicas} runs, seed {self.seed}" if self.replicas else ""
        where = f"{self.setting}, d = {self.dimension}: {self.optimizer}, {self.route}"
        return f"{where}, k = {self.sharpness:.6g}{more}{which}"

    @property
    def geometry(self) -> str:
        """What kind of escape it is."""
        return "one-dimensional" if self.dimension == 1 else f"{self.dimension} independent coordinates"

    @property
    def row(self) -> dict[str, Any]:
        """What it is, as a row of results says it."""
        saddle = settings()[self.setting].ends_at_saddle
        more = {"lr": self.lr, "relaxation": self.relaxation, "geometry": self.geometry, "ends_at_saddle": saddle}
        return asdict(self) | more

    @property
    def lr(self) -> float:
        """The learning rate."""
        return self.factor * settings()[self.setting].lr[self.optimizer]

    @property
    def substeps(self) -> int:
        """Substeps of an iteration."""
        return 1 if self.route in DISCRETE else SUBSTEPS

    @property
    def relaxation(self) -> float:
        """Relaxation time at the minimum, in iterations."""
        return settings()[self.setting].relaxation(self.optimizer, self.sharpness, self.factor, self.substeps)

    @property
    def burn_in(self) -> int:
        """Iterations left out where most runs take longer: while second moments warm up exits have no rate."""
        running = settings()[self.setting].dynamics(self.optimizer, idealized=False).second_moment == "running"
        return BURN_IN if running and self.route in DISCRETE else 0

    @property
    def ensemble_seed(self) -> int:
        """A seed of its own, by what it is."""
        name = repr(asdict(self))
        return int(np.random.SeedSequence([self.seed, crc32(name.encode())]).generate_state(1, np.uint64)[0])

    def measure(self, threads: int | None = None) -> dict[str, float]:
        """Run the ensemble and estimate its rate per iteration; numbers that the route does not give are NaN.

        Raises
        ------
        ValueError
            If replicas diverged, as the rate of the others is another; or if the barrier is too high for direct
            simulation: the message has the expected time and says what to use instead.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", RuntimeWarning)  # few exits show in the result: events, censored, interval
            if self.route == "splitting":
                return dict.fromkeys(NAMES, np.nan) | _split(self, threads)
            ensemble = exits(self, threads)
            early = bool(np.mean(ensemble["exit_iteration"] < BURN_IN) > 0.5)  # no escapes from so sharp a minimum
            rate = escape_rate(ensemble, burn_in=0 if early else self.burn_in)
        if rate["diverged"]:
            raise ValueError(f"{int(rate['diverged'])} of {self.replicas} replicas diverged at lr = {self.lr:.3g}")
        return dict.fromkeys(NAMES, np.nan) | {name: float(rate[name]) for name in NAMES if name in rate}


def measured(
    setting: str,
    dimension: int,
    optimizer: str,
    route: str,
    sharpness: float,
    replicas: int,
    root: int,
    factor: float,
    threads: int | None,
) -> dict[str, float]:
    """A point as a sweep measures it; `root` is the point's seed."""
    return Point(setting, dimension, optimizer, route, sharpness, replicas, root, factor).measure(threads)


def exact(setting: str, optimizer: str, sharpness: float) -> dict[str, float]:
    """A point of an exact line as a sweep computes it, in one coordinate."""
    exact = exact_rate(settings()[setting], optimizer, sharpness)
    return {name: float(exact[name]) for name in ("rate", "error")}


vars(measured).update(variables=NAMES, optional=NAMES)
vars(exact).update(variables=("rate", "error"))


def _split(point: Point, threads: int | None) -> dict[str, float]:
    """The rate of the SDE by splitting; its `events` are as many as would give its error, 0 if it is not reliable."""
    setting = settings()[point.setting]
    start, boundary = setting.positions(point.sharpness)
    rare = rare_escape_rate(
        setting.dynamics(point.optimizer, idealized=True, factor=point.factor),
        setting.landscape(point.dimension, point.sharpness),
        noise=setting.noise,
        start=start,
        boundary=boundary,
        replicas=point.replicas,
        repetitions=REPETITIONS,
        substeps=point.substeps,
        seed=point.ensemble_seed,
        threads=threads,
    )
    rates, reliable = rare["repetition_rate"].values, bool(rare["reliable"])
    error = float(rates.std(ddof=1)) / np.sqrt(len(rates))
    rate = {name: float(rare[name]) for name in ("rate", "rate_low", "rate_high")}
    events = (rate["rate"] / error) ** 2 if error and reliable else 0.0
    return rate | {"events": float(events), "reliable": float(reliable), "censored": 0.0, "diverged": 0.0}


def exits(point: Point, threads: int | None = None) -> xarray.Dataset:
    """Exit times of a point's ensemble."""
    setting = settings()[point.setting]
    landscape = setting.landscape(point.dimension, point.sharpness)
    start, boundary = setting.positions(point.sharpness)
    dynamics = setting.dynamics(point.optimizer, idealized=point.route == "sde", factor=point.factor)
    common: dict[str, Any] = {"start": start, "boundary": boundary, "replicas": point.replicas}
    if point.route == "minibatches":
        noise = setting.minibatches(point.dimension, point.sharpness, point.seed)
        common |= {"max_iterations": MINIBATCH_ITERATIONS, "seed": point.ensemble_seed, "threads": threads}
        return exit_times(dynamics, landscape, noise=noise, **common)
    expected = refuse_long(setting, point)
    if point.route == "sde":
        overdamped = setting.overdamped(point.optimizer)
        common |= {"crossing": "bridge" if overdamped else "step", "velocity": "rest" if overdamped else "thermal"}
    return exit_times(
        dynamics,
        landscape,
        noise=setting.noise,
        max_iterations=int(min(max(LONGEST * expected, 1e4), 4e9)),
        substeps=point.substeps,
        seed=point.ensemble_seed,
        threads=threads,
        **common,
    )


def refuse_long(setting: Setting, point: Point) -> float:
    """Expected iterations to exit, refused if their simulation would take too long."""
    expected = expected_iterations(setting, point.optimizer, point.sharpness, point.dimension, point.factor)
    updates = expected * point.dimension * point.replicas * point.substeps
    if updates > MOST_UPDATES:
        exponent = setting.exponent(point.optimizer, point.sharpness, point.factor)
        raise ValueError(
            f"sharpness = {point.sharpness:g}: barrier over temperature is {exponent:.3g} for {point.optimizer}, an "
            f"exit takes about {expected:.2g} iterations, and {point.replicas} of them about "
            f"{updates * 2e-9 / 3600:.2g} hours; use theory.first_passage_time or diffusion.fokker_planck, or a "
            "sharper minimum"
        )
    return expected
