"""Every script of the gallery runs, and finds the number that its figure states."""

import json
import subprocess
import sys
from pathlib import Path

import gallery
import numpy as np
import pytest

HERE = Path(__file__).parent
SCRIPTS = sorted((HERE.parent / "docs" / "gallery").glob("plot_*.py"))

# Root mean square difference of darkness over cells of 8 x 8 pixels, on a scale of 0 to 255: other seeds make 0.7, a
# curve less 2.4
PICTURE = 1.5

# script: (variable, value, absolute tolerance). Random ones are allowed five standard errors at a quarter of the
# replicas.
PINNED = {
    "plot_adai_shipped": ("last", 15.8, 1.4),
    "plot_committor": ("slope", -2.56, 0.01),
    "plot_curvature": ("adam", 0.03, 0.04),
    "plot_density": ("ratio", 1.0, 0.15),
    "plot_drift_share": ("largest", 0.2036, 0.0001),
    "plot_kramers_turnover": ("slower", 1.981, 0.005),
    "plot_many_directions": ("many", 11.43, 0.02),
    "plot_noise_convention": ("ratio", 3.927, 0.001),
    "plot_over_the_pass": ("slope", 0.0702, 0.011),
    "plot_rare_escapes": ("ratio", 1.0, 0.3),
    "plot_reactive_paths": ("ratio", 2.0, 0.6),
    "plot_saddle_cloud": ("sgd", 11.6, 0.8),
    "plot_sharpness": ("sgd", 0.967, 0.09),
    "plot_substeps": ("order", 1.002, 0.001),
    "plot_survival": ("ratio", 1.0, 0.18),
    "plot_theorem_2": ("ratio", 7.14, 0.5),
    "plot_torch": ("ratio", 1.0, 0.14),
    "plot_two_temperatures": ("least", 0.36376, 0.0002),
    "plot_which_minimum": ("lacking", 3.92, 0.01),
}


@pytest.fixture(scope="module")
def found():
    command = [sys.executable, str(HERE / "gallery.py"), *map(str, SCRIPTS)]
    done = subprocess.run(command, cwd=HERE.parent, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_every_script_has_a_pinned_number():
    assert len(SCRIPTS) >= 12
    assert {script.stem for script in SCRIPTS} == set(PINNED)


@pytest.mark.parametrize("name", PINNED)
def test_it_finds_its_number(found, name):
    result = found[name]
    assert "error" not in result, result["error"]
    variable, value, tolerance = PINNED[name]
    assert result["numbers"][variable] == pytest.approx(value, abs=tolerance)


@pytest.mark.parametrize("name", PINNED)
def test_its_one_figure_states_the_finding_with_a_number_and_labels_its_axes(found, name):
    result = found[name]
    (title,) = result["titles"]
    assert any(character.isdigit() for character in title)
    assert result["labels"].count("") <= 2  # a colour bar has one, and axes that share one


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.stem)
def test_it_can_be_run_with_fewer_replicas_or_has_none(script):
    text = script.read_text()
    uses_ensembles = any(f"{name}(" in text for name in ("simulate", "exit_times", "rare_escape_rate"))
    assert ("\nREPLICAS = " in text) == uses_ensembles


def difference(picture, name):
    """Root mean square over the cells; infinite for another size."""
    kept = np.load(gallery.KEPT)[name].astype(float)
    picture = np.asarray(picture)
    return np.sqrt(np.mean((picture - kept) ** 2)) if picture.shape == kept.shape else np.inf


@pytest.mark.parametrize("name", gallery.MAIN)
def test_a_main_figure_looks_as_it_did(found, name):
    """Where a figure is meant to change: ``python tests/gallery.py --keep docs/gallery/plot_*.py``, after a look."""
    assert difference(found[name]["picture"], name) < PICTURE


@pytest.mark.parametrize("name", gallery.MAIN)
def test_a_figure_that_lost_a_curve_would_be_noticed(found, name):
    """The negative control."""
    assert difference(found[name]["without a curve"], name) > PICTURE
