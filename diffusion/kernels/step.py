"""One substep of a block of replicas: lanes innermost, so that LLVM vectorises over them.

Arrays are (coordinate, lane). The names bound to None or False here are filled in by `diffusion.kernels.jit.specialise`.
The loops are many and short: LLVM checks at run time that arrays do not overlap, and gives up above a few pairs.
"""

import numpy as np
from numba.np.unsafe.ndarray import to_fixed_tuple

from diffusion.kernels.llvm import full_width
from diffusion.kernels.random import START, normal_pair

gradient = curvature = deviation = scale = inertia = learning_rate = None  # formulas
draw = None  # draw_float64 or draw_float32
WIDTH = 2  # coordinates that one draw fills
ROWS = 5  # parameters of a formula in each coordinate
COUPLED = ADAPTIVE = FOLLOWING = ALONG = WALLS = False


def row(table, j):
    """A coordinate's parameters as a tuple, so that they stay in registers."""
    if ROWS == 5:  # built-in: without a view of the table, which costs the adaptive kernels 1 to 2 %
        return table[0, j], table[1, j], table[2, j], table[3, j], table[4, j]
    return to_fixed_tuple(table[:, j], ROWS)


def pull(theta, p, q):
    """Gradient along one coordinate; over the noise's standard deviation there, if the second moment follows it."""
    if FOLLOWING:
        return gradient(theta, p) / scale(theta, curvature(theta, p), q)
    return gradient(theta, p)


def move(x, m, xi, p, q, keep, force, share, step, n):
    """The idealized rule along one coordinate: semi-implicit Euler with inertia, Euler-Maruyama without."""
    full_width()
    if keep > 0.0:
        for lane in range(n):
            theta = x[lane]
            spread = share * deviation(theta, curvature(theta, p), q)
            m[lane] = keep * m[lane] + (force * pull(theta, p, q) + spread * xi[lane])
        for lane in range(n):
            x[lane] -= step * m[lane]
    else:
        force, share = step * force, step * share
        for lane in range(n):
            theta = x[lane]
            spread = share * deviation(theta, curvature(theta, p), q)
            x[lane] = theta - force * pull(theta, p, q) - spread * xi[lane]


def push_along(x, g, xi, p, q, n):
    """Minibatch gradient along one coordinate."""
    full_width()
    for lane in range(n):
        theta = x[lane]
        g[lane] = gradient(theta, p) + deviation(theta, curvature(theta, p), q) * xi[lane]


def push_together(x, g, xi, table, mixing, force, share, n):
    """Minibatch gradient of a coupled landscape, all coordinates; mixing turns independent normals into noise."""
    full_width()
    d = x.shape[0]
    for j in range(d):
        for lane in range(n):
            g[j, lane] = force[j] * gradient(x, j, lane, table)
        for k in range(d):
            amount = share[j] * mixing[j, k]
            if amount != 0.0:
                for lane in range(n):
                    g[j, lane] += amount * xi[k, lane]


def move_along(x, m, g, xi, table, basis, mixing, keep, force, share, step, n):
    """The idealized rule and the noise that mixing makes along the columns of `basis`; positions are in coordinates."""
    full_width()
    d = x.shape[0]
    for j in range(d):
        for lane in range(n):
            g[j, lane] = gradient(x, j, lane, table)
    for i in range(d):
        for lane in range(n):
            m[i, lane] *= keep[i]
        for j in range(d):
            pulled, shaken = force[i] * basis[j, i], share[i] * mixing[i, j]
            for lane in range(n):
                m[i, lane] += pulled * g[j, lane] + shaken * xi[j, lane]
    for j in range(d):
        for i in range(d):
            amount = step[i] * basis[j, i]
            for lane in range(n):
                x[j, lane] -= amount * m[i, lane]


def follow(x, m, g, keep, step, n):
    """The idealized rule along one coordinate, for a gradient that is already known."""
    full_width()
    for lane in range(n):
        m[lane] = keep * m[lane] + g[lane]
    for lane in range(n):
        x[lane] -= step * m[lane]


def adapt(x, m, v, product, g, mean_v, correction, decay, scratch, beta2, corrects, rule, n):
    """The optimizer as shipped: running second moment v, bias corrections, mean of v over the coordinates."""
    full_width()
    d = x.shape[0]
    beta, rate = scratch[0], scratch[1]
    for lane in range(n):
        decay[lane] *= beta2
        correction[lane] = 1.0 / (1.0 - decay[lane]) if corrects else 1.0
        mean_v[lane] = 0.0
    for j in range(d):
        for lane in range(n):
            v[j, lane] = beta2 * v[j, lane] + (1.0 - beta2) * g[j, lane] * g[j, lane]
        for lane in range(n):
            mean_v[lane] += v[j, lane] * correction[lane] / d
    for j in range(d):
        for lane in range(n):
            vhat = v[j, lane] * correction[lane]
            beta[lane] = inertia(vhat, mean_v[lane], rule)
            rate[lane] = learning_rate(vhat, rule)
        for lane in range(n):
            m[j, lane] = beta[lane] * m[j, lane] + (1.0 - beta[lane]) * g[j, lane]
            product[j, lane] *= beta[lane]
        for lane in range(n):
            x[j, lane] -= rate[lane] * m[j, lane] / (1.0 - product[j, lane])


