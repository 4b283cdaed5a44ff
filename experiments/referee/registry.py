"""Which claims a run tries: the paper's, those that installed packages add, and those in a user's file."""

import importlib.util
import inspect
import sys
from collections.abc import Iterable, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from diffusion import checks
from experiments.claims import CLAIMS
from experiments.referee.claim import Claim

GROUP = "diffusion_lab.claims"  # of entry points, each a claim or a module that has some
SUFFIX = ".py"  # tells a file from a claim's name


def registered() -> list[Claim]:
    """The paper's claims in its order, then those of installed packages.

    Raises
    ------
    ValueError
        If a package's claims cannot be had, or one has the name of another.
    """
    claims = list(CLAIMS)
    for point in entry_points(group=GROUP):
        source = f"entry point '{point.name}' ({point.value})"
        try:
            loaded = point.load()
        except Exception as error:  # whatever the package does
            raise ValueError(f"{source} cannot be imported: {type(error).__name__}: {error}") from error
        claims += _claims(source, [loaded] if isinstance(loaded, Claim) else vars(loaded).values(), claims)
    return claims


def select(names: Sequence[str]) -> list[Claim]:
    """The claims that are asked for, each once; all that are registered if none is.

    Parameters
    ----------
    names
        Beginnings of claims' names, in any case, or paths of files ending in `SUFFIX` with claims at their top level.

    Raises
    ------
    ValueError
        If there is no such claim or file, or a file cannot be used.
    """
    known = registered()
    chosen = [] if names else list(known)
    for name in dict.fromkeys(names):
        if Path(name).suffix == SUFFIX:
            chosen += _claims(name, _run(Path(name)), [*known, *chosen])
        else:
            chosen += _named(name, known)
    return list(dict.fromkeys(chosen))


def told(claims: Iterable[Claim]) -> str:
    """Names, places and statements."""
    return "\n".join(f"{claim.name} ({claim.place})\n    {claim.statement}" for claim in claims)


def _named(name: str, known: Sequence[Claim]) -> list[Claim]:
    """Those whose names begin like this."""
    matching = [claim for claim in known if claim.name.casefold().startswith(name.casefold())]
    if not matching:
        close = ", ".join(map(repr, checks.close(name, (claim.name for claim in known))))
        raise ValueError(
            f"claim = '{name}': no claim's name begins like this{f'; close: {close}' if close else ''} "
            f"(--list names all; a file's name ends in {SUFFIX})"
        )
    return matching


def _run(path: Path) -> Iterable[Any]:
    """What a file has at its top level."""
    if not path.is_file():
        raise ValueError(f"claim = '{path}': there is no such file")
    spec = importlib.util.spec_from_file_location(f"own_claims_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look up the module they are in
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:  # whatever the file does
        raise ValueError(f"claim = '{path}' cannot be imported: {type(error).__name__}: {error}") from error
    return vars(module).values()


def _claims(source: str, values: Iterable[Any], known: Sequence[Claim]) -> list[Claim]:
    """The claims among these values that are not known yet; each must be complete and have a name of its own."""
    taken = {claim.name.casefold(): claim for claim in known}
    claims = [value for value in values if isinstance(value, Claim) and value not in known]
    if not claims:
        raise ValueError(f"claim = '{source}' has no claim at its top level, such as: claim = Mine()")
    for claim in dict.fromkeys(claims):
        for field in ("name", "place", "statement"):
            if not isinstance(getattr(claim, field, None), str):
                raise ValueError(f"claim = '{source}': {type(claim).__name__} must state its {field}, a text")
        other = taken.setdefault(claim.name.casefold(), claim)
        if other is not claim:
            where = inspect.getsourcefile(type(other))
            raise ValueError(
                f"claim = '{source}': there is a claim '{other.name}' already, in {where}; name it otherwise"
            )
    return list(dict.fromkeys(claims))
