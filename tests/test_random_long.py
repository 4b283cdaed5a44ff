"""The full form of the quality tests in test_random.py, on 5e8 normals in each precision: `make test-long`."""

import numpy as np
import pytest
from test_random import block, both_precisions, examine, rate

SEED = 2  # other draws than the short form's


@pytest.mark.long
@both_precisions
def test_half_a_billion_normals_are_standard_and_independent(precision):
    """A scale off by 2.2e-4 or a correlation of 4.3e-4 would be missed one time in ten or less."""
    n, rows = examine(block(precision, SEED, number) for number in range(1000))
    print(f"\n{precision}: {n:.4g} normals; each row is rejected below p = {rate(rows):.2g}")
    for name, row in rows.items():
        print(f"{name:22} seen {row.seen:13.7g}  expected {row.expected:11.6g}  z {row.z:6.2f}  p {row.p:.3g}")
    assert {name: row for name, row in rows.items() if row.p < rate(rows)} == {}


@pytest.mark.long
@both_precisions
def test_slightly_wrong_normals_are_rejected(precision):
    """The deviations that the short form is too short for: 6e7 normals scaled by 1.001, or cut at 5."""
    for change, name in [(lambda x: 1.001 * x, "moment 2"), (lambda x: np.clip(x, -5, 5), "beyond 5")]:
        _, rows = examine(change(block(precision, SEED, number)) for number in range(120))
        assert rows[name].p < rate(rows), name
