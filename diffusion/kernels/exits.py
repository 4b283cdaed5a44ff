"""First exits: each lane runs its own replica to its own end and takes the next one from a queue that threads share."""

import math

import numpy as np

from diffusion.edges import BALL, LEVEL, LINES, NO_COORDINATE, OWN, PLANE
from diffusion.kernels.llvm import fetch_add, full_width
from diffusion.kernels.random import BRIDGE, CROSSING, box_muller, two_words, uniform

TILE = 16  # lanes are computed in multiples of this
TOLD = 2**20  # lane substeps after which it is told how many are done
NO_EXIT = -2
SURE = 40.0  # exp(-SURE) is below the smallest uniform, 2^-52: no such bridge crosses
EARLIER, VARIANCE = -2, -1  # rows of `level`: what a part went by before the substep, and its variance, for a bridge

# Filled in by `specialise`: helpers of `diffusion.kernels.step`, formulas, the user's functions, and what crossing a
# boundary means.
advance = start_lane = row = None
curvature = deviation = loss = own = None
# Kinds of parts that there are: lines; others; of these, levels of the loss; the user's functions
LINE = MEASURED = LEVELS = OWNS = False
BRIDGED = SEPARABLE = False


def exits(
    width,
    problem,
    rule,
    start,
    boundary,
    iterations,
    substeps,
    seed,
    queue,
    stop,
    carried,
    state,
    lanes,
    scratch,
    work,
    out,
):
    """Run replicas from the queue until each leaves the region, diverges, or has done all iterations.

    boundary: (low, high, kinds, first, second, signs, limits), as `diffusion.edges.Edge` has them. queue: [next
    replica]. scratch: (d, width), (rows, width), (width,) of uint8; a row for each part and, with a bridge, EARLIER and
    VARIANCE. work: [lane substeps computed, useful], told now and then and at the end, and the lanes in use at the end.
    out: (time, exited, diverged, coordinate, side, part, substep, position), one entry for each replica, or none of the
    last two. Stops early once stop[0] is not 0.
    """
    d, replicas = start[0].shape[0], out[0].shape[0]
    x, clocks, shaken = state[0], lanes[:3], rule[2:4]
    replica, iteration, substep = clocks
    before, level, near = scratch
    time, exited, diverged, coordinate, side, part, crossed, position = out
    final = substeps - np.uint64(1)
    active, computed, useful = np.int64(0), 0, 0
    while active < width and take(active, queue, replicas, seed, start, substeps, carried, clocks):
        active += 1
    while active > 0:
        if fetch_add(stop, 0) != 0:
            break
        n = (active + TILE - 1) // TILE * TILE
        tick(iteration, substep, substeps, n)
        if BRIDGED:
            for j in range(d):
                for lane in range(n):
                    before[j, lane] = x[j, lane]
        advance(problem, rule, 0, state, lanes, seed, n)
        computed += n
        useful += active
        if computed > TOLD:
            work[0] += computed
            work[1] += useful
            computed, useful = 0, 0
        if MEASURED:
            measure(before, x, problem, shaken, boundary, level, near, n)
        if not any_ended(before, x, near, problem, shaken, boundary, iteration, substep, iterations, final, active):
            continue
        if LINE:
            mark(before, x, problem, shaken, boundary, near, active)
        lane = np.int64(0)
        while lane < active:
            last = iteration[lane] == iterations and substep[lane] == final
            if near[lane] == 0 and not last:
                lane += 1
                continue
            j, end, k, share = NO_EXIT, 0, 0, 1.0
            if near[lane] != 0:
                j, end, k, share = find_exit(lane, before, x, level, problem, shaken, boundary, clocks, seed)
            near[lane] = 0
            finite = True
            for i in range(d):
                finite &= math.isfinite(x[i, lane])
            if finite and j == NO_EXIT and not last:
                lane += 1
                continue
            index = np.int64(replica[lane])
            diverged[index] = not finite
            if finite and j != NO_EXIT:
                exited[index], coordinate[index], side[index], part[index] = True, j, end, k
                time[index] = np.float64(iteration[lane] - 1) + (np.float64(substep[lane]) + share) / np.float64(
                    substeps
                )
                if BRIDGED:
                    crossed[index] = np.int64((iteration[lane] - np.uint64(1)) * substeps + substep[lane]) + 1
                if position.shape[0] > 0:
                    for i in range(d):
                        position[index, i] = x[i, lane]
            if not take(lane, queue, replicas, seed, start, substeps, carried, clocks):
                active -= 1  # the last lane moves in, and is looked at next
                move_lane(active, lane, carried, clocks, before, level)
                near[lane] = near[active]
    work[0] += computed
    work[1] += useful
    work[2] = active


def take(lane, queue, replicas, seed, start, substeps, carried, clocks):
    """Start the queue's next replica in a lane; false if there is none."""
    following = fetch_add(queue, 1)
    if following >= replicas:
        return False
    start_lane(lane, following, seed, start, carried, clocks)
    clocks[1][lane], clocks[2][lane] = 0, substeps - np.uint64(1)  # the next tick leads to iteration 1, substep 0
    return True


