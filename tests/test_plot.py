"""Plot functions: they draw what the result holds, on the axes given, and leave everybody's style alone."""

import json
import subprocess
import sys

import matplotlib as mpl
import numpy as np
import pytest
import xarray
from matplotlib import pyplot as plt
from matplotlib.colors import to_hex
from matplotlib.quiver import Quiver

from diffusion import DoubleParabola, StyblinskiTang, fokker_planck, plot
from diffusion.plot import style
from diffusion.variables import VARIABLES, describe

WELL = DoubleParabola(0.25, 1.0, 4.0, 1)
PARAMETERS = {"dynamics": "Adam(lr=0.01)", "max_iterations": 100, "replicas": 100}


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def displacements(iterations=(0, 1, 10, 100), eigenvalues=(0.1, -0.001)):
    """A result like simulate's: made by hand, so that nothing is compiled."""
    t = np.array(iterations)
    value = np.outer(t, [1.0, 2.0][: len(eigenvalues)])
    data = {
        "msd": (("iteration", "direction"), value),
        "msd_stderr": (("iteration", "direction"), 0.1 * value),
        "position": (("replica", "iteration", "coordinate"), np.arange(5 * t.size * 2.0).reshape(5, t.size, 2)),
    }
    coordinates = {
        "iteration": t,
        "direction": np.arange(len(eigenvalues)),
        "coordinate": [0, 1],
        "eigenvalue": ("direction", list(eigenvalues)),
        "dynamical_time": (("iteration", "direction"), 0.01 * value),
    }
    return describe(xarray.Dataset(data, coordinates), PARAMETERS)


def exits(times, censored=0, diverged=0):
    n = len(times) + censored + diverged
    missing = [np.nan] * (censored + diverged)
    data = {
        "exit_iteration": ("replica", [*times, *missing]),
        "exited": ("replica", np.arange(n) < len(times)),
        "diverged": ("replica", np.arange(n) >= len(times) + censored),
    }
    return describe(xarray.Dataset(data, {"horizon": ("replica", np.full(n, 100))}), PARAMETERS)


def rates():
    data = {
        name: ("barrier", factor * np.array([1e-2, 1e-4]))
        for name, factor in (("rate", 1.0), ("rate_low", 0.5), ("rate_high", 3.0))
    }
    return xarray.Dataset(data, {"barrier": [2.0, 4.0], "twice": ("barrier", [4.0, 8.0])})


def reactive_paths():
    path = np.random.default_rng(0).normal(size=(2, 3, 4, 2))
    path[1] = np.nan  # a repetition that went extinct
    crossing = np.array([[[9.0, 9.0]] * 3, [[np.nan] * 2] * 3])
    dims = ("repetition", "replica", "milestone", "coordinate")
    data = {"path": (dims, path), "crossing": ((*dims[:2], "coordinate"), crossing)}
    return xarray.Dataset(data, {"coordinate": [0, 1], "milestone": [0.0, 0.3, 0.6, 1.0]})


def phase_space(name):
    """A function of position and velocity."""
    x, r = np.linspace(-1, 1, 12), np.linspace(-2, 2, 15)
    values = np.exp(-(x[:, None] ** 2) - r**2)
    data = xarray.Dataset({name: (("position", "velocity"), values)}, {"position": x, "velocity": r})
    return describe(data, {})


def on_a_turned_grid():
    """Committor and current like those of two coordinates, which no path knows in a corner."""
    first, second = np.meshgrid(np.linspace(-4, 4, 40), np.linspace(-4, 4, 50), indexing="ij")
    position = np.stack([first + 0.5 * second, second - 0.5 * first], axis=-1)
    committor = (position[..., 0] + 6) / 12
    current = np.stack([np.exp(-(second**2)), 0 * second], axis=-1)
    current[(first > 3) & (second > 3)] = committor[(first > 3) & (second > 3)] = np.nan
    dims = ("first", "second", "coordinate")
    data = {"committor": (dims[:2], committor), "current": (dims, current)}
    return xarray.Dataset(data, {"position": (dims, position)})


CURVE = fokker_planck.density(WELL, diffusion=0.06, start=0.0, times=[0.5, 2.0, 8.0], boundary=WELL.saddle)
COMMITTOR = fokker_planck.committor(WELL, diffusion=0.06, boundary=(-0.2, 1.5))


