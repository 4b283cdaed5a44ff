"""Orders of the schemes, measured against quadrature, grids and closed moments: `make test-long`."""

import numpy as np
import pytest
from scipy import integrate, optimize
from scipy.linalg import expm

from diffusion import (
    SGD,
    IsotropicNoise,
    Momentum,
    Noise,
    QuadraticSaddle,
    StyblinskiTang,
    exit_times,
    fokker_planck,
    rare_escape_rate,
    simulate,
)

WELL, START, BEYOND = StyblinskiTang(1), 2.746802770990837, -1.0
BOWL, HEAT = StyblinskiTang(1, data_variance=4.0), 20.0
MOMENTUM = Momentum(0.01)
INERTIA = {"mass": 0.1, "damping": 10.0}  # of MOMENTUM


def order(coarse, fine):
    """By which power of the step an error falls, from (error, deviation) at a step and at half of it; and how sure."""
    power = np.log2(coarse[0] / fine[0])
    return power, np.hypot(coarse[1] / coarse[0], fine[1] / fine[0]) / np.log(2)


def stationary_error(dynamics, scheme, substeps, replicas):
    """Of the variance around the bottom of a bowl that is no parabola, relative to quadrature's, and its error."""
    bottom = optimize.brentq(lambda x: BOWL.gradient(np.array([x]))[0], -5, 5)
    least = BOWL.loss([bottom])

    def weight(x):
        return np.exp((least - BOWL.loss([x])) / HEAT)

    moments = [integrate.quad(lambda x, k=k: (x - bottom) ** k * weight(x), -7, 7, epsrel=1e-12)[0] for k in (0, 2)]
    save = [240 + 48 * k for k in range(12)]
    found = simulate(
        dynamics,
        BOWL,
        noise=IsotropicNoise(2 * HEAT / dynamics.lr),
        start=bottom,
        iterations=save[-1],
        save=save,
        replicas=replicas,
        substeps=substeps,
        scheme=scheme,
    )["msd"].values[:, 0] / (moments[1] / moments[0])
    return found.mean() - 1, found.std(ddof=1) / np.sqrt(len(save))


