"""The paper's own settings: what is not run says so, and what is run goes on after an interruption."""

import numpy as np
import pytest
import torch
from data_files import write_cifar

from experiments.evidence.claims import paper_settings
from experiments.evidence.claims.paper_settings import claim
from experiments.evidence.lab import Lab


@pytest.fixture
def small(monkeypatch, tmp_path):
    """A lab that has CIFAR, where networks of any size are trained on a CPU, and these are small."""
    (tmp_path / "cifar").mkdir()
    monkeypatch.setattr(paper_settings, "device", lambda: "cpu")
    monkeypatch.setattr(paper_settings, "NETWORKS", {"residual": "CIFAR-10", "resnet34": "CIFAR-100"})
    monkeypatch.setattr(paper_settings, "EPOCHS", 2)
    rates = {"SGDM": (0.01,), "AdaiW": (1e30,), "Adam": (1e-3,)}
    monkeypatch.setattr(paper_settings.contest, "RATES", rates)
    return Lab(out=tmp_path, threads=1, cifar=str(write_cifar(tmp_path / "cifar")))


def test_what_is_not_run_is_shown_as_not_run(tmp_path):
    lab = Lab(out=tmp_path, threads=1)
    evidence = claim.tried(lab)
    assert len(evidence) == 6
    assert all(np.isnan(piece.data["trained"]).all() for piece in evidence)
    told = {verdict.subject: verdict.sentence for verdict in claim.verdicts(evidence)}
    assert "not run: it needs --cifar ROOT with CIFAR-100" in told["resnet34 on CIFAR-100"]
    assert "not run: it needs --model" in told["GoogLeNet on CIFAR-100"]
    assert "not run: it needs --full" in told["two-layer LSTM on words"]
    assert {verdict.level for verdict in claim.verdicts(evidence)} == {"open"}


def test_with_the_data_every_optimizer_is_run_and_one_that_diverges_says_so(small):
    evidence = {piece.subject: piece for piece in claim.tried(small)}
    ran = evidence["residual on CIFAR-10"].data.set_index(row="optimizer")
    assert np.isnan(ran["trained"].sel(row="AdaiW"))
    assert np.isfinite(ran["trained"].sel(row=["SGDM", "Adam"])).all()
    assert [reason.reason.split()[0] for _, reason in evidence["residual on CIFAR-10"].faults] == ["diverged"]
    assert np.isnan(evidence["resnet34 on CIFAR-100"].data["trained"]).all()
    assert [finding.name for finding in claim.findings([evidence["residual on CIFAR-10"]])] == ["SGDM", "Adam"]
    assert not list((small.out / "stores").glob("*.part"))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")
def test_on_a_gpu_the_networks_of_the_paper_are_trained_in_half_precision(small, monkeypatch):
    monkeypatch.setattr(paper_settings, "device", lambda: "cuda")
    monkeypatch.setattr(paper_settings, "NETWORKS", {"resnet18": "CIFAR-10", "vgg16": "CIFAR-10"})
    monkeypatch.setattr(paper_settings, "UNSHIPPED", {})
    evidence = {piece.subject: piece for piece in claim.tried(small)}
    for network in ("resnet18", "vgg16"):
        ran = evidence[f"{network} on CIFAR-10"].data.set_index(row="optimizer")
        assert np.isnan(ran["trained"].sel(row="AdaiW"))
        assert np.isfinite(ran["trained"].sel(row=["SGDM", "Adam"])).all()
