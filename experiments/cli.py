"""The command line, `diffusion-lab`."""

import os
import sys
import time
import warnings
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import App, CycloptsError, Parameter


def _versions() -> str:
    from experiments import doctor

    return doctor.versions()


app = App(
    name="diffusion-lab",
    help="A numerical referee for the theory of optimizer diffusion: simulations beside closed forms.",
    version=_versions,
    version_flags=["--version"],
    help_format="plaintext",
    suppress_keyboard_interrupt=False,
)


@app.command
def verify(
    *,
    claim: Annotated[
        list[str] | None,
        Parameter(
            negative="", help="A claim by the beginning of its name, or a .py file with a claim; may be repeated."
        ),
    ] = None,
    names: Annotated[bool, Parameter(name="--list", negative="", help="Name the claims, and run nothing.")] = False,
    out: Annotated[
        Path | None,
        Parameter(
            help="Directory for the results; may exist. [default: results/verify, of some claims results/claims]"
        ),
    ] = None,
    full: Annotated[
        bool, Parameter(negative="", help="More regimes of each claim, and all optimizers under minibatches.")
    ] = False,
    quick: Annotated[bool, Parameter(negative="", help="The same table from an eighth of the replicas.")] = False,
    seed: Annotated[int, Parameter(help="Seed of all ensembles, a whole number >= 0.")] = 0,
    threads: Annotated[int | None, Parameter(help="Threads; default: all cores.")] = None,
    timings: Annotated[bool, Parameter(negative="", help="Print how long each claim took.")] = False,
) -> int:
    """Check the paper's claims about saddles and minima, or some, or your own, and write a report.

    Prints a verdict for each claim and writes to the output directory:
    report.html (open it in a browser), verdicts.json, claims.json,
    data/*.nc, figures/*.png and figures/*.svg.

    The exit status is 0 if the instrument is right (every ensemble agrees
    with the exact moments of the recursion it performs), 1 if it is not
    or a claim could not be judged, 2 for a bad argument. It says nothing
    of what the verdicts are.

    For example:

      diffusion-lab verify
      diffusion-lab verify --quick
      diffusion-lab verify --full --out results/full
      diffusion-lab verify --list
      diffusion-lab verify --claim "Theorem 3" --claim "table 1" --out results/some
      diffusion-lab verify --claim path/to/mine.py --out results/mine
      diffusion-lab verify --seed 7 --out results/seed-7
    """
    from diffusion import checks, progress
    from diffusion.progress import task
    from experiments.referee import registry, report, verify

    checks.whole("seed", seed, least=0)
    if threads is not None:
        checks.whole("threads", threads)
    if full and quick:
        raise ValueError("full = True and quick = True contradict each other; give one")
    size = "quick" if quick else "full" if full else "default"
    selected = claim or []
    claims = registry.select(selected)
    if names:
        print(registry.told(claims))
        return 0
    out = out or Path("results/claims" if selected else "results/verify")
    verify.check_directory(out)
    with progress():
        outcome = verify.run(claims, size=size, seed=seed, threads=threads, selected=selected)
        began = time.monotonic()
        with task("writing the report"):
            verify.write(outcome, out)
        writing = time.monotonic() - began
    report.print_table(outcome, out)
    if timings:
        report.print_timings(outcome, writing)
    return 0 if outcome.passed and not outcome.unjudged else 1


