"""One substep of a block of replicas: lanes innermost, so that LLVM vectorises over them.

Arrays are (coordinate, lane). The names bound to None or False here are filled in by
`diffusion.kernels.jit.specialise`. Loops are short, or their function says that its arrays are `apart`: LLVM else
checks at run time that arrays do not overlap, and gives up above a few pairs.
"""

import numpy as np
from numba.np.unsafe.ndarray import to_fixed_tuple

from diffusion.kernels.llvm import apart, at, full_width, load, multiplied, store, store_column
from diffusion.kernels.random import START, normal_pair

gradient = curvature = deviation = scale = None  # formulas
entry = None  # of a matrix of noise that varies on a coupled landscape: see `diffusion.noise.Field`
shared = observe = update = None  # of an optimizer as shipped: see `diffusion.dynamics.update`
draw = None  # draw_float64 or draw_float32
push_sampled = None  # of minibatches of data: see `diffusion.kernels.samples`
WIDTH = 2  # coordinates that one draw fills
ROWS = 5  # parameters of a formula in each coordinate
POWERS = 3  # where the powers begin in `state`, after position, gradient and slots
RMS = 3  # where the slots end; there the optimizer as shipped has the minibatch gradient's root mean square in substeps
# Of noise on a coupled landscape: whether it varies; its matrix is one of a few; is the root of one; of the Hessian
VARYING = REGIONAL = ROOTED = BENT = False
SWEEPS = 8  # of Jacobi's method, in more than two coordinates
COUPLED = WHOLE = SHIPPED = PARTED = MEAN = MOMENTUM = FOLLOWING = ALONG = WALLS = SAMPLED = SPLIT = False


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


def split(x, m, xi, p, q, keep, force, share, step, n):
    """The idealized rule along one coordinate by the schemes of `diffusion.schemes`; the noise is that halfway."""
    full_width()
    for lane in range(n):
        theta = x[lane]
        kicked = m[lane] + force * pull(theta, p, q)
        theta -= step * kicked
        spread = share * deviation(theta, curvature(theta, p), q)
        m[lane] = keep * kicked + spread * xi[lane]
        x[lane] = theta - step * m[lane]


def push_along(x, g, xi, p, q, n):
    """Minibatch gradient along one coordinate."""
    full_width()
    for lane in range(n):
        theta = x[lane]
        g[lane] = gradient(theta, p) + deviation(theta, curvature(theta, p), q) * xi[lane]


def push_parted(x, g, rms, xi, p, q, share, n):
    """The gradient of a substep along one coordinate, and the root mean square of the minibatch's."""
    full_width()
    for lane in range(n):
        mean, deviates = gradient(x[lane], p), deviation(x[lane], curvature(x[lane], p), q)
        g[lane] = mean + share * deviates * xi[lane]
        rms[lane] = np.sqrt(mean * mean + deviates * deviates)


def slopes(x, g, table, n):
    """Gradient of a coupled landscape that has one function for all coordinates."""
    full_width()
    apart()
    for lane in range(n):
        store_column(g, lane, gradient(x, lane, table))


def pulls(x, g, table, n):
    """Gradient of a coupled landscape, all coordinates."""
    full_width()
    if WHOLE:
        slopes(x, g, table, n)
    else:
        for j in range(x.shape[0]):
            for lane in range(n):
                g[j, lane] = gradient(x, j, lane, table)


def bend(x, matrix, spare, table, scales, n):
    """The Hessian over the batch size, by differences; scales: (width of a coordinate's step, batch size)."""
    full_width()
    d = x.shape[0]
    for k in range(d):
        step, kept = scales[0, k], spare[d * d]
        for lane in range(n):
            kept[lane] = x[k, lane]
            x[k, lane] = kept[lane] + step
        pulls(x, matrix[d * k :], table, n)
        for lane in range(n):
            x[k, lane] = kept[lane] - step
        pulls(x, spare[d * k :], table, n)
        for lane in range(n):
            x[k, lane] = kept[lane]
    for k in range(d):
        for j in range(k + 1):
            over, across = d * k + j, d * j + k
            for lane in range(n):
                one = (matrix[over, lane] - spare[over, lane]) / scales[0, k]
                other = (matrix[across, lane] - spare[across, lane]) / scales[0, j]
                matrix[over, lane] = matrix[across, lane] = 0.25 * (one + other) / scales[1, 0]


