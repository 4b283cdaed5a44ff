"""What was aimed at: the rows of the table from the measurements."""

import numpy as np

from benchmarks import measure
from benchmarks.contests import (
    C_MIXED,
    DIFFRAX,
    JAX,
    MASK,
    NUMBA,
    NUMPY,
    OURS,
    OURS_MIXED,
    OWN_DYNAMICS,
    OWN_LANDSCAPE,
    TORCHSDE,
    TORCHSDE_TOLD,
    C,
)
from benchmarks.fresh import Fresh
from benchmarks.measure import Timing
from benchmarks.ours import VARIANTS
from benchmarks.precision.contest import ONE, Entries, Entry
from benchmarks.precision.problems import LIBRARIES, NAME, NUMPY_NAME, PROBLEMS
from benchmarks.precision.rare import Rare
from benchmarks.precision.report import Found, best, euler, root_mean_square
from benchmarks.rows import Row

AGREEMENT = "contestants differ by"
AGREE = 6.0  # standard errors; seeds are fixed, and one right contestant in some 10^5 would be farther off

Timings = dict[str, Timing]


def ratio(timings: Timings, slower: str, faster: str) -> list[float]:
    """How many times longer one takes than another per update, round by round; empty if one is missing."""
    if slower not in timings or faster not in timings:
        return []
    return [x / y for x, y in zip(timings[slower].ns, timings[faster].ns, strict=True)]


def rows_a(timings: Timings, skipped: dict[str, str]) -> list[Row]:
    """Rows of workload A."""
    rows = _costs("A", timings)
    for group, ours, other, target in (
        ("A, float64: times faster than", OURS, NUMBA, 15),
        ("A, float64: times faster than", OURS, NUMPY, 6),
        ("A, float64: times faster than", OURS, JAX, 25),
        ("A, float64: times faster than", OURS, DIFFRAX, None),
        ("A, float64: times faster than", OURS, TORCHSDE, 80),
        ("A, float64: times faster than", OURS, TORCHSDE_TOLD, None),
        ("A, mixed: times faster than", OURS_MIXED, NUMBA, 25),
    ):
        rows.append(Row(group, other, ratio(timings, other, ours), at_least=target, note=skipped.get(other, "")))
    for ours, other in ((OURS, C), (OURS_MIXED, C_MIXED)):
        faster = ratio(timings, ours, other)
        rows.append(Row("A: times the time of", other, faster, at_most=1.3, note=skipped.get(other, "")))
    return [*rows, _agreement("A", timings)]


def rows_b(timings: Timings) -> list[Row]:
    """Rows of workload B."""
    rows = _costs("B", timings)
    for other, target in ((MASK, 12), (NUMBA, 20)):
        rows.append(Row("B, float64: times faster than", other, ratio(timings, other, OURS), at_least=target))
    useful = timings[OURS].contestant.useful
    assert useful is not None
    return [
        *rows,
        Row("B", "lane steps of live replicas", [100 * useful()], "%", at_least=97),
        _agreement("B", timings),
    ]


def _costs(workload: str, timings: Timings) -> list[Row]:
    return [Row(f"{workload}: ns per update", name, timing.ns, "ns") for name, timing in timings.items()]


def _agreement(workload: str, timings: Timings) -> Row:
    worst = max(measure.disagreement(timing, timings[OURS]) for timing in timings.values())
    return Row(workload, AGREEMENT, [worst], "standard errors", at_most=AGREE)


def rows_dynamics(timings: Timings) -> list[Row]:
    """Cost per update of every optimizer, and of a user's own."""
    rows = []
    for name, target in (
        ("Momentum", 2),
        ("Adam, frozen", 3),
        ("Adai, frozen", 3.5),
        ("Adam, running", 2),
        ("Adai, running", 2),
        ("Padam", 3.5),
        ("AdaBound", 2.5),
        *((name, 2.5) for name in VARIANTS),
    ):
        rows.append(Row("optimizers: times the time of SGD", name, ratio(timings, name, "SGD"), at_most=target))
    for own, built_in, target in ((OWN_DYNAMICS, "Adam, running", 0.8), (OWN_LANDSCAPE, "SGD", 0.85)):
        rows.append(Row("a user's own: speed over the built-in", own, ratio(timings, built_in, own), at_least=target))
    return rows


def exponents(sizes: dict[float, Timing]) -> list[float]:
    """p in time ~ amount^p, round by round."""
    amounts = np.log(list(sizes))
    rounds = np.log([timing.seconds for timing in sizes.values()]).T
    return [float(np.polyfit(amounts, seconds, 1)[0]) for seconds in rounds]


