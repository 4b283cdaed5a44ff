"""The paper's claims about networks: the only registry of them, in the order of the report.

Each part is a name for `diffusion-lab evidence --only` (lower case, no spaces) and its claims.
"""

from experiments.referee.claim import Claim

PARTS: dict[str, tuple[Claim, ...]] = {}