def choose(x, matrix, spare, table, n):
    """The matrix of the region where each lane is; table: for each its centre, its weight, and its matrix."""
    full_width()
    d = x.shape[0]
    far, least = spare[0], spare[1]
    for lane in range(n):
        least[lane] = np.inf
    for region in range(0, table.shape[0], d + 2):
        for lane in range(n):
            far[lane] = -table[region + 1, 0]
        for i in range(d):
            centre = table[region, i]
            for lane in range(n):
                gap = x[i, lane] - centre
                far[lane] += gap * gap
        for j in range(d):
            for k in range(d):
                value, place = table[region + 2 + j, k], matrix[d * j + k]
                for lane in range(n):
                    place[lane] = value if far[lane] < least[lane] else place[lane]
        for lane in range(n):
            least[lane] = min(least[lane], far[lane])


def root(matrix, vectors, d, n):
    """The root of a symmetric matrix's magnitude, in place, by Jacobi; vectors: rows for eigenvectors and two more."""
    full_width()
    cosine, sine = vectors[d * d], vectors[d * d + 1]
    for k in range(d * d):
        for lane in range(n):
            vectors[k, lane] = 1.0 if k % (d + 1) == 0 else 0.0
    for _ in range(1 if d == 2 else SWEEPS):
        for p in range(d):
            for q in range(p + 1, d):
                for lane in range(n):
                    off = matrix[d * p + q, lane]
                    slope = (matrix[d * q + q, lane] - matrix[d * p + p, lane]) / (2.0 * off)
                    size = 1.0 / (abs(slope) + np.sqrt(1.0 + slope * slope))
                    tangent = 0.0 if off == 0.0 else (size if slope >= 0.0 else -size)
                    cosine[lane] = 1.0 / np.sqrt(1.0 + tangent * tangent)
                    sine[lane] = tangent * cosine[lane]
                for k in range(d):
                    givens(matrix[d * k + p], matrix[d * k + q], cosine, sine, n)
                    givens(vectors[d * k + p], vectors[d * k + q], cosine, sine, n)
                for k in range(d):
                    givens(matrix[d * p + k], matrix[d * q + k], cosine, sine, n)
    for m in range(d):
        for lane in range(n):
            vectors[d * d + m, lane] = np.sqrt(abs(matrix[d * m + m, lane]))
    for j in range(d):
        for k in range(d):
            for lane in range(n):
                total = 0.0
                for m in range(d):
                    total += vectors[d * j + m, lane] * vectors[d * d + m, lane] * vectors[d * k + m, lane]
                matrix[d * j + k, lane] = total


def givens(one, other, cosine, sine, n):
    """Turn two rows into each other, lane by lane."""
    full_width()
    for lane in range(n):
        first, second = one[lane], other[lane]
        one[lane] = cosine[lane] * first - sine[lane] * second
        other[lane] = sine[lane] * first + cosine[lane] * second


def surround(x, xi, table, scales, n):
    """The matrix that turns independent draws into the noise of where each lane is, in rows of xi behind the draws."""
    full_width()
    d = x.shape[0]
    matrix, spare = xi[xi.shape[0] - 2 * d * d - d - 1 :], xi[xi.shape[0] - d * d - d - 1 :]
    if BENT:
        bend(x, matrix, spare, table, scales, n)
    elif REGIONAL:
        choose(x, matrix, spare, scales, n)
    else:
        for j in range(d):
            for k in range(d):
                for lane in range(n):
                    matrix[d * j + k, lane] = entry(x, j, k, lane, scales)
    if ROOTED:
        root(matrix, spare, d, n)


