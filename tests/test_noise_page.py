"""The page *Which noise is yours?*: its page of Python gives the numbers that stand below it."""

import re

import pytest
import readme

PAGE = (readme.ROOT / "docs" / "noise.md").read_text()


@pytest.mark.long
def test_own_data_on_a_page_give_what_stands_below_it(capsys):
    (example,) = re.findall(r"```python\n(.*?)```", PAGE, flags=re.S)
    (printed,) = re.findall(r"```\n(minibatches.*?)```", PAGE, flags=re.S)
    exec(example, {"__name__": "__main__"})
    assert capsys.readouterr().out == printed
