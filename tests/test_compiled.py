"""What is compiled is what was asked: values that functions read, callables of other kinds, and code kept on disk."""

import copy
import enum
import functools
import json
import math
import os
import pickle
import resource
import subprocess
import sys
import types
import warnings

import numpy as np
import pytest
from numba import njit, vectorize
from numba.extending import register_jitable
from scipy.interpolate import BSpline, CubicSpline

from diffusion import (
    SGD,
    CoupledLandscape,
    IsotropicNoise,
    OwnDynamics,
    QuadraticSaddle,
    SeparableLandscape,
    StyblinskiTang,
    fokker_planck,
    simulate,
)
from diffusion.checks import compiled
from diffusion.kernels import disk, ensemble, excursions, exits, jit, samples, step
from diffusion.kernels.functions import digest
from diffusion.noise import Deviation, NoiseModel

scale = 1.0
table = np.array([0.0, 1.0])
settings = types.ModuleType("settings")
settings.scale = 1.0


def scaled_loss(u):
    return scale * (u**4 / 4 - u**2 / 2)


def scaled_gradient(u):
    return scale * (u**3 - u)


def scaled_curvature(u):
    return scale * (3 * u * u - 1)


def well(**changed):
    return SeparableLandscape(
        scaled_loss, scaled_gradient, scaled_curvature, **({"reference": 1.0, "saddle": 0.0} | changed)
    )


def declared_loss(u, a):
    return a * (u**4 / 4 - u**2 / 2)


def declared_gradient(u, a):
    return a * (u**3 - u)


def declared_curvature(u, a):
    return a * (3 * u * u - 1)


def declared(*parameters):
    functions = (declared_loss, declared_gradient, declared_curvature)
    return SeparableLandscape(*functions, parameters=parameters, reference=1.0, saddle=0.0)


def one_step(landscape, dynamics=None):
    problem = {"noise": IsotropicNoise(1.0), "iterations": 1, "replicas": 4, "keep": "states", "start": 0.5}
    return simulate(dynamics or SGD(0.1), landscape, **problem)


# --- values that a function reads


def test_a_landscape_is_compiled_for_the_global_that_it_reads(monkeypatch):
    """Mean first passage at D = 0.08 by quadrature with mpmath; one step of SGD moves by lr times the gradient."""
    wells, times = [], []
    for value in (1.0, 4.0):
        monkeypatch.setattr(sys.modules[__name__], "scale", value)
        wells.append(well())
        times.append(
            fokker_planck.mean_first_passage_time(wells[-1], diffusion=0.08, start=1.0, boundary=0.0).mfpt.item()
        )
    assert times == pytest.approx([57.478304, 154015.963], rel=1e-6)
    one, four = one_step(declared(1.0)), one_step(wells[1])
    np.testing.assert_allclose(one.position - four.position, 0.1 * 3.0 * (0.5**3 - 0.5), rtol=1e-12)
    assert repr(wells[0]) != repr(wells[1])
    assert "[scale = 4.0]" in json.loads(four.attrs["parameters"])["landscape"]


def test_a_landscape_stays_what_it_was_when_a_global_changes_later(monkeypatch):
    monkeypatch.setattr(sys.modules[__name__], "scale", 4.0)
    before = well()
    monkeypatch.setattr(sys.modules[__name__], "scale", 1.0)
    assert before.gradient([2.0]) == [24.0]
    np.testing.assert_array_equal(one_step(before).position, one_step(declared(4.0)).position)


def test_declared_parameters_compile_once():
    first = one_step(declared(1.0))
    known = len(jit.specialisations)
    second = one_step(declared(3.0))
    assert len(jit.specialisations) == known
    np.testing.assert_allclose(first.position - second.position, 0.1 * 2.0 * (0.5**3 - 0.5), rtol=1e-12)
    assert "parameters=(3.0,)" in json.loads(second.attrs["parameters"])["landscape"]


