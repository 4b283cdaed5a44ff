"""Exits from wells: ensembles of the optimizer, as the theory has it and as shipped, and where an arrival is final.

Every well here has one coordinate; so has every row about minima, which tells so by `ONE`.
"""

from typing import Any

import numpy as np

from diffusion import exit_times
from diffusion.dynamics import Dynamics
from diffusion.landscapes import Landscape
from experiments.problems.exact import Motion
from experiments.problems.optimizers import as_shipped
from experiments.problems.wells import GRID_TOLERANCE, Setting
from experiments.referee import Routes, Row, Sample, told
from experiments.referee.faults import MeanExit, mean_exit
from experiments.referee.routes import TORCH_MISSING

ONE = {"coordinates": 1}  # in the regime of every row: nothing here is about a landscape that couples coordinates
AT, BEYOND = "at the saddle", "beyond the saddle"  # exit lines
BARRIER, DAMPED = "barrier_over_temperature", "damping_over_omega_b"  # in the regime
ITERATIONS = "mean escape time (iterations)"
RATE = "escape rate (per iteration)"
HORIZON = 10**9  # iterations
SUBSTEPS = 4
SIMULATED = 4.5  # largest barrier over temperature that is simulated
TORCH = 2.5  # the same for torch
EXPONENTS = (2.0, 4.0, 8.0, 16.0, 32.0)  # barriers over temperature: a factor 16, as sharpness in Table 1
SCHEME = 0.02  # allowance for the time step of the SDE with inertia; a test measures that halving it changes less
DEPTH = 8.0  # temperatures below the saddle at which an arrival beyond it is final

TOO_HIGH = "the barrier is too high for direct simulation; exact routes only"
NO_DISCRETE = "no exact value is known for whole steps with inertia; `diffusion-lab escape` measures them"
NO_IDEALIZED = "torch ships a running second moment: its escapes are compared with the ensemble as shipped"
NO_SHIPPED = "this optimizer has no second moment"
NO_SAMPLING = "computed without sampling"
NOT_SAID = "the paper says nothing of it"
ONLY_GRID = "with inertia the phase-space grid is the reference, given as exact"
TO_THE_SADDLE = "ensembles are run to the saddle, in rows of their own"


def exponents(routes: Routes) -> tuple[float, ...]:
    """Barriers over temperature at which claims are tried; fewer in a quick run."""
    return EXPONENTS[:3] if routes.quick else EXPONENTS


def ensemble(routes: Routes, dynamics: Dynamics, setting: Setting, k: float, boundary: float, **more: Any) -> MeanExit:
    """Mean exit time in iterations."""
    options: dict[str, Any] = {"start": setting.positions(k)[0], "boundary": boundary, "max_iterations": HORIZON}
    options |= routes.options(told(dynamics, setting.key, k, boundary, more), routes.exits) | more
    return mean_exit(lambda: exit_times(dynamics, setting.landscape(1, k), noise=setting.noise, **options))


def torch(routes: Routes, dynamics: Dynamics, setting: Setting, k: float, boundary: float) -> MeanExit | None:
    """The same for the torch optimizer; None without torch."""
    options = {"noise": setting.noise, "start": setting.positions(k)[0], "boundary": boundary}
    return in_torch(routes, told(dynamics, setting.key, k, "torch"), dynamics, setting.landscape(1, k), **options)


def in_torch(routes: Routes, text: str, dynamics: Dynamics, landscape: Landscape, **options: Any) -> MeanExit | None:
    """Mean exit time of a torch optimizer on any landscape, its seed that of a text; None without torch."""
    if not routes.torch:
        return None
    from diffusion import exit_times_torch

    options |= {"replicas": routes.torch_replicas, "seed": routes.seed_of(text) >> 1}  # torch's are of 63 bits
    return mean_exit(lambda: exit_times_torch(dynamics, landscape, max_iterations=10**6, **options))


def shipped(
    routes: Routes, dynamics: Dynamics, setting: Setting, k: float, barrier: float
) -> tuple[dict[str, Sample], dict[str, str]]:
    """Our ensemble of the optimizer as shipped to the saddle, and torch's against it; and why one is missing."""
    saddle, real_one = setting.positions(k)[1], as_shipped(dynamics)
    ours = ensemble(routes, real_one, setting, k, saddle)
    samples = {"shipped": Sample.of(ours)}
    real = torch(routes, real_one, setting, k, saddle) if barrier <= TORCH else None
    if real is None:
        return samples, {"torch": TOO_HIGH if barrier > TORCH else TORCH_MISSING}
    samples["torch"] = Sample.of(real) if ours.fault else Sample.of(real, ours.value, other=ours.events)
    return samples, {}


def with_inertia(
    routes: Routes, dynamics: Dynamics, setting: Setting, k: float, rate: float, regime: dict[str, Any], ship: str = ""
) -> Row:
    """A mean escape time by the phase-space grid and, to the saddle, by ensembles, idealized and as shipped.

    `rate` is the paper's; `regime` has the barrier over temperature and the exit line; `ship` is why the optimizer as
    shipped is not run.
    """
    barrier, line = regime[BARRIER], regime["exit"]
    end = boundary(setting, k, dynamics, line)
    passage = setting.motion(dynamics, k).passage(setting.positions(k)[0], end, GRID_TOLERANCE)
    samples: dict[str, Sample] = {}
    reasons = {"fokker_planck": ONLY_GRID, "discrete": NO_DISCRETE}
    if line == BEYOND or barrier > SIMULATED:
        reasons |= dict.fromkeys(("simulated", "torch", "shipped"), TO_THE_SADDLE if barrier <= SIMULATED else TOO_HIGH)
    else:
        mean = ensemble(routes, dynamics, setting, k, end, substeps=4 * SUBSTEPS, velocity="thermal")
        samples["simulated"] = Sample.of(mean, passage.iterations, SCHEME)
        if ship:
            reasons |= {"shipped": ship, "torch": NO_IDEALIZED}
        else:
            more, why = shipped(routes, dynamics, setting, k, barrier)
            samples, reasons = samples | more, reasons | why
    values, checks = {"paper": 1 / rate, "exact": passage.iterations}, {"grid": (passage.error, 2 * GRID_TOLERANCE)}
    return Row(ONE | regime, values, samples, checks, reasons)


def boundary(setting: Setting, k: float, dynamics: Dynamics, line: str) -> float:
    """Where an exit line is."""
    return setting.positions(k)[1] if line == AT else beyond(setting, k, dynamics)


def beyond(setting: Setting, k: float, dynamics: Dynamics) -> float:
    """A position down the far side of the saddle from which no path of the optimizer returns.

    On a double parabola it is `DEPTH` temperatures of the optimizer's own potential below the saddle. Where there is
    another inflection it is that, most of a barrier further down.
    """
    return far_side(setting.motion(dynamics, k), *setting.positions(k))


def far_side(motion: Motion, start: float, saddle: float) -> float:
    """The same for a motion from a start over a saddle."""
    farther = [x for x in motion.breaks if (x - saddle) * (start - saddle) < 0]
    if farther:
        return farther[0]
    h_b = abs(float(motion.landscape.hessian_diagonal(np.full(motion.landscape.dimension, saddle))[0]))
    return float(saddle + np.sign(saddle - start) * np.sqrt(2 * DEPTH * motion.temperature(saddle) / h_b))
