"""Where data are: on this machine, or in a package of Debian, which is unpacked into a cache without root."""

import os
import subprocess
import tempfile
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PATIENCE, LONGEST = 10.0, 300.0  # seconds that a package may take to begin to arrive, and to have arrived
DOWNLOAD = ("apt-get", "-o", "Acquire::http::Timeout=5", "-o", "Acquire::Retries=0", "download")


@dataclass(frozen=True)
class Package:
    """A package of Debian that carries data.

    Attributes
    ----------
    name, inside
        Of the package, and of the directory or file in it.
    content
        What that is, in words.
    option
        The argument of the command line that gives other data.
    """

    name: str
    inside: str
    content: str
    option: str

    @property
    def step(self) -> str:
        """The one step that gets it."""
        return f"apt-get update && apt-get install {self.name}, or give {self.option}"

    @property
    def remedy(self) -> str:
        """That it is missing, and the step."""
        return f"{self.content} not found: {self.step}"


FASHION = Package("dataset-fashion-mnist", "usr/share/datasets/fashion-mnist", "Fashion-MNIST was", "--data DIR")
NOVELS = Package(
    "r-cran-janeaustenr",
    "usr/lib/R/site-library/janeaustenr/data/Rdata.rdb",
    "Jane Austen's novels were",
    "--text FILE",
)


def found(package: Package, root: Path = Path("/")) -> Path | None:
    """The data of a package where it is installed, or in the cache, to which it is got; None if it cannot be.

    Where there is no apt-get, or no network, it takes seconds to find out.
    """
    path, kept = present(package, root), cache() / package.name
    if path is not None:
        return path
    with suppress(OSError):  # where there is no folder to write to, or another run was faster
        kept.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix=f".{package.name}-", dir=kept.parent) as beside:
            downloaded, tree = _downloaded(package, Path(beside)), Path(beside) / "tree"
            if downloaded and _ran("dpkg-deb", "-x", str(downloaded), str(tree)) and (tree / package.inside).exists():
                tree.rename(kept)
    return present(package, root)


def present(package: Package, root: Path = Path("/")) -> Path | None:
    """The data of a package where it is installed, or in the cache; None if they are in neither."""
    paths = (folder / package.inside for folder in (root, cache() / package.name))
    return next((path for path in paths if path.exists()), None)


def cache() -> Path:
    """The folder of unpacked data."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "diffusion-lab" / "data"


def _downloaded(package: Package, folder: Path) -> Path | None:
    """The package's file, if it could be got."""
    quiet = subprocess.DEVNULL
    try:
        process = subprocess.Popen([*DOWNLOAD, package.name], cwd=folder, stdin=quiet, stdout=quiet, stderr=quiet)
    except OSError:
        return None
    began = time.monotonic()
    while process.poll() is None:
        waited = time.monotonic() - began
        if waited > LONGEST or (waited > PATIENCE and not any(path.stat().st_size for path in folder.iterdir())):
            process.kill()
        time.sleep(0.1)
    files = sorted(folder.glob("*.deb"))
    return files[0] if files and process.returncode == 0 else None


def _ran(*command: str) -> bool:
    """Whether a program is there and succeeds."""
    try:
        return subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        return False
