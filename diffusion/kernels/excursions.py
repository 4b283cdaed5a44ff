"""Paths between a well and its exit: entrances out of the well, and excursions that keep where they first were farther.

A replica is outside if any coordinate is beyond the boundary: if ``max_j (x_j - origin_j) scale_j`` is above 1; of
other boundaries than one line in each coordinate, if the highest of what each part goes by is, from 0 at the start to 1
on the part. How far it is on its way, its reaction coordinate, is that number too, or with inertia the same of
``x_j - ahead_j m_j``, where its momentum would carry it; or how far along a path the nearest point is, likewise; or the
loss, or a user's function of its position.
"""

import math

import numpy as np

from diffusion.edges import BALL, LEVEL, LINES, OWN, PLANE
from diffusion.kernels.llvm import fetch_add

# Filled in by `specialise`: helpers of `diffusion.kernels.step`, formulas, and which reaction coordinate.
advance = start_lane = row = None
loss = own = leaves = None
SEPARABLE = ON_LOSS = ON_OWN = ON_PATH = AHEAD = False
# Whether the boundary is not one line in each coordinate; whether a part of it is of the loss; of the user's functions
PARTS = LEVELS = LEAVES = False
TILE = 16  # lanes are computed in multiples of this
REPLICA, ITERATION, SUBSTEP = 0, 1, 2  # places in the clocks, the first of `lanes`
RETURNED, FAILED = -1, -2  # in place of a level


def farthest(x, lane, edge):
    """How far the coordinate that is farthest out is: above 1 outside; NaN where a coordinate is."""
    origin, scale = edge[:2]
    highest = -math.inf
    for j in range(x.shape[0]):
        value = (x[j, lane] - origin[j]) * scale[j]
        if math.isnan(value):
            return value
        highest = max(highest, value)
    return highest


def farthest_ahead(x, m, lane, edge):
    """As `farthest`, of where the momentum would carry each coordinate."""
    origin, scale, ahead = edge[:3]
    highest = -math.inf
    for j in range(x.shape[0]):
        value = (x[j, lane] - ahead[j] * m[j, lane] - origin[j]) * scale[j]
        if math.isnan(value):
            return value
        highest = max(highest, value)
    return highest


def farthest_part(x, m, lane, edge, table, far):
    """How far the part farthest out is, above 1 outside, of where momentum carries in `far` of the full way; or NaN."""
    origin, kinds, first, second, base, scale, ahead = edge[:7]
    highest = -math.inf
    for j in range(x.shape[0]):
        if math.isnan(x[j, lane]):
            return x[j, lane]
    for k in range(kinds.shape[0]):
        value = -math.inf
        if kinds[k] == LINES:
            for j in range(x.shape[0]):
                away = x[j, lane] - far * ahead[j] * m[j, lane] - origin[j]
                for share in (first[k, j], second[k, j]):
                    if share != 0.0:
                        value = max(value, away * share)
        elif kinds[k] == PLANE or kinds[k] == BALL:
            value = 0.0
            for j in range(x.shape[0]):
                away = x[j, lane] - far * ahead[j] * m[j, lane] - origin[j]
                value += away * (first[k, j] if kinds[k] == PLANE else away)
            if kinds[k] == BALL:
                value = math.sqrt(value * scale[k])
        elif LEVELS and kinds[k] == LEVEL:
            value = (loss_at(x, lane, table) - base[k]) * scale[k]
        elif LEAVES and kinds[k] >= OWN and leaves(kinds[k] - OWN, x, lane):
            value = 2.0
        if math.isnan(value):
            return value
        highest = max(highest, value)
    return highest


def out_of(x, lane, edge, table):
    """How far out a lane is: above 1 outside; NaN where a coordinate is."""
    if PARTS:
        return farthest_part(x, x, lane, edge, table, 0.0)
    return farthest(x, lane, edge)


def loss_at(x, lane, table):
    """The loss of a lane."""
    if SEPARABLE:
        total = 0.0
        for j in range(x.shape[0]):
            total += loss(x[j, lane], row(table, j))
        return total
    return loss(x, lane, table)


