"""Run the gallery's scripts with fewer replicas, in one process apart; print what they found as JSON.

With --keep, the coarse pictures of the main figures become those that the tests compare with.
"""

import json
import re
import sys
import traceback
import warnings
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")
from matplotlib import pyplot as plt

from diffusion.plot import STYLE

FEWER = 4
MAIN = ("plot_theorem_2", "plot_curvature", "plot_sharpness", "plot_noise_convention", "plot_rare_escapes")
KEPT = Path(__file__).parent / "gallery_figures.npz"
CELL = 8  # pixels: text may move by less


def coarse(figure: plt.Figure) -> np.ndarray:
    """A figure's darkness, 0 to 255, averaged over cells."""
    figure.set_dpi(80)
    figure.canvas.draw()
    grey = 255 - np.asarray(figure.canvas.buffer_rgba())[..., :3].mean(axis=2)
    rows, columns = (size // CELL for size in grey.shape)
    return grey[: rows * CELL, : columns * CELL].reshape(rows, CELL, columns, CELL).mean(axis=(1, 3))


def run(script: Path) -> dict[str, object]:
    """A script's numbers, and what its figures say."""
    fewer = re.sub(
        r"^REPLICAS = ([\d_]+)$", lambda found: f"REPLICAS = {int(found[1]) // FEWER}", script.read_text(), flags=re.M
    )
    names: dict[str, object] = {"__name__": "__main__"}
    exec(compile(fewer, str(script), "exec"), names)
    figures = [plt.figure(number) for number in plt.get_fignums()]
    axes = [ax for figure in figures for ax in figure.axes]
    found: dict[str, object] = {
        "numbers": {name: float(value) for name, value in names.items() if isinstance(value, int | float)},
        "titles": [figure.get_suptitle() or figure.axes[0].get_title() for figure in figures],
        "labels": [label for ax in axes for label in (ax.get_xlabel(), ax.get_ylabel())],
    }
    if script.stem in MAIN:
        found["picture"] = coarse(figures[0]).tolist()
        max(reversed(axes[-1].lines), key=lambda line: len(line.get_xdata())).remove()
        found["without a curve"] = coarse(figures[0]).tolist()
    return found


def main() -> None:
    """Run the scripts named on the command line."""
    warnings.simplefilter("error")
    found = {}
    scripts = [Path(name) for name in sys.argv[1:] if name != "--keep"]
    for script in scripts:
        try:
            with plt.rc_context(STYLE | {"figure.figsize": (7.2, 4.6), "figure.constrained_layout.use": True}):
                found[script.stem] = run(script)
        except Exception:
            found[script.stem] = {"error": traceback.format_exc()}
        plt.close("all")
    print(json.dumps(found))
    if "--keep" in sys.argv:
        np.savez_compressed(KEPT, **{name: np.round(found[name]["picture"]).astype(np.uint8) for name in MAIN})


if __name__ == "__main__":
    main()
