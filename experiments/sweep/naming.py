"""From names and parameters, as a sweep's tables have them, to dynamics, landscapes, noises and measurements."""

import hashlib
import importlib
import importlib.util
import inspect
import json
from functools import lru_cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, get_type_hints

import diffusion
from diffusion import checks, dynamics
from diffusion.dynamics import Dynamics
from diffusion.landscapes import Landscape
from diffusion.noise import NoiseModel
from diffusion.regions import Shape

CLASSES = {
    "dynamics": tuple(  # all but a user's own, which need functions
        name
        for name in dynamics.__all__
        if isinstance(kind := getattr(dynamics, name), type)
        and issubclass(kind, Dynamics)
        and not name.startswith(("Dynamics", "Own"))
    ),
    "landscape": (
        *(
            "QuadraticSaddle",
            "DoubleParabola",
            "TripleParabola",
            "StyblinskiTang",
            "CurvedValley",
            "Channel",
            "MuellerBrown",
        ),
    ),
    "noise": ("HessianNoise", "IsotropicNoise", "MinibatchNoise"),
    "boundary": ("Ball", "Beyond", "Box", "HalfSpace", "Radius", "LossLevel"),
}
GROUPS = {  # of entry points, each a name that a package adds to a section, and the module:object that it stands for
    "dynamics": "diffusion_lab.optimizers",
    "landscape": "diffusion_lab.landscapes",
    "noise": "diffusion_lab.noises",
}
_KINDS: dict[str, type] = {"dynamics": Dynamics, "landscape": Landscape, "noise": NoiseModel, "boundary": Shape}


def added(section: str) -> dict[str, str]:
    """Names that installed packages add to a section, each with its module:object.

    Raises
    ------
    ValueError
        If a name is that of a class of ours, or of something else in another package.
    """
    places: dict[str, str] = {}
    for point in entry_points(group=GROUPS.get(section, "")):
        ours = point.name in CLASSES[section]
        other = f"diffusion:{point.name}" if ours else places.setdefault(point.name, point.value)
        if other != point.value:
            raise ValueError(
                f"entry point '{point.name}' in {GROUPS[section]} is both {other} and {point.value}: "
                "one of the packages must name its own otherwise"
            )
    return places


def known(section: str) -> tuple[str, ...]:
    """Names that a section may have, besides module:object."""
    return (*CLASSES[section], *added(section))


def build(section: str, table: dict[str, Any]) -> Any:
    """The object that a table describes, None of an empty one; parameters of other names on the same axis are left out.

    Raises
    ------
    ValueError
        If a parameter is missing or out of range.
    """
    return _built(section, json.dumps(table, sort_keys=True)) if table else None


@lru_cache(maxsize=1024)
def _built(section: str, table: str) -> Any:
    given = json.loads(table)
    target = resolved(section, str(given.pop("name")))
    if not callable(target):
        return target
    accepted = inspect.signature(target).parameters
    try:
        return target(**{key: value for key, value in given.items() if key in accepted})
    except TypeError as error:
        raise ValueError(f"{section}: {error}") from error


@lru_cache
def resolved(section: str, name: str) -> Any:
    """The class of that name; or what a package or module:object names: an object, a class, an annotated function."""
    kind = _KINDS[section]
    if ":" not in name:
        own = getattr(diffusion, name, None)
        if isinstance(own, type) and issubclass(own, kind) and name not in known(section):
            raise ValueError(
                f"{section}.name = {name!r} takes functions or data, which a description does not hold; write a "
                f"function that makes one, annotated -> {name}, and name it as 'module:function'"
            )
        checks.choice(f"{section}.name", name, known(section))
    if name in CLASSES[section]:
        return getattr(diffusion, name)
    named = imported(f"{section}.name", added(section).get(name, name))
    made = get_type_hints(named).get("return") if inspect.isfunction(named) else named
    if not isinstance(named, kind) and not (isinstance(made, type) and issubclass(made, kind)):
        what = f"name one, a class of them, or a function annotated -> {kind.__name__}"
        raise ValueError(f"{section}.name = {name!r} is no {kind.__name__}: {what}")
    return named


SOURCES: dict[str, str] = {}  # a hash of each user's module, as it was imported
_importing: list[str] = []  # modules that are being imported for a sweep


class RunInImportError(ValueError):
    """A module that a sweep names runs a sweep when it is imported."""


def refuse_while_importing() -> None:
    """Refuse to run a sweep from a module that is only being imported for one: every worker imports it too."""
    if _importing:
        raise RunInImportError(
            f"{_importing[0]} runs a sweep when it is imported, and a sweep imports it, here and in every worker; "
            "put the run under if __name__ == '__main__'"
        )


def imported(what: str, name: str) -> Any:
    """The object that module:object names."""
    module, _, path = name.partition(":")
    if module == "__main__":
        where = "is of the script itself, which workers do not run"
        raise ValueError(f"{what} = {name!r} {where}; put it into a module of its own")
    try:
        if module not in SOURCES:
            spec = importlib.util.find_spec(module)
            file = spec.origin if spec else None
            source = Path(file).read_bytes() if file and Path(file).exists() else b""
            _importing.append(module)
            try:
                importlib.import_module(module)
            finally:
                _importing.pop()
            SOURCES[module] = hashlib.sha256(source).hexdigest()[:16]
        target: Any = importlib.import_module(module)
        for part in path.split("."):
            target = getattr(target, part)
    except RunInImportError as error:
        raise RunInImportError(str(error)) from None
    except Exception as error:  # a user's module may raise anything when it is imported
        raise ValueError(
            f"{what} = {name!r} cannot be imported: {type(error).__name__}: {error}; the module must be on the path of "
            "every worker (PYTHONPATH, or installed)"
        ) from error
    return target