@app.command
def escape(
    *,
    out: Annotated[Path, Parameter(help="Directory for the results; a run there is continued.")] = Path(
        "results/escape"
    ),
    full: Annotated[
        bool,
        Parameter(
            negative="", help="More replicas and dimensions, torch at every sharpness, rare escapes in all settings."
        ),
    ] = False,
    quick: Annotated[bool, Parameter(negative="", help="The double parabola alone, with few replicas.")] = False,
    seed: Annotated[int, Parameter(help="Seed of all ensembles, a whole number >= 0.")] = 0,
    threads: Annotated[int | None, Parameter(help="Threads; default: all cores.")] = None,
) -> int:
    """Measure escape rates against the sharpness of the minimum, and fit its power.

    Runs SGD, Momentum, Adam and Adai as stochastic differential equations,
    as discrete optimizers and (not in a quick run) in torch, sets the paper's laws and the exact
    rates beside them, prints the fitted powers with their intervals and what
    they say of the paper, and writes to the output directory: escape.json,
    verdicts.json, figures/*.png and figures/*.svg, captions.txt, and every
    measured rate in stores/, which are those of `diffusion-lab sweep`.

    Interrupted, it keeps what is finished; the same command goes on from
    there, unless the code has changed. The exit status is 0, 1 if rates
    could not be measured, or 2 for a bad argument. It says nothing of the
    paper. It needs the extra `sweep`.

    For example:

      diffusion-lab escape
      diffusion-lab escape --quick --out results/escape-quick
      diffusion-lab escape --full --seed 7 --out results/seed-7
    """
    from diffusion import checks, progress
    from diffusion.progress import task
    from experiments.extras import need

    checks.whole("seed", seed, least=0)
    if threads is not None:
        checks.whole("threads", threads)
    if full and quick:
        raise ValueError("full = True and quick = True contradict each other; give one")
    need("sweep", "zarr")
    from experiments.referee.verify import check_directory
    from experiments.sharpness import figures, findings, job, report

    check_directory(out)
    try:
        with progress():
            outcome = job.measure(out, full=full, quick=quick, seed=seed, threads=threads)
            with task("drawing figures"):
                verdicts = findings.verdicts(outcome)
                report.write(outcome, verdicts, out)
                figures.draw(outcome, out)
    except KeyboardInterrupt:
        where = f"{job.kept(out)} results are kept in {out / job.STORES}"
        print(f"diffusion-lab: interrupted; {where}, the same command goes on", file=sys.stderr)
        return 130
    report.print_table(outcome, verdicts, out)
    return 1 if outcome.failed else 0


@app.command
def evidence(
    *,
    only: Annotated[
        list[str] | None,
        Parameter(negative="", help="A part, as noise, or a claim by the beginning of its name; may be repeated."),
    ] = None,
    names: Annotated[
        bool, Parameter(name="--list", negative="", help="Name the parts and claims, and run nothing.")
    ] = False,
    out: Annotated[Path, Parameter(help="Directory for the results; a run there is continued.")] = Path(
        "results/evidence"
    ),
    quick: Annotated[
        bool, Parameter(negative="", help="On 1,797 small images, in minutes; too little to resolve much.")
    ] = False,
    full: Annotated[bool, Parameter(negative="", help="More networks, seeds and settings; takes hours.")] = False,
    data: Annotated[
        Path | None, Parameter(help="Directory with images: IDX files of the MNIST family, or CIFAR's pickles.")
    ] = None,
    cifar: Annotated[
        Path | None, Parameter(help="Directory with CIFAR's pickles: runs the paper's own settings, hours on a GPU.")
    ] = None,
    text: Annotated[Path | None, Parameter(help="A text, in UTF-8.")] = None,
    model: Annotated[str, Parameter(help="Your own network: a function, as mine.py:net or package.module:net.")] = "",
    seed: Annotated[int, Parameter(help="Seed of all runs, a whole number >= 0.")] = 0,
    threads: Annotated[int | None, Parameter(help="Worker processes; default: one for each core.")] = None,
) -> int:
    """Try the paper's claims about networks on real networks and real data.

    Trains small networks on Fashion-MNIST, which it gets from Debian's package
    if need be and can, else on the digits inside scikit-learn; prints a
    verdict for each claim and writes to the output directory what verify
    writes: report.html, verdicts.json, claims.json, data/*.nc, figures/*.png
    and figures/*.svg. It needs the extra `evidence`.

    Every trained network is kept in stores/. Interrupted, the same command
    goes on from there, unless the code has changed. The exit status is 0, 1
    if a claim could not be judged, or 2 for a bad argument. It says nothing
    of what the verdicts are.

    For example:

      diffusion-lab evidence
      diffusion-lab evidence --quick --out results/evidence-quick
      diffusion-lab evidence --only noise --only table2
      diffusion-lab evidence --data path/to/mnist --only noise
      diffusion-lab evidence --model mine.py:net --data path/to/mnist
      diffusion-lab evidence --only paper --cifar path/to/cifar-10-batches-py
    """
    from diffusion import checks, progress
    from diffusion.progress import task
    from experiments.extras import need

    checks.whole("seed", seed, least=0)
    if threads is not None:
        checks.whole("threads", threads)
    if full and quick:
        raise ValueError("full = True and quick = True contradict each other; give one")
    need("evidence", "torch", "pytorch_optimizer", "sklearn")
    from experiments.evidence import job
    from experiments.referee import report, verify

    selected = only or (["noise"] if model and not cifar else [])
    claims = job.select(selected)
    if names:
        print(job.told(claims))
        return 0
    verify.check_directory(out)
    size = "quick" if quick else "full" if full else "default"
    given = job.Given(data, cifar, text, model)
    try:
        with progress():
            outcome = job.run(claims, out, size=size, given=given, seed=seed, threads=threads, selected=only or ())
            with task("writing the report"):
                verify.write(outcome, out)
    except KeyboardInterrupt:
        print(
            f"diffusion-lab: interrupted; what is finished is kept in {out}, the same command goes on", file=sys.stderr
        )
        return 130
    report.print_table(outcome, out)
    return 0 if outcome.passed and not outcome.unjudged else 1


