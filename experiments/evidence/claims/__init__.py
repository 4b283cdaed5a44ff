"""The paper's claims about networks: the only registry of them, in the order of the report.

Each part is a name for `diffusion-lab evidence --only` (lower case, no spaces) and its claims.
"""

from experiments.evidence.claims import (
    figure_3,
    figure_5,
    figure_7,
    figure_13,
    figure_14,
    from_network_to_theory,
    paper_settings,
    svag,
    table_2,
)
from experiments.referee.claim import Claim

PARTS: dict[str, tuple[Claim, ...]] = {
    "table2": (table_2.claim, figure_3.claim),
    "basins": (figure_5.claim,),
    "sharpness": (figure_7.claim, figure_14.claim),
    "text": (figure_13.claim,),
    "theory": (from_network_to_theory.claim, svag.claim),
    "paper": (paper_settings.claim,),
}