def shake(x, xi, table, scales, n):
    """Turn independent draws into the noise of where each lane is, in place, and leave its matrix in xi."""
    full_width()
    surround(x, xi, table, scales, n)
    d = x.shape[0]
    matrix, spare = xi[xi.shape[0] - 2 * d * d - d - 1 :], xi[xi.shape[0] - d * d - d - 1 :]
    for j in range(d):
        for lane in range(n):
            spare[j, lane] = 0.0
        for k in range(d):
            for lane in range(n):
                spare[j, lane] += matrix[d * j + k, lane] * xi[k, lane]
    for j in range(d):
        for lane in range(n):
            xi[j, lane] = spare[j, lane]


def divide(g, xi, n):
    """Divide gradients by what a second moment that follows the noise makes of its variance, the matrix in xi."""
    full_width()
    d = g.shape[0]
    matrix, variance = xi[xi.shape[0] - 2 * d * d - d - 1 :], xi[xi.shape[0] - 1]
    for j in range(d):
        for lane in range(n):
            variance[lane] = 0.0
        for k in range(d):
            for lane in range(n):
                variance[lane] += matrix[d * j + k, lane] * matrix[d * j + k, lane]
        for lane in range(n):
            g[j, lane] /= scale(variance[lane], 0.0, 0.0)


def size_together(x, rms, table, mixing, n):
    """The root mean square of a coupled landscape's minibatch gradient along each coordinate."""
    full_width()
    if WHOLE:
        slopes(x, rms, table, n)
    for j in range(x.shape[0]):
        variance = 0.0
        for k in range(x.shape[0]):
            variance += mixing[j, k] * mixing[j, k]
        for lane in range(n):
            mean = rms[j, lane] if WHOLE else gradient(x, j, lane, table)
            rms[j, lane] = np.sqrt(mean * mean + variance)


def push_together(x, g, xi, table, mixing, force, share, n):
    """Minibatch gradient of a coupled landscape, all coordinates; mixing turns independent normals into noise."""
    full_width()
    d = x.shape[0]
    if WHOLE:
        slopes(x, g, table, n)
    for j in range(d):
        for lane in range(n):
            g[j, lane] = force[j] * (g[j, lane] if WHOLE else gradient(x, j, lane, table))
        for k in range(d):
            amount = share[j] * mixing[j, k]
            if amount != 0.0:
                for lane in range(n):
                    g[j, lane] += amount * xi[k, lane]


def move_along(x, m, g, xi, table, basis, mixing, keep, force, share, step, n):
    """The idealized rule and the noise that mixing makes along the columns of `basis`; positions are in coordinates."""
    full_width()
    d = x.shape[0]
    if not SAMPLED:
        pulls(x, g, table, n)
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


def split_together(x, m, g, xi, table, basis, mixing, keep, force, share, step, n):
    """The same along the columns of `basis`, for noise that mixing makes along them; positions are in coordinates."""
    full_width()
    d = x.shape[0]
    pulls(x, g, table, n)
    if VARYING and FOLLOWING:
        surround(x, xi, table, mixing[d:], n)
        divide(g, xi, n)
    for i in range(d):
        for j in range(d):
            amount = force[i] * basis[j, i]
            if amount != 0.0:
                for lane in range(n):
                    m[i, lane] += amount * g[j, lane]
    drift(x, m, basis, step, n)
    if VARYING:
        shake(x, xi, table, mixing[d:], n)
        if FOLLOWING:
            divide(xi[:d], xi, n)
    for i in range(d):
        for lane in range(n):
            m[i, lane] *= keep[i]
        for j in range(d):
            amount = share[i] * mixing[i, j]
            if amount != 0.0:
                for lane in range(n):
                    m[i, lane] += amount * xi[j, lane]
    drift(x, m, basis, step, n)


def drift(x, m, basis, step, n):
    """Move positions by the momentum along the columns of `basis`."""
    full_width()
    for j in range(x.shape[0]):
        for i in range(x.shape[0]):
            amount = step[i] * basis[j, i]
            if amount != 0.0:
                for lane in range(n):
                    x[j, lane] -= amount * m[i, lane]


