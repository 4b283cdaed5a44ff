"""The paper's claims about networks: the only registry of them, in the order of the report.

Each part is a name for `diffusion-lab evidence --only` (lower case, no spaces) and its claims.
"""

from experiments.evidence.claims import equation_3, figure_8, theorem_3_networks
from experiments.referee.claim import Claim

PARTS: dict[str, tuple[Claim, ...]] = {"noise": (equation_3.claim, figure_8.claim, theorem_3_networks.claim)}
