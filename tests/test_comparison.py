"""One question, one call: what is said first, what every route gives, and the command."""

import json
import re
from dataclasses import replace

import numpy as np
import pandas
import pytest
from readme import ROOT

import theory
from diffusion import (
    SGD,
    Adam,
    Beyond,
    CurvedValley,
    DoubleParabola,
    HessianNoise,
    IsotropicNoise,
    Landscape,
    Lion,
    LossLevel,
    Momentum,
    Padam,
    QuadraticSaddle,
    Region,
    RMSprop,
    StyblinskiTang,
    Yogi,
)
from experiments import compare
from experiments.comparison import described
from experiments.comparison.question import ask
from experiments.problems import escapes
from experiments.problems.escapes import Escape
from experiments.problems.ways import ways_out
from experiments.referee.routes import Routes

SPLIT = {"splitting", "splitting_sde"}
EXAMPLE = ROOT / "examples" / "escape.toml"


@pytest.fixture(autouse=True)
def without_torch(monkeypatch):
    """Torch's routes are tested where they are; here they cost its import."""
    monkeypatch.setattr(Routes, "torch", False)


@pytest.fixture(scope="module")
def hopeless():
    """The example, of which nothing sampled is within reach, with what was said before."""
    said = []
    return described(EXAMPLE, say=said.append), "\n".join(said)


def test_it_says_first_what_is_within_reach(hopeless):
    """Each route that is not run is named, with its cost and what would bring it within reach."""
    _, said = hopeless
    assert "psi = 203 (304 without the heat that inertia carries over the pass): about 1e90 iterations" in said
    assert said.count("discrete ensemble: not run: 100 exits of 1e90 iterations take 1e7") == 1  # at both exits alike
    assert "splitting: not run: psi = 203 is beyond what" in said
    assert "batch_size <= " in said


def test_out_of_reach_the_limit_of_low_temperature_is_the_reference(hopeless):
    """Theorem 3 is farther off than any measurement could tell: its exponent lacks the heat that inertia carries."""
    answer, _ = hopeless
    row = answer.table.sel(exit="beyond the saddle")
    assert row["value"].sel(route="paper").item() == pytest.approx(3.0556e134, rel=1e-4)
    assert row["ratio"].sel(route="low_temperature").item() == 1
    assert 1e44 < row["ratio"].sel(route="paper").item() < 1e45
    assert "the limit of low temperature" in str(answer)
    assert not answer.lost


def test_each_reason_is_printed_once_and_what_was_said_before_only_named(hopeless):
    answer, said = hopeless
    shown = str(answer)
    reasons = set(answer.table["reason"].values.ravel()) - {""}
    for reason in reasons:
        told = " ".join(shown.split()).count(reason) + said.count(reason)
        assert told <= 1, reason
    assert "low temperature at the saddle: it is stated in one coordinate, with inertia beyond" in shown
    assert re.search("SDE ensemble, discrete ensemble, .*, torch: not run, as said before", shown)
    assert "not there, as" not in shown


def asked(dynamics, landscape, noise):
    (escape,) = ask(dynamics, landscape, noise, None, None, None, 10.0, 1).escapes
    return escape


def test_as_shipped_each_route_that_needs_an_idealized_rule_says_so_before_it_runs():
    """Without a boundary the saddle is one; where an arrival is final is known of an equation of motion alone."""
    well, noise = DoubleParabola(0.1, 1.0, 2.0, 1), HessianNoise(3, "piecewise")
    adam, lion = (asked(each, well, noise) for each in (Adam(0.1, second_moment="running"), Lion(0.1)))
    assert adam.boundary == lion.boundary == well.saddle
    assert {name for name, plan in adam.plans(10.0, 1).items() if plan.reason} == {"discrete", *SPLIT}  # psi is 3
    assert {name for name, plan in lion.plans(10.0, 1).items() if plan.reason} == {
        *("simulated", "splitting_sde", "discrete", "torch")
    }
    assert "the sign of a minibatch gradient is not that of a substep's" in lion.plans(10.0, 1)["simulated"].reason
    assert "not known beforehand" in lion.plans(10.0, 1)["torch"].reason
    assert asked(Yogi(0.1), well, noise).plans(10.0, 1)["torch"].reason == "Yogi has no counterpart in torch"


