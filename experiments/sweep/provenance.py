"""What results depend on besides their parameters, as it was when this process imported it."""

import hashlib
from importlib.metadata import version
from pathlib import Path
from typing import Any

from experiments.sweep import naming
from experiments.sweep.description import Sweep

_ROOT = Path(__file__).parents[2]
_OURS = ("measurements.py", "naming.py", "tasks.py", "layout.py")  # no other file here decides a number


def _sources() -> str:
    """A hash of the simulator, the exact values, and what a task makes of them."""
    simulator = [path for folder in ("diffusion", "theory") for path in (_ROOT / folder).rglob("*.py")]
    used = [path for path in simulator if "plot" not in path.relative_to(_ROOT).parts]
    used += [_ROOT / "experiments" / "problems" / name for name in ("exact.py", "optimizers.py", "wells.py")]
    used += [Path(__file__).with_name(name) for name in _OURS]
    digest = hashlib.sha256()
    for path in sorted(used):
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


# Taken once: a worker that outlives a change of the files on disk still computes with what it imported.
PHYSICS = {name: version(name) for name in ("diffusion-lab", "numba", "numpy", "scipy")} | {"source": _sources()}


def own_sources(sweep: Sweep) -> dict[str, str]:
    """A hash of the module of each object of a package or module:object that the sweep names, as it was imported."""
    out = {}
    for section in sweep.sections:
        added = naming.added(section)
        for name in sweep.values(section, "name"):
            place = added.get(str(name), str(name))
            if ":" in place:
                naming.imported(f"{section}.name", place)
                out[str(name)] = naming.SOURCES[place.partition(":")[0]]
    return out


def differences(there: Any, here: Any, where: str = "") -> str:
    """The leaves at which two nested mappings differ, in words."""
    differing = []
    for key in sorted({*there, *here}):
        path = f"{where}{key}"
        left, right = there.get(key, "nothing"), here.get(key, "nothing")
        if isinstance(left, dict) and isinstance(right, dict):
            inner = differences(left, right, f"{path}.")
            differing += [inner] if inner else []
        elif left != right:
            differing.append(f"{path} is {left} there and {right} here")
    return "; ".join(differing)
