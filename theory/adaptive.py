"""Learning rates that go like a power of the second moment: where it rests, and the motion if it follows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import chi2

from theory import checks

Array = NDArray[np.float64]
Function = Callable[[Any], Any]


def resting_second_moment(rule: str, *, beta1: ArrayLike = 0.9) -> Array:
    """Second moment at which an optimizer rests, over the variance C of its gradients, normal ones of mean 0.

    A learning rate lr v^-q is then that of v = C at ``lr/level^q``, so that the level multiplies exponents by its
    power q. It is the limit of beta2 near 1, in which v varies slowly and by little.

    1. "mean": the running mean of g^2, as in Adam and RMSprop, rests at ``E g^2 = C``.
    2. "yogi": v moves by ``(1 - beta2) g^2`` towards g^2 (Zaheer et al. 2018), so that it rests where
       ``E[g^2; g^2 < v] = E[g^2; g^2 > v]``. As g^2 times the density of g^2/C is C times that of chi-squared with 3
       degrees of freedom, that is its median, 2.3660.
    3. "adabelief": s is the running mean of ``(g - m)^2`` about an m that includes g (Zhuang et al. 2020). With the m
       before it, ``g - m = beta1 (g - m_before)``, and m_before has the variance ``C (1 - beta1)/(1 + beta1)``:
       ``2 beta1^2/(1 + beta1)``. The gradient's mean, if it varies slowly, does not enter.

    Parameters
    ----------
    rule
        "mean", "yogi" or "adabelief".
    beta1
        Inertia, in [0, 1); above 0 for "adabelief", which alone reads it.

    Returns
    -------
    numpy.ndarray
        v/C, of beta1's shape for "adabelief".

    Raises
    ------
    ValueError
        If the rule is unknown or beta1 out of range.
    """
    beta = checks.fraction("beta1", beta1)
    if checks.choice("rule", rule, ("mean", "yogi", "adabelief")) == "adabelief":
        if np.any(beta == 0):
            raise ValueError(f"beta1 = {beta1!r} makes m the gradient itself, and s = 0; give beta1 above 0")
        return np.asarray(2 * beta**2 / (1 + beta))
    return np.asarray(1.0 if rule == "mean" else chi2.median(3))


def following_motion(
    gradient: Function,
    variance: float | Function,
    *,
    lr: float,
    power: float,
    weight_decay: float = 0.0,
) -> tuple[Function, Function]:
    """Drift and diffusion per iteration at the learning rate lr C^-q, with decoupled weight decay, without inertia.

    ``dx = -lr (L' C^-q + lambda x) dT + lr C^(1/2-q) dW``, T in iterations: what `first_passage_time` takes as
    gradient and diffusion. Its psi is ``(2/lr) int [L' C^(q-1) + lambda x C^(2q-1)] dx``, for AdamW (Loshchilov &
    Hutter 2019), q = 1/2, that of the potential ``int L'/sqrt(C) + lambda x^2/2``. Coupled weight decay is another
    gradient, L' + lambda x.

    Parameters
    ----------
    gradient
        L', a function of arrays or of one position.
    variance
        C, a number or such a function, above 0: that of one minibatch gradient.
    lr
        Learning rate, above 0.
    power
        q, 0 or above, as in `escape_exponent`.
    weight_decay
        lambda, 0 or above; decay is towards position 0.

    Returns
    -------
    tuple of functions
        ``lr (L' C^-q + lambda x)`` and ``lr^2 C^(1-2q)/2``.

    Raises
    ------
    ValueError
        If an argument is out of range.
    """
    eta, q = float(checks.positive("lr", checks.number("lr", lr))), checks.number("power", power)
    decay = checks.number("weight_decay", weight_decay)
    checks.nonnegative("power", q)
    checks.nonnegative("weight_decay", decay)
    if not callable(gradient):
        raise ValueError(f"gradient = {gradient!r} must be a function of positions; give L'")
    if not callable(variance):
        checks.positive("variance", checks.number("variance", variance))

    def spread(x: Any) -> Array:
        values = np.asarray(variance(x) if callable(variance) else variance, dtype=np.float64)
        if not np.all(values > 0):
            raise ValueError(f"variance = {values[~(values > 0)].flat[0]:g} must be above 0 wherever the path goes")
        return values

    def drift(x: Any) -> Array:
        return np.asarray(eta * (gradient(x) * spread(x) ** -q + decay * x))

    def diffusion(x: Any) -> Array:
        return np.asarray(eta**2 / 2 * spread(x) ** (1 - 2 * q))

    return drift, diffusion
