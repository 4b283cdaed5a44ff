"""Sweeps: what TOML may say, how points become tasks, and what these measure, without any scheduler."""

import datetime
import re
import subprocess
import sys
import tomllib

import numpy as np
import pytest
import sweeps
import xarray
from sweeps import own, run_here, sweep

import diffusion
import theory
from diffusion import SGD, HessianNoise, Momentum, StyblinskiTang
from experiments.sweep import (
    StoppedError,
    Store,
    Sweep,
    check,
    cluster,
    cost,
    figure,
    measurements,
    report,
    run,
    tasks,
)
from experiments.sweep.layout import Layout


@pytest.fixture(autouse=True)
def _forget_open_stores():
    tasks._opened.cache_clear()


def test_an_axis_sets_the_parameter_of_its_name_or_several():
    asked = sweep(
        axes={
            "lr": {"start": 0.1, "stop": 0.4, "count": 3, "spacing": "log"},
            "optimizer": {"dynamics.name": ["SGD", "Momentum"], "dynamics.beta1": [0.0, 0.9]},
        }
    )
    assert asked.shape == (3, 2)
    assert asked.axes[0].labels == pytest.approx((0.1, 0.2, 0.4))
    assert asked.axes[1].labels == ("SGD", "Momentum")
    assert asked.at(3)["dynamics"] == {"name": "Momentum", "lr": pytest.approx(0.2), "beta1": 0.9}
    assert measurements.problem(asked.at(3)).dynamics == diffusion.Momentum(asked.axes[0].labels[1], 0.9)
    assert measurements.problem(asked.at(2)).dynamics == SGD(asked.axes[0].labels[1])


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"nois": {}}, "table = 'nois' is unknown; did you mean 'noise'"),
        (
            {"noise": {"name": "Minibatches"}},
            "noise.name = 'Minibatches' takes functions or data, .* annotated -> Minibatches, and name it",
        ),
        ({"dynamics": {"lrr": 1}}, "parameter of dynamics = 'lrr' is unknown; did you mean 'lr'"),
        ({"dynamics": {"name": "Sgd"}}, "did you mean 'SGD'"),
        ({"dynamics": {"name": None}}, r"\[dynamics\] has no name; known: SGD"),
        ({"measure": {"name": "escape_rat"}}, "did you mean 'escape_rate'"),
        ({"axes": {"sharpnes": [1.0]}}, "axis sharpnes is a parameter of nothing here"),
        ({"axes": {"lr": []}}, "must be a list"),
        ({"axes": {}}, r"\[axes\] is empty"),
        ({"axes": {"lr": {"labels": ["a", "b"]}}}, "sets nothing"),
        ({"axes": {"lr": [[1.0], [2.0]]}}, "do not tell its points apart"),
        ({"axes": {"lr": [{"a": 1}]}}, "do not tell its points apart"),
        ({"axes": {"lr": [datetime.date(2022, 7, 17)]}}, "must be a finite number"),
        ({"axes": {"lr": [float("nan")]}}, "must be a finite number"),
        ({"axes": {"seed": [2**70]}}, "must be a finite number of 64 bits"),
        ({"axes": {"lr": {"start": 0, "stop": 1, "count": 10**13}}}, "at most 10000000"),
        ({"axes": {name: {f"measure.{name}": list(range(65536))} for name in ("start", "seed")}}, "4294967296 points"),
        ({"figure": {"x": "sharpness", "lines": "sharpness"}}, "uses the axis sharpness twice"),
        ({"landscape": {"name": ".a:b", "dimension": None, "height": None}}, "cannot be imported"),
        ({"landscape": {"name": ":", "dimension": None, "height": None}}, "cannot be imported"),
        ({"axes": {"lr": [0.1, 0.1]}}, "do not tell its points apart"),
        ({"axes": {"lr": [0.1, "a"]}}, "do not tell its points apart"),
        ({"axes": {"lr": {"start": 1, "stop": 2}}}, "axes.lr has no count"),
        ({"axes": {"lr": {"start": 0, "stop": 2, "count": 3, "spacing": "log"}}}, "axes.lr.start = 0"),
        ({"axes": {"o": {"dynamics.name": ["SGD", "Adam"], "dynamics.lr": [0.1]}}}, "give each as many"),
        ({"axes": {"a": {"dynamics.lr": [1]}, "lr": [2]}}, "dynamics.lr is set by the axes"),
        ({"axes": {"method": [1]}}, "none of block,"),
        ({"figure": {"x": "lr"}}, "figure.x = 'lr' is unknown"),
        ({"landscape": {"name": "nowhere:thing"}}, "cannot be imported"),
        ({"landscape": {"name": "os:system", "dimension": None, "height": None}}, "is no Landscape"),
        ({"measure": {"name": "own_measure:no_measurement"}}, "attribute `variables`"),
        ({"measure": {"name": "subprocess:run"}}, "attribute `variables`"),
        ({"measure": {"name": lambda: 1}}, "<function .*> is an object of this process; name what a module has"),
        ({"measure": {"name": "__main__:mine"}}, "is of the script itself, which workers do not run"),
        ({"axes": {"lr": np.array([0.1, np.nan])}}, "must be a finite number"),
    ],
)
def test_what_is_wrong_is_named(changes, message):
    """Also what is importable but no landscape: nothing that TOML names is called unless it says that it makes one."""
    with pytest.raises(ValueError, match=message):
        sweep(**changes)


