"""Which solver answers for an equation."""

from __future__ import annotations

from diffusion.fokker_planck.equation import Equation
from diffusion.fokker_planck.inertial import Inertial
from diffusion.fokker_planck.line import Line
from diffusion.fokker_planck.plane import Plane
from diffusion.fokker_planck.solver import Solver

# By the number of coordinates, and whether there is inertia
KINDS: dict[tuple[int, bool], type[Solver]] = {(1, False): Line, (1, True): Inertial, (2, False): Plane}


def solver_of(equation: Equation) -> Solver:
    """The solver of an equation.

    Raises
    ------
    ValueError
        If there is none.
    """
    dimension = equation.landscape.dimension
    kind = KINDS.get((dimension, equation.phase))
    if kind is None:
        inertia = " with mass and damping" if equation.phase else ""
        raise ValueError(
            f"landscape has dimension = {dimension}{inertia}; Fokker-Planck grids here are for one coordinate, and "
            "for two without inertia: take one coordinate, or simulate an ensemble with exit_times or, where exits "
            "are rare, rare_escape_rate; theory.least_action has the exponent"
        )
    return kind(equation)
