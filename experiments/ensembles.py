"""The measured routes: SDE ensemble, discrete ensemble, the optimizer as shipped, and torch's own."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from typing import Any
from zlib import crc32

import numpy as np
import xarray
from numpy.typing import NDArray

from diffusion import SGD, Adai, HessianNoise, IsotropicNoise, Momentum, QuadraticSaddle, simulate
from diffusion.dynamics import Dynamics
from diffusion.noise import Noise
from experiments.problems import saddles as regimes
from experiments.referee.faults import NOT_HAD, quietly, refused

HEAVY_TAILS = {"shipped": 4, "torch": 10}  # times more replicas for Adai as shipped: heavy tails along flat directions
REFUSED = "refused"  # attribute of an ensemble that could not be run: why
TORCH_MISSING = "torch is not installed: pip install '.[torch]' in the project's folder"


@dataclass
class Ensembles:
    """Runs each ensemble once, for all directions, and remembers it.

    Eigenvalues other than 0 run together under Hessian noise, eigenvalue 0 under isotropic noise; results are joined
    along `direction` in the order of `regimes.EIGENVALUES`.
    """

    replicas: int
    torch_replicas: int
    seed: int
    threads: int | None = None
    on_start: Callable[[str], None] = lambda _: None
    memory: dict[Any, xarray.Dataset] = field(default_factory=dict)

    def sde(self, dynamics: Dynamics, start: str, save: NDArray[np.int64]) -> xarray.Dataset:
        """Ensemble of the SDE at graded substeps."""
        return self._simulated("SDE", dynamics, start, save, regimes.substeps(int(save[-1])))

    def discrete(self, dynamics: Dynamics, start: str, save: NDArray[np.int64]) -> xarray.Dataset:
        """Ensemble of the idealized discrete optimizer."""
        return self._simulated("discrete", dynamics, start, save, 1)

    def shipped(self, dynamics: Dynamics, save: NDArray[np.int64]) -> xarray.Dataset:
        """Ensemble of the optimizer as shipped (running second moment), twice as large: torch is tested against it."""
        running = _running(dynamics)
        replicas = 2 * self.replicas * (HEAVY_TAILS["shipped"] if isinstance(running, Adai) else 1)

        def run(landscape: QuadraticSaddle, noise: Noise) -> xarray.Dataset:
            seed = self._seed("shipped", running, noise)
            return simulate(
                running, landscape, noise=noise, iterations=int(save[-1]), replicas=replicas, save=save, seed=seed,
                threads=self.threads,
            )  # fmt: skip

        return self._once(("shipped", running, tuple(save)), f"as shipped: {running}", run)

    def torch(self, dynamics: Dynamics, save: NDArray[np.int64]) -> xarray.Dataset | None:
        """The torch optimizer, or None without torch."""
        if find_spec("torch") is None:
            return None
        from diffusion import simulate_torch

        running = _running(dynamics)
        replicas = self.torch_replicas * (HEAVY_TAILS["torch"] if isinstance(running, Adai) else 1)

        def run(landscape: QuadraticSaddle, noise: Noise) -> xarray.Dataset:
            seed = self._seed("torch", running, noise)
            return simulate_torch(
                running, landscape, noise=noise, iterations=int(save[-1]), replicas=replicas, save=save, seed=seed,
                threads=self.threads,
            )  # fmt: skip

        return self._once(("torch", running, tuple(save)), f"torch: {running}", run)

    def _simulated(
        self, route: str, dynamics: Dynamics, start: str, save: NDArray[np.int64], substeps: Any
    ) -> xarray.Dataset:
        # the drift claim needs pairs of runs that differ in their start alone
        keep = "states" if isinstance(dynamics, Momentum) else "moments"

        def run(landscape: QuadraticSaddle, noise: Noise) -> xarray.Dataset:
            seed = self._seed(route, dynamics, noise)
            return simulate(
                dynamics, landscape, noise=noise, iterations=int(save[-1]), replicas=self.replicas, velocity=start,
                save=save, substeps=substeps, keep=keep, seed=seed, threads=self.threads,
            )  # fmt: skip

        return self._once((route, dynamics, start, tuple(save)), f"{route}, from {start}: {dynamics}", run)

    def _once(self, key: Any, title: str, run: Callable[[QuadraticSaddle, Noise], xarray.Dataset]) -> xarray.Dataset:
        if key not in self.memory:
            self.on_start(title)
            try:
                with quietly():
                    self.memory[key] = _join(run)
            except NOT_HAD as error:
                self.memory[key] = _nothing(len(key[-1]), refused(error).reason)
        return self.memory[key]

    def _seed(self, route: str, dynamics: Dynamics, noise: Noise) -> int:
        name = f"{route} {dynamics} {noise}"
        return int(np.random.SeedSequence([self.seed, crc32(name.encode())]).generate_state(1, np.uint64)[0])


def _running(dynamics: Dynamics) -> Dynamics:
    if isinstance(dynamics, SGD | Momentum):
        return dynamics
    return replace(dynamics, second_moment="running")  # type: ignore[type-var]


def _nothing(iterations: int, why: str) -> xarray.Dataset:
    """What a refused ensemble gives: NaN for everything, as if it had diverged at once."""
    values = np.full((iterations, len(regimes.EIGENVALUES)), np.nan)
    of = ("iteration", "direction")
    data = {"msd": (of, values), "msd_stderr": (of, values), "displacement": (("replica", *of), values[None])}
    return xarray.Dataset(data, attrs={REFUSED: why})


def _join(run: Callable[[QuadraticSaddle, Noise], xarray.Dataset]) -> xarray.Dataset:
    """Run both problems and put their directions in the order of `regimes.EIGENVALUES`."""
    curved = [h for h in regimes.EIGENVALUES if h != 0]
    parts = [
        run(QuadraticSaddle(curved), HessianNoise(regimes.BATCH_SIZE)),
        run(QuadraticSaddle([0.0]), IsotropicNoise(regimes.ISOTROPIC_VARIANCE)),
    ]
    diverged = sum(part["diverged"] for part in parts)
    parts = [part.drop_vars("diverged") for part in parts]
    if "position" in parts[0]:  # coordinates are the eigenvectors here
        parts = [
            part.assign(displacement=(("replica", "iteration", "direction"), part["position"].values)).drop_vars(
                ["position", "coordinate"]
            )
            for part in parts
        ]
    joined = xarray.concat(parts, dim="direction", combine_attrs="drop", coords="minimal", compat="override")
    order = [int(np.flatnonzero(joined["eigenvalue"].values == h)[0]) for h in regimes.EIGENVALUES]
    joined = joined.isel(direction=order).assign(diverged=diverged)
    return joined.assign_coords(direction=np.arange(len(order)))