def mirror(x, m, low, high, n):
    """Put one coordinate back between its walls, as mirrors would, and reverse the momentum after an odd number of reflections."""
    full_width()
    if low > -np.inf and high < np.inf:
        for lane in range(n):
            away = (x[lane] - low) / (high - low)
            folded = away - 2.0 * np.floor(0.5 * away)  # in [0, 2): from wall to wall and back
            inside = (low <= x[lane]) & (x[lane] <= high)
            m[lane] = m[lane] if inside | (folded <= 1.0) else -m[lane]
            x[lane] = x[lane] if inside else low + (high - low) * min(folded, 2.0 - folded)
    else:
        for lane in range(n):
            wall = low if x[lane] < low else high
            inside = (low <= x[lane]) & (x[lane] <= high)
            m[lane] = m[lane] if inside else -m[lane]
            x[lane] = x[lane] if inside else 2.0 * wall - x[lane]


def advance(problem, rule, stage, state, lanes, seed, n):
    """One substep of lanes 0 to n.

    problem: (P, Q, mixing, walls), parameters of landscape and noise, shape (PARAMETERS, d); or what a coupled gradient reads,
    the directions along which the rule holds if these are not the coordinate axes, and what turns normals into noise; then
    the lower and upper reflecting walls, shape (2, d). rule: (keep, force, share, step, (beta2, corrects, parameters)), the
    first four of shape (stages, d). state: (x, m, g, v, product), (d, lanes). lanes: (replica, iteration, substep, decay,
    xi, words, scratch).
    """
    table, noise_table, mixing, walls = problem
    keep, force, share, step, adaptive = rule
    x, m, g, v, product = state
    replica, iteration, substep, decay, xi, words, scratch = lanes
    d = x.shape[0]
    groups = (d + WIDTH - 1) // WIDTH
    if COUPLED:
        for group in range(groups):
            draw(xi[WIDTH * group :], words, seed, replica, iteration, substep, np.uint64(group), d - WIDTH * group, n)
        if ALONG:
            move_along(x, m, g, xi, table, noise_table, mixing, keep[stage], force[stage], share[stage], step[stage], n)
        else:
            push_together(x, g, xi, table, mixing, force[stage], share[stage], n)
            if not ADAPTIVE:
                for j in range(d):
                    follow(x[j], m[j], g[j], keep[stage, j], step[stage, j], n)
    else:
        for group in range(groups):
            draw(xi, words, seed, replica, iteration, substep, np.uint64(group), d - WIDTH * group, n)
            for j in range(WIDTH * group, min(WIDTH * group + WIDTH, d)):
                p, q, draws = row(table, j), row(noise_table, j), xi[j - WIDTH * group]
                if ADAPTIVE:
                    push_along(x[j], g[j], draws, p, q, n)
                else:
                    move(x[j], m[j], draws, p, q, keep[stage, j], force[stage, j], share[stage, j], step[stage, j], n)
    if ADAPTIVE:
        beta2, corrects, parameters = adaptive
        adapt(x, m, v, product, g, scratch[2], scratch[3], decay, scratch, beta2, corrects, parameters, n)
    if WALLS:
        for j in range(d):
            mirror(x[j], m[j], walls[0, j], walls[1, j], n)


def start_lane(lane, replica, seed, origin, velocity, state, lanes):
    """Put a fresh replica in a lane: at the origin, its momentum at rest or drawn.

    velocity: standard deviations of the momentum (d,), or of a coupled landscape a matrix (d, normals) for as many
    normals as are drawn.
    """
    x, m, _, v, product = state
    lanes[0][lane], lanes[1][lane], lanes[2][lane], lanes[3][lane] = replica, 1, 0, 1.0
    d = x.shape[0]
    for j in range(d):
        x[j, lane] = origin[j]
        m[j, lane] = 0.0
        if ADAPTIVE:
            v[j, lane] = 0.0
            product[j, lane] = 1.0
        if COUPLED:
            for k in range(velocity.shape[1]):
                m[j, lane] -= velocity[j, k] * normal_pair(seed, START, replica, 0, 0, k // 2)[k % 2]
        elif velocity[j] != 0.0:
            pair = normal_pair(seed, START, replica, 0, 0, j // 2)
            m[j, lane] = -velocity[j] * pair[j % 2]


HELPERS = (row, pull, move, push_along, push_together, move_along, follow, adapt, mirror, advance, start_lane)
