"""The lessons' server as a process, for tests."""

import contextlib
import os
import re
import signal
import subprocess
import sys

COLD = """
import sys
from experiments.teach import server
server.warm = lambda: None
from experiments.cli import main
main()
"""


@contextlib.contextmanager
def serving(*options, warm=True):
    """The real server on a free port; gives the process and the address that it prints.

    One that is not warm has run no lesson: that takes seconds, and its guard does not depend on it.
    """
    process = subprocess.Popen(
        [
            sys.executable,
            *(("-m", "experiments") if warm else ("-c", COLD)),
            "teach",
            "--no-browser",
            "--port",
            "0",
            *options,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    try:
        lines = []
        for line in process.stdout:
            lines.append(line)
            found = re.search(r"Lessons: (http://\S+)", line)
            if found:
                yield process, found[1]
                return
        raise RuntimeError("".join(lines))
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
