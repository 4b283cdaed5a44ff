"""Lesson 1: a cloud of replicas on a quadratic saddle, under four optimizers."""

import numpy as np

from experiments.lessons.ensembles import COLOURS, Ensemble, ensembles
from experiments.teach.chart import GREY, PURPLE, Panel
from experiments.teach.figure import BLACK, DASH, figure
from experiments.teach.lesson import Array, Outcome, Settings, slider
from experiments.teach.scales import number

TITLE = "Where does a ball on a saddle go?"
INTRODUCTION = (
    "Each dot is a training run that started in the middle. The loss rises steeply to left and right and falls gently "
    "up and down; only minibatch noise moves a run off the saddle. Solid ellipses are exact theory and should hold 86 "
    "% of the dots, dashed ones the paper's theorems. Axes differ from panel to panel, as each names."
)

STEEP = 0.1
TALL = 308 / 217  # height over width of a frame
SIGMAS = 2.0  # of the ellipses
WITHIN = 1 - np.exp(-(SIGMAS**2) / 2)  # share of a normal cloud inside

CONTROLS = {
    "curvature": slider("Gentle curvature |H|, thousandths", [0.3, 1, 3, 10, 30, 100], 1, [0.3, 1, 10, 100]),
    "lr": slider("Learning rate η", [0.002, 0.005, 0.01, 0.02, 0.03], 0.01),
    "batch_size": slider("Batch size B", [1, 3, 10, 30, 100], 10),
    "inertia": slider("Inertia β₁ (of Adai: the mean)", [0.5, 0.7, 0.8, 0.9, 0.95, 0.99], 0.9, [0.5, 0.9, 0.99]),
    "iterations": slider("Iterations T", [1, 2, 3, 5, 10, 20, 30, 50, 100, 150, 200, 300], 100, [1, 10, 30, 100, 300]),
    "replicas": slider("Replicas (dots)", [100, 300, 1000, 3000], 1000),
}


def updates(settings: Settings) -> float:
    """Coordinate updates of the run."""
    return float(4 * 2 * settings["iterations"] * settings["replicas"])


def run(settings: Settings) -> Outcome:
    """Run the four optimizers and draw them."""
    h = settings["curvature"] / 1000
    runs = ensembles(tuple(COLOURS), [STEEP, -h], settings, moment="frozen", keep="states")
    svg = figure(
        [_panel(k, ensemble, h, _reach(runs[0])) for k, ensemble in enumerate(runs)],
        f"Positions of {settings['replicas']} runs of four optimizers around a saddle after {settings['iterations']} "
        "iterations",
        [
            ("one run", GREY, "dot"),
            (f"{SIGMAS:g} standard deviations, exact", BLACK, "line"),
            ("the same by the paper's theorem", PURPLE, "dash"),
        ],
        size=(1262, 420),
    )
    return Outcome(svg, _answer(settings, runs), _code(settings))


def _positions(ensemble: Ensemble) -> Array:
    return np.asarray(ensemble.measured["position"].values[:, 0])


def _reach(ensemble: Ensemble) -> float:
    """Half the width of the frame, so that the exact ellipse is inside, and the paper's unless it is far larger."""
    (steep, gentle), paper = np.sqrt(ensemble.exact), np.sqrt(ensemble.paper[1])
    return float(1.15 * SIGMAS * max(steep, max(gentle, min(paper, 4 * gentle)) / TALL, 1e-300))


def _panel(k: int, ensemble: Ensemble, h: float, first: float) -> Panel:
    position, exact, paper = _positions(ensemble), np.sqrt(ensemble.exact), np.sqrt(ensemble.paper)
    reach = _reach(ensemble)
    x, y = (-reach, reach), (-reach * TALL, reach * TALL)
    unit = 10.0 ** np.floor(np.log10(reach))
    tick = unit * max(m for m in (1, 2, 5) if m * unit <= reach)
    marks = [(v, number(v)) for v in (-tick, 0.0, tick)]
    box, left = ((27 + 303 * k, 0, 303, 420), 82) if k else ((0, 0, 330, 420), 109)
    panel = Panel(box, x, y, x_ticks=marks, y_ticks=marks, margins=(left, 4, 40, 72))
    panel.label(ensemble.optimizer, "steep direction (θ)", "" if k else "gentle direction (θ)")
    if k:
        panel.corner(f"axes {reach / first:.2g} × SGD's", low=True)
    steps = np.sinh(np.linspace(-9, 9, 41)) / 50
    for share in (0.15, 0.45, 0.8):  # of the frame's rim: level lines of the loss
        a, b = share * x[1], share * y[1]
        up, along = np.sqrt(h / STEEP), np.sqrt(1 + steps**2)
        for sign in (-1, 1):
            panel.line(sign * a * along, a / up * steps, "#bdbdbd", width=1.2)
            panel.line(up * b * steps, sign * b * along, "#bdbdbd", width=1.2)
    panel.dots(position[:, 0], position[:, 1], COLOURS[ensemble.optimizer], opacity=0.65)
    angle = np.linspace(0, 2 * np.pi, 73)
    for (steep, gentle), colour, dash in ((exact, BLACK, ""), (paper, PURPLE, DASH)):
        panel.line(SIGMAS * steep * np.cos(angle), SIGMAS * gentle * np.sin(angle), colour, dash=dash, width=2.5)
    return panel


def _answer(settings: Settings, runs: list[Ensemble]) -> str:
    spreads, inside = [], []
    for ensemble in runs:
        steep, gentle = ensemble.measured["msd"].values[0]
        spreads.append(
            f"{ensemble.optimizer} **{np.sqrt(gentle / steep):.2f}** "
            f"({np.sqrt(ensemble.exact[1] / ensemble.exact[0]):.2f})"
        )
        inside.append(float(np.mean(np.sum(_positions(ensemble) ** 2 / ensemble.exact, axis=1) <= SIGMAS**2)))
    wide = ", ".join(f"{ensemble.optimizer} {np.sqrt(ensemble.paper[1] / ensemble.exact[1]):.2f}" for ensemble in runs)
    return (
        f"After {settings['iterations']} iterations the spread along the gentle direction over that along the steep "
        f"one is, measured (and exact): {', '.join(spreads)}. The solid ellipses hold {min(inside):.1%} to "
        f"{max(inside):.1%} of {settings['replicas']:,} runs; {WITHIN:.1%} are expected. The paper's theorems give the "
        f"exact gentle spread times: {wide}."
    )


def _code(settings: Settings) -> str:
    adam, noise = f"Adam({settings['lr']}, {settings['inertia']})", f"HessianNoise({settings['batch_size']})"
    length = f"iterations={settings['iterations']}, replicas={settings['replicas']}"
    return f"""\
from diffusion import Adam, HessianNoise, QuadraticSaddle, simulate
saddle = QuadraticSaddle([{STEEP}, -{settings["curvature"] / 1000:g}])
run = simulate({adam}, saddle, noise={noise}, {length})
print(f"{{(run.msd[-1, 1] / run.msd[-1, 0]).item() ** 0.5:.2f}}")  # gentle over steep"""