def move_lane(source, target, carried, clocks, before, level):
    """Copy everything that a replica carries."""
    for k in range(carried.shape[0]):
        carried[k, target] = carried[k, source]
    for j in range(before.shape[0]):
        before[j, target] = before[j, source]
    for k in range(level.shape[0]):
        level[k, target] = level[k, source]
    replica, iteration, substep = clocks
    replica[target], iteration[target], substep[target] = replica[source], iteration[source], substep[source]


def tick(iteration, substep, substeps, n):
    """Advance the clocks of lanes 0 to n by one substep."""
    full_width()
    for lane in range(n):
        carry = np.uint64(substep[lane] + np.uint64(1) == substeps)
        iteration[lane] += carry
        substep[lane] = np.uint64(0) if carry else substep[lane] + np.uint64(1)


# Comparisons are negated so that NaN counts as near, and is then seen to be no exit.


def measure(before, x, problem, shaken, boundary, level, near, n):
    """Set near for lanes 0 to n that are outside of a part that is not of lines, or whose bridge may have been."""
    full_width()
    kinds, signs, limits = boundary[2], boundary[5], boundary[6]
    for lane in range(n):
        near[lane] = 0
    for k in range(kinds.shape[0]):
        if kinds[k] == LINES:
            continue
        if OWNS and kinds[k] >= OWN:
            ask(x, kinds[k] - OWN, near, n)
            continue
        sign, limit = signs[k], limits[k]
        gauge(x, problem[0], kinds[k], boundary[3][k], level[k], n)
        if BRIDGED and not LINE:
            gauge(before, problem[0], kinds[k], boundary[3][k], level[EARLIER], n)
            variance(before, problem, shaken, boundary[3][k], boundary[4][k], level[VARIANCE], n)
            for lane in range(n):
                gaps = (limit - level[EARLIER, lane]) * (limit - level[k, lane])
                near[lane] |= not 2.0 * gaps > SURE * level[VARIANCE, lane]
        else:
            for lane in range(n):
                near[lane] |= not sign * level[k, lane] <= limit


def ask(x, k, near, n):
    """Set near for lanes that are outside by the user's function k, or that it may not see to have diverged."""
    full_width()
    for lane in range(n):
        near[lane] |= own(k, x, lane)
    lost = 0
    for j in range(x.shape[0]):
        for lane in range(n):
            lost |= np.int64(not abs(x[j, lane]) < math.inf)
    if lost != 0:
        for j in range(x.shape[0]):
            for lane in range(n):
                near[lane] |= not abs(x[j, lane]) < math.inf


def gauge(x, table, kind, first, out, n):
    """What a part that is not of lines or a user's function goes by, of lanes 0 to n: see `diffusion.edges.Edge`."""
    full_width()
    if LEVELS and kind == LEVEL and not SEPARABLE:
        for lane in range(n):
            out[lane] = loss(x, lane, table)
        return
    for lane in range(n):
        out[lane] = 0.0
    for j in range(x.shape[0]):
        if kind == PLANE:
            weight = first[j]
            for lane in range(n):
                out[lane] += weight * x[j, lane]
        elif kind == BALL:
            center = first[j]
            for lane in range(n):
                gap = x[j, lane] - center
                out[lane] += gap * gap
        elif LEVELS and SEPARABLE:
            p = row(table, j)
            for lane in range(n):
                out[lane] += loss(x[j, lane], p)


def variance(before, problem, shaken, normal, along, out, n):
    """Variance over a substep of the product with the normal; of a coupled landscape along[0], which is constant."""
    full_width()
    for lane in range(n):
        out[lane] = along[0]
    if SEPARABLE:
        for j in range(before.shape[0]):
            p, q, size = row(problem[0], j), row(problem[1], j), normal[j] * spread_of(shaken, j)
            for lane in range(n):
                theta = before[j, lane]
                part = size * deviation(theta, curvature(theta, p), q)
                out[lane] += part * part


def any_ended(before, x, near, problem, shaken, boundary, iteration, substep, iterations, final, active):
    """Whether any lane is at its last substep, outside, or may have been inside its substep."""
    full_width()
    found = 0
    for lane in range(active):
        found |= np.int64(iteration[lane] == iterations) & np.int64(substep[lane] == final)
    if LINE:
        for j in range(x.shape[0]):
            low, high, p, q, size = (
                boundary[0][j],
                boundary[1][j],
                row(problem[0], j),
                row(problem[1], j),
                spread_of(shaken, j),
            )
            for lane in range(active):
                found |= np.int64(suspect(before[j, lane], x[j, lane], low, high, p, q, size))
    if MEASURED:
        for lane in range(active):
            found |= np.int64(near[lane])
    return found != 0


def mark(before, x, problem, shaken, boundary, near, active):
    """Set near for lanes that are beyond a line or may have crossed one inside their substep."""
    if not MEASURED:
        for lane in range(active):
            near[lane] = 0
    for j in range(x.shape[0]):
        low, high, p, q, size = (
            boundary[0][j],
            boundary[1][j],
            row(problem[0], j),
            row(problem[1], j),
            spread_of(shaken, j),
        )
        for lane in range(active):
            near[lane] |= suspect(before[j, lane], x[j, lane], low, high, p, q, size)


