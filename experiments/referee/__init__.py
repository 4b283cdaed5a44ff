"""The referee: laws of samples, evidence, findings and verdicts, routes and the report; here is what claims need."""

from experiments.referee.claim import EVERY, Claim
from experiments.referee.evidence import Evidence, Measured, Row, Sample, unsampled
from experiments.referee.routes import Routes, told
from experiments.referee.verdict import CLOSE, EXACT, Finding, size, span

__all__ = ["CLOSE", "EVERY", "EXACT", "Claim", "Evidence", "Finding"]
__all__ += ["Measured", "Routes", "Row", "Sample", "size", "span", "told", "unsampled"]
