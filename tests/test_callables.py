"""Functions of a position that are no vectorized plain functions: taken rightly, or refused by name."""

import functools
import math
import warnings

import numba
import numpy as np
import pytest

import theory
from diffusion import QuadraticSaddle, StyblinskiTang, fokker_planck
from diffusion.callables import described

WHERE = {"start": 0.0, "boundary": 1.0}


def branching(x):
    if x > 0.3:
        return 1.0
    return 0.5


def all_or_nothing(x):
    return 1.0 if np.all(x > 0.3) else 0.5


def reducing(x):
    return (
        0.75 + 0.25 * np.sign(np.max(x) - 0.3)
        if np.ndim(x) == 0
        else np.full_like(x, 0.75 + 0.25 * np.sign(x.max() - 0.3))
    )


class Medium:
    def noise(self, x):
        return branching(x)


def math_only(x):
    return 0.75 + 0.25 * math.copysign(1, x - 0.3)


def changing(x):
    np.subtract(x, 0.3, out=x)
    return 0.75 + 0.25 * np.sign(x)


TWO_MEDIA = {
    "branches": branching,
    "math": math_only,
    "answers an array with one number": all_or_nothing,
    "reduces an array": reducing,
    "partial": functools.partial(lambda cut, x: branching(x + cut), 0.0),
    "bound method": Medium().noise,
    "compiled": numba.njit(branching),
    "lists": lambda x: [branching(x)],
    "changes its argument": changing,
}
CONSTANT = [1, np.float32(1), np.int64(1), np.array(1.0), lambda x: 1, lambda x: np.ones(1), np.poly1d([1.0])]


def grid(diffusion, **more):
    arguments = {"diffusion": diffusion, **WHERE, "breaks": [0.3], "tolerance": 1e-3} | more
    return fokker_planck.mean_first_passage_time(QuadraticSaddle([1.0]), **arguments).mfpt.item()


def quadrature(diffusion, **more):
    return theory.first_passage_time(lambda x: x, diffusion, **({**WHERE, "breaks": [0.3]} | more))


@pytest.mark.parametrize("solve", [grid, quadrature])
def test_every_kind_of_function_is_taken_as_its_values_one_by_one(solve):
    exact = solve(lambda x: np.where(x > 0.3, 1.0, 0.5))
    for name, function in TWO_MEDIA.items():
        assert solve(function) == pytest.approx(exact, rel=1e-9), name
    assert solve(np.vectorize(branching)) == pytest.approx(exact, rel=1e-9)


@pytest.mark.parametrize("solve", [grid, quadrature])
def test_constants_of_every_kind(solve):
    exact = solve(1.0)
    for constant in CONSTANT:
        assert solve(constant) == pytest.approx(exact, rel=1e-12)


@pytest.mark.parametrize("number", [np.float32, np.int64, np.array])
def test_numbers_of_numpy_are_taken_wherever_those_of_python_are(number):
    where = {"start": number(0), "boundary": number(1), "reflecting": number(-9)}
    assert grid(0.5, **where, breaks=()) == pytest.approx(grid(0.5, breaks=()), rel=1e-9)
    assert quadrature(0.5, **where, breaks=()) == pytest.approx(quadrature(0.5, breaks=()), rel=1e-9)
    found = fokker_planck.density(
        QuadraticSaddle([1.0]),
        diffusion=number(1),
        start=number(0),
        times=number(1),
        spread=number(1),
        fineness=number(1),
    )
    assert found.survival.item() == pytest.approx(1.0)