@app.command
def compare(
    file: Annotated[Path, Parameter(help="The question, a TOML file.")],
    /,
    *,
    change: Annotated[
        list[str] | None,
        Parameter(
            name="--set", negative="", help="A parameter instead of the file's, as noise.batch_size=2; may be repeated."
        ),
    ] = None,
    out: Annotated[
        Path | None, Parameter(help="Directory for the results; may exist. [default: results/NAME for NAME.toml]")
    ] = None,
    seconds: Annotated[float, Parameter(help="That one sampled route may take, about.")] = 30.0,
    seed: Annotated[int, Parameter(help="Seed of all ensembles, a whole number >= 0.")] = 0,
    threads: Annotated[int | None, Parameter(help="Threads; default: all cores.")] = None,
) -> int:
    """Set every route beside each other for one optimizer and one loss.

    Of a saddle it compares the mean squared displacement, of a well the mean
    escape time: by the paper, exact, on a grid, by ensembles of the SDE and
    of the discrete optimizer, by splitting and in torch. It says first what
    is within reach, and why the rest is not. Prints a table with the ratios
    to the exact value, and writes to the output directory: table.csv,
    table.json, comparison.png and comparison.svg.

    The file has the tables of a sweep, and in [measure], which may be left
    out, boundary (as of a sweep, or "saddle"), start or iterations:

      [dynamics]
      name = "Momentum"
      lr = 0.05
      beta1 = 0.95
      [landscape]
      name = "DoubleParabola"
      barrier = 0.4
      hessian_minimum = 2.0
      hessian_saddle = 0.7
      dimension = 1
      [noise]
      name = "HessianNoise"
      batch_size = 16
      at = "piecewise"

    The exit status is 0, 1 if something that was to be sampled could not
    be, 2 for a bad argument. It says nothing of the paper.

    For example:

      diffusion-lab compare examples/escape.toml
      diffusion-lab compare examples/escape.toml --set noise.batch_size=1
      diffusion-lab compare mine.toml --seconds 300 --out results/mine
    """
    from diffusion import checks, progress
    from experiments.comparison import described
    from experiments.referee.verify import check_directory

    if threads is not None:
        checks.whole("threads", threads)
    folder = out or Path("results") / file.stem
    check_directory(folder)
    with progress():
        answer = described(file, change or (), seconds=seconds, seed=seed, threads=threads)
    print(answer)
    print(f"Written: {', '.join(map(str, answer.save(folder)))}")
    return 1 if answer.lost else 0


@app.command
def bench(
    *,
    out: Annotated[Path, Parameter(help="Directory for the results; may exist.")] = Path("results/bench"),
    quick: Annotated[bool, Parameter(negative="", help="Fewer rounds of shorter runs.")] = False,
    threads: Annotated[int | None, Parameter(help="Most threads to try; default: all cores.")] = None,
) -> int:
    """Measure how fast the simulator is, beside what else there is.

    Runs the same two workloads with numpy, numba, jax, diffrax, torchsde
    and C, those that are installed, in turns, on one core. Prints a table
    of targets, met or missed, and writes to the output directory:
    bench.json, bench.txt, and the figures bench and precision, PNG and SVG.

    Measure on an idle machine. The exit status is 0 if all contestants
    computed the same, whatever they took, 1 if they did not, 2 for a bad
    argument.

    For example:

      diffusion-lab bench
      diffusion-lab bench --quick
      diffusion-lab bench --threads 4 --out results/four-threads
    """
    from diffusion import checks, progress

    if threads is not None:
        checks.whole("threads", threads)
    try:
        from benchmarks import bench, measure
    except ImportError as error:
        raise ValueError(f"bench needs a clone of the project: make bench there ({error})") from error
    from experiments.referee import verify

    verify.check_directory(out)
    try:
        with measure.heeding_interrupts(), progress():
            outcome = bench.run(quick=quick, threads=threads)
            text = bench.write(outcome, out)
    except KeyboardInterrupt:
        print("diffusion-lab: interrupted; nothing was written", file=sys.stderr, flush=True)
        os._exit(130)  # without the interpreter's clean-up, which crashes if JAX was compiling
    print(text)
    print(f"Written to {out}/: bench.json, bench.txt, bench.png, bench.svg, precision.png, precision.svg")
    return 0 if outcome.agree else 1


