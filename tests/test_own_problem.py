"""The page *Your own problem* runs as its reader runs it: files, blocks of Python, a sweep and a comparison."""

import re
import sys

import pytest
import readme

from experiments import cli
from experiments.sweep import Sweep, run

PAGE = (readme.ROOT / "docs" / "own-problem.md").read_text()
BLOCKS = re.findall(r"```(python|toml|)\n(.*?)```", PAGE, flags=re.DOTALL)
FIGURES = ("well", "bent", "valley", "minibatches", "optimizers", "rates", "results/theorem-3/comparison")


def follow(kind, text, folder):
    """What a reader does with a block: a file is written, Python is run, so are commands that take a moment."""
    named = re.match(r"# (\S+\.\w+)\n", text)
    if named:
        (folder / named[1]).write_text(text)
    elif kind == "python":
        exec(text, {"__name__": "__main__"})
    elif text == "PYTHONPATH=. diffusion-lab sweep valleys.toml\n":
        # in this process: others take seconds to begin
        run(Sweep.from_toml("valleys.toml"), "results/valleys.zarr", workers=0)
    elif text == "diffusion-lab compare theorem-3.toml\n":
        cli.app(["compare", "theorem-3.toml"], exit_on_error=False, result_action="return_value")


@pytest.mark.long  # a kernel for each of its landscapes
def test_each_block_leads_from_nothing_to_its_figure(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "valleys", raising=False)
    for kind, text in BLOCKS:
        follow(kind, text, tmp_path)
    assert all((tmp_path / f"{name}.png").stat().st_size > 5000 for name in FIGURES)
    printed = capsys.readouterr().out
    assert re.search(r"psi = [\d.]+: about [\d,]+ iterations", printed)[0] in PAGE
    assert "Theorem 3 overstates" in printed
