"""Mean squared displacements: the closed forms as stated, and the exact values against 60-digit arithmetic."""

import ast
import sys
from pathlib import Path

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import theory

EPS = np.finfo(float).eps
MANY = settings(max_examples=150, deadline=None, derandomize=True)
SOME = settings(max_examples=25, deadline=None, derandomize=True)
LANGEVIN = {
    "rest": theory.momentum_msd_exact,
    "thermal": theory.momentum_msd_exact,
    "drift": theory.momentum_drift_msd_exact,
}


@pytest.fixture(autouse=True)
def _digits():
    with mp.workdps(110):
        yield


def langevin(kind, time, hessian, diffusion, mass, damping):
    """The textbook formula in high precision, with nothing done about cancellation or overflow."""
    t, h, d, m, g = map(mp.mpf, (time, hessian, diffusion, mass, damping))
    w = mp.sqrt(mp.mpc(g * g - 4 * h / m))
    if w == 0:
        response = t * mp.exp(-g * t / 2)
        energy = 2 / g**3 - mp.exp(-g * t) * (t * t / g + 2 * t / g**2 + 2 / g**3)
    else:
        plus, minus = (-g + w) / 2, (-g - w) / 2

        def j(rate):
            return t if rate == 0 else mp.expm1(rate * t) / rate

        response = (mp.exp(plus * t) - mp.exp(minus * t)) / w
        energy = (j(2 * plus) - 2 * j(plus + minus) + j(2 * minus)) / w**2
    noise, drift = 2 * d / m**2 * energy, d / (g * m * m) * response**2
    return mp.re({"rest": noise, "thermal": noise + drift, "drift": drift}[kind])


def squared_velocity(start, time, hessian, diffusion, mass, damping):
    """The integral of the squared response of the velocity, exponential by exponential."""
    t, h, d, m, g = map(mp.mpf, (time, hessian, diffusion, mass, damping))
    w = mp.sqrt(mp.mpc(g * g - 4 * h / m))
    plus, minus = (-g + w) / 2, (-g - w) / 2

    def j(rate):
        return t if rate == 0 else mp.expm1(rate * t) / rate

    rate = (plus * mp.exp(plus * t) - minus * mp.exp(minus * t)) / w
    energy = (plus**2 * j(2 * plus) - 2 * plus * minus * j(plus + minus) + minus**2 * j(2 * minus)) / w**2
    return mp.re(2 * d / m**2 * energy + (d / (g * m * m) * rate**2 if start == "thermal" else 0))


def overdamped(time, hessian, diffusion):
    t, h, d = map(mp.mpf, (time, hessian, diffusion))
    return 2 * d * t if h == 0 else d / h * (-mp.expm1(-2 * h * t))


def assert_accurate(value, reference, arguments):
    """Relative error below 1e-9, or ten times the condition number times the machine epsilon."""
    exact = reference(*arguments)
    if exact > mp.mpf(sys.float_info.max):
        assert np.isinf(value)
        return
    if exact < mp.mpf("1e-290"):
        assert value < 1e-289
        return
    step, condition = mp.mpf(10) ** -30, mp.mpf(0)
    for k in range(len(arguments)):
        moved = [mp.mpf(argument) for argument in arguments]
        moved[k] *= 1 + step
        condition += abs(reference(*moved) / exact - 1) / step
    assert abs(mp.mpf(float(value)) / exact - 1) < max(1e-9, 10 * EPS * condition)


LOG_TIME = st.floats(-8, 8)
STIFFNESS = st.one_of(  # kappa = H/(M gamma^2): 1/4 is critical damping
    st.tuples(st.sampled_from([-1, 1]), st.floats(-20, 6)).map(lambda x: x[0] * 10.0 ** x[1]),
    st.tuples(st.sampled_from([-1, 1]), st.floats(-16, 0)).map(lambda x: 0.25 * (1 + x[0] * 10.0 ** x[1])),
    st.floats(-1, 1),
    st.sampled_from([0.0, 0.25]),
)


