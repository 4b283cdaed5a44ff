"""Measured points of the escape experiment: each a pure function of what it is, kept on disk as soon as it is done."""

import hashlib
import json
import warnings
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np
import xarray

from diffusion import escape_rate, exit_times, rare_escape_rate
from experiments.problems.wells import Setting, expected_iterations, settings
from experiments.referee.faults import NOT_HAD, refused

ROUTES = ("sde", "discrete", "torch")  # with minibatches; the clean settings have "splitting" too
SUBSTEPS = 8  # of the SDE, at learning rate times curvature 0.05 to 0.2
REPETITIONS = 12  # of splitting
LONGEST = 60  # expected exit times until a run is censored
TORCH_ITERATIONS, TORCH_REPLICAS = 30_000, 100
MOST_UPDATES = 4e11  # of one point: about a quarter of an hour on two cores
NAMES = (
    "rate", "rate_low", "rate_high", "events", "censored", "diverged", "exponential_p", "exponential_detectable",
)  # fmt: skip
VERSION = 3  # of what is kept; raise it when results computed before are not comparable


@dataclass(frozen=True)
class Point:
    """One rate to be measured; `factor` multiplies the setting's learning rate."""

    setting: str
    dimension: int
    optimizer: str
    route: str
    sharpness: float
    replicas: int
    seed: int
    factor: float = 1.0

    @property
    def name(self) -> str:
        """A name for readers; points at several seeds or learning rates share it."""
        return f"{self.setting}-{self.dimension}-{self.optimizer.lower()}-{self.route}-{self.sharpness:.6g}"

    def result(self, directory: Path | None, threads: int | None = None) -> dict[str, Any]:
        """What `measure` gives, from `directory` if it is there; kept there otherwise. A point that fails has no rate, but a `fault`."""
        setting = settings()[self.setting]
        made_of = (
            asdict(self),
            setting.identity(self.dimension, self.sharpness),
            SUBSTEPS,
            LONGEST,
            TORCH_ITERATIONS,
            REPETITIONS,
        )
        try:
            return kept(directory, self.name, made_of, lambda: measure(self, threads))
        except NOT_HAD as error:
            nothing = dict.fromkeys(NAMES, np.nan) | {"events": 0.0, "fault": refused(error).reason}
            return asdict(self) | {"lr": _lr(self)} | nothing