def test_splitting_of_a_rotated_saddle_is_not_planned():
    bowl = QuadraticSaddle([1.0, 2.0], rotation=[[0.6, -0.8], [0.8, 0.6]])
    for landscape, reason in ((bowl, "takes the saddle as a CoupledLandscape"), (QuadraticSaddle([1.0, 2.0]), "")):
        escape = Escape(SGD(0.05), landscape, IsotropicNoise(1.0), np.zeros(2), np.nan, LossLevel(0.5), "")
        assert all(reason in escape.plans(60.0, 1)[name].reason for name in SPLIT)
        assert bool(escape.unable.keys() & SPLIT) is bool(reason)


def test_every_route_within_reach_agrees_with_the_exact_one():
    """SGD's SDE, discrete steps and splitting against quadrature and chain; the ratio is to exact."""
    well = DoubleParabola(0.1, 1.0, 2.0, 1)
    noise = HessianNoise(3, "piecewise")
    answer = compare(SGD(0.1), well, noise, boundary="saddle", seconds=0.3, say=lambda _: None)
    shown = answer.table.sel(exit="at the saddle")
    exact = shown["value"].sel(route="exact").item()
    assert shown["value"].sel(route="fokker_planck").item() == pytest.approx(exact, rel=1e-5)
    np.testing.assert_allclose(shown["ratio"], shown["value"] / exact)
    piece = answer.evidence[0]
    tested = {name: float(route.p_value()[0]) for name, route in piece.measured.items() if name != "simulated"}
    assert "discrete" in tested
    assert min(tested.values()) > 1e-3  # three tests of one fixed seed
    with_bridges = shown["ratio"].sel(route="simulated").item()
    assert with_bridges == pytest.approx(1, abs=0.1)  # sampling and time step; without bridges:
    assert piece.data["exact_simulated"][0] / exact > 1.1
    wrong = piece.measured["discrete"]  # a control: the SDE's time is not that of whole steps
    assert abs(np.log(piece.data["exact"][0] / wrong.expected[0])) > 0.1
    assert shown["reason"].sel(route="torch").item()
    assert not answer.lost


def test_a_saddles_displacement_is_compared_at_the_users_iterations(tmp_path):
    """Theorem 2 against exact moments at one's own curvature and batch size; ensembles within their intervals."""
    given = {"iterations": [2, 40], "seconds": 5.0, "say": lambda _: None}
    answer = compare(Momentum(0.02, 0.8), QuadraticSaddle([0.3, -0.2]), HessianNoise(7), **given)
    shown = answer.table
    assert shown["start"].values.tolist() == ["rest", "thermal"]
    langevin = {"hessian": -0.2, "diffusion": 0.02 / 2 * 0.2 / 7, "mass": 0.02 / 0.2, "damping": 0.2 / 0.02}
    expected = {"paper": theory.momentum_msd(0.8, **langevin)}
    expected["exact"] = theory.momentum_msd_exact(0.8, **langevin, start="rest")
    here = shown["value"].sel(iterations=40, eigenvalue=-0.2, start="rest")
    for name, value in expected.items():
        assert here.sel(route=name).item() == pytest.approx(float(value))
    off = shown["ratio"].sel(route="simulated") - 1
    assert float(np.abs(off).max()) < 0.15
    assert sum("Theorem 2 overstates" in text for text in answer.findings) == 2
    rows = pandas.read_csv(next(path for path in answer.save(tmp_path) if path.suffix == ".csv"))
    assert {"start", "route", "iterations", "eigenvalue", "value", "low", "high", "ratio", "reason"} <= set(rows)
    assert len(rows) == shown["value"].size