@pytest.mark.parametrize("kind", LANGEVIN)
@MANY
@given(log_time=LOG_TIME, kappa=STIFFNESS, log_damping=st.floats(-2, 3), log_mass=st.floats(-3, 3))
def test_langevin_moments_match_high_precision(kind, log_time, kappa, log_damping, log_mass):
    damping, mass = 10.0**log_damping, 10.0**log_mass
    time, hessian = 10.0**log_time / damping, kappa * mass * damping**2
    start = {} if kind == "drift" else {"start": kind}
    value = LANGEVIN[kind](time, hessian=hessian, diffusion=0.3, mass=mass, damping=damping, **start)
    assert_accurate(value, lambda *arguments: langevin(kind, *arguments), (time, hessian, 0.3, mass, damping))


@pytest.mark.parametrize("start", ["rest", "thermal"])
@MANY
@given(log_time=LOG_TIME, kappa=STIFFNESS, log_damping=st.floats(-2, 3), log_mass=st.floats(-3, 3))
def test_velocity_variance_matches_high_precision(start, log_time, kappa, log_damping, log_mass):
    damping, mass = 10.0**log_damping, 10.0**log_mass
    hessian = kappa * mass * damping**2
    if mass * damping**2 == 4 * hessian:  # the reference divides by the difference of the roots
        hessian *= 1 + 1e-12
    time = 10.0**log_time / damping
    arguments = {"hessian": hessian, "diffusion": 0.3, "mass": mass, "damping": damping}
    value = theory.momentum_velocity_variance(time, **arguments, start=start)
    assert_accurate(value, lambda *given: squared_velocity(start, *given), (time, *arguments.values()))


@pytest.mark.parametrize("form", [theory.sgd_msd, theory.sgd_msd_exact], ids=["stated", "exact"])
@MANY
@given(log_time=LOG_TIME, sign=st.sampled_from([-1, 0, 1]), log_hessian=st.floats(-12, 2))
def test_sgd_moments_match_high_precision(form, log_time, sign, log_hessian):
    arguments = (10.0**log_time, sign * 10.0**log_hessian, 0.3)
    value = form(arguments[0], hessian=arguments[1], diffusion=arguments[2])
    assert_accurate(value, overdamped, arguments)


@pytest.mark.parametrize("kind", LANGEVIN)
def test_exact_critical_damping_is_accurate(kind):
    for time in (1e-6, 0.1, 1.0, 30.0, 1e6):
        start = {} if kind == "drift" else {"start": kind}
        value = LANGEVIN[kind](time, hessian=0.25, diffusion=0.3, mass=1.0, damping=1.0, **start)
        assert_accurate(value, lambda *arguments: langevin(kind, *arguments), (time, 0.25, 0.3, 1.0, 1.0))


def test_tiny_noise_times_large_growth_is_finite():
    """exp(730) overflows, 1e-20 exp(730) does not."""
    sgd = theory.sgd_msd(365.0, hessian=-1.0, diffusion=1e-20)
    assert_accurate(sgd, overdamped, (365.0, -1.0, 1e-20))
    assert_accurate(theory.sgd_msd_exact(365.0, hessian=-1.0, diffusion=1e-20), overdamped, (365.0, -1.0, 1e-20))
    arguments = (365.0, -2.0, 1e-20, 1.0, 1.0)  # roots 1 and -2
    for start in ("rest", "thermal"):
        value = theory.momentum_msd_exact(365.0, hessian=-2.0, diffusion=1e-20, mass=1.0, damping=1.0, start=start)
        assert_accurate(value, lambda *a, start=start: langevin(start, *a), arguments)
    assert np.isinf(theory.momentum_msd_exact(1e4, hessian=-2.0, diffusion=1.0, mass=1.0, damping=1.0, start="rest"))


# --- as stated


