"""What a caller asks of a first passage, checked, as panels from end to end."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from theory import checks
from theory.ends import OCTAVES, find_tail
from theory.functions import Pointwise
from theory.minimum import CONVENTIONS
from theory.panels import Panels, resolve
from theory.reach import behind
from theory.transform import Passage

Array = NDArray[np.float64]
Function = Callable[[Array], Array]
Boundary = float | tuple[float | None, float | None]
GROUP = 20  # halvings of the way to a singular end that are resolved together


def pose(
    gradient: Function,
    diffusion: float | Function,
    start: float,
    boundary: Boundary,
    convention: str,
    reflecting: float | None,
    breaks: Sequence[float],
    wells: float = np.inf,
) -> Passage:
    """The passage that a caller asks for, checked, and mirrored where need be so that the boundary is above the start.

    Parameters and errors are those of `theory.first_passage_time`; `wells` is that of `theory.reach.behind`.
    """
    p = CONVENTIONS[checks.choice("convention", convention, CONVENTIONS)]
    x0 = checks.number("start", start)
    low, high = sides(x0, boundary)
    sign = 1.0 if high is not None else -1.0
    if not callable(diffusion):
        checks.positive("diffusion", checks.number("diffusion", diffusion))
    if not callable(gradient):
        raise ValueError(f"gradient = {gradient!r} must be a function of positions; give L'")
    slope = Pointwise("gradient", gradient, sign=sign, odd=True)
    spread = Pointwise("diffusion", diffusion, sign=sign)
    jumps = sorted(sign * x for x in np.atleast_1d(checks.finite("breaks", breaks)).tolist())
    if low is not None and high is not None:
        if reflecting is not None:
            raise ValueError(
                f"reflecting = {reflecting!r} has no place beside boundary = {boundary!r}, which ends both sides"
            )
        out = _onward(slope, spread, x0, high, p, jumps)
        back = _onward(slope.mirrored, spread.mirrored, -x0, -low, p, [-x for x in jumps[::-1]])
        forth = replace(out, panels=back.panels.mirrored.before(out.panels), first=back.panels.count, absorbing=True)
        mirrored = replace(back, panels=forth.panels.mirrored, first=out.panels.count, absorbing=True)
        return replace(forth, opposite=mirrored)
    b = low if high is None else high
    assert b is not None
    x0, b = sign * x0, sign * b
    end = None if reflecting is None else sign * checks.number("reflecting", reflecting)
    if end is not None and end > x0:
        raise ValueError(
            f"start = {start!r} is not between the reflecting end {reflecting!r} and the boundary {boundary!r}; put it "
            "there"
        )
    passage = _onward(slope, spread, x0, b, p, jumps)
    behind_it = behind(slope, spread, passage.panels, p, reflecting=end, breaks=jumps, wells=wells)
    if behind_it is None:
        return passage
    return replace(passage, panels=behind_it.before(passage.panels), first=behind_it.count)


def regular(passage: Passage) -> Passage:
    """The passage; refused if an end is singular."""
    if passage.tail is None and (passage.opposite is None or passage.opposite.tail is None):
        return passage
    raise ValueError(
        "diffusion: drift or noise is singular at the boundary, where this package has the mean of one coordinate and "
        "exit_probabilities only; a grid (diffusion.fokker_planck.escape_rate) has the leading rate"
    )


def sides(start: float, boundary: Boundary) -> tuple[float | None, float | None]:
    """The lower and the upper end; None where there is none."""
    if isinstance(boundary, Sequence) and not isinstance(boundary, str):
        if len(boundary) != 2 or all(end is None for end in boundary):
            raise ValueError(
                f"boundary = {boundary!r} must be a position or two ends (low, high), at most one of them None"
            )
        low, high = (None if end is None else checks.number("boundary", end) for end in boundary)
        if not (-np.inf if low is None else low) < start < (np.inf if high is None else high):
            raise ValueError(f"start = {start!r} is not between the ends of boundary = {boundary!r}; put it there")
        return low, high
    end = checks.number("boundary", boundary)
    if start == end:
        raise ValueError(f"start = {start!r} is at the boundary, where the path ends; start it inside the valley")
    return (None, end) if end > start else (end, None)


def _onward(slope: Pointwise, spread: Pointwise, x0: float, b: float, p: float, jumps: Sequence[float]) -> Passage:
    """The way from the start up to the boundary, or to where a singular one's tail begins."""
    edges = x0 + (b - x0) * np.append(np.linspace(0, 1, 9)[:-1], 0.5 ** np.arange(4.0, 11.0))
    after: list[Panels] = []
    tail = find_tail(slope, spread, x0, b, p)
    if tail is not None:  # beyond, panels half as long as the way that is left; in groups, each of its own size
        halved = b - (b - x0) * 0.5 ** np.arange(4.0, OCTAVES)
        halved, b = np.append(halved[halved < tail.edge], tail.edge), tail.edge
        edges, b = np.append(edges, halved[:GROUP]), halved[:GROUP][-1]
        groups = [halved[k : k + GROUP + 1] for k in range(GROUP - 1, len(halved) - 1, GROUP)]
        after = [resolve(slope, spread, group) for group in groups]
    edges = np.unique([*edges[edges < b], b, *(x for x in jumps if x0 < x < b)])
    panels = resolve(slope, spread, edges).before(*after)
    return Passage(slope, spread, panels, 0, p, tail)
