"""The claims of the paper, one file each, and their only registry, in the paper's order."""

from experiments.claims import theorem_1, theorem_3
from experiments.referee.claim import Claim

CLAIMS: tuple[Claim, ...] = (theorem_1.claim, theorem_3.claim)
