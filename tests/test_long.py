"""Tests that take minutes: `make test-long`."""

import numpy as np
import pytest
from scipy import stats

from experiments.claims import CLAIMS
from experiments.referee import laws, verify

SEEDS = range(1, 21)


@pytest.mark.long
def test_instrument_fails_at_its_stated_rate_over_twenty_seeds():
    """Twenty quick runs with other seeds: the runs with a failure, and the share of small p-values, are as stated.

    A quick run's tests have the same false-positive rates as a full run's; only their power is smaller.
    """
    failed, p = 0, []
    for seed in SEEDS:
        outcome = verify.run(CLAIMS, size="quick", seed=seed)
        failed += not outcome.passed
        p += [test["p"] for row in outcome.rows for test in row["tests"].values()]
        print(f"seed {seed}: {dict(outcome.instrument)}, smallest p so far {min(p):.2g} of {len(p)}")
    shares = {level: float(np.mean(np.array(p) < level)) for level in (0.1, 0.01, 0.001)}
    print(f"{failed} of {len(SEEDS)} runs failed at the rate {laws.FAMILY_WISE_RATE}; p-values below: {shares}")
    assert stats.binomtest(failed, len(SEEDS), laws.FAMILY_WISE_RATE, alternative="greater").pvalue > 1e-3
    for level, share in shares.items():  # rows of one ensemble are correlated, so a factor 2 is left for it
        assert level / 2 < share < 2 * level
