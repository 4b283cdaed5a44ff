"""Tasks of a lab, for its tests; workers import them."""

import os

import numpy as np
import torch


def draws(seed, count=1000):
    """Sums whose last bits depend on the number of threads, and a trace of having been run."""
    numbers = torch.rand(count, 50, generator=torch.Generator().manual_seed(seed))
    return {"sum": (numbers.T @ numbers).numpy(), "threads": np.array(torch.get_num_threads())}


def failing(seed):
    """A task that fails for odd seeds."""
    if seed % 2:
        raise ArithmeticError(f"seed {seed} is odd")
    return draws(seed)


def traced(seed):
    """A task that leaves a trace in the folder TRACES each time it is run."""
    with open(os.path.join(os.environ["TRACES"], str(seed)), "a") as trace:
        trace.write("x")
    return draws(seed)


def dying(seed):
    """A task whose process ends."""
    os._exit(seed)


def slow(checkpoint, seed):
    """A task that is interrupted after its first half, which it keeps."""
    if not checkpoint.exists():
        checkpoint.write_text("half")
        raise KeyboardInterrupt
    return {"seed": seed}
