"""The compiled engine: equal to a plain reference draw by draw, and the same bits however the work is split."""

import itertools
import os
import subprocess
import sys
import warnings
from functools import cache

import numpy as np
import pytest
from reference import normals, normals_float32, path
from scipy.stats import ortho_group

from diffusion import (
    SGD,
    Adai,
    AdaiW,
    Adam,
    AdamW,
    DoubleParabola,
    HessianNoise,
    IsotropicNoise,
    MinibatchNoise,
    Momentum,
    OwnDynamics,
    QuadraticSaddle,
    RMSprop,
    SeparableLandscape,
    StyblinskiTang,
    engine,
    exit_times,
    simulate,
)

TANG = StyblinskiTang(3, data_variance=1.0)
PARABOLAS = DoubleParabola(barrier=1.0, hessian_minimum=1.0, hessian_saddle=4.0, dimension=5)
with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it says that pointwise noise vanishes at inflections
    POINTWISE = HessianNoise(10, at="pointwise")
DRAWS = {"float64": normals, "mixed": normals_float32}


def lr_of(kind, landscape):
    """A learning rate at which a run of 100 iterations wanders through the well and stays finite."""
    steep = abs(landscape.hessian[0])
    return 0.05 / steep if kind in (SGD, Momentum, Adai) else 0.02 / np.sqrt(steep)


def makers():
    """Each dynamics as a function of the learning rate."""
    yield SGD, lambda lr: SGD(lr)
    yield Momentum, lambda lr: Momentum(lr)
    yield Momentum, lambda lr: Momentum(lr / 10, 0.9, "heavy-ball")
    for kind, moment in itertools.product((RMSprop, Adam, Adai), ("frozen", "running")):
        yield kind, lambda lr, kind=kind, moment=moment: kind(lr, second_moment=moment)
    for kind in (RMSprop, Adam):
        yield kind, lambda lr, kind=kind: kind(lr, second_moment="following")


def check_against_reference(dynamics, landscape, noise, precision, substeps=1, iterations=100, start=None):
    d = landscape.dimension
    origin = landscape.reference if start is None else np.full(d, start)
    run = simulate(
        dynamics,
        landscape,
        noise=noise,
        iterations=iterations,
        replicas=2,
        start=start,
        substeps=substeps,
        keep="states",
        precision=precision,
        seed=11,
    )
    for replica in range(2):
        steps = path(
            dynamics,
            landscape,
            noise,
            origin,
            iterations,
            substeps,
            lambda t, k, replica=replica: DRAWS[precision](11, replica, t, k, d),
        )
        expected = steps[substeps * run["iteration"].values - 1]
        scale = np.abs(expected).max()
        np.testing.assert_allclose(run["position"].values[replica], expected, rtol=1e-12, atol=1e-12 * scale)


def is_running_adam(dynamics):
    return isinstance(dynamics, Adam) and dynamics.second_moment == "running"


SHORT = [  # (landscape, noise, precision, wanted dynamics): few kernels, every dynamics and every formula of noise
    (TANG, MinibatchNoise(10), "float64", lambda dynamics: dynamics.update is None or is_running_adam(dynamics)),
    (PARABOLAS, HessianNoise(10, at="piecewise"), "float64", lambda dynamics: isinstance(dynamics, Adai)),
    (
        TANG,
        POINTWISE,
        "mixed",
        lambda dynamics: isinstance(dynamics, RMSprop) and dynamics.second_moment != "following",
    ),
]


@pytest.mark.parametrize(
    ("landscape", "noise", "precision", "dynamics"),
    [
        pytest.param(landscape, noise, precision, dynamics, id=f"{dynamics} {noise} {precision}")
        for landscape, noise, precision, wanted in SHORT
        for kind, make in makers()
        if wanted(dynamics := make(lr_of(kind, landscape)))
    ],
)
def test_kernels_follow_the_plain_reference_draw_by_draw(landscape, noise, precision, dynamics):
    """To 1e-12 over 100 iterations; the landscapes have 3 and 5 coordinates, so no draw is left over or used twice."""
    check_against_reference(dynamics, landscape, noise, precision)


@pytest.mark.parametrize("dynamics", [SGD(0.002), Momentum(0.002), Adam(0.003)], ids=repr)
def test_substeps_follow_the_newton_equation_draw_by_draw(dynamics):
    check_against_reference(dynamics, TANG, MinibatchNoise(10), "float64", substeps=3, iterations=40)


