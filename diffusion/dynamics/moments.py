"""What Adam and its relatives share: running means of the gradient and its square, and the quotient of the two."""

from __future__ import annotations

from typing import Any


def moments(g: Any, rms: Any, m: Any, v: Any, beta1: Any, beta2: Any) -> Any:
    """The running means of g and of its square after the gradient g, whose square is taken to be that of rms.

    It is g itself, but in a substep of an SDE, where g varies more than in an iteration.
    """
    return beta1 * m + (1.0 - beta1) * g, beta2 * v + (1.0 - beta2) * rms * rms


def divided(m: Any, root: Any) -> Any:
    """``m / root``, and 0 where the root is 0, as it is with eps = 0 until a gradient differs from 0."""
    return 0.0 if root == 0.0 else m / root