def test_numbers_and_arrays_of_numpy_are_numbers_and_lists():
    plain = sweep(dynamics={"lr": 0.25}, measure={"seed": 3}, axes={"sharpness": [1.0, 2.0]})
    of_numpy = sweep(
        dynamics={"lr": np.float32(0.25)}, measure={"seed": np.int64(3)}, axes={"sharpness": np.linspace(1, 2, 2)}
    )
    assert of_numpy.identity == plain.identity
    assert of_numpy == plain


def test_the_descriptions_in_the_documentation_are_right():
    page = (sweeps.ROOT / "docs" / "sweeps.md").read_text()
    first, second = (tomllib.loads(text) for text in re.findall(r"```toml\n(.*?)```", page, flags=re.DOTALL))
    assert Sweep.from_mapping(first).shape == (7, 3)
    first["axes"] = second["axes"]
    asked = Sweep.from_mapping(first)
    assert [measurements.problem(asked.at(k)).dynamics for k in (0, 1)] == [SGD(0.3), diffusion.Momentum(0.03, 0.9)]
    assert Sweep.from_toml(sweeps.ROOT / "examples" / "sharpness.toml").size == 40


def test_a_file_that_is_not_toml_is_refused(tmp_path):
    (tmp_path / "a.toml").write_text("a = __import__('os')")
    with pytest.raises(ValueError, match="is not TOML"):
        Sweep.from_toml(tmp_path / "a.toml")


def test_a_users_landscape_is_named_as_module_and_object():
    named = sweep(landscape={"name": "own_measure:well", "dimension": None, "height": None})
    made = measurements.problem(named.at(1)).landscape
    assert made.sharpness == 2.0
    assert measurements.boundary_of(measurements.problem(named.at(1)), "saddle") == 0.0
    ready = sweep(landscape={"name": "own_measure:ready", "dimension": None, "height": None}, axes={"lr": [0.1]})
    assert measurements.problem(ready.at(0)).landscape == StyblinskiTang(1)
    with pytest.raises(ValueError, match="takes no parameters"):
        sweep(landscape={"name": "own_measure:ready", "height": None}, axes={"lr": [0.1]})


def test_the_saddle_in_theta_units():
    tang = sweep(axes={"sharpness": [4.0]})
    assert measurements.boundary_of(measurements.problem(tang.at(0)), "saddle") == pytest.approx(0.156731 / 2, rel=1e-5)
    for landscape in (StyblinskiTang(1, data_variance=4.0), diffusion.QuadraticSaddle([1.0])):
        one = measurements.Problem(SGD(0.1), landscape, HessianNoise(1))
        with pytest.raises(ValueError, match="give a number"):
            measurements.boundary_of(one, "saddle")