@pytest.mark.filterwarnings("ignore:reference = .* is no critical point")
def test_more_parameters_than_a_built_in_has_reach_the_function():
    def loss(u, a, b, c, d, e, f):
        return a + b * u + c * u**2 + d * u**3 + e * u**4 + f * u**5

    def gradient(u, a, b, c, d, e, f):
        return b + 2 * c * u + 3 * d * u**2 + 4 * e * u**3 + 5 * f * u**4

    def curvature(u, a, b, c, d, e, f):
        return 2 * c + 6 * d * u + 12 * e * u**2 + 20 * f * u**3

    values = ((1.0, 2.0, 3.0, 4.0, 5.0, 6.0), (1.0, -2.0, 0.5, 1.0, 0.0, 3.0))
    one, two = (one_step(SeparableLandscape(loss, gradient, curvature, parameters=given)).position for given in values)
    np.testing.assert_allclose(one - two, -0.1 * (gradient(0.5, *values[0]) - gradient(0.5, *values[1])), rtol=1e-12)


@pytest.mark.filterwarnings("ignore:reference = .* is no critical point")
def test_declared_parameters_of_coupled_landscapes_and_own_dynamics():
    def loss(x, lane, a, b):
        return a * (x[0, lane] - x[1, lane]) ** 2 + b * x[0, lane]

    def gradient(x, j, lane, a, b):
        return 2 * a * (x[j, lane] - x[1 - j, lane]) + (b if j == 0 else 0.0)

    def rule(v, mean_v, beta, rate):
        return beta

    def learning_rate(v, beta, rate):
        return rate

    runs = []
    for a, b, beta, rate in ((1.0, 0.5, 0.0, 0.1), (2.0, 0.25, 0.5, 0.2)):
        landscape = CoupledLandscape(loss, gradient, dimension=2, parameters=(a, b))
        np.testing.assert_allclose(landscape.gradient([1.0, 0.0]), [2 * a + b, -2 * a])
        np.testing.assert_allclose(landscape.hessian_matrix([1.0, 0.0]), [[2 * a, -2 * a], [-2 * a, 2 * a]], rtol=1e-8)
        runs.append(
            (one_step(landscape, OwnDynamics(rule, learning_rate, parameters=(beta, rate))), len(jit.specialisations))
        )
    assert runs[0][1] == runs[1][1]
    moved = [
        run.position.values[:, 0] - 0.5 for run, _ in runs
    ]  # the first step is lr times the gradient, whatever the inertia
    np.testing.assert_allclose(moved[1] / 0.2 - moved[0] / 0.1, np.tile([0.25, 0.0], (4, 1)), atol=1e-12)


def helper(u):
    return scale * u


def registered(u):
    return scale * u


register_jitable(registered)
compiled_helper, vectorized_helper = njit(helper), vectorize(helper)


READERS = {
    "a helper's global": lambda: lambda u: helper(u),
    "a compiled helper's global": lambda: lambda u: compiled_helper(u),
    "a vectorized helper's global": lambda: lambda u: vectorized_helper(u),
    "vectorized itself": lambda: vectorized_helper,
    "a registered helper's global": lambda: lambda u: registered(u),
    "an enumeration": lambda: (lambda kind: lambda u: kind.SCALE.value * u)(
        enum.IntEnum("Kind", {"SCALE": int(scale)})
    ),
    "a default": lambda: lambda u, a=scale: a * u,
    "a closure's function": lambda: calls(lambda u: scale * u),
    "a module's attribute": lambda: lambda u: settings.scale * u,
    "an array": lambda: lambda u: table[1] * u,
}


@pytest.mark.parametrize("make", READERS.values(), ids=READERS)
def test_a_compiled_function_follows_what_it_reads_and_no_later_change(make, monkeypatch):
    functions, table_of_two = [], np.array([0.0, 1.0])
    for value in (1.0, 5.0):
        monkeypatch.setattr(sys.modules[__name__], "scale", value)
        monkeypatch.setattr(settings, "scale", value, raising=False)
        monkeypatch.setattr(sys.modules[__name__], "table", table_of_two)
        table_of_two[1] = value
        functions.append(compiled("loss", make(), 1.0))
    monkeypatch.setattr(sys.modules[__name__], "scale", 7.0)
    table_of_two[1] = 7.0
    assert [function(2.0) for function in functions] == [2.0, 10.0]
    assert [function(2) for function in functions] == [2.0, 10.0]  # another signature, compiled only now


