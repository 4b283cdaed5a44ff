"""The formulas of an update run as Python: no kernel, no noise."""

import numpy as np


def driven(dynamics, start, gradients, steps=100):
    """Positions after each step, shape (steps, d); gradients(t, theta) gives the gradient, shape (d,)."""
    update, theta = dynamics.update, list(start)
    slots, powers, path, p = [update.slots] * len(theta), (1.0,) * len(update.betas), [], update.parameters
    for t in range(1, steps + 1):
        powers = tuple(power * beta for power, beta in zip(powers, update.betas, strict=True))
        shared, gradient = update.shared(float(t), powers, p), gradients(t, np.array(theta))
        if update.observe is not None:
            observed = [update.observe(*each, shared, p) for each in zip(theta, gradient, slots, strict=True)]
            shared, slots = (*shared, np.mean([seen for seen, *_ in observed])), [carried for _, *carried in observed]
        moved = [update.step(*each, shared, p) for each in zip(theta, gradient, slots, strict=True)]
        theta, slots = [position for position, *_ in moved], [carried for _, *carried in moved]
        path.append(theta)
    return np.array(path)
