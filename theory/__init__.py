"""What should happen: the paper's closed forms and the exact values they approximate.

Every formula is derived in ``docs/theory``. This package needs numpy and scipy only and imports nothing
of the simulator, so that theory and simulation meet only where they are compared.
"""

from theory.recursion import discrete_drift_msd, discrete_msd
from theory.saddle import (
    adai_msd,
    adam_msd,
    momentum_drift_msd,
    momentum_drift_msd_exact,
    momentum_msd,
    momentum_msd_exact,
    sgd_msd,
    sgd_msd_exact,
)

__all__ = [
    "adai_msd",
    "adam_msd",
    "discrete_drift_msd",
    "discrete_msd",
    "momentum_drift_msd",
    "momentum_drift_msd_exact",
    "momentum_msd",
    "momentum_msd_exact",
    "sgd_msd",
    "sgd_msd_exact",
]