def test_a_module_may_reach_itself():
    settings.settings = settings
    assert compiled("loss", lambda u: settings.settings.scale * u, 2.0)(2.0) == 2.0


def test_a_function_may_call_itself():
    def power(u, n):
        return 1.0 if n == 0 else u * power(u, n - 1)

    assert compiled("loss", power, 2.0, 3)(2.0, 3) == 8.0


@pytest.mark.parametrize(
    "make",
    [well, lambda: CoupledLandscape(lambda x, lane: x[0, lane] ** 2, lambda x, j, lane: 2 * x[0, lane], dimension=1)],
)
def test_landscapes_can_be_pickled_and_copied(make):
    landscape = make()
    for back in (pickle.loads(pickle.dumps(landscape)), copy.deepcopy(landscape)):
        assert back.gradient([3.0]) == landscape.gradient([3.0])
        assert repr(back) == repr(landscape)


def test_a_pickled_landscape_keeps_its_values_in_another_process(monkeypatch, tmp_path):
    """Of globals, and of a module that the other process would import with a value of its own."""
    monkeypatch.setattr(sys.modules[__name__], "scale", 2.0)
    (tmp_path / "numbers_of_mine.py").write_text("factor = 1.0\n")
    monkeypatch.syspath_prepend(tmp_path)
    import numbers_of_mine

    monkeypatch.setattr(numbers_of_mine, "factor", 2.0)
    scaled = SeparableLandscape(
        lambda u: numbers_of_mine.factor * scaled_loss(u),
        lambda u: numbers_of_mine.factor * scaled_gradient(u),
        lambda u: numbers_of_mine.factor * scaled_curvature(u),
        reference=1.0,
        saddle=0.0,
    )
    (tmp_path / "well.pickle").write_bytes(pickle.dumps(scaled))
    line = "import pickle, sys; print(pickle.load(open(sys.argv[1], 'rb')).gradient([2.0])[0])"
    done = subprocess.run(
        [sys.executable, "-c", line, str(tmp_path / "well.pickle")],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"},
    )
    assert done.stdout.strip() == "24.0"


class OwnNoise(NoiseModel):
    """Noise by subclassing, with a formula that reads a global."""

    def variance_along(self, landscape):
        return np.full(landscape.dimension, scale**2)

    def deviation(self, landscape):
        return Deviation(lambda theta, curvature, q: scale, np.zeros((5, landscape.dimension)))


def test_a_noise_made_by_subclassing_follows_what_it_reads(monkeypatch):
    """It moves three times as far as noise of variance 1."""
    monkeypatch.setattr(sys.modules[__name__], "scale", 3.0)
    moved = []
    for noise in (IsotropicNoise(1.0), OwnNoise()):
        run = simulate(SGD(0.1), StyblinskiTang(1, height=1e-9), noise=noise, iterations=1, replicas=4, keep="states")
        moved.append(run.position.values - run.position.values.mean())
    np.testing.assert_allclose(moved[1], 3 * moved[0], rtol=1e-5)


# --- functions of other kinds


