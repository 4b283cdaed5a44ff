"""The pages about networks: their examples run, to the numbers that they show."""

import re
from pathlib import Path

import torch

DOCS = Path(__file__).parents[2] / "docs"
PAGE = DOCS / "from_network_to_theory.md"


def test_the_page_s_example_gives_the_page_s_numbers(capsys):
    (example,) = re.findall(r"```python\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.S)
    (shown,) = re.findall(r"```text\n(.*?)```", PAGE.read_text(encoding="utf-8"), flags=re.S)
    threads = torch.get_num_threads()
    try:
        exec(example, {})
    finally:
        torch.set_num_threads(threads)
    numbers = [[float(n) for n in re.findall(r"-?\d+\.?\d*", text)] for text in (capsys.readouterr().out, shown)]
    found, told = ([values[k] for k in (1, -2)] for values in numbers)
    for one, other in zip(found, told, strict=True):  # processors round differently
        assert abs(one / other - 1) < 0.05


def test_the_example_of_what_networks_say_runs(capsys):
    (example,) = re.findall(r"```python\n(.*?)```", (DOCS / "networks.md").read_text(encoding="utf-8"), flags=re.S)
    exec(example, {})
    assert "<xarray.DataArray" in capsys.readouterr().out
