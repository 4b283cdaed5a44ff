"""What claims are computed with: the size of ensembles, their seeds, and what has been computed already."""

import time
from collections.abc import Callable
from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from importlib.util import find_spec
from typing import Any, TypeVar
from zlib import crc32

import numpy as np

SIZES = ("quick", "default", "full")  # of a run, each with what the one before it has

NOT_QUICK, FULL_ONLY = "left out of a quick run", "in a run with --full alone"  # reasons
TORCH_MISSING = "torch is not installed: pip install '.[torch]' in the project's folder"

Value = TypeVar("Value")


@dataclass
class Routes:
    """The resources of a run.

    Attributes
    ----------
    replicas, torch_replicas
        Of the ensembles of displacements; of those of exits see `exits`.
    seed
        Of the whole run; each ensemble has its own, from what it is of.
    threads
        None: all cores.
    size
        One of `SIZES`: a quick run tries claims at fewer regimes, a full one at more.
    on_start
        Is told what begins to run.
    seconds
        How long each piece of work took that has a title, less the other such work that it asked for.
    """

    replicas: int
    torch_replicas: int
    seed: int = 0
    threads: int | None = None
    size: str = "default"
    on_start: Callable[[str], None] = lambda _: None
    memory: dict[Any, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict, init=False)
    _elsewhere: float = field(default=0.0, init=False, repr=False)

    @property
    def quick(self) -> bool:
        """Whether claims are tried at fewer regimes."""
        return self.size == "quick"

    @property
    def full(self) -> bool:
        """Whether claims are tried at more regimes."""
        return self.size == "full"

    def pick(self, quick: Value, default: Value, full: Value) -> Value:
        """What there is for this size of the run."""
        return dict(zip(SIZES, (quick, default, full), strict=True))[self.size]

    @property
    def exits(self) -> int:
        """Replicas of an ensemble of exits: a mean exit time varies more than a mean square over as many."""
        return 5 * self.replicas // 4

    @property
    def torch(self) -> bool:
        """Whether torch is there."""
        return find_spec("torch") is not None

    def once(self, key: Any, compute: Callable[[], Any], title: str = "") -> Any:
        """What `compute` gives, which is run the first time only."""
        if key not in self.memory:
            self.memory[key] = self._timed(compute, title) if title else compute()
        return self.memory[key]

    def _timed(self, compute: Callable[[], Any], title: str) -> Any:
        self.on_start(title)
        before, self._elsewhere, began = self._elsewhere, 0.0, time.monotonic()
        try:
            return compute()
        finally:
            spent = time.monotonic() - began
            self.seconds[title] = spent - self._elsewhere
            self._elsewhere = before + spent

    def options(self, text: str, replicas: int | None = None) -> dict[str, Any]:
        """Arguments of an ensemble that this text describes; without a number it has the replicas of displacements."""
        return {"replicas": replicas or self.replicas, "threads": self.threads, "seed": self.seed_of(text)}

    def seed_of(self, text: str) -> int:
        """A seed for what this text describes."""
        return int(np.random.SeedSequence([self.seed, crc32(text.encode())]).generate_state(1, np.uint64)[0])


def told(*parts: Any) -> str:
    """Several things as one text for a seed, as `repr` has a tuple; a single one as its own `repr`.

    A field of a dataclass that can only be given by name is left out at its default: one that is added later moves no
    ensemble to another seed.
    """
    texts = [_told(part) for part in parts]
    return texts[0] if len(texts) == 1 else f"({', '.join(texts)})"


def _told(part: Any) -> str:
    if not is_dataclass(part) or not part.__dataclass_params__.repr:  # type: ignore[union-attr]
        return repr(part)
    values = {part_field: getattr(part, part_field.name) for part_field in fields(part) if part_field.repr}
    told_of = (each for each, value in values.items() if not (each.kw_only and value == _default(each)))
    return f"{type(part).__qualname__}({', '.join(f'{each.name}={values[each]!r}' for each in told_of)})"


def _default(dataclass_field: Any) -> Any:
    factory = dataclass_field.default_factory
    return factory() if factory is not MISSING else dataclass_field.default
