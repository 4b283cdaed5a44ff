"""Who runs against whom, at which size."""

from collections.abc import Callable
from dataclasses import replace

from benchmarks import ours, reference
from benchmarks.workloads import EVERY, A, B, Contestant, Size, UnavailableError

OURS, OURS_MIXED = "diffusion-lab, float64", "diffusion-lab, mixed"
NUMBA, NUMPY, MASK = "naive numba", "numpy, in place", "numpy, alive mask"
JAX, DIFFRAX = "jax, lax.scan", "diffrax, Euler"
TORCHSDE, TORCHSDE_TOLD = "torchsde, Euler", "torchsde, step told"
C, C_MIXED = "C, float64", "C, mixed"
OWN_DYNAMICS, OWN_LANDSCAPE = "Adam as OwnDynamics", "Styblinski-Tang as SeparableLandscape"

Skipped = dict[str, str]


def workload_a(quick: bool) -> tuple[list[Contestant], Skipped]:
    """Contestants of A, and why others are missing. Slow ones do fewer iterations."""
    full, short, shorter = (replace(A, iterations=n) for n in ((400, 100, 60) if quick else (1000, 300, 200)))
    skipped: Skipped = {}
    contestants = [ours.workload_a(full), ours.workload_a(full, precision="mixed")]

    def enter(name: str, make: Callable[[], Contestant]) -> None:
        try:
            contestants.append(make())
        except ImportError as error:
            skipped[name] = f"{error}; pip install 'diffusion-lab[bench]' brings it"
        except UnavailableError as error:
            skipped[name] = str(error)

    def peer(module: str, size: Size, **options: bool) -> Contestant:
        from importlib import import_module

        made: Contestant = import_module(f"benchmarks.{module}").workload_a(size, **options)
        return made

    enter(C, lambda: reference.workload_a(full, "float64"))
    enter(C_MIXED, lambda: reference.workload_a(full, "mixed"))
    enter(NUMPY, lambda: peer("peer_numpy", short))
    enter(NUMBA, lambda: peer("peer_numba", short))
    enter(JAX, lambda: peer("peer_jax", shorter))
    enter(DIFFRAX, lambda: peer("peer_diffrax", shorter))
    enter(TORCHSDE_TOLD, lambda: peer("peer_torchsde", shorter, told=True))
    if quick:
        skipped[TORCHSDE] = "a quick run would flatter it: its cost grows with iterations"
    else:
        enter(TORCHSDE, lambda: peer("peer_torchsde", short, told=False))
    return contestants, skipped


def workload_b(quick: bool) -> list[Contestant]:
    """Contestants of B. A quick run has a lower cap; naive numba, which runs one replica after another, has fewer."""
    from benchmarks import peer_numba, peer_numpy

    full = replace(B, iterations=400) if quick else B
    return [
        ours.workload_b(full),
        ours.workload_b(full, "mixed"),
        peer_numpy.workload_b(full),
        peer_numba.workload_b(replace(full, replicas=full.replicas // 40)),
    ]


def dynamics(quick: bool) -> list[Contestant]:
    """Every optimizer, and a user's own optimizer and landscape, on workload A."""
    size = replace(A, iterations=200 if quick else 500)
    contestants = [ours.workload_a(size, name, rule) for name, rule in ours.OPTIMIZERS.items()]
    contestants.append(ours.workload_a(size, OWN_DYNAMICS, ours.own_adam()))
    contestants.append(ours.workload_a(size, OWN_LANDSCAPE, landscape=ours.own_landscape(size.dimension)))
    return contestants


def growth(quick: bool, threads: int) -> dict[str, dict[float, Contestant]]:
    """Workload A at several sizes: by what is varied, and how much of it."""
    base = replace(A, replicas=4096 if quick else 8192, iterations=400 if quick else 1000)
    varied: dict[str, dict[float, Contestant]] = {"replicas": {}, "dimensions": {}, "iterations": {}, "threads": {}}
    for share in (0.25, 0.5, 1, 2, 4):
        for name, size in (
            ("replicas", replace(base, replicas=round(base.replicas * share))),
            ("dimensions", replace(base, dimension=round(16 * share))),
            ("iterations", replace(base, iterations=round(base.iterations * share / EVERY) * EVERY)),
        ):
            amount = {"replicas": size.replicas, "dimensions": size.dimension, "iterations": size.iterations}[name]
            varied[name][amount] = ours.workload_a(size, f"{name} {amount}")
    size = replace(base, replicas=4 * base.replicas)
    for count in range(1, threads + 1):
        if count & (count - 1) == 0 or count == threads:
            varied["threads"][count] = ours.workload_a(size, f"threads {count}", threads=count)
    return varied
