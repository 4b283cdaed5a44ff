"""What a user of torchsde would write: Euler's scheme."""

import numpy as np

from benchmarks import workloads
from benchmarks.workloads import Array, Contestant, Size, gradient


def workload_a(size: Size, *, told: bool) -> Contestant:
    """Workload A in float64.

    told: the Brownian path is told its step, which the documentation recommends; otherwise it is the default one, whose
    cost per update grows with the number of iterations.
    """
    import torch
    import torchsde

    class Descent(torch.nn.Module):
        noise_type, sde_type = "diagonal", "ito"

        def f(self, t: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            return torch.neg(gradient(x))

        def g(self, t: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
            return deviation.expand_as(x)

    deviation = torch.tensor(workloads.LR**0.5 * workloads.DEVIATION, dtype=torch.float64)
    start = torch.full((size.replicas, size.dimension), workloads.START, dtype=torch.float64)
    # a hair beyond the last step: the solver adds up steps, and would take one more
    times = torch.arange(0, size.iterations + 1, workloads.EVERY, dtype=torch.float64) * workloads.LR * (1 - 1e-9)

    def run() -> Array:
        torch.set_num_threads(1)
        path = torchsde.BrownianInterval(
            0.0,
            float(times[-1]),
            size=tuple(start.shape),
            dtype=torch.float64,
            entropy=0,
            dt=workloads.LR if told else None,
        )
        with torch.no_grad():
            states = torchsde.sdeint(Descent(), start, times, bm=path, method="euler", dt=workloads.LR)
            return np.asarray(((states[1:] - workloads.START) ** 2).mean(dim=1))

    return Contestant("torchsde, step told" if told else "torchsde, Euler", size, run)