def test_gradients_and_losses_of_every_kind():
    def force(x):
        if x > 0:
            return math.expm1(x)
        return x

    def vector(x):
        return np.where(x > 0, np.expm1(x), x)

    for where in (WHERE, {"start": 0.0, "boundary": -1.0}):
        exact = theory.first_passage_time(vector, 0.3, **where)
        assert theory.first_passage_time(force, 0.3, **where) == pytest.approx(exact, rel=1e-11)
        assert theory.leading_rate(force, 0.3, **where) == pytest.approx(theory.leading_rate(vector, 0.3, **where))
    walled = {**WHERE, "reflecting": -1.0}
    assert theory.first_passage_time(np.sin, 0.3, **walled) == theory.first_passage_time(
        lambda x: np.sin(x), 0.3, **walled
    )
    line = np.poly1d([1.0, 0.0])
    chain = {"lr": 0.5, "start": 0.0, "boundary": 1.0}
    exact = theory.discrete_first_passage_time(lambda x: x, 0.5, **chain)
    assert theory.discrete_first_passage_time(line, lambda x: 0.5 * math.exp(0 * x), **chain) == pytest.approx(exact)
    quartic = {"minimum": 1.0, "saddle": 0.0, "mass": np.float32(1)}
    action = theory.barrier_action(lambda x: (x * x - 1) ** 2, **quartic)
    assert action == pytest.approx(8 / 3)
    assert theory.barrier_action(np.poly1d([1, 0, -2, 0, 1]), **quartic) == pytest.approx(action)
    assert theory.barrier_action(lambda x: math.pow(x * x - 1, 2), **quartic) == pytest.approx(action)


BAD = [
    (lambda x: 1 / (x - x), "finite"),
    (lambda x: 1 / 0, "ZeroDivisionError: division by zero"),
    (lambda x: math.log(-1.0), "ValueError: (math domain|expected a positive)"),
    (lambda x: [1.0, 2.0], r"returns shape \(2,\) for the one position"),
    (lambda x: 1j * x, "returns complex values? for the one position|returns a complex value for the one position"),
    (lambda: 1.0, "fails at x = .* takes 0 positional arguments"),
    (lambda x: x.no_such, "fails at x = .*AttributeError"),
    (lambda x: None, "finite"),
]


@pytest.mark.parametrize(("function", "message"), BAD, ids=[message for _, message in BAD])
def test_functions_that_fail_are_refused_by_name_and_place(function, message):
    with pytest.raises(ValueError, match=f"diffusion.*({message})"):
        grid(function)
    with pytest.raises(ValueError, match=f"diffusion.*({message})"):
        quadrature(function)
    with pytest.raises(ValueError, match=f"gradient.*({message})"):
        theory.first_passage_time(function, 1.0, **WHERE)
    with pytest.raises(ValueError, match=f"gradient.*({message})"):
        theory.discrete_first_passage_time(function, 1.0, lr=0.5, **WHERE)


def test_what_is_not_a_function_is_refused():
    with pytest.raises(ValueError, match="gradient = 3 must be a function"):
        theory.first_passage_time(3, 1.0, **WHERE)


def test_warnings_of_a_function_stay_inside():
    """dX = dt/X + sqrt(2) dW, which never comes to 0, goes from a to b in (b^2 - a^2)/4."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = theory.first_passage_time(lambda x: -1 / x, 1.0, start=1.0, boundary=2.0)
    assert found == pytest.approx(3 / 4, rel=1e-9)


def test_two_grids_of_different_diffusions_never_have_the_same_record():
    def constant(x, value):
        return value + 0 * x

    def closed(value):
        return lambda x: value + 0 * x

    def table(value):
        return functools.partial(
            np.interp, xp=np.linspace(-9, 9, 2001), fp=np.where(np.arange(2001) % 2000 > 3, value, 4.0)
        )

    def medium(level):
        class Medium:
            def __call__(self, x):
                return constant(x, level)

        return Medium()

    made = [closed, lambda value: functools.partial(constant, value=value), lambda value: np.poly1d([value]), table]
    made = [make(value) for value in (4.0, 5.0) for make in made]
    where = {"start": 2.7468, "boundary": 0.156731}
    times = [fokker_planck.mean_first_passage_time(StyblinskiTang(1), diffusion=one, **where) for one in made]
    assert len({time.attrs["parameters"] for time in times}) == len(made)
    assert len({described(medium(value)) for value in (4.0, 5.0)}) == 2
