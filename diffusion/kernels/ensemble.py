"""Ensembles of replicas on a quadratic, a chunk of replicas at a time, moments summed as they go."""

import numpy as np

from diffusion import dynamics
from diffusion.kernels.jit import jit
from diffusion.kernels.random import NOISE, START, normal_pair
from diffusion.plan import DIVERGED

adaptive_inertia = jit(dynamics.adaptive_inertia)
adaptive_learning_rate = jit(dynamics.adaptive_learning_rate)


@jit
def _fill_normals(out, seed, stream, replica, iteration, substep):  # type: ignore[no-untyped-def]
    d = out.shape[0]
    for pair in range((d + 1) // 2):
        first, second = normal_pair(seed, stream, replica, iteration, substep, pair)
        out[2 * pair] = first
        if 2 * pair + 1 < d:
            out[2 * pair + 1] = second


@jit
def _record(x, origin, s, squares, fourths, diverged):  # type: ignore[no-untyped-def]
    for i in range(x.shape[0]):
        if not abs(x[i] - origin[i]) < DIVERGED:
            diverged[s] += 1
            return
    for i in range(x.shape[0]):
        square = (x[i] - origin[i]) ** 2
        squares[s, i] += square
        fourths[s, i] += square * square


@jit
def frozen_chunk(  # type: ignore[no-untyped-def]
    seed, first, count, origin, velocity, hessian, keep, force, noise, step, substeps, stage, saves,
    squares, fourths, diverged, positions,
):  # fmt: skip
    """Replicas first .. first + count under the idealized rule, in the eigenbasis.

    Each substep of stage k does m <- keep m + force H x + noise xi, x <- x - step m with coefficients [k, i]; stage gives
    k for each iteration. positions is (count, saves, d) to keep the states, or has no rows.
    """
    d = origin.shape[0]
    x, m, xi = np.empty(d), np.empty(d), np.empty(d)
    for r in range(count):
        replica = first + r
        _fill_normals(xi, seed, START, replica, 0, 0)
        for i in range(d):
            x[i] = origin[i]
            m[i] = -velocity[i] * xi[i]
        s = 0
        for t in range(stage.shape[0] + 1):
            if t > 0:
                k = stage[t - 1]
                for substep in range(substeps[k]):
                    _fill_normals(xi, seed, NOISE, replica, t, substep)
                    for i in range(d):
                        m[i] = keep[k, i] * m[i] + force[k, i] * hessian[i] * x[i] + noise[k, i] * xi[i]
                        x[i] -= step[k, i] * m[i]
            if s < saves.shape[0] and saves[s] == t:
                _record(x, origin, s, squares, fourths, diverged)
                if positions.shape[0] > 0:
                    positions[r, s] = x
                s += 1


@jit
def running_chunk(  # type: ignore[no-untyped-def]
    seed, first, count, origin, basis, hessian, deviation, adapts_inertia, lr, beta, beta2, eps, corrects, saves,
    squares, fourths, diverged, positions,
):  # fmt: skip
    """Replicas under an optimizer as shipped: running second moment, in coordinates, one step per iteration.

    beta is Adai's beta0 if adapts_inertia, else the constant inertia; corrects tells whether v is bias-corrected.
    """
    d = origin.shape[0]
    x, u, xi, g, m, v = np.empty(d), np.empty(d), np.empty(d), np.empty(d), np.empty(d), np.empty(d)
    product, start = np.empty(d), basis.T @ origin
    for r in range(count):
        replica = first + r
        for i in range(d):
            x[i], m[i], v[i], product[i] = origin[i], 0.0, 0.0, 1.0
        s, decay = 0, 1.0
        for t in range(saves[-1] + 1):
            if t > 0:
                _fill_normals(xi, seed, NOISE, replica, t, 0)
                for i in range(d):
                    u[i] = 0.0
                    for j in range(d):
                        u[i] += basis[j, i] * x[j]
                decay *= beta2
                correction = 1.0 / (1.0 - decay) if corrects else 1.0
                mean_v = 0.0
                for i in range(d):
                    g[i] = 0.0
                    for j in range(d):
                        g[i] += basis[i, j] * (hessian[j] * u[j] + deviation[j] * xi[j])
                    v[i] = beta2 * v[i] + (1.0 - beta2) * g[i] * g[i]
                    mean_v += v[i] * correction / d
                for i in range(d):
                    vhat = v[i] * correction
                    inertia, rate = beta, lr
                    if adapts_inertia:
                        inertia = adaptive_inertia(vhat, mean_v, beta, eps)
                    else:
                        rate = adaptive_learning_rate(vhat, lr, eps)
                    m[i] = inertia * m[i] + (1.0 - inertia) * g[i]
                    product[i] *= inertia
                    x[i] -= rate * m[i] / (1.0 - product[i])
            if s < saves.shape[0] and saves[s] == t:
                for i in range(d):
                    u[i] = 0.0
                    for j in range(d):
                        u[i] += basis[j, i] * x[j]
                _record(u, start, s, squares, fourths, diverged)
                if positions.shape[0] > 0:
                    positions[r, s] = u
                s += 1
