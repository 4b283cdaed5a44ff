"""NumPy's scalars are taken wherever Python's are, and give the same numbers and the same record."""

import json

import numpy as np
import pytest

from diffusion import (
    SGD,
    Adai,
    Adam,
    DoubleParabola,
    HessianNoise,
    IsotropicNoise,
    LossLevel,
    MinibatchNoise,
    Momentum,
    QuadraticSaddle,
    Radius,
    RMSprop,
    StyblinskiTang,
    escape_rate,
    exit_times,
    simulate,
)
from diffusion.variables import describe

MADE = [
    (SGD(np.float64(0.1)), SGD(0.1)),
    (SGD(np.array(0.1)), SGD(0.1)),
    (SGD(np.float32(0.1)), SGD(float(np.float32(0.1)))),
    (Momentum(np.float64(0.1), np.float64(0.5), np.str_("heavy-ball")), Momentum(0.1, 0.5, "heavy-ball")),
    (Adam(np.float64(0.1), beta2=np.float32(0.5)), Adam(0.1, beta2=0.5)),
    (RMSprop(np.int32(1)), RMSprop(1)),
    (Adai(np.float64(0.1), eps=np.float16(0.5)), Adai(0.1, eps=0.5)),
    (StyblinskiTang(np.int64(2), np.float32(0.5)), StyblinskiTang(2, 0.5)),
    (DoubleParabola(np.float32(0.25), np.int8(1), np.float64(4), np.uint8(1)), DoubleParabola(0.25, 1, 4.0, 1)),
    (QuadraticSaddle(np.float32([0.5, 2])), QuadraticSaddle([0.5, 2.0])),
    (HessianNoise(np.int64(10), np.array([0.5, 1.0])), HessianNoise(10, [0.5, 1.0])),
    (HessianNoise(10, (np.float64(0.5), np.float64(1.0))), HessianNoise(10, (0.5, 1.0))),
    (IsotropicNoise(np.float64(2.5)), IsotropicNoise(2.5)),
    (MinibatchNoise(np.int64(10)), MinibatchNoise(10)),
    (LossLevel(np.float64(0.5)), LossLevel(0.5)),
    (Radius(np.float32(0.5)), Radius(0.5)),
]


@pytest.mark.parametrize(("given", "plain"), MADE, ids=[repr(plain) for _, plain in MADE])
def test_what_is_made_of_them_is_written_as_if_made_of_python_s(given, plain):
    assert repr(given) == repr(plain)


def alike(one, other):
    assert one.attrs["parameters"] == other.attrs["parameters"]
    for name in one.variables:
        np.testing.assert_array_equal(one[name], other[name])


def test_an_ensemble_is_the_same():
    given = simulate(
        SGD(np.float64(0.1)),
        QuadraticSaddle([1.0]),
        noise=HessianNoise(np.int32(10)),
        iterations=np.int32(6),
        replicas=np.int32(70),
        start=np.float32(0.5),
        save=np.array([2, 6], np.int16),
        substeps=np.int64(2),
        seed=np.uint64(2**63),
        threads=np.int8(1),
    )
    plain = simulate(
        SGD(0.1),
        QuadraticSaddle([1.0]),
        noise=HessianNoise(10),
        iterations=6,
        replicas=70,
        start=0.5,
        save=[2, 6],
        substeps=2,
        seed=2**63,
        threads=1,
    )
    alike(given, plain)
    with pytest.raises(ValueError, match=r"keep = 'states' would take 3\.7 GiB"):  # and not a negative number of bytes
        simulate(
            SGD(0.1),
            QuadraticSaddle([1.0]),
            noise=HessianNoise(10),
            iterations=1,
            replicas=np.int32(5e8),
            keep="states",
        )


@pytest.mark.parametrize("boundary", [np.float64(0.156731), np.float32(0.25), np.array(0.5)], ids=repr)
def test_exits_and_their_rate_are_the_same(boundary):
    problem = {"noise": IsotropicNoise(9400), "seed": 1}
    given = exit_times(
        SGD(0.002),
        StyblinskiTang(1),
        boundary=boundary,
        max_iterations=np.int64(2000),
        replicas=np.int64(60),
        substeps=np.int32(1),
        **problem,
    )
    plain = exit_times(
        SGD(0.002), StyblinskiTang(1), boundary=float(boundary), max_iterations=2000, replicas=60, **problem
    )
    alike(given, plain)
    alike(
        escape_rate(given, burn_in=np.float32(0.5), level=np.float64(0.9)), escape_rate(plain, burn_in=0.5, level=0.9)
    )
    assert json.loads(given.attrs["parameters"])["boundary"] == repr(float(boundary))


def test_exits_and_ensembles_of_torch_are_the_same():
    pytest.importorskip("torch")
    from diffusion import exit_times_torch, simulate_torch

    problem = {"noise": IsotropicNoise(9400), "boundary": 0.156731}
    given = exit_times_torch(
        SGD(np.float64(0.002)),
        StyblinskiTang(1),
        max_iterations=np.int64(1000),
        replicas=np.int64(9),
        seed=np.uint64(3),
        **problem,
    )
    alike(given, exit_times_torch(SGD(0.002), StyblinskiTang(1), max_iterations=1000, replicas=9, seed=3, **problem))
    ensembles = (
        simulate_torch(
            SGD(kind(0.1)),
            QuadraticSaddle([1.0]),
            noise=HessianNoise(10),
            iterations=whole(5),
            replicas=whole(9),
            seed=whole(3),
        )
        for kind, whole in ((np.float64, np.int64), (float, int))
    )
    alike(*ensembles)


def test_a_record_has_numbers_as_numbers():
    import xarray

    asked = {"whole": np.int64(3), "half": np.float32(0.5), "flag": np.bool_(True), "list": np.arange(2), "other": SGD}
    written = json.loads(describe(xarray.Dataset(), asked).attrs["parameters"])
    assert written == {"whole": 3, "half": 0.5, "flag": True, "list": [0, 1], "other": str(SGD)}
