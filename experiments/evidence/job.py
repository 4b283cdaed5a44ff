"""The job: claims about networks, tried on data that this machine has, judged as all others."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from experiments.evidence.claims import PARTS
from experiments.evidence.data import find, sets
from experiments.evidence.lab import Lab
from experiments.referee import registry, verify
from experiments.referee.claim import Claim
from experiments.referee.outcome import Outcome


@dataclass(frozen=True)
class Given:
    """What a user gives instead of the data and the networks that there are."""

    data: Path | None = None
    cifar: Path | None = None
    text: Path | None = None
    model: str = ""

    @property
    def options(self) -> list[str]:
        """On the command line."""
        named = {"--data": self.data, "--cifar": self.cifar, "--text": self.text, "--model": self.model}
        return [part for name, value in named.items() if value for part in (name, str(value))]


def select(names: Sequence[str]) -> list[Claim]:
    """The claims that are asked for, each once and in the order of the report; all if none is.

    Parameters
    ----------
    names
        Names of `PARTS`, or beginnings of claims' names; in any case, with or without spaces.

    Raises
    ------
    ValueError
        If there is no such part or claim.
    """
    chosen: set[Claim] = set()
    for name in names:
        short = _short(name)
        matching = {claim for claim in _claims() if _short(claim.name).startswith(short)} | set(PARTS.get(short, ()))
        if not matching or not short:
            raise ValueError(
                f"only = '{name}' is neither a part ({', '.join(PARTS)}) nor the beginning of a claim's name; --list "
                "names all"
            )
        chosen |= matching
    return [claim for claim in _claims() if claim in chosen or not names]


def told(claims: Sequence[Claim]) -> str:
    """The parts, and these claims' names, places and statements."""
    parts = (f"{part}: {', '.join(claim.name for claim in members)}" for part, members in PARTS.items())
    return "\n".join([*parts, "", registry.told(claims)])


def run(
    claims: Sequence[Claim],
    out: Path,
    *,
    size: str = "default",
    given: Given | None = None,
    seed: int = 0,
    threads: int | None = None,
    selected: Sequence[str] = (),
) -> Outcome:
    """Try these claims on networks and judge them; what is finished is kept in `out`, and a second run takes it there.

    Parameters
    ----------
    claims
        What to try.
    out
        The directory of the results.
    size
        One of `lab.SIZES`.
    given
        The user's own data and network.
    seed
        Of all parameters, orders and draws, a whole number >= 0.
    threads
        Worker processes; None: as many as cores.
    selected
        How these claims were asked for, for the record; nothing if all were.

    Raises
    ------
    ValueError
        If the data that are given cannot be used.
    """
    given = given or Given()
    images, text = _images(size, given), _text(size, given)
    known, prose = sets.images(images), sets.text(text)  # refuses what cannot be used before anything is computed
    lab = Lab(seed=seed, threads=threads, size=size, out=out)
    lab.images, lab.text, lab.model = images, text, given.model
    lab.cifar = str(given.cifar) if given.cifar else ""
    settings: dict[str, Any] = {"seed": seed, "size": size}
    settings |= {"data": f"{known.name}, {len(known.train)} images to train and {len(known.test)} to test"}
    settings |= {"cifar": sets.images(lab.cifar).name} if lab.cifar else {}
    settings |= {"text": f"{prose.name}, {len(prose.codes)} characters", "torch": torch.__version__}
    sizes = [] if size == "default" else [f"--{size}"]
    try:
        return verify.tried(claims, lab, settings, selected, ("evidence", "--seed", str(seed), *sizes, *given.options))
    finally:
        lab.close()


def _images(size: str, given: Given) -> str:
    """The source of images: the user's, else Fashion-MNIST if it can be had, else the digits, as in a quick run."""
    if given.data:
        return str(given.data)
    if size == "quick":
        return sets.DIGITS
    return _got(find.FASHION, sets.DIGITS, "the digits of scikit-learn")


def _text(size: str, given: Given) -> str:
    """The source of a text: the user's, else the novels if they can be had, else python's documentation."""
    if given.text:
        return str(given.text)
    if size == "quick":
        return sets.DOCUMENTATION
    return _got(find.NOVELS, sets.DOCUMENTATION, "the documentation of Python")


def _got(package: find.Package, instead: str, told: str) -> str:
    """Where a package's data are; what stands in for them, and how to get them, if they are not to be had."""
    path = find.found(package)
    if path is None:
        print(f"diffusion-lab: {package.remedy}; going on with {told}", file=sys.stderr)
    return instead if path is None else str(path)


def _claims() -> list[Claim]:
    """All of them, in the order of the report."""
    return list(dict.fromkeys(claim for claims in PARTS.values() for claim in claims))


def _short(name: str) -> str:
    """A name without spaces and capitals."""
    return "".join(name.casefold().split())