x = np.linspace(-2, 2, 81)
spline = CubicSpline(x, (x * x - 1) ** 2)
quartic = np.poly1d([1.0, 0.0, -2.0, 0.0, 1.0])
CALLABLES = {
    "np.poly1d": (quartic, 0.3),
    "Polynomial with a domain": (np.polynomial.Polynomial([1.0, 2.0, 3.0], domain=[0, 4]), 0.3),
    "Chebyshev": (np.polynomial.Chebyshev([1.0, 2.0, 3.0]), 0.3),
    "CubicSpline": (spline, 0.3),
    "CubicSpline beyond its ends": (spline, 2.5),
    "BSpline": (BSpline([0, 0, 0, 0, 1, 1, 1, 1.0], [0.0, 1.0, -1.0, 2.0], 3), 0.3),
    "np.sin": (np.sin, 0.3),
    "math.cosh": (math.cosh, 0.3),
    "partial, by keyword": (functools.partial(declared_loss, a=3.0), 0.3),
    "partial, by place": (functools.partial(lambda a, u: a * u, 3.0), 0.3),
    "partial, with defaults": (functools.partial(lambda u, a=1.0, b=2.0: a * u + b, a=3.0), 0.3),
    "partial of any number": (functools.partial(lambda *given: given[0] * given[1], 3.0), 0.3),
    "a function of NumPy's": (np.sinc, 0.3),
    "partial of a partial": (functools.partial(functools.partial(lambda a, u, b: a * u + b, 3.0), b=1.0), 0.3),
    "np.vectorize": (np.vectorize(lambda u: u * u), 0.3),
}


@pytest.mark.parametrize(("function", "at"), CALLABLES.values(), ids=CALLABLES)
def test_callables_that_are_no_plain_functions_compile(function, at):
    assert compiled("loss", function, at)(at) == pytest.approx(float(function(at)), rel=1e-12)


def test_a_spline_is_a_landscape():
    tabulated = SeparableLandscape(spline, spline.derivative(), spline.derivative(2), reference=1.0, saddle=0.0)
    times = [
        fokker_planck.mean_first_passage_time(landscape, diffusion=0.2, start=1.0, boundary=0.0).mfpt.item()
        for landscape in (tabulated, SeparableLandscape(quartic, quartic.deriv(), quartic.deriv(2), reference=1.0))
    ]
    assert times[0] == pytest.approx(times[1], rel=1e-4)


class Well:
    depth = 2.0

    def loss(self, u):
        return self.depth * u * u

    __call__ = loss


@pytest.mark.parametrize(
    ("function", "what"),
    [
        (Well().loss, r"loss = Well\.loss is a method"),
        (Well(), "loss = .* is an object that is called"),
        (3, "loss = 3 must be a function"),
        (functools.partial(declared_loss, b=1), "loss = functools.partial.* 'b'"),
    ],
)
def test_callables_that_cannot_be_compiled_are_refused_by_name(function, what):
    with pytest.raises(ValueError, match=what):
        compiled("loss", function, 1.0)


# --- code on disk


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(disk, "_warned", [])
    return tmp_path / "diffusion-lab" / "kernels"


def made(constant):
    """The same function again and again, as other processes would compile it, and how often it was found on disk."""
    function = jit.jit(
        types.FunctionType(compile(f"lambda u: u + {constant}", "a file", "eval").co_consts[0], {"__name__": __name__})
    )
    return function(1.0), function._cache.hits


def test_code_is_found_again_by_what_it_is_made_of(cache):
    assert made(1.5) == (2.5, 0)
    assert made(1.5) == (2.5, 1)
    assert made(2.5) == (3.5, 0)  # of the same name, in the same file and line


WITHOUT_MODULE = """if True:
    from diffusion.kernels import jit
    from diffusion.kernels.functions import copied
    names = {}
    exec("def shifted(u): return u + 4.5\\ndef squared(u): return shifted(u) ** 2", names)
    function = copied(names["squared"], jit.jit, "own")
    print(names["squared"].__module__, function(1.0), function._cache.hits)
"""


def test_a_function_that_belongs_to_no_module_is_found_again_by_another_process(cache):
    """As `exec` makes them: there is no module that numba could import again. The cache is that of the environment."""
    for hits in ("0", "1"):
        line = [sys.executable, "-W", "error", "-c", WITHOUT_MODULE]
        done = subprocess.run(line, capture_output=True, text=True, check=False)
        assert done.stdout.split() == ["None", "30.25", hits], done.stderr


def calls(inner):
    return lambda u: inner(u)


