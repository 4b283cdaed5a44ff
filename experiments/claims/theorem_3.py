"""Theorem 3: how long SGD stays in a minimum.

With inertia see `theorem_3_damping`, `theorem_3_exponent` and `equation_57`.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import matplotlib as mpl
import numpy as np
import xarray

import theory
from diffusion import SGD, DoubleParabola, HessianNoise, rare_escape_rate
from experiments.drawing import Named, headline, subplots
from experiments.problems import barriers, exits, low_temperature
from experiments.problems.exact import Motion
from experiments.problems.exits import AT, BARRIER, BEYOND, ITERATIONS, ONE, RATE, TOO_HIGH
from experiments.problems.wells import HIGHEST, Setting, paper_rate, settings
from experiments.referee import Claim, Evidence, Finding, Routes, Row, Sample, told, unsampled
from experiments.referee.faults import Fault, quietly
from experiments.referee.laws import Student
from experiments.referee.routes import TORCH_MISSING

KEYS = ("parabolas-piecewise", "tang-piecewise")
CONVENTIONS = {"Ito": "exact", "Stratonovich": "exact_stratonovich", "isothermal": "exact_isothermal"}
SPLIT = {8.0: 24, 14.0: 32, 19.0: 40}  # repetitions of splitting, by barrier over temperature; the last rate is 4e-11
SPLIT_REPLICAS = 1000
SPLIT_DIFFERS = Fault("splitting's repetitions differ too much, or found nothing", "inconclusive")


class Theorem3(Claim):
    """SGD's mean escape time, to the saddle and beyond it, and its rate as temperature falls."""

    name = "Theorem 3"
    place = "Section 3, proof in A.3"
    statement = (
        "Momentum leaves a minimum in the mean time pi [sqrt(1 + 4|H_be|/(gamma^2 M)) + 1]/|H_be| "
        "exp{(2 gamma M B Delta L/lr) [s/H_ae + (1-s)/|H_be|]}; SGD in (2 pi/|H_be|) times the same."
    )
    effort = 45

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Mean times by quadrature in three conventions, on a grid and by ensembles; then rates, by splitting too."""
        times = (
            _time(routes, settings()[key], barrier, line)
            for key in KEYS
            for barrier in exits.exponents(routes)
            for line in (AT, BEYOND)
        )
        yield Evidence.of_rows("SGD", ITERATIONS, times)
        rows: list[Row] = []
        for setting in (settings()[key] for key in KEYS):
            sgd = SGD(setting.lr["SGD"])
            rows += low_temperature.rows("SGD", setting, "SGD", sgd, low_temperature.BARRIERS, AT, BEYOND)
        rows += [] if routes.quick else [_split(routes, barrier) for barrier in SPLIT]
        yield Evidence.of_rows("SGD", RATE, rows, label="SGD as temperature falls", case=_map())

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """The exponent, the prefactor, its limit, and which convention the ensembles follow."""
        times, rates = evidence
        for landscape in dict.fromkeys(times.data["landscape"].values.tolist()):
            at, beyond = barriers.by_line(times, landscape=landscape)
            yield _prefactor(landscape, beyond)
            yield barriers.exponent(f"exponent, {landscape}", at, beyond, landscape)
            yield barriers.exit_line(f"factor of the exit line, {landscape}", at, beyond, landscape)
            yield from low_temperature.findings(rates, landscape)
        yield from _followed(times)
        if "splitting" in rates.measured:
            yield from _paths(rates)

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """Formula over exact time against the barrier, on a map, and over exact rate as temperature falls."""
        yield barriers.times("theorem-3", self, evidence)
        yield _draw_map(evidence[1].case)
        yield barriers.rates("theorem-3-low-temperature", self, evidence)


def _time(routes: Routes, setting: Setting, barrier: float, line: str) -> Row:
    """One mean escape time by every route."""
    lr, k = setting.lr["SGD"], HIGHEST / barrier
    start = setting.positions(k)[0]
    boundary = exits.boundary(setting, k, SGD(lr), line)
    gradient, diffusion = setting.gradient(k), setting.diffusion(k, lr)
    where: dict[str, Any] = {"start": start, "boundary": boundary, "breaks": setting.breaks(k)}
    values = {"paper": 1 / paper_rate(setting, "SGD", k, 1)}
    for convention, name in CONVENTIONS.items():
        values[name] = theory.first_passage_time(gradient, diffusion, convention=convention.lower(), **where) / lr
    motion = setting.motion(SGD(lr), k)
    values["fokker_planck"] = motion.grid(start, boundary)
    checks = {"fokker_planck": (abs(values["fokker_planck"] / values["exact"] - 1), 1e-5)}
    samples: dict[str, Sample] = {}
    reasons = unsampled(TOO_HIGH, shipped=exits.NO_SHIPPED)
    if barrier <= exits.SIMULATED:
        for name, substeps in (("simulated", exits.SUBSTEPS), ("discrete", 1)):
            values[f"exact_{name}"] = motion.chain(start, boundary, substeps)
            mean = exits.ensemble(routes, SGD(lr), setting, k, boundary, substeps=substeps)
            samples[name] = Sample.of(mean, values[f"exact_{name}"])
    if barrier <= exits.TORCH and line == AT:
        real = exits.torch(routes, SGD(lr), setting, k, boundary)
        samples |= {"torch": Sample.of(real, values["exact_discrete"])} if real else {}
        reasons["torch"] = TORCH_MISSING
    regime = {"optimizer": "SGD", "landscape": setting.title, BARRIER: barrier, "exit": line, "lr": lr}
    return Row(ONE | regime, values, samples, checks, reasons)


def _split(routes: Routes, barrier: float) -> Row:
    """Discrete SGD's rate by splitting against the exact mean of its chain."""
    setting = settings()["parabolas-piecewise"]
    lr, k, repetitions = setting.lr["SGD"], HIGHEST / barrier, SPLIT[barrier]
    start, saddle = setting.positions(k)
    ends: dict[str, Any] = {"start": start, "boundary": saddle}
    options = {"repetitions": repetitions, **routes.options(told("splitting", barrier), SPLIT_REPLICAS)}
    with quietly():
        run = rare_escape_rate(SGD(lr), setting.landscape(1, k), noise=setting.noise, **ends, **options)
    repeated, where = run["repetition_rate"].values, ends | {"breaks": setting.breaks(k)}
    sde = theory.first_passage_time(setting.gradient(k), setting.diffusion(k, lr), **where) / lr
    chain = setting.motion(SGD(lr), k).chain(start, saddle)
    error = float(repeated.std(ddof=1) / np.sqrt(repetitions))
    fault = None if error > 0 and bool(run["reliable"]) else SPLIT_DIFFERS
    sample = Sample(float(repeated.mean()), Student(error, repetitions), 1 / chain, fault=fault)
    values = {"paper": paper_rate(setting, "SGD", k, 1), "exact": 1 / sde, "exact_splitting": 1 / chain}
    regime = {"optimizer": "SGD", "landscape": setting.title, "exit": AT, "by": low_temperature.SPLITTING}
    reasons = unsampled(TOO_HIGH, shipped=exits.NO_SHIPPED, fokker_planck="given with the mean escape times")
    return Row(ONE | regime | {"lr": lr, BARRIER: barrier}, values, {"splitting": sample}, {}, reasons)


