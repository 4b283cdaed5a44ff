"""The limit: `reference.c`, compiled here for this processor."""

import ctypes
import shutil
import subprocess
import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np

from benchmarks import workloads
from benchmarks.workloads import Array, Contestant, Size, UnavailableError

SOURCE = Path(__file__).with_name("reference.c")
# gcc does not know that errno and floating-point traps are of no interest; sums keep their order
FLAGS = ["-O3", "-march=native", "-fno-math-errno", "-fno-trapping-math", "-ffp-contract=fast"]


@lru_cache(maxsize=1)
def compile_reference() -> ctypes.CDLL:
    """Compile and load the C code.

    Raises
    ------
    UnavailableError
        If there is no gcc, or it fails.
    """
    gcc = shutil.which("gcc")
    if gcc is None:
        raise UnavailableError("there is no gcc on the path")
    with tempfile.TemporaryDirectory() as directory:
        library = Path(directory) / "reference.so"
        line = [gcc, *FLAGS, "-shared", "-fPIC", "-o", str(library), str(SOURCE)]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            raise UnavailableError(f"gcc failed: {' '.join(done.stderr.split())[:200]}")
        return ctypes.CDLL(str(library))


def workload_a(size: Size, precision: str, seed: int = 0) -> Contestant:
    """Workload A in C, with our draws."""
    function = getattr(compile_reference(), f"run_{precision}")
    function.argtypes = [ctypes.c_int64] * 4 + [ctypes.c_uint64] + [ctypes.c_double] * 3 + [ctypes.c_void_p]
    function.restype = None

    def run() -> Array:
        sums = np.zeros((size.iterations // workloads.EVERY, size.dimension))
        function(
            size.replicas,
            size.dimension,
            size.iterations,
            workloads.EVERY,
            seed,
            workloads.START,
            workloads.LR,
            workloads.DEVIATION,
            sums.ctypes.data,
        )
        return sums / size.replicas

    return Contestant(f"C, {precision}", size, run)
