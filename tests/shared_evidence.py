"""Evidence that tests share: a quick run's, computed once in a process; those tests run in one (see conftest)."""

from functools import cache

from changed_numbers import scaled, with_data

from experiments.claims import CLAIMS
from experiments.referee import rows, verify
from experiments.referee.routes import Routes

RATE = 1e-6  # of each single test, where rows are made of the evidence


@cache
def routes():
    """The resources of `diffusion-lab verify --quick`."""
    return Routes(verify.REPLICAS // verify.QUICK, verify.TORCH_REPLICAS // verify.QUICK, seed=0, size="quick")


@cache
def outcome():
    """What `diffusion-lab verify --quick` finds, from the evidence that tests of single claims share."""
    settings = {"seed": 0, "size": "quick", "replicas": routes().replicas, "torch_replicas": routes().torch_replicas}
    return verify.judge(CLAIMS, {claim.name: claim.tried(routes()) for claim in CLAIMS}, settings)


@cache
def listed(claim):
    """All rows of a claim."""
    return list(rows_of(claim, claim.tried(routes())))


def rows_of(claim, evidence):
    for verdict in claim.verdicts(evidence):
        for piece in evidence:
            if piece.subject == verdict.subject:
                yield from rows.rows(claim, verdict, piece, RATE)


def pick(claim, **regime):
    """The only row in this regime."""
    [row] = [row for row in listed(claim) if regime.items() <= row["regime"].items()]
    return row


def finding(claim, subject, name):
    """One finding by its subject and name."""
    [verdict] = [verdict for verdict in claim.verdicts(claim.tried(routes())) if verdict.subject == subject]
    [wanted] = [each for each in verdict.findings if each.name == name]
    return wanted


def titles(claim, evidence):
    """Titles of a claim's figures, by name."""
    told = {}
    for name, _, _, caption in claim.figures(evidence):
        told[name] = caption.partition(". ")[0]
    return told


def check_figures(claim, names, monkeypatch):
    """Draw a claim's figures, from its evidence alone and from evidence in which the paper's formula is twice as large.

    Returns
    -------
    set of str
        Names of the figures whose titles changed.
    """
    evidence = claim.tried(routes())

    def refuse(*_, **__):
        raise AssertionError("drawing must not simulate")

    monkeypatch.setattr("experiments.problems.displacements.simulate", refuse)
    before = titles(claim, evidence)
    assert set(before) == set(names)
    after = titles(claim, [with_data(piece, scaled("paper", 2.0)) for piece in evidence])
    return {name for name in names if before[name] != after[name]}
