"""Claims about the noise of networks, judged where the answer is known: noise that is the Hessian, and that is not."""

import numpy as np
import pytest

from experiments.evidence import networks, noise_figures
from experiments.evidence.claims import equation_3, figure_8, theorem_3_networks
from experiments.evidence.data import sets
from experiments.evidence.lab import Lab
from experiments.evidence.networks import Case
from experiments.evidence.noise_task import noise_along_training
from experiments.evidence.over_seeds import Interval, judged
from experiments.problems import tails

STAGES = ("initialisation", "early", "late")
LOSS = (2.0, 0.5, 0.02)
DIRECTIONS, SEEDS = 200, 3


def case(power=1.0, factor=1.0, loss_power=0.0, *, heavy=0.0, turned=1.0):
    """A network whose noise is ``factor |H|^power loss^loss_power`` along eigenvectors, but for a little scatter.

    `heavy` is the excess kurtosis of one sample, `turned` the cosine between the matrices.
    """
    results = []
    for seed in range(SEEDS):
        generator = np.random.default_rng(seed)

        def scattered(values, spread=0.02, generator=generator):
            return values * np.exp(spread * generator.standard_normal(values.shape))

        size = np.geomspace(1e-5, 10, DIRECTIONS)
        curvature = np.where(np.arange(DIRECTIONS) % 4, size, -size) * np.ones((len(STAGES), 1))
        variance = factor * size**power * np.array(LOSS)[:, None] ** loss_power
        noise = {"curvature": curvature, "variance": scattered(variance), "loss": scattered(np.array(LOSS))}
        noise |= {"gauss_newton": scattered(np.abs(curvature), 0.5), "squared_curvature": scattered(curvature**2)}
        moments = {"kurtosis": heavy, "skewness": 0.0, "coordinate_kurtosis": heavy, "coordinate_skewness": 0.0}
        noise |= {name: np.full(curvature.shape, value) for name, value in moments.items()}
        noise |= {"cosine": scattered(np.full(len(STAGES), turned), 0.002)}
        for size in figure_8.BATCH_SIZES:
            for over in ("across", "along"):
                noise[f"{over} noise {size}"] = np.full((len(STAGES), 5), 2 - heavy / 100)
                noise[f"{over} gauss {size}"] = np.full((len(STAGES), 5), 2.0)
        results.append(noise | {"parameters": np.array(DIRECTIONS), "error": np.array(0.1)})
    return Case("MLP", "synthetic data", networks.CROSS_ENTROPY, 100, 10, STAGES, tuple(results))


def holds(claim, pieces):
    """By name what each finding of all verdicts says, of the last subject with it."""
    verdicts = claim.verdicts(list(pieces))
    assert not any(verdict.missing for verdict in verdicts)
    return {finding.name: finding.holds for verdict in verdicts for finding in verdict.findings}


def at_last_stage(known):
    return holds(equation_3.claim, equation_3.at_stage(known, "late"))


def test_noise_that_is_the_hessian_is_found_to_be_it():
    found = at_last_stage(case())
    assert {"power, positive", "power, negative", "log10 of ratio, top", "cosine of C and |H|"} <= set(found)
    assert found.pop("correlation along flat directions") is None  # both halves correlate fully
    assert found.pop("the nearest model of the noise") is None  # a number without a target
    assert set(found.values()) == {True}


@pytest.mark.parametrize(
    ("wrong", "failing"),
    [
        ({"power": 1.3}, {"power, positive", "power, negative"}),
        ({"factor": 0.2}, {"log10 of ratio, positive", "log10 of ratio, negative", "log10 of ratio, top"}),
        ({"turned": 0.5}, {"cosine of C and |H|"}),
        ({"loss_power": 1.0}, {"log10 of ratio, positive", "|H| among models of the noise"}),
    ],
)
def test_noise_that_is_not_the_hessian_is_found_not_to_be(wrong, failing):
    found = at_last_stage(case(**wrong))
    assert all(found[name] is False for name in failing)


@pytest.mark.parametrize(("loss_power", "nearest"), [(0.0, "|H|"), (1.0, "loss times |H|")])
def test_the_nearest_of_four_models_is_named(loss_power, nearest):
    known = case(loss_power=loss_power)
    (verdict,) = equation_3.claim.verdicts(list(equation_3.at_stage(known, "late")))
    (text,) = (finding.text for finding in verdict.findings if finding.name == "the nearest model of the noise")
    assert f"is {nearest};" in text
    assert (
        "MLP of 200 parameters on 100 images (synthetic data), cross-entropy 0.02, 3 seeds, 200 of 200 eigenvectors"
        in text
    )


