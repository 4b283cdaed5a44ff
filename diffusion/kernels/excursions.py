"""Paths between a well and its exit: entrances out of the well, and excursions that remember where they first were farther out.

The reaction coordinate of a replica is ``max_j (x_j - origin_j) scale_j``: 0 at the origin, above 1 outside.
"""

import math

import numpy as np

from diffusion.kernels.llvm import fetch_add

advance = start_lane = None  # of `diffusion.kernels.step`, filled in by `specialise`
TILE = 16  # lanes are computed in multiples of this
REPLICA, ITERATION, SUBSTEP, DECAY = 0, 1, 2, 3  # places in `lanes`


def progress(x, lane, origin, scale):
    """The reaction coordinate; NaN where a coordinate is."""
    highest = -math.inf
    for j in range(x.shape[0]):
        value = (x[j, lane] - origin[j]) * scale[j]
        if math.isnan(value):
            return value
        highest = max(highest, value)
    return highest


def turn(lanes, lane, substeps):
    """Advance a lane's clock by one substep."""
    lanes[SUBSTEP][lane] += np.uint64(1)
    if lanes[SUBSTEP][lane] >= substeps:
        lanes[SUBSTEP][lane] = np.uint64(0)
        lanes[ITERATION][lane] += np.uint64(1)


def save(state, lanes, lane, out):
    """All that a replica carries, as a vector: the arrays of `state` in turn, then the decay of its second moment."""
    k = 0
    for array in state:
        for j in range(array.shape[0]):
            out[k] = array[j, lane]
            k += 1
    out[k] = lanes[DECAY][lane]


def restore(state, lanes, lane, kept):
    """The inverse of `save`."""
    k = 0
    for array in state:
        for j in range(array.shape[0]):
            array[j, lane] = kept[k]
            k += 1
    lanes[DECAY][lane] = kept[k]


def wander(
    first, count, problem, rule, start, edge, gates, total, settle, stride, substeps, seed, stop, state, lanes, sampled, entrances, pool
):  # fmt: skip
    """Run replicas first to first + count for `total` substeps, of which `settle` settle.

    edge: (origin (d,), scale (d,)). gates: (low, high): an entrance is the first time above `high` after a time at or below `low`.
    sampled: (count, total // stride), the reaction coordinate every `stride` substeps. entrances: (count,), how many after settling. pool:
    (count, most, size), the states at the first of them. A replica that is outside starts anew, in the well.
    """
    origin, scale = edge
    inside = np.zeros(count, np.bool_)
    for lane in range(count):
        start_lane(lane, np.uint64(first + lane), seed, start[0], start[1], state, lanes)
    for t in range(total):
        if t % 1024 == 0 and fetch_add(stop, 0) != 0:
            return
        advance(problem, rule, 0, state, lanes, seed, (count + TILE - 1) // TILE * TILE)
        for lane in range(count):
            where = progress(state[0], lane, origin, scale)
            if where <= gates[0]:
                inside[lane] = True
            elif inside[lane] and where > gates[1]:
                inside[lane] = False
                if t >= settle:
                    if entrances[lane] < pool.shape[1]:
                        save(state, lanes, lane, pool[lane, entrances[lane]])
                    entrances[lane] += 1
            if t % stride == 0:
                sampled[lane, t // stride] = where
            if not where <= 1.0:
                iteration, substep = lanes[ITERATION][lane], lanes[SUBSTEP][lane]
                start_lane(lane, lanes[REPLICA][lane], seed, start[0], start[1], state, lanes)
                lanes[ITERATION][lane], lanes[SUBSTEP][lane] = iteration, substep  # the draws go on
                inside[lane] = False
            turn(lanes, lane, substeps)


def excursions(
    width, problem, rule, edge, gates, levels, begin, ids, substeps, seed, queue, stop, state, lanes, reached, trail, used, limit
):  # fmt: skip
    """Run tasks from their first states until they return to the well, leave, or have used `limit` substeps.

    begin: (tasks, size), the first states. ids: (tasks,), replica numbers for the draws, none used before. reached: (tasks,), the highest of
    `levels` equal steps from gates[0] to 1 so far; `levels` is outside, -1 in case of NaN or the limit. trail: (tasks, levels + 1, size), the
    state at the first time at or above each level; entries from reached + 1 on are filled. used: (tasks,), substeps.
    """
    origin, scale = edge
    task = np.zeros(width, np.int64)
    active = 0
    more = True
    while True:
        while more and active < width:
            following = fetch_add(queue, 1)
            if following >= begin.shape[0]:
                more = False
                break
            task[active] = following
            restore(state, lanes, active, begin[following])
            lanes[REPLICA][active], lanes[ITERATION][active], lanes[SUBSTEP][active] = ids[following], 1, 0
            active += 1
        if active == 0 or fetch_add(stop, 0) != 0:
            return
        advance(problem, rule, 0, state, lanes, seed, (active + TILE - 1) // TILE * TILE)
        lane = 0
        while lane < active:
            index = task[lane]
            used[index] += 1
            where = progress(state[0], lane, origin, scale)
            done = False
            if not where <= 1.0:
                level = levels
                done = True
            else:
                level = int((where - gates[0]) / (1.0 - gates[0]) * levels)
                done = where <= gates[0]
            if math.isnan(where) or used[index] >= limit:
                reached[index], done = -1, True
            else:
                while reached[index] < level:
                    reached[index] += 1
                    save(state, lanes, lane, trail[index, reached[index]])
            if not done:
                turn(lanes, lane, substeps)
                lane += 1
                continue
            active -= 1  # the last lane moves in, and is looked at next
            task[lane] = task[active]
            for array in state:
                for j in range(array.shape[0]):
                    array[j, lane] = array[j, active]
            lanes[REPLICA][lane], lanes[ITERATION][lane] = lanes[REPLICA][active], lanes[ITERATION][active]
            lanes[SUBSTEP][lane], lanes[DECAY][lane] = lanes[SUBSTEP][active], lanes[DECAY][active]


HELPERS = (progress, turn, save, restore)