def in_plane(name):
    """A function of two coordinates, and a current, on a turned grid with a corner where no path comes."""
    x, y = np.meshgrid(np.linspace(-1, 1, 12), np.linspace(-2, 2, 15), indexing="ij")
    values = np.exp(-(x**2) - y**2)
    values[0, 0] = np.nan
    data = {name: (("first", "second"), values)}
    data["current"] = (("first", "second", "coordinate"), np.stack([y * values, -x * values], -1))
    place = (("first", "second", "coordinate"), np.stack([x - y, x + y], -1))
    return describe(xarray.Dataset(data, {"position": place, "coordinate": [0, 1]}), {})


DRAWN = {
    "msd": lambda ax=None: plot.msd(displacements(), ax),
    "cloud": lambda ax=None: plot.cloud(displacements(), ax),
    "survival": lambda ax=None: plot.survival(exits([1.0, 2.0, 5.0], censored=2), ax),
    "rates": lambda ax=None: plot.rates(rates(), ax),
    "paths": lambda ax=None: plot.paths(reactive_paths(), ax),
    "landscape": lambda ax=None: plot.landscape(WELL, ax, between=(-1, 2)),
    "contours": lambda ax=None: plot.landscape(StyblinskiTang(3), ax, between=(-4, 4), other=2),
    "escape_map": lambda ax=None: plot.escape_map(
        StyblinskiTang(2), ax, path=[[2.7, 2.7], [0.2, 2.0]], exits=reactive_paths(), grid=on_a_turned_grid()
    ),
    "density": lambda ax=None: plot.density(CURVE, ax),
    "density in phase space": lambda ax=None: plot.density(phase_space("density"), ax),
    "density in the plane": lambda ax=None: plot.density(in_plane("density"), ax),
    "committor": lambda ax=None: plot.committor(COMMITTOR, ax),
    "committor in the plane": lambda ax=None: plot.committor(in_plane("committor"), ax),
    "current": lambda ax=None: plot.current(in_plane("density"), ax),
    "committor in phase space": lambda ax=None: plot.committor(phase_space("committor"), ax),
}


def test_every_public_function_is_tried_here():
    functions = {name for name in plot.__all__ if callable(getattr(plot, name))}
    assert functions <= set(DRAWN)


@pytest.mark.parametrize("name", DRAWN)
def test_it_draws_on_the_axes_given_or_on_new_ones_with_labels_and_forces_no_style(name):
    before = dict(mpl.rcParams)
    own, mine = plt.subplots()
    assert DRAWN[name](mine) is mine
    assert mine.spines["top"].get_visible()  # as the user's style has it
    new = DRAWN[name]()
    assert new is not mine
    assert not new.spines["top"].get_visible()
    for ax in (mine, new):
        assert ax.get_xlabel()
        assert ax.get_ylabel()
        assert not ax.get_title()  # a title states a finding, which is the user's
        assert ax.has_data()
        ax.figure.canvas.draw()
    assert dict(mpl.rcParams) == before
    assert own is not new.figure


def test_a_map_of_an_escape_names_what_is_drawn_and_holds_all_of_it():
    path = np.array([[2.7, 2.7], [0.2, 2.0]])
    ax = plot.escape_map(StyblinskiTang(2), path=path, exits=reactive_paths(), grid=on_a_turned_grid())
    assert set(ax.get_legend_handles_labels()[1]) == {"path", "exits", "committor", "current"}
    line = next(drawn for drawn in ax.lines if drawn.get_label() == "path")
    np.testing.assert_array_equal(line.get_xydata(), path)
    exits = next(drawn for drawn in ax.collections if drawn.get_label() == "exits").get_offsets()
    np.testing.assert_array_equal(exits, [[9.0, 9.0]] * 3)  # not those of an extinct repetition
    (low, high), (lower, upper) = ax.get_xlim(), ax.get_ylim()
    assert low < -6 < 9 < high
    assert lower < -6 < 9 < upper
    arrows = next(drawn for drawn in ax.collections if isinstance(drawn, Quiver))
    assert 0 < len(arrows.U) < 20 * 25
    np.testing.assert_allclose(arrows.V, 0)
    plot.escape_map(StyblinskiTang(2), between=[(-4, 4), (-4, 4)], path=path).legend()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"landscape": StyblinskiTang(3)}, "landscape has 3 coordinates; a map is of 2"),
        ({"path": object()}, r"path = '<object object .* must be positions of shape \(m, 2\), such as least_action"),
        ({"path": [1.0, 2.0]}, r"path of shape \(2,\) must be positions of shape \(m, 2\)"),
        ({"exits": displacements()}, "no exit_position; give the result of diffusion.exit_times with positions=True"),
        (
            {"grid": phase_space("committor")},
            "give the result of diffusion.fokker_planck.committor with two coordinates",
        ),
        ({}, "no path, exit or grid that tells where to look"),
        ({"between": [(1, 0), (0, 1)]}, "must be the lower and upper end of each of the two coordinates"),
    ],
)
def test_a_map_without_what_it_needs_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        plot.escape_map(**{"landscape": StyblinskiTang(2)} | given)


