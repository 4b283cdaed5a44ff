"""Claims that tell in which process they are tried, for tests that try them side by side."""

import os
import time
from pathlib import Path

from experiments.drawing import subplots
from experiments.referee import Claim, Evidence, Finding, Row


class Toy(Claim):
    """Its evidence is one number, and its case the process that computed it."""

    place = statement = "nowhere"

    def __init__(self, name, *builds_on, value=1.0):
        self.name, self.builds_on, self.value = name, builds_on, value

    def __reduce__(self):
        return type(self), (self.name, *self.builds_on), {"value": self.value}

    def number(self, routes):
        return self.value + sum(part.sound(routes)[0].data["exact"].item() for part in self.builds_on)

    def evidence(self, routes):
        row = Row({"seed": routes.seed}, {"exact": self.number(routes), "paper": 1.0})
        yield Evidence.of_rows("a toy", "number", [row], case=os.getpid())

    def findings(self, evidence):
        yield Finding.judged("number", evidence[0].data["exact"].item(), "1", "not 1", target=1.0, tolerance=0.1)


class Meets(Toy):
    """Its number is 1 if another is tried at the same time: each leaves a file, and waits for two."""

    def __init__(self, name, folder, patience):
        super().__init__(name)
        self.folder, self.patience = folder, patience

    def __reduce__(self):
        return type(self), (self.name, self.folder, self.patience)

    def number(self, routes):
        Path(self.folder, self.name).touch()
        end = time.monotonic() + self.patience
        while len(os.listdir(self.folder)) < 2 and time.monotonic() < end:
            time.sleep(0.01)
        return float(len(os.listdir(self.folder)) == 2)


class Draws(Toy):
    """Has a figure."""

    def figures(self, evidence):
        figure, axis = subplots(size=(1, 1))
        axis.plot([0, 1])
        yield "line", self.name, figure, "A line."


class Fails(Toy):
    """A fault of its own code."""

    def number(self, routes):
        raise KeyError("a fault")


class Deadly(Toy):
    """Ends the process that tries it, once, as the system does for want of memory."""

    def __init__(self, name, folder):
        super().__init__(name)
        self.folder = folder

    def __reduce__(self):
        return type(self), (self.name, self.folder)

    def number(self, routes):
        mark = Path(self.folder, "dead")
        if not mark.exists():
            mark.touch()
            os._exit(1)
        return 1.0