@pytest.mark.parametrize(("heavy", "gaussian"), [(0.0, True), (40.0, False)])
def test_gaussian_noise_is_told_from_heavy_tails(heavy, gaussian):
    found = holds(figure_8.claim, figure_8.at_stage(case(heavy=heavy), "late"))
    assert found["excess kurtosis along eigenvectors"] is gaussian
    assert found["excess kurtosis along coordinates"] is gaussian
    assert found["tail index over parameters, B = 10"] is gaussian


def test_exponents_with_measured_noise_are_theorem_3s_where_it_is_the_hessian_and_not_where_it_follows_the_loss():
    true, wrong = (
        holds(theorem_3_networks.claim, theorem_3_networks.of_case(case(loss_power=power))) for power in (0.0, 1.0)
    )
    assert set(true.values()) == {True}
    assert wrong["power of sharpness"] is True
    assert wrong["power of the loss"] is False
    assert wrong["log10 of exponents, positive"] is False


def test_titles_of_figures_state_the_findings():
    known = case(loss_power=1.0, heavy=40.0)
    pieces = [piece for stage in STAGES for piece in equation_3.at_stage(known, stage)]
    _, _, figure, caption = next(iter(equation_3.claim.figures(pieces)))
    stated = "where H > 0, B C is 2, 0.5, 0.02 times |H| in the median, and goes with its power 1.00, 1.00, 1.00."
    assert caption.startswith(f"Equation 3, MLP, cross-entropy: {stated}")
    assert figure.axes[2].get_title() == "late, loss 0.02\nsize not as stated, power as stated"
    models = noise_figures.models("Equation 3", [piece for piece in pieces if piece.quantity == equation_3.MISFIT])[-1]
    assert models.startswith("Equation 3: of models of the noise, loss times |H| is nearest in 3 of 3, off by 0.01 dec")
    kurtosis, indices = (each[-1] for each in figure_8.claim.figures(list(figure_8.at_stage(known, "late"))))
    assert "falls below 0.5 at batch sizes of 80 along coordinates, 80 along eigenvectors" in kurtosis
    assert "is -0.40 over parameters, -0.40 over minibatches; alike in 0 of 4, unlike in 4" in indices
    ((*_, exponents),) = theorem_3_networks.claim.figures(list(theorem_3_networks.of_case(known)))
    assert "is late in training 50 (MLP, cross-entropy) times the paper's" in exponents


def test_a_finding_whose_interval_crosses_its_tolerance_is_open():
    told = judged("power", Interval(1.05, 0.95, 1.15), "right", "wrong", "", target=1, tolerance=0.1)
    assert told.holds is None
    assert "not resolved" in told.text


def test_moments_are_those_of_the_sample():
    values = np.array([[0.0, 5.0], [0.0, 5.0], [0.0, 5.0], [4.0, 5.0]])  # three quarters at 0, a quarter at 4
    variance, skewness, kurtosis = tails.moments(values)
    assert np.allclose([variance[0], skewness[0], kurtosis[0]], [3, 2 / np.sqrt(3), -2 / 3])
    assert variance[1] == 0
    assert np.isnan(skewness[1])


def test_tail_index_is_2_of_gaussian_and_1_of_cauchy_noise():
    generator = np.random.default_rng(0)
    normal = tails.tail_index(generator.standard_normal((50, 2500))).mean()
    cauchy = tails.tail_index(generator.standard_cauchy((50, 2500))).mean()
    assert abs(normal - 2) < 0.05  # standard errors are below 0.01
    assert abs(cauchy - 1) < 0.05


def test_unequal_parameters_look_heavy_tailed_though_their_noise_is_gaussian():
    generator = np.random.default_rng(0)
    scales = np.exp(2 * generator.standard_normal(2500))
    noise, gauss = tails.tail_indices(scales * generator.standard_normal((400, 2500)), 100, 40, seed=1)
    assert max(noise.mean(), gauss.mean()) < 1.7
    assert abs(noise.mean() - gauss.mean()) < 0.1
    along, normal = tails.tail_indices_along(generator.standard_cauchy((400, 5)), 10, 2500, seed=1)
    assert along.mean() < normal.mean() - 0.2  # single samples of it are far from Gaussian


