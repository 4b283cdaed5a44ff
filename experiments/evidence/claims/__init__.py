"""The paper's claims about networks: the only registry of them, in the order of the report.

Each part is a name for `diffusion-lab evidence --only` (lower case, no spaces) and its claims.
"""

from experiments.evidence.claims import (
    equation_3,
    figure_3,
    figure_5,
    figure_7,
    figure_8,
    figure_12,
    figure_13,
    figure_14,
    from_network_to_theory,
    paper_settings,
    svag,
    table_2,
    table_3,
    theorem_3_networks,
)
from experiments.referee.claim import Claim

PARTS: dict[str, tuple[Claim, ...]] = {
    "noise": (equation_3.claim, figure_8.claim, theorem_3_networks.claim),
    "table2": (table_2.claim, figure_3.claim, table_3.claim, figure_12.claim),
    "basins": (figure_5.claim,),
    "sharpness": (figure_7.claim, figure_14.claim),
    "text": (figure_13.claim,),
    "theory": (from_network_to_theory.claim, svag.claim),
    "paper": (paper_settings.claim,),
}
