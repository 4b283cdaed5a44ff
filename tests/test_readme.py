"""The README's examples run and give the numbers it states."""

import re
from pathlib import Path

import pytest

README = Path(__file__).parent.parent / "README.md"
EXAMPLES = re.findall(r"```python\n(.*?)```", README.read_text(), flags=re.DOTALL)


def test_four_lines_reproduce_the_number_in_their_comment(capsys):
    assert len(EXAMPLES[0].strip().splitlines()) == 4
    exec(EXAMPLES[0], {})
    stated = float(re.search(r"# ([\d.]+):", EXAMPLES[0]).group(1))
    assert float(capsys.readouterr().out) == pytest.approx(stated, rel=0.03)


def test_other_examples_run():
    for example in EXAMPLES[1:]:
        exec(example, {})
