"""What a fresh process does: `python -m benchmarks.child TASK ARGUMENT...` prints what it measured as JSON."""

import json
import re
import resource
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

REGISTERS = ("zmm", "ymm", "xmm")


def first_result(began: str, landscape: str) -> dict[str, Any]:
    """Seconds from `began` to the first result of A, on a built-in landscape or a user's own; vectors that it used."""
    from benchmarks import ours, workloads

    surface = ours.own_landscape() if landscape == "own" else None
    ours.workload_a(workloads.A, landscape=surface).run()
    seconds = time.time() - float(began)
    return {"seconds": seconds, "vectors": vectors()}


def memory(replicas: str, keep: str) -> dict[str, Any]:
    """Peak resident memory in bytes of a short run of A."""
    import diffusion
    from benchmarks import ours, workloads

    iterations = 20
    diffusion.simulate(
        ours.SGD,
        diffusion.StyblinskiTang(workloads.DIMENSION),
        noise=ours.NOISE,
        iterations=iterations,
        replicas=int(replicas),
        save=[iterations],
        keep=keep,
        threads=1,
    )
    status = Path("/proc/self/status")
    if status.exists():  # on Linux, what getrusage tells includes the parent's before this program was loaded
        return {"bytes": 1024 * int(re.findall(r"VmHWM:\s*(\d+)", status.read_text())[0])}
    return {"bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss}


def vectors() -> dict[str, int]:
    """Packed arithmetic instructions of the kernels by register used; none but on x86, or if they were cached."""
    from diffusion.kernels import jit

    counts: Counter[str] = Counter()
    for kernel in jit.specialisations.values():
        for signature in kernel.signatures if not kernel._cache.hits else ():
            text = kernel._cache.compile_anew(signature).library.get_asm_str()  # what is loaded has none
            for line in re.findall(r"^\s*v(?:add|sub|mul|div|sqrt|fm|fnm)\w*p[sd]\s.*$", text, flags=re.MULTILINE):
                counts.update(name for name in REGISTERS if name in line)
    return {name: counts[name] for name in REGISTERS if counts[name]}


if __name__ == "__main__":
    task = {"first_result": first_result, "memory": memory}[sys.argv[1]]
    print(json.dumps(task(*sys.argv[2:])))
