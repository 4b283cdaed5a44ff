"""The claims of the paper, one file each, and their only registry, in the paper's order."""

from experiments.claims import (
    adai_drift,
    adam_drift,
    exponential_law,
    lemmas,
    momentum_selection,
    stationary_variance,
    step_1_velocity,
    theorem_1,
    theorem_3,
)
from experiments.claims import equation_57, exit_line, theorem_1, theorem_3, theorem_3_damping
from experiments.referee.claim import Claim

CLAIMS: tuple[Claim, ...] = (
    theorem_1.claim,
    stationary_variance.claim,
    exponential_law.claim,
    theorem_3.claim,
    momentum_selection.claim,
    adam_drift.claim,
    adai_drift.claim,
    step_1_velocity.claim,
    lemmas.claim,
    theorem_3.claim,
    theorem_3_damping.claim,
    equation_57.claim,
    exit_line.claim,
)
from experiments.claims import theorem_1, theorem_2, theorem_3
from experiments.claims import theorem_1, theorem_2, theorem_2_drift, theorem_3
from experiments.claims import proposition_1, theorem_1, theorem_2, theorem_2_drift, theorem_3
from experiments.claims import proposition_1, proposition_3, theorem_1, theorem_2, theorem_2_drift, theorem_3
    proposition_1,
    proposition_3,
    table_1_saddles,
    theorem_1,
    theorem_2,
    theorem_2_drift,
    theorem_3,
)
from experiments.referee.claim import Claim

CLAIMS: tuple[Claim, ...] = (
    table_1_saddles.claim,
    theorem_1.claim,
    theorem_2.claim,
    theorem_2_drift.claim,
    theorem_3.claim,
    proposition_1.claim,
    proposition_3.claim,
)
