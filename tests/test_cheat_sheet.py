"""The cheat sheet: its lines of Python run, its commands are understood, and results show themselves in a notebook."""

import re
import shlex

import pytest
import readme
import xarray

from experiments import cli

PAGE = (readme.ROOT / "docs" / "cheat-sheet.md").read_text()
ROWS = [line for line in PAGE.splitlines() if re.match(r"\| .*`diffusion-lab", line)]


@pytest.fixture(scope="module")
def names(tmp_path_factory):
    """What the lines of Python leave."""
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path_factory.mktemp("reader"))
        made = {"__name__": "__main__"}
        for block in re.findall(r"```python\n(.*?)```", PAGE, flags=re.DOTALL):
            exec(block, made)
    return made


def test_every_line_of_python_runs_and_agrees_with_the_others(names):
    rate, grid = names["rate"], names["grid"]
    assert rate.rate_low < 0.1 / grid.mfpt < rate.rate_high
    assert names["rare"].reliable
    assert names["both"].sizes["replica"] == 2 * names["exits"].sizes["replica"]


def test_a_notebook_shows_results_as_tables_with_units(names):
    results = {name: value for name, value in names.items() if isinstance(value, xarray.Dataset)}
    assert {"run", "shipped", "exits", "rate", "rare", "grid", "both"} <= set(results)
    for value in results.values():
        assert "units" in value._repr_html_()
    assert re.fullmatch(r"psi = [\d.]+: about [\d,]+ iterations", repr(names["prospect"]))


@pytest.mark.parametrize("row", ROWS)
def test_commands_are_understood(row):
    """An option that stands alone belongs to the command before it in its row."""
    first, *others = re.findall(r"`([^`]+)`", row)
    for text in (first, *others):
        words = shlex.split(f"{first} {text}" if text.startswith("--") else text)
        command, _, _ = cli.app.parse_args(words[1:], exit_on_error=False, print_error=False)
        assert command is not None
