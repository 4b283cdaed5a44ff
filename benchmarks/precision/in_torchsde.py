"""What a user of torchsde would write: its Runge-Kutta scheme for additive noise, and Euler's; it is told the step."""

import numpy as np

from benchmarks.precision.problems import EULER, LIBRARIES, Problem, Sample, Solver

BATCH = 1 << 14  # coordinates at a time
CHUNK = 32  # steps after which paths that have left are dropped


def solvers(problem: Problem) -> list[Solver]:
    """Euler's scheme, and SRK."""
    import torch
    import torchsde

    torch.set_num_threads(1)
    inertia = problem.damping is not None
    damping = problem.damping or 1.0
    strength = torch.tensor([[0.0], [1.0]] if inertia else [[1.0]], dtype=torch.float64)
    strength = strength * (2 * problem.diffusion) ** 0.5 * damping

    class Descent(torch.nn.Module):
        """State (x, r) or x alone, on the second axis."""

        noise_type, sde_type = "additive", "ito"

        def f(self, t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            if not inertia:
                return torch.neg(problem.gradient(y))
            return torch.cat([y[:, 1:], -damping * (y[:, 1:] + problem.gradient(y[:, :1]))], dim=1)

        def g(self, t: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
            return strength.expand(len(y), *strength.shape)

    def begin(count: int) -> torch.Tensor:
        y = torch.zeros((count, 1 + inertia), dtype=torch.float64)
        y[:, 0] = problem.start
        return y

    def integrate(method: str, y: torch.Tensor, dt: float, steps: int, every: int, seed: int) -> torch.Tensor:
        # a hair beyond the last step: the solver adds up steps, and would take one more
        times = torch.arange(0, steps + 1, every, dtype=torch.float64) * dt * (1 - 1e-9)
        levy = "space-time" if method == "srk" else "none"
        options = {"size": (len(y), 1), "dtype": torch.float64, "levy_area_approximation": levy}
        path = torchsde.BrownianInterval(0.0, float(times[-1]), entropy=seed, dt=dt, **options)
        with torch.no_grad():
            states: torch.Tensor = torchsde.sdeint(Descent(), y, times, bm=path, method=method, dt=dt)
        return states

    def moments(method: str, substeps: int, paths: int, seed: int) -> Sample:
        d, steps, squares = problem.dimension, problem.iterations() * substeps, []
        for first in range(0, paths, BATCH // d):
            count = min(BATCH // d, paths - first)
            y = integrate(method, begin(count * d), problem.lr / substeps, steps, steps, _drawn(seed, first))[-1, :, 0]
            squares.append(np.asarray((y - problem.start) ** 2).reshape(count, d).mean(axis=1))
        values = np.concatenate(squares)
        return Sample(float(values.mean()), float(values.std(ddof=1)), paths, paths * d * steps)

    def exits(method: str, substeps: int, paths: int, seed: int) -> Sample:
        dt, times = problem.lr / substeps, []
        torch.manual_seed(seed)
        for first in range(0, paths, BATCH):
            y, done = begin(min(BATCH, paths - first)), 0
            while len(y):
                states = integrate(method, y, dt, CHUNK, 1, _drawn(seed, first, done))
                ahead = states[:, :, 0] - problem.boundary
                if inertia:
                    gone, half = ahead[1:] < 0, 0.0
                else:
                    crossing = torch.exp(-ahead[1:] * ahead[:-1] / (problem.diffusion * dt))
                    gone, half = torch.rand(crossing.shape, dtype=torch.float64) < crossing, 0.5
                left, when = gone.max(dim=0)
                times.append(np.asarray(done + 1 + when[left] - half))
                y, done = states[-1][~left], done + CHUNK
        values = np.concatenate(times)
        return Sample(float(dt * values.mean()), float(dt * values.std(ddof=1)), paths, float(np.ceil(values).sum()))

    run = exits if problem.exits else moments
    return [
        Solver(LIBRARIES[1], scheme, lambda *sizes, method=method: run(method, *sizes), problem.alike(scheme))
        for scheme, method in ((EULER, "euler"), ("SRK", "srk"))
    ]


def _drawn(*entropy: int) -> int:
    """A seed of its own for every path."""
    return int(np.random.SeedSequence(entropy).generate_state(1)[0])
