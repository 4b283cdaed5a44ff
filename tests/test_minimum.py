"""Escape times: Theorem 3, Propositions 2 and 4, Equation 57, and the limits they are measured by."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.integrate import quad
from scipy.optimize import minimize_scalar

import theory

WELL = {"barrier": 0.3, "hessian_minimum": 1.0, "hessian_saddle": 4.0, "batch_size": 2.0, "split": 0.8}
LR = 0.2


def test_theorem_3_as_printed():
    found = theory.momentum_escape_time(**WELL, lr=LR, mass=0.5, damping=3.0)
    exponent = 2 * 1.5 * 2 * 0.3 / LR * (0.8 / 1 + 0.2 / 4)
    assert found == pytest.approx(np.pi * (np.sqrt(1 + 4 * 4 / (9 * 0.5)) + 1) / 4 * np.exp(exponent), rel=1e-13)


def test_theorem_3_tends_to_sgd_for_strong_damping():
    found = theory.momentum_escape_time(**WELL, lr=LR, mass=1e-9, damping=1e9)
    assert found == pytest.approx(theory.sgd_escape_time(**WELL, lr=LR), rel=1e-7)


def test_proposition_2_as_printed():
    found = theory.adam_escape_time(**WELL, lr=LR, beta1=0.9)
    root = np.sqrt(1 + 4 * LR * np.sqrt(2 * 4) / 0.1)
    exponent = 2 * np.sqrt(2) * 0.3 / LR * (0.8 + 0.2 / 2)
    assert found == pytest.approx(np.pi * (root + 1) * 4**0.25 / 4 * np.exp(exponent), rel=1e-13)


def test_proposition_2_is_kramers_in_the_transformed_potential():
    """v = C: per iteration, int L'/sqrt(C) at temperature lr/2 with damping 1 - beta1; one formula from the other."""
    for beta in (0.5, 0.9):
        curvature_a, curvature_b = np.sqrt(2.0) * np.array([1.0, 2.0])  # sqrt(B H)
        height = 0.3 * np.sqrt(2) * (0.8 / 1 + 0.2 / 2)
        kramers = theory.kramers_escape_time(
            barrier=LR * height,
            hessian_minimum=LR * curvature_a,
            hessian_saddle=LR * curvature_b,
            temperature=LR**2 / 2,
            mass=1 / (1 - beta),
            damping=1 - beta,
        )
        adam = theory.adam_escape_time(**WELL, lr=LR, beta1=beta, clock="iteration")
        assert adam == pytest.approx(kramers, rel=1e-12)


def test_proposition_4_as_printed():
    found = theory.adai_escape_time(**WELL, lr=LR, beta0=0.1, mean_curvature=1.7)
    exponent = 2 * 2 * 0.3 / LR * (0.8 / 1 + 0.2 / 4)
    assert found == pytest.approx(np.pi * (np.sqrt(1 + 4 * LR * 1.7 / 0.1) + 1) / 4 * np.exp(exponent), rel=1e-13)


def test_clocks():
    """Iterations are dynamical time over lr; Adam's adaptive time advances by lr sqrt(B/|H_be|)."""
    for function, more in (
        (theory.sgd_escape_time, {}),
        (theory.momentum_escape_time, {"mass": 2.0, "damping": 0.5}),
        (theory.adai_escape_time, {"beta0": 0.1, "mean_curvature": 1.0}),
    ):
        dynamical, iterations = (function(**WELL, lr=LR, **more, clock=clock) for clock in ("dynamical", "iteration"))
        assert dynamical == pytest.approx(LR * iterations, rel=1e-14)
    dynamical, iterations = (
        theory.adam_escape_time(**WELL, lr=LR, beta1=0.9, clock=clock) for clock in ("dynamical", "iteration")
    )
    assert dynamical == pytest.approx(LR * np.sqrt(2 / 4) * iterations, rel=1e-14)


def test_equation_57_is_the_slow_root_at_the_saddle():
    mass, damping, h = 0.7, 1.3, 4.0
    slow = np.max(np.roots([mass, damping * mass, -h]))
    factor = theory.effective_diffusion(hessian_saddle=h, mass=mass, damping=damping)
    assert h / (damping * mass) * factor == pytest.approx(slow, rel=1e-13)


