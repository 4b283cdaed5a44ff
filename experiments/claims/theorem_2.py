"""Theorem 2: how Momentum leaves a saddle, by drift and by diffusion; the drift alone is in `theorem_2_drift`."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
from numpy.typing import NDArray

import theory
from diffusion import Momentum
from experiments.drawing import BLUE, DARK_EDGE, ORANGE, Named, headline, subplots
from experiments.problems import displacements, formulas, optimizers, panels, saddles
from experiments.problems.panels import Series
from experiments.problems.saddles import BETAS, FLATTEST, LR, STARTED, Departure
from experiments.referee import CLOSE, Claim, Evidence, Finding, Routes

Array = NDArray[np.float64]
SHOWN = 0.9  # the inertia whose numbers titles tell


class Theorem2(Claim):
    """Momentum's displacement in both styles, from rest and with the velocity that the paper assumes."""

    name = "Theorem 2"
    place = "Section 3, Equation 9, proof in A.2"
    statement = (
        "Momentum's mean squared displacement is a drift term D/(gamma^3 M^2) [1 - exp(-gamma t)]^2 plus SGD's "
        "diffusion."
    )

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Of both styles at three inertias, from both starts."""
        for style in optimizers.STYLES:
            for start in STARTED:
                for beta in BETAS:
                    yield displacements.evidence(routes, Departure(Momentum(LR, beta, style), start, beta), paper)

    def findings(self, evidence: Sequence[Evidence]) -> Iterable[Finding]:
        """How right the formula is."""
        return formulas.findings(evidence)

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """Mean squared displacements of each style from both starts, and a map of where the formula is right."""
        for style, word in optimizers.STYLES.items():
            series, told = [], []
            of_style = [piece for piece in evidence if piece.case.dynamics.style == style]
            for (start, words), colour in zip(STARTED.items(), (BLUE, ORANGE), strict=True):
                pieces = [piece for piece in of_style if piece.case.start == start]
                series.append(Series(f"{words}, H = {-FLATTEST:g}", colour, pieces, -FLATTEST))
                told.append(f"{at_memory_time(pieces):.3g} ({words})")
            title = f"{self.name} ({word} Momentum) over exact MSD at T = 1/(1−β₁), β₁ = {SHOWN:g}: {', '.join(told)}"
            yield panels.draw(f"theorem-2-{style}", self.name, title, series, paper)
        yield _map(self.name)


def paper(departure: Departure, iterations: NDArray[Any]) -> Array:
    """Theorem 2's mean squared displacement, of shape (iterations, directions)."""
    rule = departure.rule()
    langevin = {"diffusion": rule.diffusion, "mass": rule.mass, "damping": rule.damping}
    return theory.momentum_msd(iterations[:, None] * rule.learning_rate, hessian=departure.saddle.hessian, **langevin)


def at_memory_time(pieces: Sequence[Evidence]) -> float:
    """The formula over the exact SDE after 1/(1-beta1) iterations at the inertia that titles tell of."""
    piece = next(piece for piece in pieces if piece.case.beta == SHOWN)
    return formulas.ratio_at(piece, formulas.memory_time(piece))


def _map(claim: str) -> Named:
    """The formula over the exact value against inertia and iterations, from both starts."""
    damping, iterations = np.geomspace(0.5, 0.001, 120), np.geomspace(1, 1e5, 160)
    figure, axes = subplots(1, 2, size=(11.5, 5), sharey=True)
    rule: dict[str, Any] = {"hessian": -FLATTEST, "diffusion": LR / 2 * FLATTEST / saddles.BATCH_SIZE}
    rule |= {"mass": LR / damping[:, None], "damping": damping[:, None] / LR}
    formula = theory.momentum_msd(LR * iterations, **rule)
    told = []
    for axis, (start, words) in zip(axes, STARTED.items(), strict=True):
        ratio = formula / theory.momentum_msd_exact(LR * iterations, **rule, start=start)
        shades: dict[str, Any] = {"norm": mpl.colors.LogNorm(1, 100), "cmap": "cividis", "shading": "gouraud"}
        axis.set(xscale="log", yscale="log", xlim=(1, 1e5), xlabel="iterations T", title=words)
        axis.set_ylim(damping[0], damping[-1])
        image = axis.pcolormesh(iterations, damping, ratio, rasterized=True, **shades)
        levels = [1.02, 1.1, 1.5, 2, 7, 50]
        lines = axis.contour(iterations, damping, ratio, levels=levels, colors="white", linewidths=1.2)
        lines.set_path_effects(DARK_EDGE)
        for label in axis.clabel(lines, fmt=lambda level: f"{level:g}", fontsize=10):
            label.set_path_effects(DARK_EDGE)
        axis.plot(1 / damping, damping, color="white", ls=":", lw=1.5)
        axis.set_yticks([0.5, 0.1, 0.01, 0.001], ["0.5", "0.9", "0.99", "0.999"])
        axis.minorticks_off()
        row = int(np.argmin(np.abs(1 - damping - SHOWN)))
        told.append(f"{_right_from(ratio[row], iterations * damping[row])} ({words})")
    axes[0].set_ylabel("inertia β₁")
    figure.colorbar(image, ax=axes, label="Theorem 2 / exact MSD", extend="max")
    title = f"{claim} is within {100 * CLOSE:g} % of the exact MSD, at β₁ = {SHOWN:g}, {' and '.join(told)}"
    headline(figure, title)
    caption = f"{title}. EMA Momentum, H = {-FLATTEST:g}, learning rate {LR:g}. Dotted: T = 1/(1-beta1)."
    return "theorem-2-map", claim, figure, caption


def _right_from(ratio: Array, memory_times: Array) -> str:
    """From when on the formula stays right, in units of 1/(1-beta1)."""
    wrong = np.flatnonzero(np.abs(ratio - 1) > CLOSE)
    if not len(wrong):
        return "everywhere"
    return "nowhere in the end" if wrong[-1] == len(ratio) - 1 else f"from T = {memory_times[wrong[-1] + 1]:.0f}/(1−β₁)"


claim = Theorem2()