def test_an_own_loss_of_two_coordinates_has_its_path_the_grid_and_a_verdict():
    """The curved valley as a string: Theorem 3's exponent is 1.754 times too large."""
    text = "(x**2 - 1)**2/4 + 4*(y - (1 - x**2)**2/2)**2"
    valley, lr = Landscape.from_expression(text, reference=(-1, 0)), 0.03
    answer = compare(SGD(lr), valley, HessianNoise(1), seconds=1e-6, say=lambda _: None)
    shown = answer.table["value"].isel(exit=0)
    stated = {"barrier": 0.25, "hessian_minimum": 2.0, "hessian_saddle": 1.0, "split": 1.0, "batch_size": 1, "lr": lr}
    assert shown.sel(route="paper").item() == pytest.approx(float(theory.sgd_escape_time(**stated)) / lr, rel=1e-6)
    action = 0.0712715644 / (lr / 2)
    assert shown.sel(route="low_temperature").item() == pytest.approx(5.1697 / lr * np.exp(action), rel=1e-3)
    assert shown.sel(route="exact").item() == pytest.approx(28_060, rel=2e-3)  # by the grid with D as a pair
    nearer = ask(SGD(lr), valley, HessianNoise(1), Beyond(0, -0.5), None, None, 1e-6, 1).escapes[0]
    with pytest.raises(ValueError, match="the exit is before it"):
        escapes.over_saddles(nearer)
    assert any(text.startswith("Theorem 3's exponent overstates by 75 % (8.333,") for text in answer.findings)
    assert [drawn[0] for drawn in answer.question.figures(answer.evidence)] == ["comparison", "path"]


@pytest.mark.long
def test_inertia_hardly_changes_the_way_of_a_second_moment_that_follows_the_noise_where_it_is_little():
    """Gradients are divided with inertia as without."""
    bare, inert = (
        ways_out(rule, CurvedValley(0.5), HessianNoise(1))[0].least.action
        for rule in (
            RMSprop(0.06, second_moment="following"),
            Padam(0.06, 0.1, partial=0.5, second_moment="following"),
        )
    )
    assert inert == pytest.approx(bare, rel=5e-3)


def test_of_a_formula_of_one_coordinate_the_saddle_is_found():
    given = {"seconds": 1e-6, "say": lambda _: None}
    written = Landscape.from_expression("x**4/4 - x**2/2")
    by_itself = compare(SGD(0.05), written, IsotropicNoise(2.0), **given).table["value"].sel(route="exact")
    told = compare(SGD(0.05), written, IsotropicNoise(2.0), boundary=0.0, **given).table["value"].sel(route="exact")
    assert by_itself.sel(exit="at the saddle").item() == pytest.approx(told.item(), rel=1e-9)


def test_of_a_coupled_saddle_without_a_barrier_only_the_grid_is_known():
    bowl = QuadraticSaddle([1.0, 2.0], rotation=[[0.6, -0.8], [0.8, 0.6]])
    given = {"boundary": LossLevel(0.05), "seconds": 1e-6, "say": lambda _: None}
    shown = compare(SGD(0.05), bowl, IsotropicNoise(1.0), **given).table.isel(exit=0)
    assert "100 exits of" in shown["reason"].sel(route="discrete").item()
    assert np.isfinite(shown["value"].sel(route="exact"))
    assert "stated for a minimum and a saddle" in shown["reason"].sel(route="paper").item()
    with pytest.raises(ValueError, match="has none; give a number"):
        compare(SGD(0.05), StyblinskiTang(1, data_variance=2.5), HessianNoise(10))


def test_over_several_saddles_the_exit_has_to_be_said_and_rates_add_up():
    middle = Landscape.from_expression("x**2*(x**2 - 4)**2/16 + (y - x**2/8)**2", reference=(0, 0))
    noise = IsotropicNoise(1.0)
    with pytest.raises(ValueError, match=r"left over the saddles at .*; say by boundary="):
        compare(SGD(0.05), middle, noise)
    with pytest.raises(ValueError, match=r"no saddle is found next to the minimum .*; give a boundary"):
        compare(SGD(0.05), Landscape.from_expression("x**2 + y**2 + x*y"), noise)
    both, one = (ask(SGD(0.05), middle, noise, end, None, None, 1.0, 1).escapes[0] for end in ((-1.5, 1.5), 1.5))
    assert [len(escape.ways) for escape in (both, one)] == [2, 1]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"boundary": 0.6}, "boundary = 0.6 is before or elsewhere"),
        ({"boundary": (-0.8, 1.3)}, "boundary = .*-0.8, 1.3.* is before or elsewhere"),
        ({"start": 0.9}, "start = 0.9 is none"),  # beyond the inflection, too
    ],
)
def test_formulas_of_a_saddle_are_not_given_for_another_question(changed, why):
    """They are from the minimum over the saddle: of a line on the slope Theorem 3 would be 18 times the exact value."""
    well, noise = DoubleParabola(0.4, 2.0, 0.7, 1), HessianNoise(1, "piecewise")
    shown = compare(SGD(0.3), well, noise, **changed, seconds=1e-6, say=lambda _: None).table.isel(exit=0)
    assert re.search(why, shown["reason"].sel(route="paper").item())
    assert np.isnan(shown["value"].sel(route="paper"))