@pytest.mark.parametrize(("convention", "prefactor"), [("ito", 1.0), ("stratonovich", 0.5), ("isothermal", 0.25)])
def test_prefactor_of_each_convention(convention, prefactor):
    """2 pi/H_a, 2 pi/sqrt(H_a H_b), 2 pi/H_b: Theorem 3's is the isothermal one."""
    found = theory.low_temperature_escape_time(**WELL, lr=LR, convention=convention)
    paper = theory.sgd_escape_time(**WELL, lr=LR)
    assert found / paper == pytest.approx(prefactor * 4, rel=1e-13)
    at_saddle = theory.low_temperature_escape_time(**WELL, lr=LR, convention=convention, arrival="at saddle")
    assert at_saddle == pytest.approx(found / 2, rel=1e-14)


def test_effective_temperature_is_the_least_action_and_between_the_two():
    """Minimised numerically over the velocity at the join; its limits for weak and strong damping."""
    t_a, t_b, h, mass, way = 0.3, 1.1, 4.0, 0.5, 0.7
    for damping in (0.2, 1.0, 5.0):
        slow = np.max(np.roots([mass, damping * mass, -h]))

        def action(r, damping=damping, slow=slow):
            mode = r - (slow + damping) * way
            return mass * r * r / (2 * t_a) + slow * mass * mode * mode / (2 * damping * t_b)

        found = theory.effective_temperature(
            temperature_minimum=t_a, temperature_saddle=t_b, hessian_saddle=h, mass=mass, damping=damping
        )
        assert h * way**2 / 2 / found == pytest.approx(minimize_scalar(action).fun, rel=1e-9)
    known = {"temperature_minimum": t_a, "temperature_saddle": t_b, "hessian_saddle": h, "mass": mass}
    assert theory.effective_temperature(**known, damping=1e-6) == pytest.approx(t_a, rel=1e-5)
    assert theory.effective_temperature(**known, damping=1e6) == pytest.approx(t_b, rel=1e-5)


def relaxation_returns(t_a, t_b, h_a, h_b, mass, damping):
    """Whether the path from (x_s, -r*) comes back to x_s = 1, step by step.

    By the exact solution of M x'' = -gamma M x' - H_a x.
    """
    slow = np.max(np.roots([mass, damping * mass, -h_b]))
    speed = slow * t_a * (slow + damping) * h_a / h_b / (slow * t_a + damping * t_b)
    rates, modes = np.linalg.eig(np.array([[0, 1], [-h_a / mass, -damping]], complex))
    times = np.linspace(0, 60 / np.sqrt(h_a / mass), 60_001)
    x = (np.exp(np.outer(times, rates)) @ (modes[0] * np.linalg.solve(modes, [1, -speed]))).real
    left = int(np.argmax(x < 1 - 1e-9))
    return bool((x[left:] > 1).any())


def test_the_join_is_crossed_once_where_the_relaxation_that_ends_the_path_does_not_return():
    """At 200 random temperatures, curvatures and dampings, of which a third return; and in `verify`'s four cases."""
    draws = 10 ** np.random.default_rng(0).uniform([-1.5, -1.5, -2], [1.5, 1.5, 1], (200, 3))
    returned = [relaxation_returns(1.0, t_b, 1.0, h_b, 1.0, damping) for t_b, h_b, damping in draws]
    known = {"temperature_minimum": 1.0, "hessian_minimum": 1.0}
    once = theory.join_is_crossed_once(
        **known, temperature_saddle=draws[:, 0], hessian_saddle=draws[:, 1], mass=1.0, damping=draws[:, 2]
    )
    assert 40 < sum(returned) < 160
    np.testing.assert_array_equal(once, np.logical_not(returned))
    hot, ratio = np.array([0.25, 0.25, 4.0, 4.0]), np.array([0.3, 1.0, 0.3, 1.0])
    damping = ratio**2 * hot
    once = theory.join_is_crossed_once(
        **known, temperature_saddle=hot, hessian_saddle=hot, mass=1 / damping, damping=damping
    )
    assert once.tolist() == [False, True, True, True]
    with pytest.raises(ValueError, match=r"hessian_minimum = 0.0 must be above 0"):
        theory.join_is_crossed_once(
            **(known | {"hessian_minimum": 0.0}), temperature_saddle=1.0, hessian_saddle=1.0, mass=1.0, damping=1.0
        )


