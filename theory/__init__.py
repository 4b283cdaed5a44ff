"""What should happen: the paper's closed forms and the exact values they approximate.

Every formula is derived in ``docs/theory``. This package needs numpy and scipy only and imports nothing
of the simulator, so that theory and simulation meet only where they are compared.
"""

from theory.adaptive import following_motion, resting_second_moment
from theory.chain import discrete_first_passage_time
from theory.convergence import convergence_bound, lemma_1, lemma_2, lemma_3, lemma_4
from theory.finite_data import minibatch_first_passage_time
from theory.first_passage import exit_probabilities, first_passage_time, leading_rate, survival
from theory.heavy_tails import stable_exit_time, tail_exponent
from theory.kramers import (
    barrier_action,
    depopulation,
    effective_temperature,
    join_is_crossed_once,
    kramers_escape_time,
)
from theory.large_deviations import empirical_cumulant, minibatch_action
from theory.minimum import (
    adai_escape_time,
    adam_escape_time,
    effective_diffusion,
    escape_exponent,
    low_temperature_escape_time,
    momentum_escape_time,
    sgd_escape_time,
)
from theory.occupation import discrete_occupation_ratio, occupation_ratio
from theory.recursion import bias_corrected_msd, discrete_drift_msd, discrete_msd, discrete_velocity_variance
from theory.saddle import (
    adai_msd,
    adam_msd,
    momentum_drift_msd,
    momentum_drift_msd_exact,
    momentum_msd,
    momentum_msd_exact,
    momentum_velocity_variance,
    sgd_msd,
    sgd_msd_exact,
)
from theory.shuffling import shuffled_msd
from theory.signs import sign_exit_time, sign_exponent
from theory.stationary import discrete_stationary_variance, equilibrium_velocity_variance, stationary_variance

__all__ = [
    "adai_escape_time",
    "adai_msd",
    "adam_escape_time",
    "adam_msd",
    "barrier_action",
    "bias_corrected_msd",
    "convergence_bound",
    "depopulation",
    "discrete_drift_msd",
    "discrete_first_passage_time",
    "discrete_msd",
    "discrete_occupation_ratio",
    "discrete_stationary_variance",
    "discrete_velocity_variance",
    "effective_diffusion",
    "effective_temperature",
    "empirical_cumulant",
    "equilibrium_velocity_variance",
    "escape_exponent",
    "exit_probabilities",
    "first_passage_time",
    "following_motion",
    "join_is_crossed_once",
    "kramers_escape_time",
    "leading_rate",
    "lemma_1",
    "lemma_2",
    "lemma_3",
    "lemma_4",
    "low_temperature_escape_time",
    "minibatch_action",
    "minibatch_first_passage_time",
    "momentum_drift_msd",
    "momentum_drift_msd_exact",
    "momentum_escape_time",
    "momentum_msd",
    "momentum_msd_exact",
    "momentum_velocity_variance",
    "occupation_ratio",
    "resting_second_moment",
    "sgd_escape_time",
    "sgd_msd",
    "sgd_msd_exact",
    "shuffled_msd",
    "sign_exit_time",
    "sign_exponent",
    "stable_exit_time",
    "stationary_variance",
    "survival",
    "tail_exponent",
]