def rows_growth(growth: dict[str, dict[float, Timing]], load: float) -> list[Row]:
    """How the time grows with the size of a run, and shrinks with threads."""
    rows = []
    for name in ("replicas", "dimensions", "iterations"):
        what = f"{name}, {min(growth[name])} to {max(growth[name])}"
        rows.append(Row("growth: p in time ~ size^p", what, exponents(growth[name]), "", at_least=0.9, at_most=1.1))
    threads = growth["threads"]
    if 2 not in threads:
        return [*rows, Row("threads", "2, times faster than 1", [], note="one core, or threads = 1")]
    p = exponents(threads)
    rows.append(Row("growth: p in time ~ size^p", f"threads, 1 to {max(threads)}", p, "", at_most=-0.85))
    speed = [one / two for one, two in zip(threads[1].seconds, threads[2].seconds, strict=True)]
    note = f"load average {load}, 1 of it this run"
    return [*rows, Row("threads", "2, times faster than 1", speed, at_least=1.8, note=note)]


def rows_precision(found: Found) -> list[Row]:
    """Work against precision: everybody's time for a total error of 1 %."""
    rows = []
    for key, entries in found.items():
        group, mine, ours = f"1 %, {PROBLEMS[key].title}", euler(entries, NAME), best(entries, NAME)
        if mine is None or ours is None:
            rows.append(Row(group, "Euler", [], note="no step is known that is fine enough"))
            continue
        plan = mine.plans[ONE]
        assert plan is not None
        library, numpy = _cheapest_euler(entries), euler(entries, NUMPY_NAME)
        # whatever the library's own Euler needs: with inertia it is explicit, and its bias another
        steps = [1e-9 * plan.updates * ns for ns in library.ns] if library else []
        theirs = best(entries, *LIBRARIES)
        worst = max(root_mean_square(entry.errors) for entry in entries.values() if entry.errors) if mine.errors else 0
        rows += [
            Row(group, "Euler", mine.time(ONE), "s"),
            Row(group, f"best: {ours.solver.scheme}", ours.time(ONE), "s"),
            Row(group, "Euler: times faster than numpy's", _over(numpy.time(ONE) if numpy else [], mine), at_least=4.5),
            Row(group, f"Euler: than as many steps of {_named(library)}", _over(steps, mine), at_least=15),
            Row(group, "best: times faster than our Euler", _over(mine.time(ONE), ours), at_least=10),
            Row(
                group,
                f"best: times faster than {_named(theirs)}",
                _over(theirs.time(ONE) if theirs else [], ours),
                at_least=50,
            ),
            Row(group, "root mean square error found, at worst", [100 * worst], "%", at_most=CONFIRMED),
        ]
    return rows


CONFIRMED = 2.6  # of 3 errors with mean square 1 % squared, one of 10^4 is larger; of more errors fewer are


def _over(slower: list[float], faster: Entry) -> list[float]:
    return [x / y for x, y in zip(slower, faster.time(ONE), strict=False)]


def _named(entry: Entry | None) -> str:
    return entry.solver.label if entry else "a library"


def _cheapest_euler(entries: Entries) -> Entry | None:
    known = [entry for name in LIBRARIES if (entry := euler(entries, name))]
    return min(known, key=lambda entry: float(np.median(entry.ns)), default=None)


def rows_rare(rare: Rare) -> list[Row]:
    """A rare escape by splitting."""
    note = f"{rare.rate:.1e} an iteration; found over exact: {rare.ratio:.2f} +- {rare.error:.2f}"
    return [Row("rare escape, Momentum", "10 % by splitting", [rare.seconds], "s", at_most=15, note=note)]


def rows_fresh(fresh: Fresh) -> list[Row]:
    """Rows of fresh processes."""
    time, memory = "fresh process: first result", "memory at 1e6 replicas less that at 1e4"
    return [
        Row(time, "kernels cached", fresh.seconds["cached"], "s", at_most=2),
        Row(time, "cold", fresh.seconds["cold"], "s", at_most=8),
        Row(time, "a user's landscape", fresh.seconds["own"], "s", at_most=5),
        Row(memory, "moments", [fresh.memory["moments"]], "final states", at_most=0.1),
        Row(memory, "with the final state, labelled", [fresh.memory["states"]], "final states", at_most=1.25),
    ]