def test_msd_shows_95_percent_and_leaves_out_iteration_0():
    ax = plot.msd(displacements(), direction=1)
    (points, _, (bars,)) = ax.containers[0]
    assert points.get_xdata().tolist() == [1, 10, 100]
    assert points.get_ydata() == pytest.approx([2, 20, 200])
    assert bars.get_segments()[0][:, 1] == pytest.approx([2 - 1.96 * 0.2, 2 + 1.96 * 0.2])
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    assert ax.get_ylabel() == "mean squared displacement from the start [theta^2]"
    times = plot.msd(displacements(), direction=0, clock="dynamical_time").containers[0][0].get_xdata()
    assert times == pytest.approx([0.01, 0.1, 1.0])


def test_colour_and_label_are_the_optimizer_s_unless_given():
    assert plot.msd(displacements(), direction=0).containers[0].get_label() == "Adam"
    assert plot.msd(displacements(), direction=0).containers[0][0].get_color() == style.OPTIMIZERS["Adam"]
    given = plot.msd(displacements(), direction=0, color="k", label="mine").containers[0]
    assert (given[0].get_color(), given.get_label()) == ("k", "mine")
    labels = plot.msd(displacements()).get_legend_handles_labels()[1]
    assert labels == ["$H$ = 0.1", "$H$ = -0.001"]


def looks(ax):
    """Colour and marker of each result on these axes, and the labels of a legend."""
    drawn = [container[0] for container in ax.containers] or [
        line for line in ax.lines if line.get_drawstyle() != "default"
    ]
    return [(to_hex(line.get_color()).upper(), line.get_marker()) for line in drawn], ax.get_legend_handles_labels()[1]


def test_results_on_the_same_axes_differ_in_marker_and_colour_and_label():
    shipped = {"parameters": json.dumps(PARAMETERS | {"dynamics": "Adam(lr=0.01, second_moment='running')"})}
    _, (ax, wide, left, right) = plt.subplots(1, 4, figsize=(30, 4))
    plot.msd(displacements(), ax, direction=1)
    plot.msd(displacements().assign_attrs(shipped), ax, direction=1)
    plot.msd(displacements(), ax, direction=1)
    plot.msd(displacements(), ax, direction=1, label="mine")
    for _ in range(3):
        plot.msd(displacements(), wide)
        plot.survival(exits([1.0, 2.0]), left, label="mine")
        plot.rates(rates(), right)
    found, labels = looks(ax)
    assert labels == ["Adam", "Adam as shipped", "Adam(lr=0.01)", "mine"]
    assert found[0] == (style.OPTIMIZERS["Adam"], "o")
    for axes in (ax, left, right):
        colours, markers = zip(*looks(axes)[0], strict=True)
        assert len(set(colours)) == len(set(markers)) == len(colours) >= 3
    assert [mark for _, mark in looks(wide)[0]] == [*"oos", "s", "^", "^"]
    assert looks(wide)[1][:3] == ["$H$ = 0.1", "$H$ = -0.001", "Adam: $H$ = 0.1"]
    assert len(set(looks(wide)[1])) == 6


def test_more_results_than_colours_differ_still():
    ax = plot.rates(rates())
    for _ in range(11):
        plot.rates(rates(), ax)
    assert len(set(looks(ax)[0])) == 12