def test_theorem_2_is_equation_9_as_written():
    t, h, d, m, g = 3.0, -0.4, 0.3, 2.0, 0.7
    drift = d / (g**3 * m**2) * (1 - np.exp(-g * t)) ** 2
    diffusion = d / (g * m * h) * (1 - np.exp(-2 * h * t / (g * m)))
    arguments = {"diffusion": d, "mass": m, "damping": g}
    assert theory.momentum_msd(t, hessian=h, **arguments) == pytest.approx(drift + diffusion, rel=1e-13)
    assert theory.momentum_drift_msd(t, **arguments) == pytest.approx(drift, rel=1e-13)


@pytest.mark.parametrize("batch_size", [1, 64])
def test_proposition_1_is_theorem_2_at_adams_learning_rate_where_the_saddle_is_flat(batch_size):
    lr, beta1, h, iterations = 0.01, 0.9, -1e-12, np.array([1, 10, 1000])
    eta = lr * np.sqrt(batch_size / abs(h))
    stated = theory.momentum_msd(
        eta * iterations,
        hessian=h,
        diffusion=eta / 2 * abs(h) / batch_size,
        mass=eta / (1 - beta1),
        damping=(1 - beta1) / eta,
    )
    np.testing.assert_allclose(theory.adam_msd(iterations, lr=lr, beta1=beta1), stated, rtol=1e-3)


def test_proposition_1_without_inertia_is_rmsprop_with_no_drift():
    np.testing.assert_allclose(theory.adam_msd([1, 7], lr=0.01, beta1=0.0), [1e-4, 7e-4])


def test_proposition_3_is_theorem_2_at_adais_inertia_where_the_saddle_is_flat():
    lr, beta0, batch_size, iterations = 1e-6, 0.1, 10, np.array([[1.0], [30.0]])
    h = np.array([1.0, -0.1, 0.02])
    v = np.abs(h) / batch_size
    damping = beta0 * v / v.mean() / lr
    stated = theory.momentum_msd(lr * iterations, hessian=h, diffusion=lr / 2 * v, mass=1 / damping, damping=damping)
    found = theory.adai_msd(iterations, hessian=h, lr=lr, beta0=beta0, batch_size=batch_size)
    np.testing.assert_allclose(found, stated, rtol=1e-4)


def test_proposition_3_has_no_drift_where_the_inertia_is_0():
    h = np.array([9.0, 1.0])
    found = theory.adai_msd(5.0, hessian=h, lr=0.01, beta0=1.0, batch_size=1)
    assert found[0] == pytest.approx(9.0 * 0.01**2 * 5)
    assert found[1] > 1.0 * 0.01**2 * 5


def test_mean_curvature_of_proposition_3_runs_over_the_last_axis():
    together = theory.adai_msd(3.0, hessian=[[1.0, 2.0], [5.0, 1.0]], lr=0.01, beta0=0.1, batch_size=1)
    apart = [theory.adai_msd(3.0, hessian=h, lr=0.01, beta0=0.1, batch_size=1) for h in ([1.0, 2.0], [5.0, 1.0])]
    np.testing.assert_array_equal(together, apart)


# --- limits and symmetries of the exact values

ONE = {"diffusion": 0.3, "mass": 2.0, "damping": 0.7}


def test_free_particle_from_rest_and_thermal():
    t, g, d_pos = np.array([0.1, 2.0, 50.0]), 0.7, 0.3 / (0.7 * 2.0) ** 2
    rest = 2 * d_pos * (t - 2 * (1 - np.exp(-g * t)) / g + (1 - np.exp(-2 * g * t)) / (2 * g))
    thermal = 2 * d_pos * (t - (1 - np.exp(-g * t)) / g)
    for h in (0.0, 1e-13, -1e-13):
        np.testing.assert_allclose(theory.momentum_msd_exact(t, hessian=h, **ONE, start="rest"), rest, rtol=1e-9)
        np.testing.assert_allclose(theory.momentum_msd_exact(t, hessian=h, **ONE, start="thermal"), thermal, rtol=1e-9)