def test_two_lines_have_an_exact_time_and_the_grids():
    well = DoubleParabola(0.4, 2.0, 0.7, 1)
    given = {"boundary": (-0.8, 1.2), "seconds": 1e-6, "say": lambda _: None}
    shown = compare(SGD(0.1), well, IsotropicNoise(4.0), **given).table["value"].isel(exit=0)
    passage = {"start": 0.0, "boundary": (-0.8, 1.2), "breaks": well.switches}
    time = theory.first_passage_time(lambda x: well.gradient(x[:, None])[:, 0], 0.2, **passage)
    for route in ("exact", "fokker_planck"):
        assert shown.sel(route=route).item() == pytest.approx(time / 0.1, rel=1e-6)


def test_splitting_is_planned_for_what_it_can_split_in_the_time():
    well, noise = StyblinskiTang(2), IsotropicNoise(2000.0)
    wanted = [
        Escape(SGD(1e-3), well, noise, well.reference, np.nan, end, "") for end in (Beyond(0, 0.0), LossLevel(0.0))
    ]
    plans = [escape.plans(60.0, 1)["splitting"] for escape in wanted]
    assert [plan.reason for plan in plans] == ["", ""]
    assert wanted[0].plans(plans[0].seconds / 50, 1)["splitting"].reason.startswith("1000 replicas, 8 times, take")
    own = replace(wanted[0], boundary=Beyond(0, 0.0) | Region(lambda X, lane: X[0, lane] < 0.0))
    assert "needs a reaction coordinate" in own.plans(60.0, 1)["splitting"].reason


def test_what_breaks_every_route_is_an_error(monkeypatch):
    monkeypatch.setattr(escapes, "row", lambda *_: 1 / 0)
    with pytest.raises(ValueError, match=r"nothing can be compared: .*division by zero"):
        compare(SGD(0.3), DoubleParabola(0.4, 2.0, 0.7, 1), IsotropicNoise(1.0), say=lambda _: None)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (["noise.batch=2"], "parameter of noise = 'batch' is unknown; did you mean 'batch_size'?"),
        (["nois.batch_size=2"], "section of --set .* is unknown; did you mean 'noise'?"),
        (["noise.batch_size=two"], "give a value as TOML has it"),
        (["measure.replicas=2"], "parameter of measure = 'replicas' is unknown"),
        (["measure.boundary='top'"], "boundary = 'top' is unknown"),
        (["landscape.name='QuadraticSaddle'"], "parameter of landscape = 'barrier' is unknown"),
    ],
)
def test_what_cannot_be_asked_is_named(changes, said):
    with pytest.raises(ValueError, match=said):
        described(EXAMPLE, changes)


def test_the_command_prints_and_writes_its_table(tmp_path, here):
    run = here("compare", EXAMPLE, "--out", tmp_path / "out")
    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith("Momentum(lr=0.05, beta1=0.95, style='ema') leaves DoubleParabola(")
    assert run.stdout.index("not run") < run.stdout.index("┏")  # said first
    rows = json.loads((tmp_path / "out" / "table.json").read_text())
    paper = [row for row in rows if row["route"] == "paper"]
    assert [row["exit"] for row in paper] == ["at the saddle", "beyond the saddle"]
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        *("table.csv", "table.json", "comparison.png", "comparison.svg")
    }