def kept(directory: Path | None, name: str, made_of: Any, compute: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A result from disk if one made of the same is there; else computed, and kept in `directory` if there is one."""
    if directory is None:
        return compute()
    digest = hashlib.sha256(repr((VERSION, made_of)).encode()).hexdigest()[:12]
    path = directory / f"{name}-{digest}.json"
    if not path.exists():
        directory.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(".partial")
        partial.write_text(json.dumps(compute()) + "\n")
        partial.replace(path)
    return dict(json.loads(path.read_text()))


def measure(point: Point, threads: int | None = None) -> dict[str, Any]:
    """Run a point's ensemble and estimate its rate per iteration.

    Raises
    ------
    ValueError
        If replicas diverged, as the rate of the others is another; or if the barrier is too high for direct simulation: the message has
        the expected time and says what to use instead.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # few exits show in the result: events, censored, interval
        if point.route == "splitting":
            return asdict(point) | {"lr": _lr(point)} | _split(point, threads)
        rate = escape_rate(exits(point, threads))
    if rate["diverged"]:
        raise ValueError(f"{int(rate['diverged'])} of {point.replicas} replicas diverged at lr = {_lr(point):.3g}")
    found = {name: float(rate[name]) for name in NAMES}
    return asdict(point) | {"lr": _lr(point)} | {k: None if np.isnan(v) else v for k, v in found.items()}


def _split(point: Point, threads: int | None) -> dict[str, Any]:
    """The rate of the SDE by splitting; as `events` the number of exits that would give as small an error, 0 if it is not reliable."""
    setting = settings()[point.setting]
    start, boundary = setting.positions(point.sharpness)
    found = rare_escape_rate(
        setting.dynamics(point.optimizer, idealized=True, factor=point.factor), setting.landscape(point.dimension, point.sharpness),
        noise=setting.noise, start=start, boundary=boundary, replicas=point.replicas, repetitions=REPETITIONS, substeps=SUBSTEPS,
        seed=_seed(point), threads=threads,
    )  # fmt: skip
    rates = found["repetition_rate"].values
    error = float(rates.std(ddof=1)) / np.sqrt(len(rates))
    rate = {name: float(found[name]) for name in ("rate", "rate_low", "rate_high")}
    events = (rate["rate"] / error) ** 2 if error and found["reliable"] else 0.0
    nothing = {"censored": 0.0, "diverged": 0.0, "exponential_p": None, "exponential_detectable": None}
    return rate | {"events": float(events), "reliable": bool(found["reliable"])} | nothing


def exits(point: Point, threads: int | None = None) -> xarray.Dataset:
    """Exit times of a point's ensemble."""
    setting = settings()[point.setting]
    landscape = setting.landscape(point.dimension, point.sharpness)
    start, boundary = setting.positions(point.sharpness)
    dynamics = setting.dynamics(point.optimizer, idealized=point.route == "sde", factor=point.factor)
    common: dict[str, Any] = {"start": start, "boundary": boundary, "replicas": point.replicas, "seed": _seed(point)}
    if point.route == "torch":
        from diffusion.torch_exits import Samples, exit_times_torch

        common["seed"] >>= 1  # torch's are of 63 bits
        samples = Samples(setting.batch_size)
        return exit_times_torch(dynamics, landscape, noise=samples, max_iterations=TORCH_ITERATIONS, **common)
    expected = refuse_long(setting, point)
    overdamped = point.optimizer == "SGD"
    return exit_times(
        dynamics, landscape, noise=setting.noise, max_iterations=int(min(max(LONGEST * expected, 1e4), 4e9)), threads=threads,
        substeps=SUBSTEPS if point.route == "sde" else 1,
        crossing="bridge" if point.route == "sde" and overdamped else "step",
        velocity="thermal" if point.route == "sde" and not overdamped else "rest", **common,
    )  # fmt: skip


def refuse_long(setting: Setting, point: Point) -> float:
    """Expected iterations to exit, refused if their simulation would take too long."""
    expected = expected_iterations(setting, point.optimizer, point.sharpness, point.dimension, point.factor)
    updates = expected * point.dimension * point.replicas * (SUBSTEPS if point.route == "sde" else 1)
    if updates > MOST_UPDATES:
        exponent = setting.exponent(point.optimizer, point.sharpness, point.factor)
        raise ValueError(
            f"sharpness = {point.sharpness:g}: barrier over temperature is {exponent:.3g} for {point.optimizer}, an exit takes "
            f"about {expected:.2g} iterations, and {point.replicas} of them about {updates * 2e-9 / 3600:.2g} hours; use "
            "theory.first_passage_time or diffusion.fokker_planck, or a sharper minimum"
        )
    return expected


def _lr(point: Point) -> float:
    return point.factor * settings()[point.setting].lr[point.optimizer]


def _seed(point: Point) -> int:
    name = repr(asdict(point))
    return int(np.random.SeedSequence([point.seed, crc32(name.encode())]).generate_state(1, np.uint64)[0])


def series(
    key: str,
    dimension: int,
    optimizer: str,
    route: str,
    replicas: int,
    seed: int,
    sharpness: Iterable[float] | None = None,
) -> list[Point]:
    """The points of one optimizer by one route over the setting's sharpnesses, or others."""
    ks = settings()[key].sharpness[optimizer] if sharpness is None else sharpness
    return [Point(key, dimension, optimizer, route, float(k), replicas, seed) for k in ks]