def test_drift_share_of_a_free_particle_is_theorem_2s_drift_term():
    t = np.geomspace(1e-3, 1e3, 20)
    np.testing.assert_allclose(
        theory.momentum_drift_msd_exact(t, hessian=0.0, **ONE), theory.momentum_drift_msd(t, **ONE), rtol=1e-12
    )


def test_short_times_are_ballistic():
    """From rest 2 D t^3/(3 M^2), thermal <r0^2> t^2."""
    t = 1e-6
    assert theory.momentum_msd_exact(t, hessian=1.0, **ONE, start="rest") == pytest.approx(0.6 * t**3 / 12, rel=1e-5)
    assert theory.momentum_msd_exact(t, hessian=1.0, **ONE, start="thermal") == pytest.approx(
        0.3 / 2.8 * t**2, rel=1e-5
    )


def test_long_times_in_a_valley_are_stationary():
    for h in (0.01, 0.1225, 50.0):
        stationary = ONE["diffusion"] / (ONE["damping"] * ONE["mass"] * h)
        for start in ("rest", "thermal"):
            assert theory.momentum_msd_exact(1e6, hessian=h, **ONE, start=start) == pytest.approx(stationary, rel=1e-12)


def test_high_damping_is_theorem_1():
    """At gamma M = 1 and gamma to infinity the inertial forms tend to SGD's, at rate 1/(gamma t)."""
    sgd = theory.sgd_msd(2.0, hessian=-0.3, diffusion=0.1)
    for damping in (1e4, 1e6):
        for form in (theory.momentum_msd, theory.momentum_msd_exact):
            start = {"start": "rest"} if form is theory.momentum_msd_exact else {}
            value = form(2.0, hessian=-0.3, diffusion=0.1, mass=1 / damping, damping=damping, **start)
            assert abs(value / sgd - 1) < 2 / damping


@SOME
@given(st.floats(0, 5), st.floats(-2, 2))
def test_drift_share_is_thermal_minus_rest(time, h):
    rest, thermal = (theory.momentum_msd_exact(time, hessian=h, **ONE, start=start) for start in ("rest", "thermal"))
    share = theory.momentum_drift_msd_exact(time, hessian=h, **ONE)
    np.testing.assert_allclose(thermal - rest, share, rtol=1e-9, atol=1e-13 * thermal)


@SOME
@given(st.floats(0.01, 100), st.floats(0.01, 20), st.floats(-1, 1))
def test_changing_the_unit_of_time_changes_nothing(c, time, h):
    """t -> c t, gamma -> gamma/c, M -> c^2 M at the same H; D -> c D."""
    one = theory.momentum_msd_exact(time, hessian=h, **ONE, start="thermal")
    other = theory.momentum_msd_exact(
        c * time, hessian=h, diffusion=c * 0.3, mass=c**2 * 2.0, damping=0.7 / c, start="thermal"
    )
    np.testing.assert_allclose(other, one, rtol=1e-9)


@SOME
@given(st.floats(-3, 3), st.floats(0.01, 5))
def test_msd_from_rest_only_grows_and_is_linear_in_the_noise(h, diffusion):
    t = np.geomspace(1e-4, 30, 60)
    one = theory.momentum_msd_exact(t, hessian=h, diffusion=diffusion, mass=2.0, damping=0.7, start="rest")
    assert np.all(np.diff(one) >= -1e-12 * one[1:])
    double = theory.momentum_msd_exact(t, hessian=h, diffusion=2 * diffusion, mass=2.0, damping=0.7, start="rest")
    np.testing.assert_allclose(double, 2 * one, rtol=1e-14)