def along_path(theta, nodes):
    """How far along a path the point nearest to theta (d,) is, 0 at the first of its nodes (n, d), 1 at the last.

    Beyond its ends the path goes straight on.
    """
    last = nodes.shape[0] - 1
    nearest, least = 0, math.inf
    for k in range(last + 1):
        distance = 0.0
        for j in range(theta.shape[0]):
            distance += (theta[j] - nodes[k, j]) ** 2
        if distance < least:
            nearest, least = k, distance
    forward = backward = 0.0
    if nearest < last:
        forward = share_of_way(theta, nodes, nearest, nearest + 1)
    if nearest > 0:
        backward = share_of_way(theta, nodes, nearest, nearest - 1)
    if nearest > 0:
        forward = max(forward, 0.0)
    if nearest < last:
        backward = max(backward, 0.0)
    return (nearest + forward - backward) / last


def share_of_way(theta, nodes, here, there):
    """How far theta is on the straight line from one node to another: the share of the way."""
    onwards = way = 0.0
    for j in range(theta.shape[0]):
        step = nodes[there, j] - nodes[here, j]
        onwards += (theta[j] - nodes[here, j]) * step
        way += step * step
    return onwards / way


def progress(x, m, lane, out, edge, table, theta):
    """The reaction coordinate; `out` is what `out_of` says, theta (d,) is scratch."""
    if ON_PATH:
        for j in range(x.shape[0]):
            theta[j] = x[j, lane]
            if AHEAD:
                theta[j] -= edge[-2][j] * m[j, lane]
        return along_path(theta, edge[-1])
    if ON_OWN:
        for j in range(x.shape[0]):
            theta[j] = x[j, lane]
        return float(own(theta))
    if ON_LOSS:
        return loss_at(x, lane, table)
    if AHEAD and PARTS:
        return farthest_part(x, m, lane, edge, table, 1.0)
    if AHEAD:
        return farthest_ahead(x, m, lane, edge)
    return out


def level_of(x, m, lane, edge, gates, levels, table, theta):
    """The level that a lane is at: `levels` outside, RETURNED at or below gates[0], FAILED where there is a NaN."""
    out = out_of(x, lane, edge, table)
    if math.isnan(out):
        return FAILED
    if out > 1.0:
        return levels
    value = progress(x, m, lane, out, edge, table, theta)
    if math.isnan(value):
        return FAILED
    if value <= gates[0]:
        return RETURNED
    return int(min((value - gates[0]) / (gates[1] - gates[0]) * levels, levels - 1.0))


def advance_clock(clocks, lane, substeps):
    """Advance a lane's clock by one substep."""
    clocks[SUBSTEP][lane] += np.uint64(1)
    if clocks[SUBSTEP][lane] >= substeps:
        clocks[SUBSTEP][lane] = np.uint64(0)
        clocks[ITERATION][lane] += np.uint64(1)


def save(carried, lane, out):
    """All that a replica carries, as a vector."""
    for k in range(carried.shape[0]):
        out[k] = carried[k, lane]


def restore(carried, lane, kept):
    """The inverse of `save`."""
    for k in range(carried.shape[0]):
        carried[k, lane] = kept[k]