@pytest.mark.parametrize(
    "dynamics",
    [
        Adam(0.01, beta2=0.99, second_moment="running"),
        pytest.param(
            AdamW(0.01, beta2=0.9, weight_decay=2.0), marks=pytest.mark.long
        ),  # a kernel of its own, like the others
        pytest.param(RMSprop(0.01, beta2=0.9, second_moment="running"), marks=pytest.mark.long),
        pytest.param(AdaiW(0.001, beta0=0.6, beta2=0.9, weight_decay=50.0), marks=pytest.mark.long),
    ],
    ids=repr,
)
def test_substeps_of_a_running_second_moment_follow_its_sde_draw_by_draw(dynamics):
    """v takes the mean of the squared minibatch gradient; Adai's inertia is clipped at 0 now and then."""
    check_against_reference(dynamics, TANG, MinibatchNoise(10), "float64", substeps=3, iterations=40)


def test_substeps_of_a_running_second_moment_take_the_variance_in_each_coordinate_of_a_coupled_landscape():
    turn = ortho_group.rvs(3, random_state=1)
    saddle, noise = QuadraticSaddle([1.0, 0.3, -0.2], turn), HessianNoise(10)
    dynamics = Adai(0.05, beta0=0.3, beta2=0.9, second_moment="running")
    run = simulate(dynamics, saddle, noise=noise, iterations=30, replicas=1, substeps=3, keep="states", seed=11)
    mixing = noise.mixing(saddle)
    spread = np.linalg.norm(mixing, axis=1)
    drawn = cache(lambda t, k: mixing @ normals(11, 0, t, k, 3) / spread)
    expected = path(dynamics, saddle, noise, np.zeros(3), 30, 3, drawn)[3 * run["iteration"].values - 1]
    np.testing.assert_allclose(run["position"].values[0], expected, rtol=1e-11, atol=1e-13)


def adam_inertia(v, mean_v):
    return 0.9


def adam_learning_rate(v):
    return 0.02 / (np.sqrt(v) + 1e-8)


def test_adam_written_as_a_users_own_dynamics_is_adam():
    """To 1e-12, from two scalar functions and beta2."""
    problem = {"noise": HessianNoise(10), "iterations": 100, "replicas": 70, "keep": "states", "start": 0.1}
    saddle = QuadraticSaddle([1.0, 0.1, -0.1])
    own = simulate(OwnDynamics(adam_inertia, adam_learning_rate, beta2=0.99), saddle, **problem)
    built_in = simulate(Adam(0.02, beta1=0.9, beta2=0.99, second_moment="running"), saddle, **problem)
    np.testing.assert_allclose(own["position"], built_in["position"], rtol=1e-12)


@cache
def own():
    """Styblinski-Tang as a user would write it."""
    return SeparableLandscape(
        lambda u: (u**4 - 16 * u**2 + 5 * u) / 2,
        lambda u: 2 * u**3 - 16 * u + 2.5,
        lambda u: 6 * u**2 - 16,
        dimension=3,
        reference=2.746803,
        saddle=0.156731,
        sharpness=2.0,
    )


def check_exits(dynamics, landscape, noise, precision):
    """Exits at steps are the first crossings of the simulated paths; by bridges, where there are any, no later."""
    problem = {"noise": noise, "replicas": 64, "precision": precision, "seed": 12}
    run = simulate(dynamics, landscape, iterations=40, save=np.arange(1, 41), keep="states", **problem)
    highest = run["position"].values.max(axis=2)
    boundary = float(np.quantile(highest.max(axis=1), 0.5))
    outside = highest > boundary
    expected = np.where(outside.any(axis=1), 1.0 + outside.argmax(axis=1), np.inf)
    crossings = ["step"]
    if dynamics.update is None and not dynamics.rule(noise.variance_along(landscape)).inertia.any():
        crossings.append("bridge")
    for crossing in crossings:
        result = exit_times(dynamics, landscape, boundary=boundary, max_iterations=40, crossing=crossing, **problem)
        found = result["exit_iteration"].fillna(np.inf).values
        assert np.all(found == expected) if crossing == "step" else np.all(found <= expected)