def test_arguments_broadcast_and_time_0_is_no_displacement():
    value = theory.momentum_msd_exact(np.zeros((3, 1)), hessian=[-1.0, 0.0, 0.25, 9.0], **ONE, start="thermal")
    assert value.shape == (3, 4)
    assert not value.any()
    assert theory.sgd_msd([1.0, 2.0], hessian=[[1.0], [0.0]], diffusion=1.0).shape == (2, 2)


def test_momentum_drift_never_adds_more_than_a_fifth_to_theorem_2_near_flat_directions():
    """(1 - e^-y)^2/(2 y) has its maximum, 0.2036, at y = 1.256."""
    y = np.geomspace(1e-3, 1e3, 2001)
    share = theory.momentum_drift_msd(y, diffusion=1.0, mass=1.0, damping=1.0) / theory.sgd_msd(
        y, hessian=0.0, diffusion=1.0
    )
    assert share.max() == pytest.approx(0.2036, abs=1e-4)
    assert y[share.argmax()] == pytest.approx(1.256, abs=5e-3)


RATIOS = {"rest": (0.022, 0.140, 0.809, 0.980), "thermal": (0.122, 0.307, 0.857, 0.985)}


@pytest.mark.parametrize("start", RATIOS)
def test_theorem_2_counts_the_noise_of_the_first_memory_time_twice(start):
    """Exact over stated at beta1 = 0.9, lr = 0.01, B = 10, H = -0.001, at 0.3, 1, 10 and 100 times 1/(1 - beta1)."""
    arguments = {"hessian": -0.001, "diffusion": 0.005 * 1e-4, "mass": 0.1, "damping": 10.0}
    t = 0.01 * np.array([3, 10, 100, 1000])
    ratio = theory.momentum_msd_exact(t, **arguments, start=start) / theory.momentum_msd(t, **arguments)
    np.testing.assert_allclose(ratio, RATIOS[start], atol=5.1e-4)


# --- bad input, and independence

BAD = [
    (lambda: theory.sgd_msd(-1.0, hessian=1.0, diffusion=1.0), "time = -1.0 must be 0 or above"),
    (lambda: theory.sgd_msd(1.0, hessian=np.nan, diffusion=1.0), "hessian = nan has a value that is not finite"),
    (lambda: theory.momentum_msd(1.0, hessian=1.0, diffusion=-1.0, mass=1.0, damping=1.0), "diffusion = -1.0"),
    (lambda: theory.momentum_msd(1.0, hessian=1.0, diffusion=1.0, mass=0.0, damping=1.0), "mass = 0.0 must be above 0"),
    (lambda: theory.momentum_msd_exact(1.0, hessian=1.0, **(ONE | {"damping": 0.0}), start="rest"), "damping = 0.0"),
    (
        lambda: theory.momentum_msd_exact(1.0, hessian=1.0, **ONE, start="cold"),
        "start = 'cold' is unknown; use one of 'rest'",
    ),
    (lambda: theory.adam_msd(1, lr=0.1, beta1=1.0), r"beta1 = 1.0 must lie in \[0, 1\)"),
    (lambda: theory.adai_msd(1, hessian=[0.0, 0.0], lr=0.1, beta0=0.1, batch_size=1), "only zero eigenvalues"),
    (lambda: theory.adai_msd(1, hessian=[], lr=0.1, beta0=0.1, batch_size=1), "hessian is empty"),
    (lambda: theory.adai_msd(1, hessian=[1.0], lr=0.1, beta0=0.0, batch_size=1), "beta0 = 0.0"),
]


@pytest.mark.parametrize(("call", "message"), BAD, ids=[message for _, message in BAD])
def test_bad_input_names_parameter_value_and_remedy(call, message):
    with pytest.raises(ValueError, match=message):
        call()


def test_theory_imports_nothing_of_ours():
    for source in Path(theory.__file__).parent.glob("*.py"):
        for node in ast.walk(ast.parse(source.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                top = name.split(".")[0]
                assert top in {"numpy", "scipy", "theory"} or top in sys.stdlib_module_names, (source.name, name)
