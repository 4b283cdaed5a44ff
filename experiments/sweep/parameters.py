"""Which names a sweep's tables may have, and which parameters go with them."""

import inspect
from collections.abc import Iterable
from typing import Any

from diffusion import checks
from experiments.sweep import naming
from experiments.sweep.measurements import MEASUREMENTS, named


def known(section: str) -> tuple[str, ...]:
    """Names that a section may have, besides module:object."""
    return tuple(MEASUREMENTS) if section == "measure" else naming.CLASSES[section]


def accepted(section: str, name: Any) -> tuple[str, ...]:
    """Parameters that go with a name; without one, those of any."""
    if name is None:
        return tuple(dict.fromkeys(parameter for each in known(section) for parameter in accepted(section, each)))
    if section == "measure":
        return named(str(name)).options
    target = naming.resolved(section, str(name))
    return tuple(inspect.signature(target).parameters) if callable(target) else ()


def needed(measurement: str) -> tuple[str, ...]:
    """Sections whose objects a measurement asks for."""
    return named(measurement).sections


def check(section: str, names: Iterable[Any], given: set[str]) -> None:
    """Refuse a name or a parameter that is unknown."""
    names = list(names)
    every = tuple(dict.fromkeys(parameter for name in names for parameter in accepted(section, name)))
    for parameter in sorted(given):
        if not every:
            ready = ", ".join(map(str, names))
            raise ValueError(f"{section}.{parameter}: {ready} is ready as it is and takes no parameters")
        checks.choice(f"parameter of {section}", parameter, every)