def wander(
    first,
    count,
    problem,
    rule,
    start,
    edge,
    gates,
    total,
    settle,
    stride,
    substeps,
    seed,
    stop,
    carried,
    state,
    lanes,
    sampled,
    entrances,
    pool,
):
    """Run replicas first to first + count for `total` substeps, of which `settle` settle.

    edge: (origin (d,), scale (d,), ahead (d,)), or (origin, kinds, first, second, base, scale, ahead) of P parts: LINES
    with the scales of their upper and lower ends (0 if open), a PLANE with its normal over its distance, a BALL with a
    scale of the squared distance, a LEVEL with the loss at the start and the scale of what is above it, the user's
    functions; then the nodes (n, d) of a path, where that is the reaction coordinate. gates: (low, high): an entrance
    is the first time above `high`, or outside, after a time at or below `low`. sampled: (count, total // stride), the
    reaction coordinate every `stride` substeps, infinite outside. entrances: (count, 2), how many in the first and
    second half of the time after settling. pool: (count, most, size), the states at the first of them. A replica that
    is outside starts anew, in the well.
    """
    x, m, clocks, theta = state[0], state[2] if AHEAD else state[0], lanes[:3], np.empty(edge[0].shape[0])
    inside = np.zeros(count, np.bool_)
    middle = (settle + total) // 2
    for lane in range(count):
        start_lane(lane, np.uint64(first + lane), seed, start, carried, clocks)
    for t in range(total):
        if t % 1024 == 0 and fetch_add(stop, 0) != 0:
            return
        advance(problem, rule, 0, state, lanes, seed, (count + TILE - 1) // TILE * TILE)
        for lane in range(count):
            out = out_of(x, lane, edge, problem[0])
            outside = not out <= 1.0
            where = math.inf if out > 1.0 else out
            if not outside:
                where = progress(x, m, lane, out, edge, problem[0], theta)
            if where <= gates[0]:
                inside[lane] = True
            elif inside[lane] and (where > gates[1] or outside):
                inside[lane] = False
                if t >= settle:
                    found = entrances[lane, 0] + entrances[lane, 1]
                    if found < pool.shape[1]:
                        save(carried, lane, pool[lane, found])
                    entrances[lane, np.int64(t >= middle)] += 1
            if t % stride == 0:
                sampled[lane, t // stride] = where
            if outside:
                iteration, substep = clocks[ITERATION][lane], clocks[SUBSTEP][lane]
                start_lane(lane, clocks[REPLICA][lane], seed, start, carried, clocks)
                clocks[ITERATION][lane], clocks[SUBSTEP][lane] = iteration, substep  # the draws go on
                inside[lane] = False
            advance_clock(clocks, lane, substeps)


def excursions(
    width,
    problem,
    rule,
    edge,
    gates,
    levels,
    paths,
    ids,
    begin,
    substeps,
    seed,
    queue,
    stop,
    carried,
    state,
    lanes,
    reached,
    trail,
    used,
    limit,
):
    """Run paths on from the highest level that they reached until they return to the well, leave, or reach `limit`.

    gates: (low, top) of the reaction coordinate, with `levels` equal steps between them. paths: (tasks,), their places
    in `reached` and `trail`. ids: (tasks,), replica numbers for the draws, none used before. begin: the iteration that
    they are in. reached: (replicas,), the highest level so far; `levels` is outside, FAILED in case of NaN or the
    limit. trail: (replicas, levels + 1, size), the state at the first time at or above each level, of which that at
    `reached` is there. used: (tasks,), substeps, at most `limit`.
    """
    x, m, clocks, theta = state[0], state[2] if AHEAD else state[0], lanes[:3], np.empty(edge[0].shape[0])
    task = np.zeros(width, np.int64)
    active = 0
    more = True
    while True:
        while more and active < width:
            following = fetch_add(queue, 1)
            if following >= paths.shape[0]:
                more = False
                break
            path = paths[following]
            restore(carried, active, trail[path, reached[path]])
            level = level_of(x, m, active, edge, gates, levels, problem[0], theta)
            if level == FAILED:
                reached[path] = FAILED
                continue
            while reached[path] < level:  # the step that led here may have passed several levels
                reached[path] += 1
                save(carried, active, trail[path, reached[path]])
            if reached[path] < levels:
                task[active] = following
                clocks[REPLICA][active], clocks[ITERATION][active], clocks[SUBSTEP][active] = ids[following], begin, 0
                active += 1
        if active == 0 or fetch_add(stop, 0) != 0:
            return
        advance(problem, rule, 0, state, lanes, seed, (active + TILE - 1) // TILE * TILE)
        lane = 0
        while lane < active:
            path = paths[task[lane]]
            used[task[lane]] += 1
            level = level_of(x, m, lane, edge, gates, levels, problem[0], theta)
            while reached[path] < level:
                reached[path] += 1
                save(carried, lane, trail[path, reached[path]])
            if level == FAILED or used[task[lane]] >= limit:
                reached[path] = FAILED
            elif level != RETURNED and level != levels:
                advance_clock(clocks, lane, substeps)
                lane += 1
                continue
            active -= 1  # the last lane moves in, and is looked at next
            task[lane] = task[active]
            for k in range(carried.shape[0]):
                carried[k, lane] = carried[k, active]
            clocks[REPLICA][lane], clocks[ITERATION][lane] = clocks[REPLICA][active], clocks[ITERATION][active]
            clocks[SUBSTEP][lane] = clocks[SUBSTEP][active]


HELPERS = (
    farthest,
    farthest_ahead,
    loss_at,
    farthest_part,
    out_of,
    share_of_way,
    along_path,
    progress,
    level_of,
    advance_clock,
    save,
    restore,
)
