"""A claim of a paper: what it says and where, how it is tried, what is found, and how that is shown."""

import inspect
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from experiments.referee.evidence import Evidence, Row
from experiments.referee.faults import NOT_HAD, broken, refused
from experiments.referee.routes import Routes
from experiments.referee.verdict import LEFT_OUT, Finding, Verdict, of_ratio

if TYPE_CHECKING:
    from experiments.drawing import Named

EVERY = "every optimizer"


class Claim(ABC):
    """One statement that can be right or wrong.

    A subclass in a file of its own states `name`, `place` (where the paper says it) and `statement` (what it says),
    computes `evidence`, and judges it by `findings`; `figures` draws it. `diffusion-lab verify --claim file.py` runs
    it. `builds_on` has the claims whose work it uses, so that these are tried before it, and nothing twice. `effort` is
    about how many seconds of a processor it takes where that is many: of claims tried side by side these begin first.
    """

    name: ClassVar[str]
    place: ClassVar[str]
    statement: ClassVar[str]
    builds_on: ClassVar[tuple["Claim", ...]] = ()
    effort: ClassVar[float] = 0.0

    @abstractmethod
    def evidence(self, routes: Routes) -> Iterable[Evidence]:
        """The numbers by every route, one piece of evidence after another.

        Raises
        ------
        ValueError, ArithmeticError
            If a reference cannot be computed: the rest of the claim is then one row that says so, and the claim is
            not judged.
        """

    @abstractmethod
    def findings(self, evidence: Sequence[Evidence]) -> Iterable[Finding]:
        """What the evidence on one subject says: a function of its numbers alone."""

    def figures(self, evidence: Sequence[Evidence]) -> Iterator["Named"]:
        """Figures of all its evidence, each with its name and caption; none unless it is overridden."""
        yield from ()

    def row_verdict(self, row: Mapping[str, Any]) -> str | None:
        """What is said of a single row, from its numbers: how far the paper's is from the exact one."""
        return of_ratio(row.get("paper"), row.get("exact"))

    def tried(self, routes: Routes) -> list[Evidence]:
        """The evidence, computed once in a run; where a reference cannot be had, the rest is a row that says why."""

        def compute() -> list[Evidence]:
            collected: list[Evidence] = []
            reason = ""
            try:
                collected.extend(self.evidence(routes))
            except NOT_HAD as error:
                reason = refused(error).reason
            except Exception as error:  # a fault of its code costs this claim alone
                reason = broken(error, inspect.getsourcefile(type(self)))
            if reason or not collected:
                row = Row({"optimizer": EVERY}, missing=f"{self.name}: {reason or 'it has no evidence'}")
                collected.append(Evidence.of_rows(EVERY, "the rest of its rows", [row]))
            return collected

        return list(routes.once(("evidence", self.name), compute, self.name))

    def sound(self, routes: Routes) -> list[Evidence]:
        """The same for another claim that builds on it.

        Raises
        ------
        ValueError
            If some of it is missing.
        """
        evidence = self.tried(routes)
        reason = next((piece.why_missing for piece in evidence if piece.why_missing), "")
        if reason:
            raise ValueError(f"it builds on {self.name}, which is not judged: {reason}")
        return evidence

    def verdicts(self, evidence: Sequence[Evidence]) -> list[Verdict]:
        """One verdict for each subject; none is drawn while anything of the claim is missing."""
        reason = next((piece.why_missing for piece in evidence if piece.why_missing), "")
        groups: dict[str, list[Evidence]] = {}
        for piece in evidence:
            groups.setdefault(piece.subject, []).append(piece)
        return [self._verdict(subject, group, reason) for subject, group in groups.items()]

    def _verdict(self, subject: str, evidence: Sequence[Evidence], reason: str) -> Verdict:
        """The verdict for one subject, if there is no reason against it and its findings can be had."""
        findings: tuple[Finding, ...] = ()
        if not reason:
            try:
                findings = (*self.findings(evidence), *_left_out(evidence))
            except Exception as error:  # a fault of its code costs this verdict alone
                reason = broken(error, inspect.getsourcefile(type(self)))
            else:
                names = Counter(finding.name for finding in findings)
                twice = [name for name, number in names.items() if number > 1]
                reason = f"two of its findings are named '{twice[0]}'" if twice else reason
                reason = reason or ("" if findings else "it has no findings")
        return Verdict(self.name, self.place, subject, () if reason else findings, reason)


def _left_out(evidence: Sequence[Evidence]) -> Iterator[Finding]:
    """Which ensembles are not behind the findings, and why."""
    faults = [f"{route}: {fault.reason}" for piece in evidence for route, fault in piece.faults]
    if faults:
        text = f"measured values left out: {len(faults)} ({faults[0]})"
        yield Finding(LEFT_OUT, len(faults), text)