HESSIAN = [HessianNoise(10), HessianNoise(10, at=0.5), POINTWISE]
PIECEWISE, ISOTROPIC = HessianNoise(10, at="piecewise"), IsotropicNoise(1.0)
PRODUCT = [
    *((lambda: TANG, noise) for noise in (*HESSIAN, PIECEWISE, ISOTROPIC, MinibatchNoise(10))),
    *((lambda: PARABOLAS, noise) for noise in (*HESSIAN, PIECEWISE, ISOTROPIC)),
    *((own, noise) for noise in (*HESSIAN, PIECEWISE, ISOTROPIC)),
    *((lambda: QuadraticSaddle([1.0, 0.2, -0.3]), noise) for noise in (*HESSIAN, ISOTROPIC)),
]


# RMSprop's first steps, while v is small, are longer than those that the estimate is of.
@pytest.mark.filterwarnings("ignore:psi = .* none can be expected to leave")
@pytest.mark.long
@pytest.mark.parametrize("precision", ["float64", "mixed"])
@pytest.mark.parametrize(("make_landscape", "noise"), PRODUCT)
def test_every_dynamics_landscape_noise_precision_and_crossing(make_landscape, noise, precision):
    landscape = make_landscape()
    for kind, make in makers():
        dynamics = make(lr_of(kind, landscape))
        check_against_reference(dynamics, landscape, noise, precision)
        check_exits(dynamics, landscape, noise, precision)


# --- the same bits, however the work is split

SPLITS = [
    (SGD(0.002), "float64"),
    (SGD(0.002), "mixed"),
    (Momentum(0.002), "float64"),
    (Adam(0.3, second_moment="running"), "float64"),
    pytest.param(RMSprop(0.1, second_moment="running"), "float64", marks=pytest.mark.long),  # a part of Adam's kernels
    (Adai(0.002, second_moment="running"), "float64"),
]


def moments(dynamics, precision, threads=1, replicas=2100):
    run = simulate(
        dynamics,
        StyblinskiTang(3),
        noise=IsotropicNoise(500.0),
        iterations=20,
        replicas=replicas,
        save=[1, 20],
        keep="states",
        precision=precision,
        threads=threads,
    )
    return {name: run[name].values for name in ("msd", "msd_stderr", "position")}


def exits(dynamics, precision, threads=1, replicas=700):
    run = exit_times(
        dynamics,
        StyblinskiTang(3),
        noise=IsotropicNoise(2e5),
        boundary=0.156731,
        max_iterations=60,
        replicas=replicas,
        precision=precision,
        threads=threads,
    )
    assert 0 < run["exited"].sum() < replicas
    return {name: run[name].values for name in ("exit_iteration", "exited", "exit_coordinate")}


@pytest.mark.parametrize("runner", [moments, exits], ids=["moments", "exits"])
@pytest.mark.parametrize(("dynamics", "precision"), SPLITS, ids=repr)
def test_same_bits_for_any_threads_and_lanes(monkeypatch, runner, dynamics, precision):
    expected = runner(dynamics, precision)
    for threads, lanes in ((2, 256), (4, 256), (1, 64), (1, 16), (3, 1024)):
        monkeypatch.setattr(engine, "LANES", lanes)
        for name, values in runner(dynamics, precision, threads).items():
            np.testing.assert_array_equal(values, expected[name], err_msg=f"{name}, {threads} threads, {lanes} lanes")


@pytest.mark.parametrize("replicas", [1, 2, 63, 65, 1023, 1025])
@pytest.mark.parametrize(("dynamics", "precision"), SPLITS[:2], ids=repr)
def test_fewer_replicas_are_the_beginning_of_more(dynamics, precision, replicas):
    few, many = moments(dynamics, precision, replicas=replicas), moments(dynamics, precision)
    np.testing.assert_array_equal(few["position"], many["position"][:replicas])
    run = exit_times(
        dynamics,
        StyblinskiTang(3),
        noise=IsotropicNoise(2e5),
        boundary=0.156731,
        max_iterations=60,
        replicas=min(replicas, 700),
        precision=precision,
    )
    np.testing.assert_array_equal(
        run["exit_iteration"], exits(dynamics, precision)["exit_iteration"][: min(replicas, 700)]
    )