def test_boundaries_and_walls_are_numbers_pairs_and_tables():
    one = measurements.problem(sweep().at(0))
    line, ball = {"name": "Beyond", "coordinate": 0, "value": 0.5}, {"name": "Radius", "value": 2.0}
    for given, expected in (
        (0.5, 0.5),
        ([-1.0, 0.5], (-1.0, 0.5)),
        (line, diffusion.Beyond(0, 0.5)),
        ([line, ball], diffusion.Beyond(0, 0.5) | diffusion.Radius(2.0)),
    ):
        assert measurements.boundary_of(one, given) == expected
    with pytest.raises(ValueError, match=r"boundary\.name = 'Beyont' is unknown; did you mean 'Beyond'"):
        measurements.boundary_of(one, {"name": "Beyont"})


def test_exact_rates_are_one_over_the_mean_first_passage_time(tmp_path):
    store = run_here(sweep(), tmp_path / "a.zarr")
    found = xarray.open_zarr(store.path)
    one = StyblinskiTang(1, 2.0, height=0.0054)
    noise, (_, crest, bottom) = HessianNoise(1, "piecewise"), one.critical_coordinates
    time = theory.first_passage_time(
        lambda x: one.gradient(np.asarray(x)[..., None])[..., 0],
        lambda x: 0.158 * noise.variance_at(one, np.asarray(x)[..., None])[..., 0],
        start=bottom,
        boundary=crest,
        breaks=one.pieces().switches,
    )
    assert float(found["rate"].sel(sharpness=2.0)) == pytest.approx(0.316 / time, rel=1e-6)
    assert bool(found["complete"].all())
    assert found["rate"].attrs["units"] == "1 / iteration"


def test_blocks_together_give_what_one_ensemble_of_all_gives(tmp_path):
    """Exit times: the rate of the blocks' exits, put one after another."""
    asked = Sweep.from_toml(sweeps.description(tmp_path / "a.toml", replicas=40, block=10, points=1))
    run(asked, tmp_path / "a.zarr", workers=0)
    found = xarray.open_zarr(tmp_path / "a.zarr").sel(route="simulated").squeeze().compute()
    assert found.sizes == {"replica": 40, "block": 4}
    exits = xarray.Dataset(
        {
            "exit_iteration": found["exit_iteration"],
            "exited": ~np.isnan(found["exit_iteration"]),
            "diverged": ("replica", np.zeros(40, bool)),
        }
    )
    rate = diffusion.escape_rate(exits.assign_coords(horizon=("replica", np.full(exits.sizes["replica"], 10_000_000))))
    for name in ("rate", "rate_low", "rate_high", "events"):
        assert float(found[name]) == float(rate[name])
    assert len(np.unique(found["exit_iteration"])) > 36  # every block has draws of its own


def test_the_displacement_of_all_blocks_is_that_of_all_replicas():
    saddle = diffusion.QuadraticSaddle([0.1, -0.001])

    def blocks(number):
        parts = [
            diffusion.simulate(
                SGD(0.01), saddle, noise=HessianNoise(10), iterations=20, replicas=100, seed=seed, keep="states"
            )
            for seed in range(number)
        ]
        names = ("msd", "msd_stderr", "diverged")
        stacked = {f"block_{name}": np.stack([part[name].values for part in parts]) for name in names}
        positions = np.concatenate([part["position"].values for part in parts]) ** 2
        return measurements.MEASUREMENTS["msd"].summary(stacked, {"replicas": 100 * number, "block": 100}), positions

    found, squares = blocks(3)
    np.testing.assert_allclose(found["msd"], squares.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found["msd_stderr"], squares.std(axis=0) / np.sqrt(299), rtol=1e-9)


