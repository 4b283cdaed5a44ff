"""The paper's claims about networks: the only registry of them, in the order of the report."""

from experiments.referee.claim import Claim

CLAIMS: tuple[Claim, ...] = ()
