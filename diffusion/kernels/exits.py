"""First exits: each lane runs its own replica to its own end and takes the next one from a queue that threads share."""

import math

import numpy as np

from diffusion.kernels.llvm import fetch_add, full_width
from diffusion.kernels.random import BRIDGE, CROSSING, box_muller, two_words, uniform

TILE = 16  # lanes are computed in multiples of this
NO_EXIT, NO_COORDINATE = -2, -1
SURE = 40.0  # exp(-SURE) is below the smallest uniform, 2^-52: no such bridge crosses

# Filled in by `specialise`: helpers of `diffusion.kernels.step`, formulas, the kind of boundary, and what crossing it means.
advance = start_lane = row = None
curvature = deviation = loss = None
LINE = LEVEL = BRIDGED = SEPARABLE = False  # neither a line nor a level: a radius


def exits(
    width, problem, rule, start, boundary, iterations, substeps, seed, queue, stop, state, lanes, scratch, work, time, exited,
    diverged, coordinate,
):  # fmt: skip
    """Run replicas from the queue until each leaves the region, diverges, or has done all iterations.

    boundary: (low (d,), high (d,), center (d,), sign, limit): outside is below `low` or above `high` in any coordinate
    (LINE), or where sign times the loss (LEVEL) or the squared distance from the center is above `limit`. queue: [next
    replica]. scratch: (d, width), (width,), (width,) of uint8. work: [lane substeps computed, useful]. The last four have
    one entry for each replica. Stops early once stop[0] is not 0.
    """
    d, replicas = start[0].shape[0], time.shape[0]
    x, replica, iteration, substep = state[0], lanes[0], lanes[1], lanes[2]
    before, level, near = scratch
    final = substeps - np.uint64(1)
    active, computed, useful = np.int64(0), 0, 0
    while active < width and take(active, queue, replicas, seed, start, substeps, state, lanes):
        active += 1
    while active > 0:
        if fetch_add(stop, 0) != 0:
            return
        n = (active + TILE - 1) // TILE * TILE
        tick(iteration, substep, substeps, n)
        if BRIDGED:
            for j in range(d):
                for lane in range(n):
                    before[j, lane] = x[j, lane]
        advance(problem, rule, 0, state, lanes, seed, n)
        computed += n
        useful += active
        measure(x, problem[0], boundary, level, n)
        if not any_ended(before, x, level, problem, rule, boundary, iteration, substep, iterations, final, active):
            continue
        mark(before, x, level, problem, rule, boundary, near, active)
        lane = np.int64(0)
        while lane < active:
            last = iteration[lane] == iterations and substep[lane] == final
            if near[lane] == 0 and not last:
                lane += 1
                continue
            j, share = NO_EXIT, 1.0
            if near[lane] != 0:
                j, share = find_exit(lane, before, x, problem, rule, boundary, lanes, seed)
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
                exited[index], coordinate[index] = True, j
                time[index] = np.float64(iteration[lane] - 1) + (np.float64(substep[lane]) + share) / np.float64(
                    substeps
                )
            if not take(lane, queue, replicas, seed, start, substeps, state, lanes):
                active -= 1  # the last lane moves in, and is looked at next
                move_lane(active, lane, state, lanes, before)
                near[lane] = near[active]
    work[0] += computed
    work[1] += useful


def take(lane, queue, replicas, seed, start, substeps, state, lanes):
    """Start the queue's next replica in a lane; false if there is none."""
    following = fetch_add(queue, 1)
    if following >= replicas:
        return False
    start_lane(lane, following, seed, start[0], start[1], state, lanes)
    lanes[1][lane], lanes[2][lane] = 0, substeps - np.uint64(1)  # the next tick leads to iteration 1, substep 0
    return True


def move_lane(source, target, state, lanes, before):
    """Copy everything that a replica carries."""
    for array in state:
        for j in range(array.shape[0]):
            array[j, target] = array[j, source]
    for j in range(before.shape[0]):
        before[j, target] = before[j, source]
    replica, iteration, substep, decay = lanes[:4]
    replica[target], iteration[target], substep[target] = replica[source], iteration[source], substep[source]
    decay[target] = decay[source]


def tick(iteration, substep, substeps, n):
    """Advance the clocks of lanes 0 to n by one substep."""
    full_width()
    for lane in range(n):
        carry = np.uint64(substep[lane] + np.uint64(1) == substeps)
        iteration[lane] += carry
        substep[lane] = np.uint64(0) if carry else substep[lane] + np.uint64(1)