def test_schemes_and_steps_of_several_iterations_are_options_of_a_sweep(tmp_path):
    """BAOAB at steps of four iterations gives the displacements of `simulate`, and the cost can be estimated."""
    options = {"name": "msd", "boundary": None, "iterations": 40, "replicas": 100, "scheme": "baoab", "substeps": 0.25}
    saddle = {"name": "QuadraticSaddle", "eigenvalues": [0.1, -0.001], "dimension": None, "height": None}
    asked = sweep(
        landscape=saddle,
        noise={"at": None},
        dynamics={"name": "Momentum", "lr": None, "beta1": 0.9},
        measure=options,
        axes={"lr": [0.01]},
    )
    path = tmp_path / "a.zarr"
    seed = tasks.seed(run_here(asked, path), 0, 0)
    found = xarray.open_zarr(path).squeeze().compute()
    direct = diffusion.simulate(
        Momentum(0.01, 0.9),
        diffusion.QuadraticSaddle([0.1, -0.001]),
        noise=HessianNoise(1),
        iterations=40,
        replicas=100,
        scheme="baoab",
        substeps=0.25,
        seed=seed,
    )
    np.testing.assert_array_equal(found["iteration"], direct["iteration"])
    np.testing.assert_array_equal(found["msd"], direct["msd"])
    assert cost.estimate(Layout.of(asked)).trials == 1


def test_a_seed_belongs_to_what_a_point_is_not_to_its_place(tmp_path):
    """So a longer axis keeps the draws of the points that were there, and every block and seed has its own."""
    short = Store.create(tmp_path / "a.zarr", own())
    longer = Store.create(tmp_path / "b.zarr", own(axes={"factor": [0.5, 1.0, 2.0, 3.0]}))
    assert [tasks.seed(short, k, 0) for k in range(3)] == [tasks.seed(longer, k, 0) for k in range(1, 4)]
    other = Store.create(
        tmp_path / "c.zarr", own(measure={"name": "own_measure:curvature", "boundary": None, "seed": 1})
    )
    everything = [tasks.seed(store, k, block) for store in (longer, other) for k in range(3) for block in (0, 1)]
    assert len(set(everything)) == 12


def test_points_with_too_few_exits_and_splitting_that_is_not_reliable_are_told(tmp_path):
    """As a single run warns of them."""
    rates = {"name": "escape_rate", "replicas": 50, "max_iterations": 10}
    run_here(sweep(measure=rates), tmp_path / "a.zarr")
    (told,) = report.doubts(tmp_path / "a.zarr")
    assert told.startswith("points with fewer than 10 exits, whose rates may be anything up to rate_high: 2; raise")
    run_here(sweep(measure=rates | {"max_iterations": 10**6}), tmp_path / "b.zarr")
    assert report.doubts(tmp_path / "b.zarr") == []
    split = {"name": "rare_escape_rate", "replicas": 20, "repetitions": 2}
    run_here(sweep(landscape={"height": 0.05}, measure=split, axes={"sharpness": [1.0]}), tmp_path / "c.zarr")
    assert report.doubts(tmp_path / "c.zarr") == [
        "points with a rate by splitting that is not reliable: 1; raise replicas or repetitions"
    ]


def test_a_failed_point_says_why_and_the_others_go_on(tmp_path):
    store = run_here(own(axes={"factor": [1.0, -1.0, 2.0]}), tmp_path / "a.zarr")
    found = report.results(store.path)
    assert store.every_reason().tolist() == [[""], ["ArithmeticError: factor = -1.0 is below 0"], [""]]
    assert np.isnan(found["curvature"].values).tolist() == [False, True, False]
    assert found["complete"].all()
    text = report.status(store.path)[0]
    assert "3 of 3 tasks and 3 of 3 points are done" in text
    assert "1 points failed:\n  factor = -1: ArithmeticError: factor = -1.0 is below 0" in text
    assert "finished" in text