def test_lines_of_theory_are_functions_of_the_axis_or_values_at_the_points():
    """Exact ones are solid, the paper's dashed. The clock of the first direction is 0.01 times its msd."""
    result = displacements()
    theory = {"paper": lambda t: 200 * t, "exact SDE": result.msd.sel(direction=0)}
    ax = plot.msd(result, direction=0, clock="dynamical_time", theory=theory)
    stated, exact = ax.lines[-2:]
    assert stated.get_xdata()[[0, -1]] == pytest.approx([0.01, 1])
    assert stated.get_ydata() == pytest.approx(200 * stated.get_xdata())
    assert exact.get_xydata()[1:] == pytest.approx(np.array([[0.01, 1], [0.1, 10], [1, 100]]))
    assert (stated.get_linestyle(), exact.get_linestyle()) == ("--", "-")
    assert ax.get_legend_handles_labels()[1] == ["paper", "exact SDE", "Adam"]


def test_lines_of_theory_may_be_one_for_each_direction_or_constant():
    ax = plot.msd(displacements(), theory={"exact": lambda t: np.outer(t, [1, 2]), "bound": 500.0})
    first, second, bound = ax.lines[-3:]
    assert second.get_ydata() == pytest.approx(2 * first.get_ydata())
    assert set(bound.get_ydata()) == {500.0}
    assert ax.get_legend_handles_labels()[1][:2] == ["exact", "bound"]
    (law,) = plot.survival(exits([1.0, 2.0, 4.0]), theory={"exact": lambda t: np.exp(-t)}).lines[1:]
    assert law.get_xdata()[[0, -1]].tolist() == [0, 2]
    plot.rates(rates(), theory={"exact chain": [1e-2, 2e-4]})


def test_lines_of_theory_with_too_few_values_are_refused():
    with pytest.raises(
        ValueError, match=r"theory\['mine'\] has shape \(1,\), but there are 2 points; give a value for"
    ):
        plot.rates(rates(), theory={"mine": [1.0]})


@pytest.mark.parametrize("options", [{}, {"figsize": (5, 3.6), "layout": "constrained"}], ids=str)
def test_nothing_is_cut_off_on_small_subplots(options):
    figure, axes = plt.subplots(2, 2, **options)
    for _ in range(2):
        plot.msd(displacements(), axes[0, 0], direction=1)
        plot.survival(exits([1.0, 2.0, 5.0], censored=2), axes[0, 1], label="mine")
        plot.rates(rates(), axes[1, 0], label="mine", theory={"exact chain": [1e-2, 2e-4]})
        plot.msd(displacements(), axes[1, 1])
    for ax in axes.flat:
        ax.legend()
    figure.draw_without_rendering()
    for ax in axes.flat:
        around = ax.get_tightbbox()
        assert np.all(around.min >= 0), ax.get_ylabel()
        assert np.all(around.max <= figure.bbox.max), ax.get_ylabel()
        assert ax.yaxis.label.get_window_extent().height <= 1.3 * ax.bbox.height


def test_survival_is_kaplan_and_meier_s_with_greenwood_s_band():
    """Five at risk, two ties, one censored, one diverged: against numbers worked out by hand."""
    ax = plot.survival(exits([10.0, 10.0, 30.0, 40.0], censored=1, diverged=1), label="x")
    assert ax.lines[0].get_xdata().tolist() == [0, 10, 30, 40]
    assert ax.lines[0].get_ydata() == pytest.approx([1, 0.6, 0.4, 0.2])
    width = np.exp(1.959964 * np.sqrt(2 / (5 * 3)) / np.abs(np.log(0.6)))
    edges = ax.collections[0].get_paths()[0].vertices
    at_first = edges[edges[:, 0] == 10][:, 1]
    assert at_first.min() == pytest.approx(0.6**width, rel=1e-6)
    assert at_first.max() == pytest.approx(0.6 ** (1 / width), rel=1e-6)


def test_survival_ends_before_the_last_when_all_left():
    ax = plot.survival(exits([10.0, 20.0, 30.0]), burn_in=5.0)
    assert ax.lines[0].get_xdata().tolist() == [5, 10, 20]
    assert ax.lines[0].get_ydata() == pytest.approx([1, 2 / 3, 1 / 3])