def spread_of(shaken, j):
    """Standard deviation of a substep along a coordinate for noise of variance 1; shaken: (share, step) of the rule."""
    return shaken[0][0, j] * shaken[1][0, j]


def suspect(theta, x, low, high, p, q, size):
    """Whether a coordinate that went from theta to x is beyond a line or, if crossings count, may have been."""
    if BRIDGED:
        spread = size * deviation(theta, curvature(theta, p), q)
        nearest = min((high - theta) * (high - x), (theta - low) * (x - low))
        return not 2.0 * nearest > SURE * spread * spread
    return not (low <= x) & (x <= high)


def find_exit(lane, before, x, level, problem, shaken, boundary, clocks, seed):
    """The coordinate by which a lane left, its end, the part, and the share of the substep that it took.

    Of coordinates the farthest out, or with a bridge the first; of parts the first in order.
    """
    low, high, kinds, first, second, signs, limits = boundary
    if BRIDGED and LINE:
        j, end, share = first_line(lane, before, x, problem, shaken, low, high, clocks, seed)
        for k in range(kinds.shape[0]):
            if j != NO_EXIT and (second[k, j] == high[j] if end > 0 else first[k, j] == low[j]):
                return j, end, k, share
        return NO_EXIT, 0, 0, 1.0
    if BRIDGED:
        share = bridge(
            limits[0] - level[EARLIER, lane],
            level[0, lane] - limits[0],
            math.sqrt(level[VARIANCE, lane]),
            lane,
            0,
            clocks,
            seed,
        )
        return NO_COORDINATE if share < 2.0 else NO_EXIT, 0, 0, share
    for k in range(kinds.shape[0]):
        if kinds[k] == LINES:
            found, end, farthest = NO_EXIT, 0, 0.0
            for j in range(x.shape[0]):
                above, below = x[j, lane] - second[k, j], first[k, j] - x[j, lane]
                if max(above, below) > farthest:
                    found, end, farthest = j, 1 if above > below else -1, max(above, below)
            if found != NO_EXIT:
                return found, end, k, 1.0
        elif OWNS and kinds[k] >= OWN:
            if own(kinds[k] - OWN, x, lane):
                return NO_COORDINATE, 0, k, 1.0
        elif not signs[k] * level[k, lane] <= limits[k]:
            return NO_COORDINATE, 0, k, 1.0
    return NO_EXIT, 0, 0, 1.0


def first_line(lane, before, x, problem, shaken, low, high, clocks, seed):
    """The coordinate whose Brownian bridge is first to cross one of its lines, the end, and the share; or NO_EXIT.

    A coordinate's two lines are taken as independent: off by less than exp(-w^2/2) if they are w standard deviations
    apart.
    """
    found, end, earliest = NO_EXIT, 0, 2.0
    for j in range(x.shape[0]):
        theta, size = before[j, lane], spread_of(shaken, j)
        deviates = size * deviation(theta, curvature(theta, row(problem[0], j)), row(problem[1], j))
        up = bridge(high[j] - theta, x[j, lane] - high[j], deviates, lane, 2 * j, clocks, seed)
        down = bridge(theta - low[j], low[j] - x[j, lane], deviates, lane, 2 * j + 1, clocks, seed)
        if min(up, down) < earliest:
            found, end, earliest = j, 1 if up <= down else -1, min(up, down)
    return found, end, earliest


def bridge(gap, beyond, spread, lane, line, clocks, seed):
    """The share of a substep after which a Brownian bridge from `gap` before a line to `beyond` it meets it; 2: never.

    It crosses with probability exp(-2 gap |beyond| / spread^2) if it ends before the line. Then, by reflection as well
    as if it ends beyond, share/(1 - share) is inverse Gaussian with mean gap/|beyond| and shape (gap/spread)^2, drawn
    by the method of Michael, Schucany and Haas (1976).
    """
    replica, iteration, substep = clocks[0][lane], clocks[1][lane], clocks[2][lane]
    first, second = two_words(seed, BRIDGE, replica, iteration, substep, np.uint64(line))
    if not beyond > 0.0 and not uniform(first) < math.exp(2.0 * gap * beyond / (spread * spread)):
        return 2.0
    if beyond == 0.0:
        return 1.0
    mean, shape = gap / abs(beyond), (gap / spread) ** 2
    third, fourth = two_words(seed, CROSSING, replica, iteration, substep, np.uint64(line))
    chi = box_muller(third, fourth)[0] ** 2
    # the smaller root, written without a difference of near numbers
    ratio = mean * chi / (2.0 * shape)
    root = mean / (1.0 + ratio + math.sqrt(ratio * (2.0 + ratio)))
    if uniform(second) > mean / (mean + root):
        root = mean * mean / root
    return root / (1.0 + root)


HELPERS = (take, move_lane, tick, spread_of, gauge, ask, variance, measure)
HELPERS += (suspect, any_ended, mark, bridge, first_line, find_exit)
