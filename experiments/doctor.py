"""`diffusion-lab doctor` and `--version`: what is there, what is missing, and the one step that gets it."""

import os
import platform
import shutil
import sys
import textwrap
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from importlib import import_module, metadata
from typing import TypeVar

from packaging.requirements import Requirement

from experiments.evidence.data import find

T = TypeVar("T")

OURS = "diffusion-lab"
OK, ABSENT, BROKEN = "ok", "absent", "BROKEN"
CORE = ("theory", "diffusion", "diffusion.kernels.jit")  # modules that load all that a simulation needs
WIDTHS = (("avx512f", 512), ("avx2", 256))  # bits of LLVM's vectors on a processor with these; else 128
CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
SIGNS = "✓✗·"  # that tables of verdicts are printed with
INDENT = 20  # columns before what a check says


@dataclass(frozen=True)
class Answer:
    """What one check says.

    Attributes
    ----------
    state
        "ok"; "absent", of what the core can do without; or "BROKEN".
    text
        What is there, or what is wrong.
    remedy
        The one step that mends it.
    """

    state: str
    text: str
    remedy: str = ""


@dataclass(frozen=True)
class Needed:
    """A package that another one needs, and the version that is installed, "" if none is."""

    requirement: Requirement
    version: str

    @property
    def satisfied(self) -> bool:
        """Whether it is installed in a version that will do."""
        return bool(self.version) and self.requirement.specifier.contains(self.version, prereleases=True)

    def __str__(self) -> str:
        """Its name and version; of one that will not do, also what is asked for."""
        named = f"{self.requirement.name} {self.version}".strip()
        return named if self.satisfied else f"{named} ({self.requirement.specifier or 'any version'})"


def needed(package: str, extra: str = "") -> list[Needed]:
    """What an installed package needs on this platform: by itself, or for an extra beyond that."""
    packages = []
    for line in _unless_absent(metadata.requires, package) or ():
        requirement = Requirement(line)
        marker = requirement.marker
        if ("extra" in str(marker)) == bool(extra) and (marker is None or marker.evaluate({"extra": extra})):
            packages.append(Needed(requirement, _unless_absent(metadata.version, requirement.name) or ""))
            packages += [inner for name in sorted(requirement.extras) for inner in needed(requirement.name, name)]
    return packages


def extras() -> list[str]:
    """The names of our extras."""
    own = _unless_absent(metadata.metadata, OURS)
    return own.get_all("Provides-Extra") or [] if own else []


def versions() -> str:
    """The version; below it Python and the platform, the packages of the core, and those of extras that are here."""
    beyond = dict.fromkeys(str(package) for extra in extras() for package in needed(OURS, extra) if package.version)
    return "\n".join(
        (
            _unless_absent(metadata.version, OURS) or "not installed",
            f"Python {platform.python_version()}, {platform.platform()}",
            ", ".join(map(str, needed(OURS))),
            ", ".join(beyond),
        )
    ).rstrip()


def answers() -> dict[str, Answer]:
    """What each check says, by its topic. Nothing is simulated or downloaded, and torch is not imported."""
    checks: dict[str, Callable[[], Answer]] = {
        "core": core,
        "processor": processor,
        "threads": threads,
        "kernels": kernels,
        "terminal": terminal,
        **{f"[{extra}]": partial(optional, extra) for extra in extras()},
        "images": partial(data, find.FASHION),
        "text": partial(data, find.NOVELS),
        "browser": browser,
    }
    return {topic: _tried(check) for topic, check in checks.items()}


def told(found: dict[str, Answer]) -> str:
    """What the checks say, for a terminal; remedies are not wrapped, so that they can be copied."""
    lines, margin = [], " " * INDENT
    columns = max(shutil.get_terminal_size().columns, 2 * INDENT)
    for topic, answer in found.items():
        head = f"{answer.state:8}{topic:12}"
        lines += textwrap.wrap(
            head + answer.text, columns, subsequent_indent=margin, break_long_words=False, break_on_hyphens=False
        )
        lines += [f"{margin}-> {answer.remedy}"] if answer.remedy else []
    broken = [topic for topic, answer in found.items() if answer.state == BROKEN]
    return "\n".join([*lines, f"Broken: {', '.join(broken)}" if broken else "All that the core needs works."])