def test_survival_of_joined_exits_takes_each_replica_for_as_long_as_it_was_watched():
    """Horizons 20 and 100: of five, two are censored at 20, so one of two leaves at 30 and the last at 40."""
    both = xarray.concat(
        [exits([10.0, 30.0, 40.0]), exits([], censored=2).assign_coords(horizon=("replica", [20, 20]))], "replica"
    )
    ax = plot.survival(both)
    assert ax.lines[0].get_xdata().tolist() == [0, 10, 30]
    assert ax.lines[0].get_ydata() == pytest.approx([1, 0.8, 0.4])


def test_results_that_were_joined_are_not_labelled_as_the_first_of_them():
    other = displacements().assign_attrs(parameters=json.dumps({"dynamics": "SGD(lr=0.01)"}))
    both = xarray.concat([displacements(), other], xarray.Variable("optimizer", ["Adam", "SGD"]))
    assert plot.msd(both.sel(optimizer="SGD"), direction=0).get_legend_handles_labels()[1] == []
    assert plot.survival(exits([1.0, 2.0])).get_legend_handles_labels()[1] == []  # 2 of 100 replicas, of which problem?
    assert plot.rates(rates().assign_attrs(other.attrs)).get_legend_handles_labels()[1] == []


@pytest.mark.parametrize("parameters", ["no JSON", "[1, 2]", 3, "{}"])
def test_attributes_that_are_not_ours_are_let_be(parameters):
    plot.msd(displacements().assign_attrs(parameters=parameters), direction=0)
    plot.survival(exits([1.0, 2.0]).assign_attrs(parameters=parameters))
    plot.msd(displacements().drop_attrs(), direction=0, clock="dynamical_time")


def test_rates_have_their_intervals():
    ax = plot.rates(rates(), against="twice")
    (points, _, (bars,)) = ax.containers[0]
    assert points.get_xdata().tolist() == [4, 8]
    assert bars.get_segments()[1][:, 1] == pytest.approx([0.5e-4, 3e-4])
    assert (ax.get_yscale(), ax.get_xlabel()) == ("log", "twice")


def test_density_shows_the_nearest_times():
    ax = plot.density(CURVE, times=[0.4, 9.0])
    assert [line.get_label() for line in ax.lines] == ["$t$ = 0.5", "$t$ = 8"]
    assert ax.lines[1].get_ydata() == pytest.approx(CURVE.density[2].values)


def test_paths_end_where_they_left_and_extinct_repetitions_are_not_drawn():
    ax = plot.paths(reactive_paths(), label="x")
    assert len(ax.lines) == 3
    assert all(line.get_xydata()[-1].tolist() == [9, 9] for line in ax.lines)
    assert len(plot.paths(reactive_paths(), most=1).lines) == 1


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda: plot.msd(exits([1.0])), r"no msd, msd_stderr; give the result of diffusion.simulate"),
        (lambda: plot.msd(displacements(), clock="hours"), "clock = 'hours'"),
        (lambda: plot.survival(displacements()), "diffusion.exit_times"),
        (lambda: plot.survival(exits([], censored=3)), "no replica left"),
        (lambda: plot.survival(exits([1.0]), level=95), "level = 95"),
        (lambda: plot.rates(rates().isel(barrier=0)), "concatenate"),
        (lambda: plot.rates([rates()]), "a list is no dataset; give the result of diffusion.escape_rate"),
        (lambda: plot.density(phase_space("density"), times=[1.0]), "does not depend on time"),
        (lambda: plot.committor(CURVE), "fokker_planck.committor"),
        (lambda: plot.current(CURVE), "no current"),
        (lambda: plot.paths(CURVE), "paths=True"),
        (lambda: plot.cloud(CURVE), "keep"),
    ],
)
def test_a_result_of_another_kind_is_refused_before_a_figure_opens(call, said):
    with pytest.raises(ValueError, match=said):
        call()
    assert not plt.get_fignums()


def test_plot_is_there_without_importing_it_and_costs_nothing_before():
    code = """
import json, sys, diffusion
before = [name for name in ("matplotlib", "xarray") if name in sys.modules]
diffusion.plot.msd
print(json.dumps([before, "matplotlib.pyplot" in sys.modules]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [[], False]


def test_variables_read_here_are_those_of_the_registry():
    read = {
        "msd",
        "msd_stderr",
        "position",
        "exit_iteration",
        "exited",
        "rate",
        "rate_low",
        "density",
        "committor",
        "current",
        "path",
    }
    assert read <= {variable.name for variable in VARIABLES}
