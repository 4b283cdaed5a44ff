"""The equation that a caller means: given term by term, or as an optimizer with its noise."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from diffusion import checks
from diffusion.callables import described
from diffusion.dynamics import Dynamics
from diffusion.fokker_planck.overdamped import POWERS
from diffusion.fokker_planck.path import Diffusion
from diffusion.landscapes import Landscape
from diffusion.motion import Motion, OverdampedMotion
from diffusion.noise import NoiseModel
from diffusion.problem import check_kinds


@dataclass(frozen=True)
class Equation:
    """What moves a particle: given term by term, or as an optimizer with its noise.

    Attributes
    ----------
    landscape, diffusion, mass, damping, breaks, convention
        As in `mean_first_passage_time`; without inertia mass and damping are None.
    iteration
        Dynamical time of one iteration, where an optimizer is given.
    record
        What a result tells of it.
    """

    landscape: Landscape
    diffusion: Diffusion
    mass: float | None
    damping: float | None
    breaks: ArrayLike
    convention: str
    iteration: float | None
    record: Mapping[str, Any]

    @property
    def phase(self) -> bool:
        """Whether it is that of phase space."""
        return self.mass is not None

    @property
    def inertia(self) -> tuple[float, float]:
        """Mass and damping, of phase space."""
        assert self.mass is not None
        assert self.damping is not None
        return self.mass, self.damping

    @property
    def power(self) -> float:
        """Of the convention."""
        return POWERS[self.convention]


def pose(
    landscape: Landscape,
    diffusion: Diffusion | None,
    mass: float | None,
    damping: float | None,
    breaks: ArrayLike,
    convention: str,
    dynamics: Dynamics | None,
    noise: NoiseModel | None,
) -> Equation:
    """The equation that a caller means.

    Raises
    ------
    ValueError
        If it is given twice or by halves, or as for `Motion`, or the convention is unknown or not the equation's.
    """
    check_kinds(landscape=landscape)
    given = {"diffusion": diffusion, "mass": mass, "damping": damping}
    if dynamics is None and noise is None:
        if diffusion is None:
            raise ValueError("diffusion = None: give D, a number or a function of positions, or dynamics and noise")
        diffusion, mass, damping = plain(diffusion, mass, damping)
        check_equation(convention, mass, damping)
        named = described(diffusion) if callable(diffusion) else diffusion
        record = {"landscape": repr(landscape), "diffusion": named, "mass": mass, "damping": damping}
        record |= {"convention": convention, "breaks": np.ravel(breaks).tolist()}
        return Equation(landscape, diffusion, mass, damping, breaks, convention, None, record)
    if dynamics is None or noise is None:
        raise ValueError(f"dynamics = {dynamics!r}, noise = {noise!r}: give both, or neither and diffusion")
    twice = [name for name, value in given.items() if value is not None]
    if twice:
        raise ValueError(f"{' and '.join(twice)} follow from dynamics = {dynamics!r} and its noise; leave them out")
    record = {"landscape": repr(landscape), "dynamics": repr(dynamics), "noise": repr(noise), "convention": convention}
    if landscape.dimension > 1:
        check_equation(convention, None, None)
        several = OverdampedMotion(dynamics, landscape, noise)
        return Equation(several.seen, several.diffusion, None, None, breaks, convention, several.lr, record)
    motion = Motion(dynamics, landscape, noise)
    mass, damping = (motion.mass, motion.damping) if motion.inertia else (None, None)
    check_equation(convention, mass, damping)
    known = [*np.ravel(breaks).tolist(), *motion.breaks]
    return Equation(motion.seen, motion.diffusion, mass, damping, known, convention, motion.lr, record)


def check_equation(convention: str, mass: float | None, damping: float | None) -> bool:
    """Whether the equation is that of phase space.

    Raises
    ------
    ValueError
        If the convention is unknown, only one of mass and damping is given, or they come with a convention that is not
        theirs.
    """
    checks.choice("convention", convention, tuple(POWERS))
    if mass is None and damping is None:
        return False
    for name, value, other in (("mass", mass, "damping"), ("damping", damping, "mass")):
        if value is None:
            raise ValueError(
                f"{name} = None, but {other} is given; phase space needs both, the overdamped equation neither"
            )
        checks.positive(name, value)
    if convention != "ito":
        raise ValueError(
            f"convention = {convention!r} has no meaning in phase space, where D multiplies the noise of a velocity "
            "that it does not depend on; leave it at 'ito', the limit of high damping"
        )
    return True


def plain(*values: Any) -> Any:
    """NumPy's scalars and arrays of dimension 0 as Python's numbers, everything else as it is."""
    return tuple(
        value.item() if isinstance(value, np.generic | np.ndarray) and value.ndim == 0 else value for value in values
    )