def core() -> Answer:
    """Whether the packages that every command needs are here, and load."""
    packages = needed(OURS)
    if not packages:
        return Answer(BROKEN, f"{OURS} is not installed in {sys.prefix}", "pip install . in the project's folder")
    lacking = [package for package in packages if not package.satisfied]
    if lacking:
        wanted = " ".join(f"'{package.requirement}'" for package in lacking)
        return Answer(BROKEN, f"not as needed: {', '.join(map(str, lacking))}", f"pip install {wanted}")
    for module in CORE:
        import_module(module)
    return Answer(OK, ", ".join(map(str, packages)))


def processor() -> Answer:
    """The processor as LLVM compiles for it, and how wide its vectors are."""
    from numba.core.registry import cpu_target

    _, name, features = cpu_target.target_context.codegen().magic_tuple()
    width = next((bits for feature, bits in WIDTHS if f"+{feature}" in features.split(",")), 128)
    return Answer(OK, f"{name}, vectors of {width} bits: {width // 64} numbers in float64")


def threads() -> Answer:
    """How many threads a run takes unless it is told."""
    from diffusion.engine import thread_count

    return Answer(OK, f"{thread_count(None)}, of {os.cpu_count()} cores")


def kernels() -> Answer:
    """Where compiled code is kept; without such a place results are the same, and each run compiles anew."""
    from diffusion.kernels import disk

    elsewhere = "XDG_CACHE_HOME=DIR names another folder"
    try:
        folder = disk.folder()
    except RuntimeError as error:
        return Answer(ABSENT, f"no folder for compiled code, so each run compiles anew: {error}", elsewhere)
    there = next(path for path in (folder, *folder.parents) if path.exists())
    if not there.is_dir() or not os.access(there, os.W_OK | os.X_OK):
        return Answer(ABSENT, f"{folder} cannot be written to, so each run compiles anew", elsewhere)
    sizes = [path.stat().st_size for path in folder.glob("*.nbc")]
    return Answer(OK, f"{len(sizes)} of at most {disk.MOST} kept in {folder}, {sum(sizes) / 1e6:.0f} MB, writable")


def terminal() -> Answer:
    """Whether standard output can show what is printed."""
    encoding = sys.stdout.encoding or "ascii"
    locale = next(filter(None, map(os.environ.get, ("LC_ALL", "LC_CTYPE", "LANG"))), "C")
    shape = f"{shutil.get_terminal_size().columns} columns" if sys.stdout.isatty() else "not a terminal"
    text = f"{encoding}, locale {locale}, {shape}"
    try:
        SIGNS.encode(encoding)
    except UnicodeEncodeError:
        return Answer(BROKEN, f"{text}: verdicts cannot be printed", "export PYTHONIOENCODING=utf-8")
    return Answer(OK, text)


def optional(extra: str) -> Answer:
    """Whether the packages of an extra are here."""
    packages = needed(OURS, extra)
    lacking = [package for package in packages if not package.satisfied]
    if lacking:
        return Answer(ABSENT, f"without {', '.join(map(str, lacking))}", f"pip install '{OURS}[{extra}]'")
    return Answer(OK, ", ".join(map(str, packages)))


def data(package: find.Package) -> Answer:
    """Whether data that `diffusion-lab evidence` takes are here; without them it takes smaller ones."""
    path = find.present(package)
    if path is None:
        return Answer(ABSENT, f"{package.content} not found, for evidence", package.step)
    return Answer(OK, str(path))


def browser() -> Answer:
    """Whether there is a Chromium, which tests of the lessons drive; lessons open in any browser."""
    path = chromium()
    if path is None:
        return Answer(ABSENT, "no Chromium, for make test-browser", "apt-get install chromium, or export CHROMIUM=path")
    return Answer(OK, path)


def chromium() -> str | None:
    """Path of a Chromium, by the variable CHROMIUM or the usual names; None if there is none."""
    return os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, CHROMIUMS)), None)


def _tried(check: Callable[[], Answer]) -> Answer:
    """What a check says, or that it failed, whatever it was that failed."""
    try:
        return check()
    except Exception as error:
        return Answer(BROKEN, f"{type(error).__name__}: {error}")


def _unless_absent(ask: Callable[[str], T], package: str) -> T | None:
    """What the metadata of a package say; None if it is not installed."""
    try:
        return ask(package)
    except metadata.PackageNotFoundError:
        return None