def _prefactor(landscape: str, beyond: xarray.Dataset) -> Finding:
    """The formula over the exact time under Ito, at the highest barrier, beside the two other conventions."""
    high = beyond.isel(row=-1)
    ratios = {name: float(high["paper"] / high[column]) for name, column in CONVENTIONS.items()}
    belongs = min(ratios, key=lambda name: abs(np.log(ratios[name])))
    listed = ", ".join(f"{ratio:.2f} ({name})" for name, ratio in ratios.items())
    where = f"at barrier/temperature {float(high[BARRIER]):g}, arriving beyond the saddle,"
    tells = f"{landscape}: formula over exact {where} is {listed}"
    right = f"the prefactor is that of the Ito equation; {tells}"
    wrong = f"the prefactor is not that of the Ito equation but nearest to the {belongs} one's; {tells}"
    return Finding.judged(f"prefactor, {landscape}", ratios["Ito"], right, wrong)


def _followed(times: Evidence) -> Iterator[Finding]:
    """How far the SDE ensembles are from each convention's exact times, on average."""
    if "simulated" not in times.measured or np.isnan(times.data["simulated"]).all():
        return
    logs = {name: np.log(times.data["simulated"] / times.data[column]) for name, column in CONVENTIONS.items()}
    off = {name: float(np.abs(log).mean()) for name, log in logs.items()}
    nearest = min(off, key=lambda name: off[name])
    listed = ", ".join(f"{100 * np.expm1(value):.0f} % from {name}" for name, value in off.items())
    text = f"the ensembles are nearest to {nearest} (at {exits.SUBSTEPS} substeps off by {listed}, on average)"
    yield Finding("log deviation of the ensembles from Ito", off["Ito"], text)


