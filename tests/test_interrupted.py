"""Interrupted runs: what they had done is right, says what it is, and gives the escape rate that a whole run gives."""

import io
import os
import signal
import threading
from contextlib import contextmanager

import numpy as np
import pytest
from conftest import SUITE_RATE
from rich.console import Console
from scipy import stats

from diffusion import SGD, DoubleParabola, HessianNoise, escape_rate, exit_times, rare_escape_rate
from diffusion.escape import label_exits
from diffusion.progress import Display, shown_on

WELL, LR = DoubleParabola(50.0, 1.0, 1.0, 1), 1.0  # lr * curvature = 1: each step forgets the one before
RATE = 1e-5
BOUNDARY = stats.norm.isf(RATE)  # in each iteration left with this probability


def run(**changed):
    """On two threads of 512 lanes, whatever the machine: how many are on their way depends on it."""
    known = {"boundary": BOUNDARY, "max_iterations": 10**9, "replicas": 20_000, "partial": True, "threads": 2}
    arguments = known | changed
    return exit_times(SGD(LR), WELL, noise=HessianNoise(1, "piecewise"), **arguments)


@contextmanager
def pressed(share):
    """Ctrl-C once the first task that begins has come so far."""
    display, tasks, over = Display(Console(file=io.StringIO())), [], threading.Event()
    display.begin, display.end = tasks.append, lambda task: None

    def press():
        while not over.wait(0.001):
            if tasks and tasks[0].measure() >= share * tasks[0].total:
                os.kill(os.getpid(), signal.SIGINT)
                return

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    finger = threading.Thread(target=press)
    try:
        with shown_on(display):
            finger.start()
            yield tasks
    finally:
        over.set()
        finger.join()
        signal.signal(signal.SIGINT, before)


@pytest.fixture(scope="module")
def exits():
    """A run interrupted when every lane has been left about once, and how far it had thought that it was."""
    run(max_iterations=10)  # compiled before the clock starts
    with pressed(0.05) as tasks:
        found = run()
    return found.assign_attrs(share=tasks[0].measure())


def test_every_iteration_that_was_computed_is_one_at_risk_and_none_besides(exits):
    at_risk = np.where(exits["exited"], exits["exit_iteration"], exits["horizon"])
    assert at_risk.sum() == exits.attrs["lane_steps_useful"]
    assert escape_rate(exits)["time_at_risk"] == exits.attrs["lane_steps_useful"]


def test_an_interrupted_run_says_how_many_had_ended_are_censored_and_had_not_begun(exits):
    ended, inside = int(exits["exited"].sum()), int((~exits["exited"]).sum())
    assert 0 < inside <= 2 * 512
    assert 100 < ended < 20_000 - inside
    words = (
        f"interrupted: of 20000 replicas {ended} had ended, {inside} are censored on their way, the others are left out"
    )
    assert exits.attrs["partial"] == words
    assert run(replicas=10, max_iterations=10).attrs["partial"] == ""


def test_replicas_are_those_of_a_whole_run_and_those_on_their_way_leave_later_there(exits):
    there = exits["replica"].values < 200
    assert there.sum() == 200
    whole, part = run(replicas=200), exits.isel(replica=there)
    left = part["exited"].values
    assert 20 < left.sum() < 180
    np.testing.assert_array_equal(part["exit_iteration"][left], whole["exit_iteration"][left])
    assert (part["horizon"][~left] < whole["exit_iteration"][~left]).all()
    assert (part["horizon"] < 10**9).all()


def test_the_rate_of_an_interrupted_run_is_the_exact_one_and_that_of_its_exits_alone_is_not(exits):
    """Each rejects a right rate with SUITE_RATE; the negative control leaves out what was on its way."""
    level = 1 - SUITE_RATE
    found = escape_rate(exits, level=level)
    assert found["rate_low"] < RATE < found["rate_high"]
    short = escape_rate(exits.isel(replica=exits["exited"].values), level=level)
    assert short["rate_low"] > RATE
    assert float(found["exponential_p"]) > SUITE_RATE


def test_the_share_that_is_done_is_that_of_the_iterations_to_come(exits):
    """Known by the exits so far, to their 5 standard errors."""
    exact = exits.attrs["lane_steps_useful"] * RATE / 20_000
    assert exits.attrs["share"] == pytest.approx(exact, rel=5 / np.sqrt(int(exits["exited"].sum())))


def test_substeps_that_were_done_count_as_parts_of_iterations():
    with pressed(0.02):
        exits = run(substeps=4, boundary=4.3 / np.sqrt(2))
    at_risk = np.where(exits["exited"], exits["exit_iteration"], exits["horizon"])
    assert at_risk.sum() * 4 == exits.attrs["lane_steps_useful"]
    assert set((exits["horizon"].values * 4) % 1) == {0.0}


@pytest.mark.long
def test_torch_s_interrupted_exits_are_censored_at_the_iteration_that_was_reached():
    """Their rate is the exact one, and that of the exits alone is not, each at a rate of SUITE_RATE."""
    pytest.importorskip("torch")
    from diffusion import exit_times_torch

    rate, arguments = 1e-3, {"noise": HessianNoise(1, "piecewise"), "max_iterations": 10**6, "replicas": 1000}
    with pressed(0.1):
        exits = exit_times_torch(SGD(LR), WELL, boundary=stats.norm.isf(rate), partial=True, **arguments)
    assert exits.attrs["partial"].startswith("interrupted: of 1000 replicas ")
    assert set(exits["horizon"].values) == {exits["horizon"].values[0]}
    found = [escape_rate(one, level=1 - SUITE_RATE) for one in (exits, exits.isel(replica=exits["exited"].values))]
    assert found[0]["rate_low"] < rate < found[0]["rate_high"]
    assert found[1]["rate_low"] > rate


def rare(**changed):
    well = DoubleParabola(0.6, 1.0, 1.0, 1)
    arguments = {"replicas": 500, "repetitions": 8, "boundary": well.saddle, "partial": True} | changed
    return rare_escape_rate(SGD(0.1), well, noise=HessianNoise(1, "piecewise"), **arguments)


@pytest.mark.long
def test_interrupted_splitting_gives_the_repetitions_that_are_complete_as_they_are_in_a_whole_run():
    whole = rare()
    with pressed(4.5 / 8):
        part = rare()
    count = part.sizes["repetition"]
    assert part.attrs["partial"] == f"interrupted: {count} of 8 repetitions"
    assert 4 <= count < 8
    assert whole.attrs["partial"] == ""
    np.testing.assert_array_equal(part["repetition_rate"], whole["repetition_rate"][:count])
    assert float(part["rate"]) == pytest.approx(float(part["repetition_rate"].mean()))
    assert part["rate_low"] < whole["rate"] < part["rate_high"]


def test_an_interrupt_that_finds_nothing_done_or_is_not_provided_for_is_one():
    with pressed(0.01), pytest.raises(KeyboardInterrupt):
        run(partial=False)
    with pressed(0.6), pytest.raises(KeyboardInterrupt):
        rare(repetitions=2)  # one alone has no interval
    nothing = {name: ("replica", np.zeros(3, bool)) for name in ("exited", "diverged")}
    with pytest.raises(KeyboardInterrupt):
        label_exits(nothing, {"replicas": 3, "max_iterations": 10, "seed": 0}, np.zeros(3))
