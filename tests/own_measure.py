"""A user's own things, as a sweep names them: tests.own_measure is on the path of the tests' drivers and workers."""

import os
import signal
import time

from diffusion import SeparableLandscape, StyblinskiTang


def well(sharpness: float = 1.0) -> SeparableLandscape:
    """A double well."""
    return SeparableLandscape(
        lambda u: u**4 / 4 - u**2 / 2,
        lambda u: u**3 - u,
        lambda u: 3 * u**2 - 1,
        reference=1.0,
        saddle=0.0,
        sharpness=sharpness,
    )


ready = StyblinskiTang(1)


def curvature(landscape, noise, seed, factor, pause=0.0):
    """The curvature at the reference point times a factor, and the seed."""
    if factor < 0:
        raise ArithmeticError(f"factor = {factor} is\nbelow 0")
    time.sleep(pause)
    return {"curvature": factor * landscape.hessian[0], "seed_used": seed % 1000}


curvature.variables = ("curvature", "seed_used")


def deadly(factor):
    """Ends its worker where the factor is 2."""
    if factor == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"value": factor}


deadly.variables = ("value",)


def no_measurement(factor):
    """Does not say what it measures."""
    return {"value": factor}


def bare(factor, threads, known=True):
    """Asks for no dynamics, landscape or noise; one of its numbers may be missing."""
    return {"threads": threads or 0, "maybe": factor if known else float("nan")}


bare.variables = ("threads", "maybe")
bare.optional = ("maybe",)
