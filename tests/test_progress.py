"""Progress: shown on a terminal for what takes long, with the time that is left, and nowhere unless it was asked."""

import io
import re
import subprocess
import sys

import numba
import pytest
from rich.console import Console

from diffusion import SGD, IsotropicNoise, StyblinskiTang, fokker_planck, simulate
from diffusion.kernels.jit import inlined
from diffusion.progress import PATIENCE, Display, shown_on, task, through

PIECES = re.compile(r"\x1b\[([0-9;?]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")


def screen(text):
    """What a terminal shows that was sent this: lines, some of them erased and written anew."""
    lines, row = [""], 0
    for number, code, end, words in PIECES.findall(text):
        if end == "\n":
            row += 1
            lines += [""] * (row == len(lines))
        elif code == "A":
            row -= int(number or 1)
        elif code == "K":
            lines[row] = ""
        else:
            lines[row] += words
    return "\n".join(lines).strip()


class Terminal:
    """A terminal of a hundred columns, and a clock that only moves when it is told to."""

    def __init__(self, real=True):
        self.now, self._file = 0.0, io.StringIO()
        self._console = Console(file=self._file, force_terminal=real, width=100)
        self.display = Display(self._console, lambda: self.now)

    def shown(self, after=0.0):
        """What is on the screen so many seconds later."""
        self.now += after
        self.display.draw()
        return screen(self._file.getvalue())


@pytest.fixture
def terminal():
    fake = Terminal()
    with shown_on(fake.display):
        yield fake


def test_a_task_is_shown_once_it_has_taken_five_seconds_and_no_longer_than_it_lasts(terminal):
    with task("work", 100, lambda: 25):
        assert terminal.shown(after=PATIENCE - 0.01) == ""
        assert re.fullmatch(r"work \S{20} 25 % 0:00:05", terminal.shown(after=0.01))
    assert terminal.shown(after=1) == ""


def test_the_time_that_is_left_is_that_at_the_speed_of_late(terminal):
    """A measure that runs at 1 a second and, from 40 s on, at 3: the 255 that are missing after 75 s take 85 s more."""
    with task("work", 400, lambda: terminal.now + max(0.0, 2 * (terminal.now - 40))):
        shown = [terminal.shown(after=1) for _ in range(75)]
    assert shown[19].endswith("0:00:20, 0:06:20 left")
    assert shown[74].endswith("0:01:15, 0:01:25 left")


def test_steps_are_counted_and_named_and_parts_of_a_task_shown_below_it(terminal):
    with task("claims", 4) as claims:
        terminal.now += 20
        claims.step("the first")
        claims.say("the second")
        with task("simulate", 10, lambda: 5):
            assert terminal.shown().endswith("1/4 0:00:20, 0:01:00 left the second")
            upper, lower = terminal.shown(after=10).splitlines()
    assert upper.startswith("claims")
    assert lower.startswith("simulate")


def test_a_task_may_have_its_lines_on_a_terminal_too(terminal):
    with task("claims", 2, told=True) as claims, task("simulate", 10, lambda: 5, told=True) as part:
        claims.step("the first: right")
        part.step("a part")
        assert terminal.shown() == "[    0 s] 1/2 the first: right"


def shown_now():
    """Means something to the compiler alone."""


def test_compiling_is_said_while_numba_compiles(terminal):

    @numba.extending.overload(shown_now)
    def _():
        said.append(terminal.shown())  # by the compiler, in the midst of its work
        return lambda: None

    said = []
    with task("simulate", 100, lambda: 0):
        terminal.now += 60
        inlined(lambda: shown_now())()  # not one of those that are kept on disk
        assert not terminal.shown().endswith("compiling")
    assert said[0].endswith("0:01:00 compiling")


def test_without_a_terminal_steps_of_the_outermost_task_are_lines():
    pipe = Terminal(real=False)
    with shown_on(pipe.display), task("sweep", 4, every=5.0) as sweep, task("part", 3) as part:
        for seconds in (0, 1, 7, 1):
            pipe.now += seconds
            sweep.step("a point")
            part.step("nothing")
    assert pipe.shown().splitlines() == ["[    0 s] 1/4 a point", "[    8 s] 3/4 a point", "[    9 s] 4/4 a point"]


def test_simulate_tells_how_many_iterations_of_all_replicas_are_done(terminal):
    """At the end all of them; at the times in between no fewer than before, though chunks of them end in any order."""
    seen = []
    begin = terminal.display.begin
    terminal.display.begin = lambda task: (begin(task), seen.append(task))
    simulate(SGD(0.01), StyblinskiTang(1), noise=IsotropicNoise(1.0), iterations=70, replicas=3000, threads=2)
    assert [(work.name, work.total, work.measure()) for work in seen] == [("simulate", 3000 * 70, 3000 * 70)]


def test_a_grid_in_phase_space_counts_the_rungs_that_it_climbs(terminal):
    begin, seen, shares = terminal.display.begin, [], []

    def heed(task):
        begin(task)
        seen.append(task)
        shares.append(seen[0].done / max(seen[0].total, 1))

    terminal.display.begin = heed
    fokker_planck.mean_first_passage_time(
        StyblinskiTang(1), diffusion=20.0, start=-2.9, boundary=0.16, mass=1.0, damping=1.0
    )
    assert seen[0].name == "phase-space grid"
    assert {work.name.split()[0] for work in seen[1:]} == {"equations"}
    assert shares[-1] > shares[1] == 0


def test_what_may_not_be_wanted_is_not_counted_on(terminal):
    for item in through("abcd", "letters", [1, 2, 4, 8]):
        shown = terminal.shown(after=PATIENCE)
        if item == "c":
            break
    assert re.fullmatch(r"letters \S{20} 43 % 0:00:15, 0:00:20 left", shown)
    assert terminal.shown(after=PATIENCE) == ""


def test_a_program_shows_nothing_unless_it_asks_and_then_not_what_is_short():
    code = "import sys, diffusion; from diffusion.progress import task\n"
    code += "with task('work', 2) as work: work.step('one')\nassert 'rich' not in sys.modules\n"
    code += "with diffusion.progress():\n with task('work', 2) as work: work.step('one')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("", "[    0 s] 1/2 one\n")