def test_the_digest_follows_constants_and_functions_called():
    assert digest(lambda u: u + 1.0) == digest(lambda u: u + 1.0)
    assert digest(lambda u: u + 1.0) != digest(lambda u: u + 2.0)
    assert digest(lambda u: u + 1.0) != digest(lambda u: u + 1)
    assert digest(calls(lambda u: u)) != digest(calls(lambda u: -u))


def _emptied(path):
    path.write_bytes(b"")


def _cut(path):
    path.write_bytes(path.read_bytes()[:-10])


def _damaged(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize("damage", [_emptied, _cut, _damaged])
def test_a_damaged_file_is_compiled_anew_and_mended(cache, damage):
    made(1.5)
    for path in cache.iterdir():
        damage(path)
    assert made(1.5) == (2.5, 0)
    assert made(1.5) == (2.5, 1)


def test_where_nothing_can_be_kept_the_run_goes_on_with_one_warning(cache, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    with pytest.warns(
        RuntimeWarning, match=r"compiled code is not kept between runs: .* XDG_CACHE_HOME names another folder"
    ):
        assert made(1.5) == (2.5, 0)
    assert made(2.5) == (3.5, 0)  # and no second


def test_a_full_disk_does_not_stop_a_run(cache):
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.warns(RuntimeWarning, match="not kept between runs: OSError"):
            assert made(1.5) == (2.5, 0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert list(cache.iterdir()) == []
    assert [made(1.5), made(1.5)] == [(2.5, 0), (2.5, 1)]


def test_the_cache_does_not_grow_without_end(cache, monkeypatch):
    monkeypatch.setattr(disk, "MOST", 3)
    for constant in range(5):
        made(constant + 0.5)
        for age, path in enumerate(sorted(cache.iterdir(), key=lambda path: path.stat().st_mtime_ns, reverse=True)):
            os.utime(path, (1e9 - age, 1e9 - age))
    assert len(list(cache.iterdir())) == 3
    assert [made(constant + 0.5)[1] for constant in (4, 3, 2)] == [1, 1, 1]


HOMELESS = """
import pwd, warnings
pwd.getpwuid = {}.__getitem__  # knows no user
warnings.simplefilter("error")
warnings.filterwarnings("default", message="compiled code is not kept")
from diffusion import SGD, IsotropicNoise, QuadraticSaddle, StyblinskiTang, simulate
for landscape in (QuadraticSaddle([1.0]), StyblinskiTang(1)):
    run = simulate(SGD(0.01), landscape, noise=IsotropicNoise(1.0), iterations=2, replicas=2, save=[2])
    print(run.msd.item().hex())
"""


def test_results_are_the_same_without_home_user_or_python_jit():
    """The kernels have no form that Python could run, so that NUMBA_DISABLE_JIT does not apply to them."""
    homeless = {name: value for name, value in os.environ.items() if name not in ("HOME", "XDG_CACHE_HOME")}
    done = subprocess.run(
        [sys.executable, "-c", HOMELESS],
        env=homeless | {"NUMBA_DISABLE_JIT": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    problem = {"noise": IsotropicNoise(1.0), "iterations": 2, "replicas": 2, "save": [2]}
    here = [simulate(SGD(0.01), one, **problem).msd.item().hex() for one in (QuadraticSaddle([1.0]), StyblinskiTang(1))]
    assert done.stdout.split() == here
    assert len(set(here)) == 2
    assert done.stderr.count("compiled code is not kept") == 1


def test_nothing_is_said_where_code_can_be_kept(cache):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made(3.5)


def test_no_two_functions_of_a_kernel_have_one_name():
    """One would take the other's place: as helpers, or as a part that a run fills in."""
    kernels = ((ensemble, "moments"), (exits, "exits"), (excursions, "excursions"), (excursions, "wander"))
    for module, kernel in kernels:
        names = [f.__name__ for f in (*step.HELPERS, *samples.HELPERS, *module.HELPERS, getattr(module, kernel))]
        assert len(names) == len(set(names))
    with pytest.raises(AssertionError, match="two functions of one name"):
        jit.specialise(ensemble.moments, step.HELPERS, {"givens": step.choose})
