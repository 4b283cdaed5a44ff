"""The turnover: which start its times have, what they are over Kramers', and which inertia a damping needs."""

import numpy as np
import pytest

import theory
from diffusion import IsotropicNoise, Momentum, exit_times
from experiments.problems import turnover
from experiments.problems.exits import AT, BEYOND
from experiments.referee.routes import FULL_ONLY, Routes


@pytest.fixture(scope="module")
def passage():
    """The weakest damping, with few replicas."""
    return turnover.passage(Routes(100, 1, threads=1), 0.025)


def test_at_weak_damping_escape_is_slower_than_kramers_and_the_exit_line_hardly_matters(passage):
    over = {line: time / passage.formulas["kramers"] for line, time in passage.exact.items()}
    assert over[BEYOND] == pytest.approx(1.981, abs=0.002)
    assert over[BEYOND] / over[AT] == pytest.approx(1.006, abs=0.001)
    assert passage.formulas["melnikov"] / passage.formulas["kramers"] == pytest.approx(1.84, abs=0.01)
    assert max(passage.errors.values()) < 2e-3


def test_at_weak_damping_the_start_matters(passage):
    """As a grid of thermal positions and velocities has it; in a full run alone."""
    assert passage.thermal / passage.formulas["kramers"] == pytest.approx(1.937, abs=0.004)


def test_at_some_dampings_ensembles_are_in_a_full_run_alone():
    default = turnover.passage(Routes(1, 1), 0.15)
    assert default.simulated == {}
    assert default.reasons["simulated"] == FULL_ONLY
    assert turnover.passage(Routes(1, 1), 4.0).reasons == turnover.REASONS


def test_paper_is_theorem_3_with_the_temperature_of_the_minimum_all_the_way(passage):
    damping = turnover.damping_of(0.025)
    factor = theory.effective_diffusion(hessian_saddle=4.0, mass=1 / damping, damping=damping)
    assert passage.formulas["paper"] == pytest.approx(2 * np.pi / 4.0 / factor * np.exp(4.5), rel=1e-14)


def test_an_orbit_loses_its_energy_in_about_two_pi_gamma_over_omega_a_barriers(passage):
    damping = turnover.damping_of(0.025)
    assert passage.lost == pytest.approx(2 * np.pi * damping / np.sqrt(damping) * 4.5, rel=0.1)
    assert passage.regime[turnover.LOST] == passage.lost < turnover.FEW


@pytest.mark.parametrize("ratio", [0.025, 0.15, 0.3])
def test_least_inertia_is_where_the_discrete_optimizer_becomes_unstable_at_the_minimum(ratio):
    """gamma/omega_b = (1-beta)/sqrt(lr H_b) gives the heavy ball's learning rate; unstable ones are refused."""
    assert turnover.least_inertia(0.025) == pytest.approx(0.902, abs=5e-4)
    least = turnover.least_inertia(ratio)

    def run(beta):
        lr = ((1 - beta) / ratio) ** 2 / turnover.HESSIAN_SADDLE
        options = {"noise": IsotropicNoise(1e-6), "boundary": 10.0, "max_iterations": 1, "replicas": 1}
        exit_times(Momentum(lr, beta, "heavy-ball"), turnover.WELL, **options)

    with pytest.warns(RuntimeWarning, match="none can be expected to leave"):  # of one step, on purpose
        run(least + 1e-3 * (1 - least))
    with pytest.raises(ValueError, match="is unstable"):
        run(least - 1e-3 * (1 - least))


def test_no_inertia_is_needed_at_strong_damping():
    assert turnover.least_inertia(10.0) == 0