@pytest.mark.long
@pytest.mark.parametrize(
    ("dynamics", "scheme", "substeps", "replicas", "expected"),
    [
        (SGD(0.002), "leimkuhler-matthews", 1 / 12, 16_000_000, 2),
        (SGD(0.002), "euler", 1, 400_000, 1),
        (MOMENTUM, "baoab", 1 / 4, 16_000_000, 2),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_order_of_the_stationary_variance(dynamics, scheme, substeps, replicas, expected):
    """Steps as long as they are stable in the bowl's steep parts."""
    errors = [stationary_error(dynamics, scheme, n, replicas) for n in (substeps, 2 * substeps)]
    power, error = order(*errors)
    print(f"\n{scheme}: errors {errors}, order {power:.2f} +- {error:.2f}")
    assert abs(power - expected) < 0.75
    assert error < 0.4


def exit_error(substeps, replicas):
    """Of the mean exit with inertia past a saddle, over 4 temperatures, relative to a grid's, and its error."""
    exact = float(
        fokker_planck.mean_first_passage_time(WELL, diffusion=6.3, start=START, boundary=BEYOND, **INERTIA)["mfpt"]
    )
    iterations = exact / MOMENTUM.lr
    found = exit_times(
        MOMENTUM,
        WELL,
        noise=IsotropicNoise(2 * 6.3 / MOMENTUM.lr),
        start=START,
        boundary=BEYOND,
        max_iterations=int(60 * iterations) // 8 * 8,
        replicas=replicas,
        substeps=substeps,
        scheme="baoab",
    )
    found = found["exit_iteration"].values / iterations
    return found.mean() - 1, found.std() / np.sqrt(replicas)


@pytest.mark.long
def test_order_of_the_mean_exit_with_inertia():
    errors = [exit_error(n, 400_000) for n in (1 / 4, 1 / 2)]
    power, error = order(*errors)
    print(f"\nbaoab: errors {errors}, order {power:.2f} +- {error:.2f}")
    assert 1.5 < power < 2.5
    assert abs(exit_error(1, 200_000)[0]) < 0.012


def rate_ratio(heat, substeps, repetitions, increments="normal"):
    """A rate by splitting with BAOAB over that of a grid, and its interval."""
    exact = fokker_planck.mean_first_passage_time(WELL, diffusion=heat, start=START, boundary=BEYOND, **INERTIA)["mfpt"]
    found = rare_escape_rate(
        MOMENTUM,
        WELL,
        noise=IsotropicNoise(2 * heat / MOMENTUM.lr),
        start=START,
        boundary=BEYOND,
        replicas=400,
        repetitions=repetitions,
        substeps=substeps,
        scheme="baoab",
        increments=increments,
        level=0.9999,
        seed=2,
    )
    return [float(found[name] * exact / MOMENTUM.lr) for name in ("rate", "rate_low", "rate_high")]


@pytest.mark.long
def test_rates_of_1e_11_at_a_step_of_one_iteration_and_none_by_three_point_increments():
    """With increments that never exceed 1.7 standard deviations the rare forces that lead out are missed."""
    rate, low, high = rate_ratio(1.2, 1, 40)
    print(f"\nnormal: {rate:.3f} [{low:.3f}, {high:.3f}]")
    assert low < 1 < high
    rate, low, high = rate_ratio(1.2, 1 / 2, 40, "three-point")
    print(f"three-point: {rate:.3f} [{low:.3f}, {high:.3f}]")
    assert high < 1 / 4


@pytest.mark.long
def test_noise_that_depends_on_the_position_keeps_the_order():
    """C = 0.2 (1 + 3 theta^2) in a parabola: second moments are closed, in the SDE and in the recursion."""
    lr, iterations = 0.1, 32
    gamma, mass, d = 0.1 / lr, lr / 0.1, lr * 0.2 / 2
    flow = np.array(
        [
            [0, 2, 0, 0],
            [-1 / mass, -gamma, 1, 0],
            [6 * d / mass**2, -2 / mass, -2 * gamma, 2 * d / mass**2],
            [0, 0, 0, 0],
        ]
    )
    exact = (expm(flow * iterations * lr) @ [0, 0, 0, 1])[0]

    def recursion(substeps):
        h = lr / substeps
        kick, half, keep = np.array([[1, 0], [-h / 2 / mass, 1]]), np.array([[1, h / 2], [0, 1]]), np.exp(-gamma * h)
        covariance = np.zeros((2, 2))
        for _ in range(round(iterations * substeps)):
            halfway = half @ kick @ covariance @ kick.T @ half.T
            kept = np.diag([1, keep]) @ halfway @ np.diag([1, keep])
            kept[1, 1] += d * (1 + 3 * halfway[0, 0]) / (gamma * mass**2) * (1 - keep**2)
            covariance = kick @ half @ kept @ half.T @ kick.T
        return covariance[0, 0]

    errors = [recursion(n) / exact - 1 for n in (1 / 4, 1 / 2, 1, 2)]
    assert [round(np.log2(errors[k] / errors[k + 1]), 1) for k in range(3)] == [2.1, 2.0, 2.0]
    noise, run = Noise(lambda theta: np.sqrt(0.2 * (1 + 3 * theta * theta))), {"iterations": iterations, "save": [32]}
    options = {"replicas": 400_000, "substeps": 1 / 4, "scheme": "baoab", **run}
    found = simulate(Momentum(lr), QuadraticSaddle([1.0]), noise=noise, **options)
    z = (float(found["msd"][0, 0]) - recursion(1 / 4)) / float(found["msd_stderr"][0, 0])
    assert abs(z) < 4  # of right code one run in 16,000
