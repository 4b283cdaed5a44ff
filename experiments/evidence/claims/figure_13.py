"""Figure 13: a recurrent network that foretells the next character of novels."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import xarray

from experiments.drawing import BLUE, GREEN, ORANGE, Named, headline, subplots
from experiments.evidence import contest
from experiments.evidence.lab import Lab
from experiments.evidence.paired import differences
from experiments.evidence.training import Recipe
from experiments.referee import Claim, Evidence, Finding, Measured, Routes, Row, unsampled

# Learning rates that are tried, as many for each optimizer, a factor of about 3 apart.
RATES = {"Adai": (1.0, 3.0, 10.0, 30.0), "SGDM": (0.2, 0.6, 2.0, 6.0), "Adam": (3e-3, 1e-2, 3e-2, 1e-1)}
COLOURS = {"Adai": BLUE, "SGDM": GREEN, "Adam": ORANGE}
CLIP = 1.0
CURVE = "cross-entropy of the test text (nats per character)"
DIFFERENCE = "test cross-entropy minus another optimizer's (nats per character)"


class Figure13(Claim):
    """Adai, SGDM and Adam on a character-level LSTM."""

    name = "Figure 13"
    place = "Appendix F, Figure 13"
    statement = (
        "An LSTM trained by Adai foretells a text better than one trained by SGD with Momentum or Adam. Learning rates "
        "are selected on a held-out part of the text to train, at one seed; without weight decay and dropout, "
        "gradients clipped. An order is judged where no selected rate is at the edge of those tried."
    )

    def evidence(self, routes: Routes) -> Iterator[Evidence]:
        """Test losses over epochs at the selected rates, and differences over seeds."""
        lab = Lab.of(routes)
        seeds = [lab.seed_of(f"text {number}") for number in range(lab.pick(3, 3, 6))]
        tried = [(name, lr) for name, rates in RATES.items() for lr in rates]
        ended = lab.runs([_recipe(lab, *key, seeds[0]) for key in tried], "selecting on text")
        held_out = dict(zip(tried, contest.curves(ended, "held_out_loss")[:, -1], strict=True))
        chosen = {
            name: rates[contest.select(np.array([[held_out[name, lr]] for lr in rates]))]
            for name, rates in RATES.items()
        }
        recipes = [_recipe(lab, name, lr, seed) for name, lr in chosen.items() for seed in seeds]
        runs = iter(lab.runs(recipes, "text"))
        losses = {name: contest.curves([next(runs) for _ in seeds], "test_loss") for name in chosen}
        known = contest.regime(recipes[0]) | {"seeds": len(seeds)}
        for name, values in losses.items():
            regime = known | {"optimizer": name, "lr": chosen[name]}
            yield _curve(regime, values, [held_out[name, lr] for lr in RATES[name]])
        ends = {name: values[:, -1] for name, values in losses.items() if np.isfinite(values[:, -1]).all()}
        if "Adai" in ends and len(ends) > 1:
            compared = differences({other: ends["Adai"] - ends[other] for other in ends if other != "Adai"})
            regime = known | {"optimizer": "Adai"}

            def edges(other: str) -> str:
                """Whose rate is at the edge, of Adai and this one."""
                return " and ".join(name for name in ("Adai", other) if _edge(name, chosen[name]))

            rows = [
                Row(
                    regime | {"other": other, "at_edge": edges(other)},
                    each.as_values,
                    reasons=unsampled("networks are trained"),
                )
                for other, each in compared.items()
            ]
            yield Evidence.of_rows("Adai", DIFFERENCE, rows, label="Adai, differences")

    def findings(self, evidence: Sequence[Evidence]) -> Iterator[Finding]:
        """The loss at the end; of Adai the signs of its differences."""
        data = {piece.quantity: piece.data for piece in evidence}
        last = data[CURVE].isel(epoch=-1)
        ends = [float(last[f"test_loss{end}"]) for end in ("", "_low", "_high")]
        text = "{:.3f} [{:.3f}, {:.3f}] nats per character of the test text at lr = ".format(*ends)
        text = f"{text}{last['lr'].item():g}" if np.isfinite(ends[0]) else "some of its runs diverged"
        text += ", at the edge of the rates tried" if _edge(last["optimizer"].item(), last["lr"].item()) else ""
        yield Finding("test cross-entropy", ends[0], f"{text} ({contest.scope(last)})")
        for place in range(data[DIFFERENCE].sizes["row"]) if DIFFERENCE in data else ():
            yield _judged(data[DIFFERENCE].isel(row=place))

    def figures(self, evidence: Sequence[Evidence]) -> Iterator[Named]:
        """Learning curves, and losses at the end."""
        yield _figure(self, evidence)


def _edge(name: str, lr: float) -> bool:
    """Whether a rate is the lowest or the highest that is tried."""
    return lr in (RATES[name][0], RATES[name][-1])


def _recipe(lab: Lab, optimizer: str, lr: float, seed: int) -> Recipe:
    sizes: dict[str, Any] = {"samples": lab.pick(400, 2400, 9600), "held_out": lab.pick(100, 500, 1000)}
    sizes |= {"tested": lab.pick(100, 1000, 1000), "epochs": lab.pick(2, 4, 8), "window": 64, "batch_size": 16}
    sizes |= {"model": "character-lstm", "weight_decay": 0.0, "clip": CLIP}
    return Recipe(data=lab.text, optimizer=optimizer, lr=lr, seed=seed, **sizes)


def _curve(regime: dict[str, Any], losses: np.ndarray[Any, Any], held_out: Sequence[float]) -> Evidence:
    """The mean over seeds for each epoch, with what was tried."""
    told = [None if np.isnan(loss) else round(float(loss), 4) for loss in held_out]
    coordinates = {"epoch": np.arange(1, losses.shape[1] + 1), **regime}
    name = regime["optimizer"]
    data = xarray.Dataset(coords=coordinates | {"tried": str(dict(zip(RATES[name], told, strict=True)))})
    measured = Measured(losses.mean(axis=0), contest.student(losses), np.full(losses.shape[1], np.nan))
    return Evidence(name, CURVE, data, {"test_loss": measured}, reasons=unsampled("networks are trained"))


def _judged(row: xarray.Dataset) -> Finding:
    """Whether Adai's loss is below another's."""
    found = contest.difference(row)
    other = row["other"].item()
    words = {
        -1: f"Adai's loss is below {other}'s",
        0: f"Adai's loss and {other}'s are not told apart",
        1: f"Adai's loss is above {other}'s, against the paper",
    }
    tells = f"{found.told(3)} nats per character, p = {found.p:.2g} of the family"
    edge = row["at_edge"].item()
    if edge:
        tells += f"; not judged, as the rate selected for {edge} is at the edge of those tried"
        words[1] = words[1].removesuffix(", against the paper")
        return Finding(f"order against {other}", np.nan, f"{words[found.sign]}: {tells}", -1, 0.5)
    return Finding(f"order against {other}", found.sign or np.nan, f"{words[found.sign]}: {tells}", -1, 0.5)


def _figure(claim: Claim, evidence: Sequence[Evidence]) -> Named:
    curves = {piece.subject: piece.data for piece in evidence if piece.quantity == CURVE}
    figure, axis = subplots(size=(8, 5))
    for name, data in curves.items():
        label = f"{name}, lr {data['lr'].item():g}"
        axis.plot(data["epoch"], data["test_loss"], "o-", color=COLOURS[name], lw=2, label=label)
        axis.fill_between(
            data["epoch"], data["test_loss_low"], data["test_loss_high"], color=COLOURS[name], alpha=0.2, lw=0
        )
    first = next(iter(curves.values()))
    axis.set(xlabel="epoch", ylabel="test cross-entropy (nats per character)")
    axis.set_xticks(first["epoch"].values)
    axis.legend()
    findings = [finding for verdict in claim.verdicts(evidence) for finding in verdict.findings]
    texts = [finding.text.partition(":")[0] for finding in findings if finding.name.startswith("order")]
    title = ": ".join(filter(None, (claim.name, "; ".join(texts))))
    headline(figure, title)
    caption = f"{title}. {contest.scope(first)}. Means over {int(first['seeds'])} seeds with 95 % bands."
    return "figure-13", claim.name, figure, caption


claim = Figure13()
