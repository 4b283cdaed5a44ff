"""What only a fresh process shows: time to a first result, and memory."""

import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from diffusion.progress import Task

ROOT = Path(__file__).parent.parent
LARGE, SMALL = 1_000_000, 10_000  # replicas
FINAL_STATE = 8 * 10 * LARGE  # bytes


def child(home: Path, task: str, *arguments: str) -> dict[str, Any]:
    """Run a task of `benchmarks.child` in a fresh process whose caches are in `home`."""
    environment = os.environ | {"XDG_CACHE_HOME": str(home), "NUMBA_CACHE_DIR": str(home / "numba")}
    line = [sys.executable, "-m", "benchmarks.child", task, *arguments]
    done = subprocess.run(line, cwd=ROOT, env=environment, stdout=subprocess.PIPE, text=True, check=True)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


@dataclass
class Fresh:
    """What fresh processes took.

    Attributes
    ----------
    seconds
        To a first result: "cold", "cached", and "own", a user's landscape.
    vectors
        Packed instructions of the kernel of A by register.
    memory
        Peak at LARGE replicas less that at SMALL, in units of the final state at LARGE, by what is kept.
    """

    seconds: dict[str, list[float]] = field(default_factory=lambda: {"cold": [], "cached": [], "own": []})
    vectors: dict[str, int] = field(default_factory=dict)
    memory: dict[str, float] = field(default_factory=dict)


def measure(runs: int, progress: Task) -> Fresh:
    """Start fresh processes, each run with caches of its own."""
    fresh = Fresh()
    for k in range(runs):
        with tempfile.TemporaryDirectory() as directory:
            home = Path(directory)
            for name, landscape in (("cold", "built-in"), ("cached", "built-in"), ("own", "own")):
                progress.say(f"fresh process, {name}")
                answer = child(home, "first_result", str(time.time()), landscape)
                fresh.seconds[name].append(answer["seconds"])
                fresh.vectors = answer["vectors"] if name == "cold" else fresh.vectors
            if k == 0:
                progress.say("memory")
                small = child(home, "memory", str(SMALL), "moments")["bytes"]
                for keep in ("moments", "states"):
                    large = child(home, "memory", str(LARGE), keep)["bytes"]
                    fresh.memory[keep] = (large - small) / FINAL_STATE
        progress.step(f"fresh processes: {k + 1} of {runs}")
    return fresh