@pytest.mark.parametrize("dimension", [1, 2, 3, 5])
def test_any_dimension_has_its_own_draw_in_each_coordinate(dimension):
    """Each coordinate of a wider run equals that coordinate of a narrower one; no two coordinates are alike."""
    problem = {"noise": IsotropicNoise(500.0), "iterations": 5, "replicas": 3, "save": [5], "keep": "states"}
    wide = simulate(SGD(0.002), StyblinskiTang(7), **problem)["position"].values[:, 0]
    narrow = simulate(SGD(0.002), StyblinskiTang(dimension), **problem)["position"].values[:, 0]
    np.testing.assert_array_equal(narrow, wide[:, :dimension])
    assert len(np.unique(wide)) == wide.size


def test_mixed_precision_has_the_moments_of_float64():
    """Two samples of 100,000 replicas: means and mean squares of the displacement agree within 5 standard errors."""
    a, b = (
        simulate(
            SGD(0.002),
            StyblinskiTang(3),
            noise=IsotropicNoise(500.0),
            iterations=50,
            replicas=100_000,
            save=[50],
            precision=precision,
            seed=seed,
        )
        for precision, seed in (("float64", 1), ("mixed", 2))
    )
    z = (a["msd"] - b["msd"]) / np.hypot(a["msd_stderr"], b["msd_stderr"])
    assert float(np.abs(z).max()) < 5


INTERRUPTED = """
import os, signal, threading, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
from diffusion import SGD, IsotropicNoise, QuadraticSaddle, StyblinskiTang, exit_times, simulate
def run(iterations):
    {call}
run(2)  # compiled before the clock starts
threading.Timer(1.0, lambda: (print(time.time(), flush=True), os.kill(os.getpid(), 2))).start()
try:
    run(10**9)
except KeyboardInterrupt:
    print(time.time(), flush=True)
"""


@pytest.mark.parametrize(
    "call",
    [
        "simulate(SGD(1e-3), StyblinskiTang(3), noise=IsotropicNoise(1.0), iterations=iterations, replicas=5000, "
        "save=[iterations])",
        "exit_times(SGD(1e-3), StyblinskiTang(3), noise=IsotropicNoise(1.0), boundary=0.1, "
        "max_iterations=iterations, replicas=5000)",
    ],
    ids=["simulate", "exit_times"],
)
def test_an_interrupt_stops_within_two_seconds(call):
    done = subprocess.run(
        [sys.executable, "-c", INTERRUPTED.format(call=call)], capture_output=True, text=True, timeout=60, check=True
    )
    sent, stopped = map(float, done.stdout.split())
    assert stopped - sent < 2


HASHES = "0"  # at which two processes count alike
EACH = """
import sys
from diffusion import SGD, DoubleParabola, HessianNoise, StyblinskiTang, simulate
landscapes = {"tang": StyblinskiTang(1, height=0.01), "parabolas": DoubleParabola(0.5, 1.0, 4.0, 1)}
for name in sys.argv[1:]:
    noise = HessianNoise(1, "piecewise")
    run = simulate(SGD(0.1), landscapes[name], noise=noise, iterations=200, replicas=64, save=[200])
    print(run.msd.item().hex())
"""


@pytest.mark.long
def test_kernels_that_other_processes_cached_do_not_borrow_each_others_helpers(tmp_path):
    """Each compiled alone, in processes that count their functions alike, then both loaded into one."""

    def run(*names):
        environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path), "PYTHONHASHSEED": HASHES}
        arguments = [sys.executable, "-c", EACH, *names]
        return subprocess.run(
            arguments, env=environment, capture_output=True, text=True, timeout=120, check=True
        ).stdout

    run("parabolas")  # compiles what all kernels share
    max(tmp_path.rglob("*.nbc"), key=lambda path: path.stat().st_size).unlink()  # the kernel, not what it shares
    alone = run("parabolas") + run("tang")
    assert run("parabolas", "tang") == alone


FUSED = """
from diffusion import IsotropicNoise, Momentum, StyblinskiTang, simulate
run = simulate(Momentum(0.01), StyblinskiTang(3), noise=IsotropicNoise(50.0), iterations=100, replicas=200, save=[100])
print(*map(float.hex, run.msd.values[0]))
"""


def test_a_kernel_just_compiled_gives_the_bits_of_one_from_disk(tmp_path):
    """Of a sum of two products either may be fused; linked with helpers compiled for themselves, the other one was."""
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    line = [sys.executable, "-c", FUSED]
    first, second = (subprocess.check_output(line, env=environment, text=True, timeout=120) for _ in range(2))
    assert first == second