@pytest.fixture(scope="module")
def small():
    recipe = {"data": sets.DIGITS, "samples": 120, "tested": 10, "model": "mlp", "model_settings": [["hidden", [1]]]}
    return noise_along_training(directions=24, steps=[0, 30], batch_size=60, weight_decay=0.0, **recipe)


def test_a_network_is_measured_along_its_training(small):
    assert small["parameters"] == 65 + 20
    assert small["curvature"].shape == small["variance"].shape == small["squared_curvature"].shape == (2, 24)
    assert small["loss"][1] < small["loss"][0]
    assert np.all(small["squared_curvature"] >= small["curvature"] ** 2 / 120)
    assert np.all(small["block"] == np.swapaxes(small["block"], 1, 2))
    assert np.all(np.abs(small["cosine"]) <= 1)


class Diverging(Lab):
    """A lab in which the CNN's first run diverged before it was measured, and one under mean-square loss later."""

    def each(self, task, settings, title="", **more):
        return [self._measured(**arguments) for arguments in settings]

    def _measured(self, model, steps, seed, loss=networks.CROSS_ENTROPY, **recipe):
        if model == "cnn" and not seed:
            return {"loss": np.full(len(steps), np.nan)}
        stages = [0, 1, 1][-len(steps) :]
        found = {name: array[stages] if array.ndim else array for name, array in self.small.items()}
        if loss == networks.MEAN_SQUARE and seed == 1:
            for array in filter(np.ndim, found.values()):
                array[-1] = np.nan
        return found


def test_a_training_that_diverged_is_a_row_that_says_so_and_the_rest_is_judged(small):
    lab = Diverging(size="quick")
    lab.small = {name: np.asarray(array) for name, array in small.items()}
    for claim in (equation_3.claim, figure_8.claim, theorem_3_networks.claim):
        pieces = claim.tried(lab)
        told = {verdict.subject: verdict for verdict in claim.verdicts(pieces)}
        assert "1 of 2 runs diverged" in told.pop("CNN, cross-entropy, late").sentence
        assert "1 of 3 runs diverged" in told.pop("MLP, mean-square, late").sentence
        assert any(subject.startswith("MLP, cross-entropy") for subject in told)
        assert not any(verdict.missing or "diverged" in verdict.sentence for verdict in told.values())
        assert {fault.state for piece in pieces for _, fault in piece.faults if "diverged" in fault.reason} == {"ok"}
        assert all(figure.axes for _, _, figure, _ in claim.figures(pieces))
    assert "MLP, mean-square, early" in {piece.subject for piece in figure_8.claim.tried(lab)}


def test_where_all_training_diverged_every_row_says_so(monkeypatch):
    lab = Diverging(size="quick")
    plan = networks.Plan("CNN", {"model": "cnn", "samples": 100}, (5,), seeds=1)
    monkeypatch.setattr(networks, "plans", lambda lab: [plan])
    for claim in (equation_3.claim, figure_8.claim, theorem_3_networks.claim):
        pieces = claim.tried(lab)
        (verdict,) = claim.verdicts(pieces)
        assert not verdict.missing
        assert "1 of 1 runs diverged" in verdict.sentence
        assert not list(claim.figures(pieces))


def test_a_training_that_diverges_before_any_stage_is_measured_as_such():
    recipe = {"data": sets.DIGITS, "samples": 120, "tested": 10, "model": "mlp", "lr": 1e30}
    assert np.isnan(noise_along_training(directions=24, steps=[30, 60], batch_size=60, **recipe)["loss"]).all()


def test_every_claim_about_noise_is_judged_and_drawn_from_what_was_measured(small, tmp_path):
    lab = Lab(size="quick", out=tmp_path)
    lab.once("noise of networks", lambda: [Case("MLP", "digits", "cross-entropy", 120, 10, STAGES[1:], (small,) * 2)])
    for claim in (equation_3.claim, figure_8.claim, theorem_3_networks.claim):
        pieces = claim.tried(lab)
        assert all(not verdict.missing and verdict.findings for verdict in claim.verdicts(pieces))
        for _, name, figure, caption in claim.figures(pieces):
            assert name == claim.name
            assert figure.axes
            assert caption.endswith(".")
