"""The command `diffusion-lab sweep`."""

import sys
from pathlib import Path
from typing import Annotated, Any

from cyclopts import App, Parameter

from experiments.extras import need

app = App(name="sweep", help_format="plaintext", suppress_keyboard_interrupt=False)


@app.default
def sweep(
    file: Annotated[Path, Parameter(help="The sweep, a TOML file.")],
    /,
    *,
    out: Annotated[Path | None, Parameter(help="The store; default: results/NAME.zarr for NAME.toml.")] = None,
    resume: Annotated[bool, Parameter(negative="", help="Go on with a store that is there.")] = False,
    retry: Annotated[bool, Parameter(negative="", help="With --resume: compute failed tasks again.")] = False,
    yes: Annotated[
        bool, Parameter(negative="", help="Begin even if it will take more than a core-hour or 10 GB.")
    ] = False,
    workers: Annotated[int | None, Parameter(help="Processes on this machine; default: one for each core.")] = None,
    scheduler: Annotated[
        str | None, Parameter(help="A dask scheduler that runs, tcp://HOST:PORT or tls://HOST:PORT.")
    ] = None,
    tls_ca_file: Annotated[Path | None, Parameter(help="Certificate authority of a scheduler that wants TLS.")] = None,
    tls_cert: Annotated[Path | None, Parameter(help="Certificate to show it.")] = None,
    tls_key: Annotated[Path | None, Parameter(help="Key of that certificate.")] = None,
) -> int:
    """Measure over a grid of parameters, on all cores or on a cluster.

    Results go to a Zarr store as they are ready; xarray.open_zarr reads it,
    finished or not. A figure is drawn beside it. Before it begins, the
    sweep tries a few points and prints what it will cost.

    The exit status is 0, 1 if points failed or the run was stopped (what
    is done is kept, --resume goes on), 2 for a bad argument.

    For example:

      diffusion-lab sweep examples/sharpness.toml
      diffusion-lab sweep mine.toml --out /scratch/mine.zarr --workers 8
      diffusion-lab sweep mine.toml --scheduler tcp://head:8786 --yes
      diffusion-lab sweep mine.toml --resume
      diffusion-lab sweep status results/mine.zarr
      diffusion-lab sweep export results/mine.zarr mine.nc
    """
    from diffusion import checks, progress
    from diffusion.engine import thread_count
    from diffusion.progress import task

    need("sweep", "dask", "distributed", "zarr")
    from experiments import sweep as sweeps
    from experiments.sweep import cost, figure, report

    if workers is not None:
        checks.whole("workers", workers)
    if retry and not resume:
        raise ValueError("--retry goes with --resume: it computes the failed tasks of a store again")
    files = {"ca_file": tls_ca_file, "cert": tls_cert, "key": tls_key}
    if any(files.values()) and not all(files.values()):
        missing = next(name for name, path in files.items() if path is None)
        raise ValueError(f"tls_{missing} is missing; TLS needs --tls-ca-file, --tls-cert and --tls-key")
    tls = {name: str(path) for name, path in files.items()} if all(files.values()) else None
    asked = sweeps.Sweep.from_toml(file)
    store = out or Path("results") / f"{file.stem}.zarr"
    left = sweeps.check(asked, store, resume=resume, retry=retry)
    if left:
        print("trying a few points", file=sys.stderr, flush=True)
        try:
            with progress(), task("trying a few points"):
                processes = 1 if scheduler else thread_count(workers)
                expected: cost.Estimate | None = cost.estimate_apart(asked, left, processes)
            told = str(expected)
        except cost.TrialError as error:
            expected, told = None, f"what they cost is not known, as {error}"
        print(f"{asked.size} points: {told}", file=sys.stderr, flush=True)
        if not yes and expected and expected.reason:
            what = f"no point that was tried can be computed: {expected.reason}"
            raise ValueError(f"{what}; correct it, or begin with --yes")
        if not yes and (expected is None or expected.large):
            much = "this is, or may be, more than a core-hour or 10 GB"
            raise ValueError(f"{much}; begin with --yes, or choose a smaller grid or fewer replicas")
    try:
        with progress():
            where: dict[str, Any] = {"workers": workers, "scheduler": scheduler, "tls": tls}
            outcome = sweeps.run(asked, store, resume=resume, retry=retry, **where)
    except sweeps.StoppedError as stopped:
        print(f"diffusion-lab: {stopped}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print(f"diffusion-lab: interrupted; what is done is kept in {store}, --resume goes on", file=sys.stderr)
        return 130
    if outcome.damaged:
        print(f"{outcome.damaged} tasks had lost data and were computed again")
    opened = sweeps.Store.open(store)
    for point in outcome.failed[:10]:
        print(f"failed: {asked.label(point)}: {opened.why(point)}")
    if len(outcome.failed) > 10:
        print(f"and {len(outcome.failed) - 10} more: diffusion-lab sweep status {store}")
    whole = asked.size - len(outcome.failed)
    print(f"{outcome.computed} tasks computed; {whole} of {asked.size} points are in {store}")
    for doubt in report.doubts(store):
        print(doubt)
    try:
        print(f"Figure: {figure.draw(sweeps.Store(store, asked, opened.layout), store.parent, store.stem)}")
    except (ValueError, OSError) as error:
        print(f"no figure: {error}")
    return 1 if outcome.failed else 0


@app.command
def status(store: Annotated[Path, Parameter(help="The store.")], /) -> int:
    """Tell how far a sweep is, what failed and why, and the time left.

    The exit status is 0, or 1 if points failed.

    For example:

      diffusion-lab sweep status results/sharpness.zarr
    """
    need("sweep", "zarr")
    from experiments.sweep import report

    text, failed = report.status(store)
    print(text)
    return int(failed)


@app.command
def export(
    store: Annotated[Path, Parameter(help="The store.")],
    target: Annotated[Path, Parameter(help="The netCDF file to write.")],
    /,
) -> int:
    """Write a store, finished or not, to one netCDF file.

    For example:

      diffusion-lab sweep export results/sharpness.zarr sharpness.nc
    """
    need("sweep", "zarr", "h5netcdf")
    from experiments.sweep import report

    report.export(store, target)
    print(f"Written: {target}")
    return 0