def measure(x, table, boundary, level, n):
    """Loss or squared distance from the center of lanes 0 to n, as far as the boundary asks for it."""
    full_width()
    if LINE:
        return
    for lane in range(n):
        level[lane] = 0.0
    if LEVEL:
        if SEPARABLE:
            for j in range(x.shape[0]):
                p = row(table, j)
                for lane in range(n):
                    level[lane] += loss(x[j, lane], p)
        else:
            for lane in range(n):
                level[lane] = loss(x, lane, table)
    else:
        for j in range(x.shape[0]):
            for lane in range(n):
                gap = x[j, lane] - boundary[2][j]
                level[lane] += gap * gap


# Comparisons are negated so that NaN counts as near, and is then seen to be no exit.


def any_ended(before, x, level, problem, rule, boundary, iteration, substep, iterations, final, active):
    """Whether any lane is at its last substep, outside, or may have crossed a line inside its substep."""
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
                spread_of(rule, j),
            )
            for lane in range(active):
                found |= np.int64(suspect(before[j, lane], x[j, lane], low, high, p, q, size))
    else:
        sign, limit = boundary[3], boundary[4]
        for lane in range(active):
            found |= np.int64(not sign * level[lane] <= limit)
    return found != 0


def mark(before, x, level, problem, rule, boundary, near, active):
    """Set near for lanes that are outside or may have crossed a line inside their substep."""
    if LINE:
        for lane in range(active):
            near[lane] = 0
        for j in range(x.shape[0]):
            low, high, p, q, size = (
                boundary[0][j],
                boundary[1][j],
                row(problem[0], j),
                row(problem[1], j),
                spread_of(rule, j),
            )
            for lane in range(active):
                near[lane] |= suspect(before[j, lane], x[j, lane], low, high, p, q, size)
    else:
        sign, limit = boundary[3], boundary[4]
        for lane in range(active):
            near[lane] = not sign * level[lane] <= limit


def spread_of(rule, j):
    """Standard deviation of a substep along a coordinate, for noise of unit variance."""
    return rule[2][0, j] * rule[3][0, j]


def suspect(theta, x, low, high, p, q, size):
    """Whether a coordinate that went from theta to x is beyond a line or, if crossings count, may have been."""
    if BRIDGED:
        spread = size * deviation(theta, curvature(theta, p), q)
        nearest = min((high - theta) * (high - x), (theta - low) * (x - low))
        return not 2.0 * nearest > SURE * spread * spread
    return not (low <= x) & (x <= high)


def find_exit(lane, before, x, problem, rule, boundary, lanes, seed):
    """The coordinate by which a lane left, and the share of the substep that it took: the first, or the farthest out."""
    if LINE:
        found, earliest, farthest = NO_EXIT, 2.0, 0.0
        for j in range(x.shape[0]):
            low, high = boundary[0][j], boundary[1][j]
            above, below = x[j, lane] - high, low - x[j, lane]
            if BRIDGED:
                theta = before[j, lane]
                spread = spread_of(rule, j) * deviation(theta, curvature(theta, row(problem[0], j)), row(problem[1], j))
                share = bridge(high - theta, above, spread, lane, 2 * j, lanes, seed)
                share = min(share, bridge(theta - low, below, spread, lane, 2 * j + 1, lanes, seed))
                if share < earliest:
                    found, earliest = j, share
            elif max(above, below) > farthest:
                found, earliest, farthest = j, 1.0, max(above, below)
        return found, earliest
    return NO_COORDINATE, 1.0


def bridge(gap, beyond, spread, lane, line, lanes, seed):
    """The share of a substep after which a Brownian bridge from `gap` before a line to `beyond` it first meets it; 2: never.

    It crosses with probability exp(-2 gap |beyond| / spread^2) if it ends before the line. Then, by reflection as well as if
    it ends beyond, share/(1 - share) is inverse Gaussian with mean gap/|beyond| and shape (gap/spread)^2, drawn by the
    method of Michael, Schucany and Haas (1976).
    """
    replica, iteration, substep = lanes[0][lane], lanes[1][lane], lanes[2][lane]
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


HELPERS = (
    take, move_lane, tick, measure, spread_of, suspect, any_ended, mark, bridge, find_exit,
)  # fmt: skip
