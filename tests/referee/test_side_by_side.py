"""Claims tried side by side: at the same time, with the outcome of one after another, whatever happens to some."""

import os
import signal
import subprocess
import sys
import time

import numpy as np
import psutil
import pytest
from toys import Deadly, Draws, Fails, Meets, Toy

from experiments import drawing
from experiments.claims import CLAIMS
from experiments.referee import verify
from experiments.referee.routes import Routes

SETTINGS = {"seed": 5, "size": "quick"}


def tried(claims, at_once):
    return verify.tried(claims, Routes(1, 1, seed=5, size="quick"), SETTINGS, (), ("verify",), at_once)


def claims(folder, patience):
    """One that builds on another, two that want to be at work together, a faulty one, and one that cannot be sent."""

    class Local(Toy):
        pass

    first = Toy("First", value=2.0)
    meets = [Meets(name, folder, patience) for name in ("One", "Other")]
    return [Toy("Second", first), *meets, Fails("Fails"), Local("Local"), first, Draws("Draws")]


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """The same claims side by side and one after another."""
    apart, alone = (tmp_path_factory.mktemp(name) for name in ("apart", "alone"))
    return tried(claims(str(apart), 60.0), 2), tried(claims(str(alone), 0.1), 1)


def processes(outcome, name):
    return {piece.case for piece in outcome.evidence[name] if piece.case is not None}


def test_two_are_tried_at_the_same_time(both):
    """The control: one after another, the first waits in vain."""
    found, control = ([outcome.evidence[name][0].data["exact"].item() for name in ("One", "Other")] for outcome in both)
    assert (found, control) == ([1.0, 1.0], [0.0, 1.0])
    assert os.getpid() not in processes(both[0], "One") | processes(both[0], "Other")


def test_rows_verdicts_and_their_order_are_those_of_one_after_another(both):
    for found, wanted in zip(both[0].rows, both[1].rows, strict=True):
        if found["claim"] != "One":
            assert found == wanted
    assert [verdict.claim for verdict in both[0].verdicts] == [claim.name for claim in both[0].claims]
    assert [verdict.level for verdict in both[0].verdicts[3:]] == [verdict.level for verdict in both[1].verdicts[3:]]


def test_what_others_build_on_is_tried_once_and_before_them(both):
    assert both[0].evidence["Second"][0].data["exact"].item() == 3.0
    assert processes(both[0], "First").isdisjoint({os.getpid()})
    assert processes(both[0], "Second") == {os.getpid()}  # where what it builds on has come back to


def test_figures_are_drawn_where_the_claim_is_tried_and_in_the_style_of_all(both):
    claim = both[1].claims[-1]
    (here,), (plain,) = drawing.drawn(claim.figures([])), drawing.drawn([*claim.figures([])])
    assert both[0].figures["Draws"] == [here]
    assert here != plain  # made before the style is set
    assert both[1].figures["Draws"] == []  # as it is written


def test_the_longest_begin_first_but_for_brief_ones_that_others_build_on():
    begun = verify.in_order(CLAIMS)
    assert set(begun) == {part for claim in CLAIMS for part in claim.builds_on or (claim,)}
    assert len(begun) == len(set(begun))
    later = [claim.effort for claim in begun[4:]]
    assert [claim.name for claim in begun[:4]] == ["Theorem 1", "Proposition 1", "Proposition 3", "Theorem 2"]
    assert later == sorted(later, reverse=True)
    assert later[0] > 0


def test_one_that_cannot_be_sent_to_another_process_is_tried_in_this_one(both):
    assert processes(both[0], "Local") == {os.getpid()}


def test_a_fault_costs_that_claim_alone(both):
    for outcome in both:
        unjudged = {verdict.claim: verdict.missing for verdict in outcome.verdicts if verdict.missing}
        assert unjudged.keys() == {"Fails"}
        assert "KeyError: 'a fault'" in unjudged["Fails"]


def test_seconds_of_work_do_not_count_those_of_what_it_builds_on(both):
    assert both[0].seconds.keys() == both[1].seconds.keys() == {claim.name for claim in both[0].claims}
    routes = Routes(1, 1)
    routes.once("outer", lambda: routes.once("inner", lambda: time.sleep(0.2), "inner"), "outer")
    assert routes.seconds["inner"] >= 0.2 > 0.1 > routes.seconds["outer"]


def test_a_process_that_dies_costs_no_claim(tmp_path):
    outcome = tried([Deadly("Deadly", str(tmp_path)), Toy("First")], 2)
    assert (tmp_path / "dead").exists()
    assert [verdict.level for verdict in outcome.verdicts] == ["right", "right"]
    np.testing.assert_array_equal([piece.data["exact"].item() for (piece,) in outcome.evidence.values()], 1.0)


def test_an_interrupt_ends_all_processes_at_once(tmp_path):
    """As a terminal sends it, to all of them."""
    heed = "import signal, runpy, sys; signal.signal(signal.SIGINT, signal.default_int_handler); sys.argv[0] = 'x'; "
    code = heed + "runpy.run_module('experiments', run_name='__main__')"
    arguments = ["verify", "--claim", "theorem 3", "--claim", "proposition", "--threads", "2", "--out", "out"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *arguments],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )

    def workers():
        children = psutil.Process(process.pid).children(recursive=True)
        return [child for child in children if "spawn_main" in " ".join(child.cmdline())]

    end = time.monotonic() + 60
    while len(workers()) < 2 and time.monotonic() < end:
        time.sleep(0.05)
    children = workers()
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=10)
    assert (process.returncode, said) == (130, "diffusion-lab: interrupted; nothing was written\n")
    assert len(children) == 2
    assert psutil.wait_procs(children, timeout=10)[1] == []
    assert list(tmp_path.iterdir()) == []