def _paths(rates: Evidence) -> Iterator[Finding]:
    """How far splitting is from the discrete optimizer's exact rates."""
    ratio = rates.data["splitting"] / rates.data["exact_splitting"]
    if np.isnan(ratio).all():
        return
    off, lowest = float(np.abs(ratio - 1).max()), float(rates.data["splitting"].min())
    wide = float(((rates.data["splitting_high"] - rates.data["splitting_low"]) / rates.data["splitting"]).max()) / 2
    text = f"split paths find the discrete optimizer's rates within {100 * off:.2g} %, down to {lowest:.2g}"
    text += f" (95 % intervals of at most ± {100 * wide:.2g} %)"
    yield Finding("deviation of split paths from the exact chain", off, text)


def _map() -> xarray.DataArray:
    """Formula over exact mean time beyond the saddle, against barrier/temperature and ratio of curvatures."""
    barriers_tried, ratios = np.geomspace(1, 30, 11), np.geomspace(0.1, 10, 11)
    values = [[_paper_over_exact(barrier, ratio) for barrier in barriers_tried] for ratio in ratios]
    return xarray.DataArray(values, {"curvature_ratio": ratios, BARRIER: barriers_tried}, ("curvature_ratio", BARRIER))


def _paper_over_exact(barrier: float, ratio: float) -> float:
    """One point of the map; the temperature follows the curvature, as under Hessian noise."""
    well, split = DoubleParabola(1.0, 1.0, ratio, 1), ratio / (1 + ratio)
    lr = 2 / barrier * (split + (1 - split) / ratio)
    known: dict[str, Any] = {"barrier": 1.0, "hessian_minimum": 1.0, "hessian_saddle": ratio, "batch_size": 1.0}
    motion = Motion(SGD(lr), well, HessianNoise(1, "piecewise"))
    far = well.saddle + np.sqrt(2 * exits.DEPTH * motion.temperature(well.saddle) / ratio)
    return float(theory.sgd_escape_time(**known, lr=lr, split=split)) / motion.passage(0.0, far).time


def _draw_map(ratio: xarray.DataArray) -> Named:
    """The map as colours, with level lines."""
    figure, axis = subplots(size=(8.8, 5.8))
    x, y = ratio[BARRIER], ratio["curvature_ratio"]
    style: dict[str, Any] = {"norm": mpl.colors.LogNorm(0.1, 10), "cmap": "RdBu_r", "shading": "gouraud"}
    labels = {"xlabel": "barrier / temperature", "ylabel": "curvature at the saddle / at the minimum"}
    axis.set(xscale="log", yscale="log", **labels)
    image = axis.pcolormesh(x, y, ratio, rasterized=True, **style)
    lines = axis.contour(x, y, ratio, levels=[0.2, 0.5, 0.8, 1, 1.25, 2, 5], colors="black", linewidths=1)
    axis.clabel(lines, fmt=lambda level: f"{level:g}", fontsize=10)
    figure.colorbar(image, ax=axis, label="Theorem 3 / exact mean escape time (Ito)")
    last = ratio.isel({BARRIER: -1})
    off = float(np.abs(np.log(last * last["curvature_ratio"])).max())
    title = (
        f"Theorem 3 is {float(last.max()):.3g} to {float(last.min()):.3g} times the exact time (Ito) at "
        f"barrier/temperature {float(x[-1]):.0f}, "
        f"for H_b/H_a = {float(y[0]):g} to {float(y[-1]):g}: that factor is H_a/H_b within {100 * np.expm1(off):.2g} %"
    )
    headline(figure, title)
    caption = "SGD's SDE, double parabola, piecewise Hessian noise, an arrival beyond the saddle, by quadrature."
    return "theorem-3-map", Theorem3.name, figure, f"{title}. {caption}"


claim = Theorem3()