def test_heavy_ball_prefactor_has_the_friction():
    """gamma M = 0.1 at a tenth of the learning rate is the EMA style: same iterations, a tenth of dynamical time."""
    heavy = theory.low_temperature_escape_time(**WELL, lr=LR / 10, friction=0.1)
    assert heavy == pytest.approx(theory.low_temperature_escape_time(**WELL, lr=LR) / 10, rel=1e-13)


@pytest.mark.parametrize("loss", [1e-3, 0.1, 1.0, 7.0])
def test_depopulation_against_its_integral(loss):
    exact = np.exp(2 / np.pi * quad(lambda x: np.log(-np.expm1(-loss / (4 * np.cos(x) ** 2))), 0, np.pi / 2)[0])
    assert theory.depopulation(loss) == pytest.approx(exact, rel=1e-9)


def test_depopulation_limits():
    assert theory.depopulation(1e-7) == pytest.approx(1e-7, rel=1e-3)  # Kramers' energy diffusion
    assert theory.depopulation(np.inf) == 1


def test_action_of_a_harmonic_well():
    """To the rim of a half parabola cut at 1: a quarter orbit on each side, S = pi E/omega."""

    def loss(x):
        return 0.5 * 4.0 * np.minimum(np.abs(x), 1.0) ** 2 + np.maximum(-x - 1, 0)

    found = theory.barrier_action(loss, minimum=0.0, saddle=1.0, mass=3.0)
    # 2 int_{-1}^{1} sqrt(2 M (E - H x^2/2)) dx = pi E/omega * 2 with E = 2, omega = sqrt(4/3)
    assert found == pytest.approx(2 * np.pi * 2 / np.sqrt(4 / 3), rel=1e-6)


@given(st.floats(0.1, 10), st.floats(0.1, 10), st.floats(0.05, 0.95), st.floats(1, 100))
def test_exponent_depends_on_lr_over_batch_size(h_a, h_b, split, batch):
    """The linear scaling rule."""
    arguments = {"barrier": 1.0, "hessian_minimum": h_a, "hessian_saddle": h_b, "split": split}
    one = theory.escape_exponent(**arguments, lr=0.1, batch_size=1.0)
    assert theory.escape_exponent(**arguments, lr=0.1 * batch, batch_size=batch) == pytest.approx(one, rel=1e-12)


@given(st.floats(0.1, 10), st.floats(0.1, 10), st.floats(0.05, 0.95), st.floats(1, 100))
def test_adam_exponent_depends_on_lr_over_root_of_batch_size(h_a, h_b, split, batch):
    """The square-root scaling rule."""
    arguments = {"barrier": 1.0, "hessian_minimum": h_a, "hessian_saddle": h_b, "split": split, "power": 0.5}
    one = theory.escape_exponent(**arguments, lr=0.1, batch_size=1.0)
    scaled = theory.escape_exponent(**arguments, lr=0.1 * np.sqrt(batch), batch_size=batch)
    assert scaled == pytest.approx(one, rel=1e-12)


def test_beyond_float64_is_infinite():
    assert theory.sgd_escape_time(**WELL | {"barrier": 1e6}, lr=LR) == np.inf


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hessian_saddle": -4.0}, "hessian_saddle = -4.0 must be above 0"),
        ({"split": 1.5}, r"split = 1.5 must lie in \[0, 1\]"),
        ({"barrier": 0.0}, "barrier = 0.0 must be above 0"),
        ({"clock": "wall"}, "clock = 'wall' is unknown; use one of 'dynamical', 'iteration'"),
        ({"lr": np.nan}, "lr = nan has a value that is not finite"),
    ],
)
def test_bad_input(change, message):
    with pytest.raises(ValueError, match=message):
        theory.sgd_escape_time(**WELL | {"lr": LR} | change)


def test_an_action_below_0_is_refused():
    known = {"barrier": 1.0, "hessian_minimum": 1.0, "hessian_saddle": 1.0, "temperature": 0.1, "mass": 1.0}
    with pytest.raises(ValueError, match=r"action = -1.0 must be above 0"):
        theory.kramers_escape_time(**known, damping=1.0, action=-1.0)


def test_action_needs_a_barrier_and_a_wall():
    with pytest.raises(ValueError, match="no barrier"):
        theory.barrier_action(lambda x: -x, minimum=0.0, saddle=1.0, mass=1.0)
    with pytest.raises(ValueError, match="no wall"):
        theory.barrier_action(lambda x: x, minimum=0.0, saddle=1.0, mass=1.0)