def follow(x, m, g, keep, step, n):
    """The idealized rule along one coordinate, for a gradient that is already known."""
    full_width()
    for lane in range(n):
        m[lane] = keep * m[lane] + g[lane]
    for lane in range(n):
        x[lane] -= step * m[lane]


def tell(iteration, powers, told, betas, parameters, n):
    """What all coordinates share in an iteration, into rows of `told`; the last is for the mean, if there is one."""
    full_width()
    apart()
    for lane in range(n):
        now = multiplied(load(powers, 0, lane), betas)
        store(powers, 0, lane, now)
        common = shared(float(at(iteration, lane)), now, parameters)
        store(told, 0, lane, (*common, 0.0) if MEAN else common)


def view(j, x, g, rms, slots, told, parameters, n):
    """Add what the optimizer observes of a coordinate to the mean."""
    full_width()
    apart()
    d = x.shape[0]
    for lane in range(n):
        carried, theta, push, clock = load(slots, j, lane), x[j, lane], g[j, lane], load(told, 0, lane)
        if PARTED:
            seen = observe(theta, push, rms[j, lane], carried, clock[:-1], parameters)
        else:
            seen = observe(theta, push, carried, clock[:-1], parameters)
        store(slots, j, lane, seen[1:])
        told[-1][0, lane] = clock[-1] + seen[0] / d


def adapt(j, x, g, rms, xi, slots, told, p, q, parameters, n):
    """The optimizer as shipped along a coordinate; its minibatch gradient is in g, or made here if g has none."""
    full_width()
    apart()
    for lane in range(n):
        carried, theta = load(slots, j, lane), x[j, lane]
        if COUPLED or MEAN or PARTED or SAMPLED:
            push = g[j, lane]
        else:
            push = gradient(theta, p) + deviation(theta, curvature(theta, p), q) * xi[lane]
        if PARTED and not MEAN:
            moved = update(theta, push, rms[j, lane], carried, load(told, 0, lane), parameters)
        else:
            moved = update(theta, push, carried, load(told, 0, lane), parameters)
        x[j, lane] = moved[0]
        store(slots, j, lane, moved[1:])


