"""Titles and texts of figures."""

import pytest

from experiments.drawing import CHARACTERS, formula, headline, subplots


@pytest.mark.parametrize("width", [4, 8.5, 12])
def test_a_headline_has_as_few_lines_as_fit_and_they_are_about_equally_long(width):
    figure, _ = subplots(size=(width, 3))
    text = "Real minibatches leave 64.8 times as fast as Gaussian noise, a factor that grows as the learning rate falls"
    headline(figure, text)
    lines = figure.get_suptitle().split("\n")
    assert " ".join(lines) == text
    assert len(lines) == -(-len(text) // int(CHARACTERS * width))
    assert max(map(len, lines)) <= min(CHARACTERS * width, len(text) / len(lines) + 8)


def test_a_headline_keeps_numbers_with_what_they_are_of():
    figure, _ = subplots(size=(2, 3))
    headline(figure, "at T = 10 it is 5 % off, within 1 ± 0.1")
    words = figure.get_suptitle().replace("\n", " ").split(" ")
    assert {
        "T\N{NO-BREAK SPACE}=\N{NO-BREAK SPACE}10",
        "5\N{NO-BREAK SPACE}%",
        "1\N{NO-BREAK SPACE}±\N{NO-BREAK SPACE}0.1",
    } < set(words)


@pytest.mark.parametrize(
    ("text", "typeset"),
    [
        ("H_b/H_a = 4", r"$H_{\mathrm{b}}$/$H_{\mathrm{a}}$ = 4"),
        ("like |H|^(1-2q)", "like |H|$^{1-2q}$"),
        ("k^-p, x^2", "k$^{-p}$, x$^{2}$"),
        ("γ/ω_b", r"γ/$ω_{\mathrm{b}}$"),
        ("long_run and max_iterations", "long_run and max_iterations"),
    ],
)
def test_symbols_in_a_text_are_typeset_and_names_of_code_are_not(text, typeset):
    assert formula(text) == typeset
