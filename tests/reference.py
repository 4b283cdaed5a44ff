"""The dynamics written plainly in NumPy, one replica at a time, driven by the draws of the compiled generator."""

import numpy as np

from diffusion import Adai, AdaiW, AdamW, OwnDynamics, RMSprop
from diffusion.kernels.jit import jit
from diffusion.kernels.random import NOISE, draw_float32, normal_pair


def normals(seed, replica, iteration, substep, d):
    """The standard normals of one substep in float64, shape (d,)."""
    pairs = [normal_pair(np.uint64(seed), NOISE, replica, iteration, substep, pair) for pair in range((d + 1) // 2)]
    return np.concatenate(pairs)[:d]


@jit
def _four(out, words, seed, replica, iteration, substep, group):
    draw_float32(out, words, seed, replica, iteration, substep, group, 4, 1)


def normals_float32(seed, replica, iteration, substep, d):
    """The same in float32, as `precision="mixed"` draws them."""
    index = [np.full(1, value, np.uint64) for value in (replica, iteration, substep)]
    drawn = []
    for group in range((d + 3) // 4):
        out, words = np.zeros((4, 1), np.float32), np.zeros((4, 1), np.uint32)
        _four(out, words, np.uint64(seed), *index, np.uint64(group))
        drawn.append(out[:, 0])
    return np.concatenate(drawn)[:d].astype(np.float64)


def path(dynamics, landscape, noise, start, iterations, substeps, draw):
    """Positions after each substep, shape (iterations substeps, d); draw(iteration, substep) gives the normals."""
    if dynamics.update is None:
        return _newton(dynamics, landscape, noise, start, iterations, substeps, draw)
    if substeps > 1:
        return _running(dynamics, landscape, noise, start, iterations, substeps, draw)
    return _shipped(dynamics, landscape, noise, start, iterations, draw)


def _newton(dynamics, landscape, noise, start, iterations, substeps, draw):
    """The Newton equation of the idealized rule, by semi-implicit Euler steps; Euler-Maruyama where inertia is 0."""
    rule = dynamics.rule(noise.variance_along(landscape))
    theta, r, out = start.copy(), np.zeros(len(start)), []
    dt, inert = rule.learning_rate / substeps, rule.inertia > 0
    for t in range(1, iterations + 1):
        for k in range(substeps):
            variance = noise.variance_at(landscape, theta)
            gradient, xi = landscape.gradient(theta), draw(t, k)
            if dynamics.second_moment == "following":
                gradient, variance = gradient / np.sqrt(variance), 1.0
            diffusion = rule.learning_rate / 2 * variance
            kick = -dt * gradient - np.sqrt(2 * diffusion * dt) * xi
            r = r - dt * rule.damping * r + kick / rule.mass
            theta = theta + np.where(inert, dt * r, kick)
            out.append(theta)
    return np.array(out)


def _shipped(dynamics, landscape, noise, start, iterations, draw):
    d = len(start)
    theta, m, v, product, out = start.copy(), np.zeros(d), np.zeros(d), np.ones(d), []
    for t in range(1, iterations + 1):
        g = landscape.gradient(theta) + np.sqrt(noise.variance_at(landscape, theta)) * draw(t, 0)
        v = dynamics.beta2 * v + (1 - dynamics.beta2) * g**2
        vhat = v if isinstance(dynamics, RMSprop) else v / (1 - dynamics.beta2**t)
        if isinstance(dynamics, OwnDynamics):
            inertia = np.array([dynamics.inertia_function(one, vhat.mean(), *dynamics.parameters) for one in vhat])
            rate = np.array([dynamics.learning_rate_function(one, *dynamics.parameters) for one in vhat])
        elif isinstance(dynamics, Adai):
            inertia, rate = np.clip(1 - dynamics.beta0 * vhat / vhat.mean(), 0, 1 - dynamics.eps), dynamics.lr
        else:
            inertia, rate = getattr(dynamics, "beta1", 0.0), dynamics.lr / (np.sqrt(vhat) + dynamics.eps)
        m, product = inertia * m + (1 - inertia) * g, product * inertia
        theta = theta - rate * m / (1 - product)
        out.append(theta)
    return np.array(out)


def _running(dynamics, landscape, noise, start, iterations, substeps, draw):
    """The SDE of the optimizer as shipped by Euler steps: m and v relax to the gradient and its mean square."""
    d, dt = len(start), 1 / substeps
    theta, m, v, unseen_m, unseen_v, out = start.copy(), np.zeros(d), np.zeros(d), np.ones(d), 1.0, []
    for t in range(1, iterations + 1):
        for k in range(substeps):
            slope, variance = landscape.gradient(theta), noise.variance_at(landscape, theta)
            v = v + (1 - dynamics.beta2) * (slope**2 + variance - v) * dt
            unseen_v *= 1 - (1 - dynamics.beta2) * dt
            vhat = v if isinstance(dynamics, RMSprop) else v / (1 - unseen_v)
            if isinstance(dynamics, Adai):
                inertia, rate = np.clip(1 - dynamics.beta0 * vhat / vhat.mean(), 0, 1 - dynamics.eps), dynamics.lr
            else:
                inertia = np.full(d, getattr(dynamics, "beta1", 0.0))
                rate = dynamics.lr / (np.sqrt(vhat) + dynamics.eps)
            moved = slope * dt + np.sqrt(variance * dt) * draw(t, k)  # the gradient's integral over the substep
            inert = inertia > 0  # else m is the gradient itself
            m = np.where(inert, m + (1 - inertia) * (moved - m * dt), moved / dt)
            unseen_m *= np.where(inert, 1 - (1 - inertia) * dt, 0.0)
            decay = dynamics.lr * dynamics.weight_decay * theta if isinstance(dynamics, AdamW | AdaiW) else 0.0
            theta = theta - (rate * m / (1 - unseen_m) + decay) * dt
            out.append(theta)
    return np.array(out)
