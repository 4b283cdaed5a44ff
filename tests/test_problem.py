"""What is given in place of an optimizer, a landscape or a noise is refused by name wherever these are asked for."""

import pytest

from diffusion import (
    SGD,
    DoubleParabola,
    HessianNoise,
    Motion,
    OverdampedMotion,
    escape_prospect,
    exit_times,
    fokker_planck,
    rare_escape_rate,
    rates_between_minima,
    simulate,
)
from experiments import compare

WELL = DoubleParabola(barrier=0.3, hessian_minimum=1, hessian_saddle=1, dimension=1)
ASKED = {
    "simulate": lambda d, loss, n: simulate(d, loss, noise=n, iterations=1, replicas=1),
    "exit_times": lambda d, loss, n: exit_times(d, loss, noise=n, boundary=1.0, max_iterations=1, replicas=1),
    "rare_escape_rate": lambda d, loss, n: rare_escape_rate(d, loss, noise=n, boundary=1.0, replicas=100),
    "escape_prospect": lambda d, loss, n: escape_prospect(d, loss, noise=n, boundary=1.0),
    "rates_between_minima": lambda d, loss, n: rates_between_minima(
        d, loss, noise=n, box=[[-1, 1]], max_iterations=1, replicas=1
    ),
    "mean_first_passage_time": lambda d, loss, n: fokker_planck.mean_first_passage_time(
        loss, dynamics=d, noise=n, start=0.0, boundary=1.0
    ),
    "Motion": lambda d, loss, n: Motion(d, loss, n),
    "OverdampedMotion": lambda d, loss, n: OverdampedMotion(d, loss, n),
    "compare": lambda d, loss, n: compare(d, loss, n),
}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"d": SGD}, "^dynamics = <class .*SGD.* must be an optimizer, such as SGD"),
        ({"d": "SGD"}, "^dynamics = 'SGD' must be an optimizer"),
        ({"loss": abs}, "^landscape = <built-in function abs> must be a landscape"),
        ({"n": 4.0}, r"^noise = 4.0 must be a model of noise, such as IsotropicNoise\(variance\)"),
        ({"n": HessianNoise}, "^noise = <class .*HessianNoise.* must be a model of noise"),
    ],
)
@pytest.mark.parametrize("asked", ASKED)
def test_what_is_of_another_kind_is_refused_by_name(asked, wrong, message):
    given = {"d": SGD(0.1), "loss": WELL, "n": HessianNoise(1)} | wrong
    with pytest.raises(ValueError, match=message):
        ASKED[asked](**given)
