"""Theorem 3's dependence on damping, at one temperature: how far down it holds, and the turnover below."""

from collections.abc import Iterator, Sequence

import numpy as np

from experiments.drawing import BLUE, DASHED, GREEN, GREY, ORANGE, PURPLE, Named, formula, headline, subplots, ticks
from experiments.problems import exits, turnover
from experiments.problems.exits import AT, BEYOND, DAMPED
from experiments.referee import Claim, Evidence, Finding, Routes, Row, Sample, size


class Theorem3Damping(Claim):
    """Momentum's mean escape time at one temperature, from strong damping to weak."""

    name = "Theorem 3, damping"
    place = "Section 3, proof in A.3"
    statement = "Inertia lengthens the escape by [1 + sqrt(1 + 4|H_be|/(gamma^2 M))]/2, at any damping."
    effort = 25

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Mean times by formula, on the phase-space grid and by ensembles of Langevin's equation."""
        rows = (_row(passage, line) for passage in turnover.passages(routes) for line in (AT, BEYOND))
        yield Evidence.of_rows("Momentum", "mean escape time (dynamical)", rows)

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """The prefactor, the factor of damping, what gives the turnover, and which inertia a damping needs."""
        (piece,) = evidence
        rows = piece.where(exit=BEYOND).sortby(DAMPED)
        ratio = rows["paper"] / rows["exact"]
        strongest, over = float(rows[DAMPED][-1]), float(ratio[-1])
        kramers = float(rows["paper"][-1] / rows["kramers"][-1])
        tells = f"formula over exact time is {over:.3g} at gamma/omega_b = {strongest:g} ({kramers:.3g} over Kramers')"
        right, wrong = (f"at one temperature the prefactor is {state}" for state in ("right", "not right"))
        yield Finding.judged("prefactor at one temperature", over, right, wrong, tells)
        yield from turnover.factor_findings(rows, ratio / ratio[-1])
        weakest, inertia = float(rows[DAMPED][0]), float(rows["least_inertia"][0])
        turned = float(rows["melnikov"][0] / rows["exact"][0])
        text = f"there escape takes {float(rows['exact'][0] / rows['kramers'][0]):.3g} times Kramers' time, "
        text += f"of which the formula of Mel'nikov and Meshkov {size(turned)}"
        yield Finding("Mel'nikov and Meshkov's formula over the exact time", turned, text)
        if np.isfinite(rows.get("exact_thermal_position", np.nan)).any():
            start = float(rows["exact_thermal_position"][0] / rows["exact"][0])
            text = f"from a thermal position in the well as well escape takes {start:.3f} times as long there"
            yield Finding("time from a thermal position over that from the minimum", start, text)
        stable = f"a discrete optimizer that is stable at the minimum has gamma/omega_b = {weakest:g}"
        text = f"{stable} only with an inertia above {inertia:.3f}"
        yield Finding("inertia that the weakest damping needs", inertia, text)

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """Mean escape time over Kramers' against damping."""
        (piece,) = evidence
        near, far = (piece.where(exit=line).sortby(DAMPED) for line in (AT, BEYOND))
        damping = far[DAMPED].values
        figure, axis = subplots(size=(8.8, 5.8))
        between = np.geomspace(float(damping.min()), float(damping.max()), 60)
        times = [turnover.formulas(each) for each in between]
        paper, melnikov = ([each[name] / each["kramers"] for each in times] for name in ("paper", "melnikov"))
        beyond, saddle = (rows["exact"] / rows["kramers"] for rows in (far, near))
        axis.plot(between, paper, color=ORANGE, ls=DASHED, lw=2, label=formula("Theorem 3 as printed, 2π/|H_b|"))
        axis.axhline(1, color=GREY, lw=1.5, label=formula("Kramers (1940), 2π/√(H_a|H_b|)"))
        axis.plot(between, melnikov, color=GREEN, lw=2, label="with the turnover (Mel'nikov & Meshkov 1986)")
        axis.plot(damping, beyond, "o", color=BLUE, ms=8, label="phase-space grid, arrival beyond the saddle")
        label = "phase-space grid, first passage at the saddle"
        axis.plot(damping, saddle, "s", color=PURPLE, mfc="white", ms=8, label=label)
        axis.set(xscale="log", yscale="log", xlabel=formula("damping γ/ω_b"), ylabel="mean escape time / Kramers'")
        ticks(axis, (0.5, 0.6, 0.8, 1, 1.25, 1.5, 2))
        axis.legend(fontsize=10)
        half = np.asarray(beyond) / np.asarray(saddle)
        title = (
            f"At damping γ/ω_b = {damping[0]:g} escape takes {float(beyond[0]):.2f} times Kramers' time; where the "
            f"exit line lies is a factor {half[-1]:.2f} at γ/ω_b = {damping[-1]:g} and {half[0]:.2f} at {damping[0]:g}"
        )
        headline(figure, title)
        caption = (
            f"{title}. Double parabola, H_b = 4 H_a, one temperature, barrier/temperature {turnover.EXPONENT:g}; start "
            f"{turnover.START}. One coordinate. Grid errors are below the size of the points."
        )
        yield "damping", self.name, figure, caption


def _row(passage: turnover.Passage, line: str) -> Row:
    """One mean escape time by every route."""
    exact, allowance = passage.exact[line], exits.SCHEME + passage.errors[line]
    simulated = passage.simulated
    samples = {"simulated": Sample.of(simulated[line], exact, allowance)} if simulated else {}
    values = passage.formulas | {"exact": exact}
    if line == BEYOND and np.isfinite(passage.thermal):
        values["exact_thermal_position"] = passage.thermal
    return Row(passage.regime | {"exit": line}, values, samples, passage.checks, passage.reasons)


claim = Theorem3Damping()