def test_a_point_whose_parameters_are_out_of_range_fails_alone(tmp_path):
    store = run_here(sweep(axes={"lr": [0.316, -1.0]}), tmp_path / "a.zarr")
    assert "lr = -1.0" in store.why(1)
    assert store.why(0) == ""


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        ("[1.0]", "no finite number"),
        ("float('nan')", "no finite number"),
        (None, "returned no 'v'"),
        ("__import__('sys').exit()", "SystemExit"),
    ],
)
def test_a_measurement_that_returns_something_else_fails_at_its_point(tmp_path, monkeypatch, returned, message):
    monkeypatch.syspath_prepend(str(tmp_path))
    name = f"odd_{abs(hash(returned))}"
    body = "return {}" if returned is None else f"return {{'v': {returned}}}"
    (tmp_path / f"{name}.py").write_text(f"def value(factor):\n    {body}\nvalue.variables = ('v',)\n")
    store = run_here(
        sweep(measure={"name": f"{name}:value", "boundary": None}, axes={"factor": [1.0]}), tmp_path / "a.zarr"
    )
    assert message in store.why(0)


def test_names_that_results_and_axes_share_are_refused(tmp_path):
    with pytest.raises(ValueError, match="rate is the name of a result and of something else"):
        check(sweep(axes={"rate": {"dynamics.lr": [0.1]}}), tmp_path / "a.zarr", resume=False)
    assert list(tmp_path.iterdir()) == []


def test_options_are_checked_before_anything_runs():
    measure = {"name": "escape_rate", "max_iterations": 10, "replicas": 10}
    for more, message in (
        ({"replicas": None}, "has no replicas"),
        ({"max_iterations": None}, "has no max_iterations"),
        ({"level": 2.0}, "measure.level = 2.0"),
        ({"level": "a"}, "measure.level = 'a'"),
        ({"seed": -1}, "measure.seed = -1"),
        ({"replicas": "a"}, "measure.replicas = 'a'"),
    ):
        with pytest.raises(ValueError, match=message):
            Layout.of(sweep(measure=measure | more))
    rare = sweep(measure={"name": "rare_escape_rate"})
    assert Layout.of(rare).blocks == 1
    assert Layout.of(rare).sizes["repetition"] == 8


def test_a_block_of_one_replica_has_no_error_of_its_own_but_all_together_have():
    blocks = {
        "block_msd": np.array([[[1.0]], [[3.0]]]),
        "block_msd_stderr": np.full((2, 1, 1), np.nan),
        "block_diverged": np.zeros((2, 1)),
    }
    found = measurements.MEASUREMENTS["msd"].summary(blocks, {"replicas": 2, "block": 1})
    assert found["msd"].tolist() == [[2.0]]
    assert found["msd_stderr"].tolist() == [[1.0]]


def test_one_store_needs_one_size_of_block():
    axes = {"n": {"measure.replicas": [10, 20], "measure.block": [5, 10]}}
    measure = {"name": "escape_rate", "max_iterations": 10}
    with pytest.raises(ValueError, match="one size of block"):
        Layout.of(sweep(measure=measure, axes=axes))
    with pytest.raises(ValueError, match="does not divide"):
        Layout.of(sweep(measure=measure | {"replicas": 10, "block": 3}))
    axes = {"n": {"measure.iterations": [10, 20]}}
    msd = {"name": "msd", "replicas": 10, "boundary": None}
    with pytest.raises(ValueError, match="at different iterations"):
        Layout.of(sweep(measure=msd, axes=axes))
    sizes = Layout.of(sweep(measure=msd | {"save": [10]}, axes=axes | {"dimension": [1, 3]})).sizes
    assert sizes == {"replica": 10, "iteration": 1, "direction": 3, "block": 1}


def test_a_figure_finds_a_place_for_every_axis(tmp_path):
    axes = {"sharpness": [1.0, 2.0, 4.0], "optimizer": {"dynamics.name": ["SGD"]}, "lr": [0.3, 0.4]}
    store = run_here(sweep(axes=axes), tmp_path / "a.zarr")
    assert figure._roles(store, "rate", list(store.sweep.axes)) == {"y": "rate", "x": "sharpness", "lines": "lr"}
    drawn = figure.draw(store, tmp_path, "a")
    assert drawn.stat().st_size > 10_000
    alone = run_here(own(axes={"factor": [1.0]}), tmp_path / "b.zarr")
    assert alone.layout.default == "curvature"
    assert figure.draw(alone, tmp_path, "b").exists()
    store.sweep.figure["y"] = "rte"
    with pytest.raises(ValueError, match="is no result of a point; there are rate"):
        figure.draw(store, tmp_path, "a")


