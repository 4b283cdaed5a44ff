"""Ensembles of exits for the claims about minima."""

from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any
from zlib import crc32

import numpy as np

from diffusion import exit_times
from diffusion.dynamics import Dynamics
from experiments.minima import claims
from experiments.problems import turnover
from experiments.problems.wells import Setting
from experiments.referee.faults import MeanExit, mean_exit


@dataclass(frozen=True)
class Runner:
    """How ensembles are run."""

    replicas: int
    torch_replicas: int
    seed: int
    threads: int | None
    quick: bool = False
    horizon: int = 10**9  # iterations

    @property
    def exponents(self) -> tuple[float, ...]:
        """Barriers over temperature at which claims are tried; fewer in a quick run."""
        return claims.EXPONENTS[:3] if self.quick else claims.EXPONENTS

    @property
    def dampings(self) -> tuple[float, ...]:
        """The same for gamma/omega_b."""
        return turnover.DAMPINGS[::3] if self.quick else turnover.DAMPINGS

    def exits(self, dynamics: Dynamics, setting: Setting, k: float, boundary: float, **more: Any) -> MeanExit:
        """Mean exit time in iterations."""
        landscape, start = setting.landscape(1, k), setting.positions(k)[0]
        return mean_exit(
            lambda: exit_times(
                dynamics, landscape, noise=setting.noise, start=start, boundary=boundary, max_iterations=self.horizon,
                replicas=self.replicas, threads=self.threads, seed=self.seed_of(dynamics, setting.key, k, boundary, more), **more,
            )
        )  # fmt: skip

    def torch(self, dynamics: Dynamics, setting: Setting, k: float, boundary: float) -> MeanExit | None:
        """The same for the torch optimizer; None without torch."""
        if find_spec("torch") is None:
            return None
        from diffusion import exit_times_torch

        return mean_exit(
            lambda: exit_times_torch(
                dynamics, setting.landscape(1, k), noise=setting.noise, start=setting.positions(k)[0], boundary=boundary,
                max_iterations=min(self.horizon, 10**6), replicas=self.torch_replicas,
                seed=self.seed_of(dynamics, setting.key, k, "torch") >> 1,
            )
        )  # fmt: skip

    def seed_of(self, *name: Any) -> int:
        """A seed that no other run has."""
        text = crc32(repr(name).encode())
        return int(np.random.SeedSequence([self.seed, text]).generate_state(1, np.uint64)[0])


def beyond(setting: Setting, k: float) -> float:
    """A position down the far side of the saddle: 8 temperatures of it, on Styblinski-Tang the inflection (2 to 9 and more)."""
    start, saddle = setting.positions(k)
    if setting.key.startswith("tang"):
        return -max(setting.breaks(k))  # the other inflection: most of a barrier further down
    h_b = abs(float(setting.landscape(1, k).hessian_diagonal(np.array([saddle]))[0]))
    depth = 8 * setting.lr["SGD"] / 2 * float(setting.variance(k)(np.array([saddle]))[0])
    return float(saddle + np.sign(saddle - start) * np.sqrt(2 * depth / h_b))
