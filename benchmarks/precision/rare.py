"""A rare escape with inertia: how long splitting takes for a relative error of 10 %."""

import time
from typing import NamedTuple

from diffusion import Momentum, rare_escape_rate
from experiments.problems.wells import HIGHEST, exact_rate, settings

BARRIER = 21.3  # over temperature: 1e-12 an iteration
ERROR = 0.1
SCHEME, SUBSTEPS = "baoab", 2
REPLICAS, REPETITIONS = 500, 16


class Rare(NamedTuple):
    """Processor seconds for the error, the exact rate an iteration, and the rate over it with its standard error."""

    seconds: float
    rate: float
    ratio: float
    error: float


def measure() -> Rare:
    """Of heavy-ball Momentum in the double parabola, from the spread over repetitions."""
    setting, k = settings()["parabolas-piecewise"], HIGHEST / BARRIER
    start, boundary = setting.positions(k)

    def run(repetitions: int) -> tuple[float, float, float]:
        began = time.process_time()
        found = rare_escape_rate(
            Momentum(setting.lr["Momentum"], 0.9, "heavy-ball"),
            setting.landscape(1, k),
            noise=setting.noise,
            start=start,
            boundary=boundary,
            substeps=SUBSTEPS,
            scheme=SCHEME,
            replicas=REPLICAS,
            repetitions=repetitions,
            threads=1,
        )
        rates = found["repetition_rate"].values
        return time.process_time() - began, rates.mean(), rates.std(ddof=1) / repetitions**0.5

    run(2)  # compiles
    seconds, mean, error = run(REPETITIONS)
    rate = exact_rate(setting, "Momentum", k)["rate"]
    return Rare(seconds * (error / mean / ERROR) ** 2, rate, mean / rate, error / rate)