def test_the_finding_is_computed():
    data = xarray.Dataset({"rate": (("k", "o"), [[1.0, 2.0], [1234.0, 3.0]])}, {"k": [1.0, 4.0], "o": ["a", "b"]})
    text = figure.finding(data, {"x": "k", "y": "rate", "lines": "o"})
    assert text == "from k 1 to 4, rate changes by a factor 1,234 (a), 1.5 (b)"


def test_without_dask_the_command_names_the_extra(tmp_path):
    hide = "import sys; sys.modules['dask'] = None; sys.argv = ['x', 'sweep', 'a.toml']; "
    hide += "from experiments.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", hide], capture_output=True, text=True, cwd=sweeps.ROOT)
    assert done.returncode == 2
    assert "pip install 'diffusion-lab[sweep]'" in done.stderr


def test_a_scheduler_on_another_machine_without_encryption_is_warned_of(monkeypatch):
    """At an address of the network for documentation, where nothing answers."""
    monkeypatch.setattr(cluster, "JOIN", 0.2)
    with (
        pytest.warns(UserWarning, match="is not encrypted"),
        pytest.raises(StoppedError, match="no scheduler answers"),
        cluster.connected("tcp://192.0.2.1:8786", None, None),
    ):
        pass
    with pytest.raises(ValueError, match="wants certificates"), cluster.connected("tls://127.0.0.1:8786", None, None):
        pass


def test_a_rare_rate_of_all_blocks_is_told_with_whether_it_is_reliable():
    blocks = {name: np.ones(8) for name in ("repetition_bound", "entrance_rate", "probability")} | {
        "hidden": np.zeros(8)
    }
    rates = np.exp(np.random.default_rng(0).normal(0, 0.1, 8))

    def told(families, **changed):
        found = blocks | {"repetition_rate": rates, "families": np.full(8, families)} | changed
        return {
            name: float(one) for name, one in measurements.MEASUREMENTS["rare_escape_rate"].summary(found, {}).items()
        }

    assert told(20)["reliable"] == 1
    assert told(20)["rate_low"] < told(20)["rate"] < told(20)["rate_high"]
    assert told(4)["reliable"] == told(20, hidden=np.ones(8))["reliable"] == 0
    extinct = told(0, repetition_rate=np.zeros(8))
    assert np.isnan(extinct["rate"])
    assert (extinct["rate_low"], extinct["rate_high"]) == (0, 1)


def test_a_measurement_that_asks_for_nothing_needs_no_sections_and_runs_in_this_process(tmp_path):
    """On the threads it is given; a number may be missing where the measurement says so."""
    asked = Sweep.from_mapping(
        {"measure": {"name": "own_measure:bare"}, "axes": {"factor": [1.0, 2.0], "known": [True, False]}}
    )
    out = tmp_path / "bare.zarr"
    assert (run(asked, out, workers=0, threads=3).computed, run(asked, out, workers=0, resume=True).computed) == (4, 0)
    found = report.results(out)
    np.testing.assert_array_equal(found["maybe"], [[1, np.nan], [2, np.nan]])
    np.testing.assert_array_equal(found["threads"], np.full((2, 2), 3))
    with pytest.raises(ValueError, match=r"\[landscape\] has no name"):
        Sweep.from_mapping({"measure": {"name": "own_measure:curvature"}, "axes": {"factor": [1.0]}})


def test_this_process_computes_what_workers_compute(tmp_path):
    """Of a sweep whose points have several blocks and a summary, and of points that fail."""
    asked = Sweep.from_toml(sweeps.description(tmp_path / "short.toml", points=2, low=3.0))
    run(asked, tmp_path / "here.zarr", workers=0, threads=2)
    run_here(asked, tmp_path / "tasks.zarr")
    here, there = (sweeps.contents(tmp_path / f"{name}.zarr") for name in ("here", "tasks"))
    assert here == there
    failing = run(own(axes={"factor": [1.0, -1.0]}), tmp_path / "failing.zarr", workers=0)
    assert failing.failed == [1]