@app.command
def teach(
    *,
    host: Annotated[
        str, Parameter(help="Address to listen at; only 127.0.0.1 and its like are reached from this machine alone.")
    ] = "127.0.0.1",
    port: Annotated[int, Parameter(help="Port; 0 takes any free one.")] = 8765,
    browser: Annotated[bool, Parameter(help="Open the lessons in a browser.")] = True,
    limit: Annotated[int, Parameter(help="Most coordinate updates that one request may take.")] = 50_000_000,
    static: Annotated[
        Path | None, Parameter(help="Write them into this folder, at a grid of settings, as pages that need no server.")
    ] = None,
) -> int:
    """Open the lessons: eight questions, each with sliders and the experiment that answers it.

    Serves small web pages from this machine until Ctrl-C; nothing is loaded
    from anywhere else. At an address that other machines can reach, readers
    need the link with the token that is printed.

    The exit status is 0, or 2 for a bad argument.

    For example:

      diffusion-lab teach
      diffusion-lab teach --no-browser --port 9000
      diffusion-lab teach --host 0.0.0.0 --limit 10000000
      diffusion-lab teach --static results/lessons
    """
    from diffusion import checks

    checks.whole("port", port, least=0, most=65535)
    checks.whole("limit", limit)
    try:
        from experiments.teach import server
        from experiments.teach import static as pages
    except ModuleNotFoundError as error:
        raise ValueError(f"teach needs {error.name}; install it with pip install 'diffusion-lab[teach]'") from error
    if static is not None:
        pages.write(static)
        print(f"Written to {static}/: open index.html")
        return 0
    server.serve(host=host, port=port, browser=browser, limit=limit)
    return 0


@app.command
def doctor() -> int:
    """Say what is installed, what is missing, and the step that gets it.

    Looks at the packages of the core and of each extra, the processor and
    the vectors that are compiled for it, the folder of compiled code, the
    terminal, data for evidence and a browser. Simulates and downloads nothing.

    The exit status is 0 if all that the core needs works, whatever else is
    absent, or 1.

    For example:

      diffusion-lab doctor
      diffusion-lab --version
      diffusion-lab --install-completion --shell bash
    """
    from experiments import doctor

    found = doctor.answers()
    print(doctor.told(found))
    return int(any(answer.state == doctor.BROKEN for answer in found.values()))


app.command(
    "experiments.sweep.commands:app",
    name="sweep",
    help="Measure over a grid of parameters, on all cores or on a cluster.",
)


@app.command(name="--install-completion")
def install_completion(
    *,
    shell: Annotated[
        Literal["bash", "zsh", "fish", "powershell"] | None, Parameter(help="The shell; default: this one.")
    ] = None,
    output: Annotated[
        Path | None, Parameter(alias="-o", help="The script to write; default: where the shell looks for one.")
    ] = None,
) -> None:
    """Let the Tab key complete commands and options in this shell.

    Writes a script, and a line in the shell's start-up file that reads it.

    For example:

      diffusion-lab --install-completion --shell bash
    """
    from cyclopts.completion import ShellDetectionError

    try:
        written = app.install_completion(shell=shell, output=output)
    except ShellDetectionError as error:
        raise ValueError("the shell cannot be told from here: name it, as --shell bash") from error
    except OSError as error:
        raise ValueError(
            f"completion cannot be written to {error.filename or output}: {error.strerror}; --output FILE writes the "
            "script elsewhere, HOME=DIR the start-up file too"
        ) from error
    print(f"Written: {written}; a new shell completes")


def main() -> None:
    """Run the command line: status 2 and one line on standard error for bad input."""
    os.environ["MPLBACKEND"] = "agg"  # figures are files: no display is needed, whatever a user has chosen for windows
    warnings.formatwarning = lambda message, *_, **__: f"diffusion-lab: {message}\n"
    try:
        status = app(sys.argv[1:], exit_on_error=False, print_error=False)
    except (CycloptsError, ValueError) as error:
        print(f"diffusion-lab: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("diffusion-lab: interrupted; nothing was written", file=sys.stderr)
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)