def mirror(x, m, low, high, n):
    """Put a coordinate back between its walls, as mirrors would; an odd number of reflections reverses the momentum."""
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

    problem: (P, Q, mixing, walls), parameters of landscape and noise, shape (PARAMETERS, d); or what a coupled gradient
    reads, the directions along which the rule holds if these are not the coordinate axes, and what turns normals into
    noise; then the lower and upper reflecting walls, shape (2, d). rule: (keep, force, share, step, (betas,
    parameters)), the first four of shape (stages, d), the last tuples of numbers. state: (x, g, *slots, *powers), (d,
    lanes) but for the powers' (1, lanes); the momentum of the idealized rule is its one slot. Where the optimizer as
    shipped is PARTED, a row of the minibatch gradient's root mean square follows the slots. All of these are views of
    one array `carried`, (rows, lanes), which functions take that need not know them apart: they are compiled once for
    all optimizers. lanes: (replica, iteration, substep, xi, words, told), the last a tuple of (1, lanes).
    """
    table, noise_table, mixing, walls = problem
    keep, force, share, step, shipped = rule
    x, g = state[0], state[1]
    m = state[2] if MOMENTUM else x
    replica, iteration, substep, xi, words, told = lanes
    d = x.shape[0]
    groups = (d + WIDTH - 1) // WIDTH
    if SHIPPED:
        betas, parameters = shipped
        slots, rms = state[2:RMS], g
        if PARTED:
            rms = state[RMS]
        tell(iteration, state[POWERS:], told, betas, parameters, n)
    if SAMPLED:
        push_sampled(x, g, words, seed, replica, iteration, force[stage], n)
        if ALONG:
            move_along(x, m, g, xi, table, noise_table, mixing, keep[stage], force[stage], share[stage], step[stage], n)
        elif not SHIPPED:
            for j in range(d):
                follow(x[j], m[j], g[j], keep[stage, j], step[stage, j], n)
    elif COUPLED:
        for group in range(groups):
            draw(xi[WIDTH * group :], words, seed, replica, iteration, substep, np.uint64(group), d - WIDTH * group, n)
        if VARYING and not SPLIT:
            shake(x, xi, table, mixing[d:], n)
        if SPLIT:
            split_together(
                x, m, g, xi, table, noise_table, mixing, keep[stage], force[stage], share[stage], step[stage], n
            )
        elif ALONG:
            move_along(x, m, g, xi, table, noise_table, mixing, keep[stage], force[stage], share[stage], step[stage], n)
        else:
            push_together(x, g, xi, table, mixing, force[stage], share[stage], n)
            if VARYING and FOLLOWING:
                divide(g, xi, n)
            if PARTED:
                size_together(x, rms, table, mixing, n)
            if not SHIPPED:
                for j in range(d):
                    follow(x[j], m[j], g[j], keep[stage, j], step[stage, j], n)
    else:
        for group in range(groups):
            draw(xi, words, seed, replica, iteration, substep, np.uint64(group), d - WIDTH * group, n)
            for j in range(WIDTH * group, min(WIDTH * group + WIDTH, d)):
                p, q, draws = row(table, j), row(noise_table, j), xi[j - WIDTH * group]
                if PARTED:
                    push_parted(x[j], g[j], rms[j], draws, p, q, share[stage, j], n)
                elif SHIPPED and MEAN:
                    push_along(x[j], g[j], draws, p, q, n)
                elif SHIPPED:
                    adapt(j, x, g, rms, draws, slots, told, p, q, parameters, n)
                elif SPLIT:
                    split(x[j], m[j], draws, p, q, keep[stage, j], force[stage, j], share[stage, j], step[stage, j], n)
                else:
                    move(x[j], m[j], draws, p, q, keep[stage, j], force[stage, j], share[stage, j], step[stage, j], n)
    if SHIPPED and MEAN:
        for j in range(d):
            view(j, x, g, rms, slots, told, parameters, n)
    if SHIPPED and (COUPLED or MEAN or PARTED or SAMPLED):
        for j in range(d):
            adapt(j, x, g, rms, xi[0], slots, told, (0.0,), (0.0,), parameters, n)
    if WALLS:
        for j in range(d):
            mirror(x[j], m[j] if MOMENTUM else told[0][0], walls[0, j], walls[1, j], n)


def start_lane(lane, replica, seed, start, carried, clocks):
    """Put a fresh replica in a lane: at the origin, its momentum at rest or drawn.

    start: (origin (d,), velocity, first). velocity: standard deviations of the momentum (d,), or of a coupled landscape
    a matrix (d, normals) for as many normals as are drawn. first: what a lane of `carried` holds then, shape (rows,).
    clocks: (replica, iteration, substep).
    """
    origin, velocity, first = start
    clocks[0][lane], clocks[1][lane], clocks[2][lane] = replica, 1, 0
    d, rows = origin.shape[0], first.shape[0]
    for k in range(rows):
        carried[k, lane] = first[k]
    if not SHIPPED:
        m = carried[rows - d :]
        for j in range(d):
            if COUPLED:
                for k in range(velocity.shape[1]):
                    m[j, lane] -= velocity[j, k] * normal_pair(seed, START, replica, 0, 0, k // 2)[k % 2]
            elif velocity[j] != 0.0:
                pair = normal_pair(seed, START, replica, 0, 0, j // 2)
                m[j, lane] = -velocity[j] * pair[j % 2]


HELPERS = (
    row,
    pull,
    move,
    split,
    push_along,
    push_parted,
    slopes,
    pulls,
    givens,
    bend,
    choose,
    root,
    surround,
    shake,
    divide,
    push_together,
    size_together,
    move_along,
    drift,
    split_together,
    follow,
    tell,
    view,
    adapt,
    mirror,
    advance,
    start_lane,
)
