"""Moments of an ensemble: blocks of replicas, time outside, lanes inside, sums in an order that no block changes."""

import numpy as np

from diffusion.kernels.llvm import fetch_add, full_width

UNIT = 64  # replicas summed together, first; blocks are multiples of it

advance = start_lane = None  # helpers of `diffusion.kernels.step`, filled in by `specialise`


# Plain loops throughout: numba takes seconds to compile an assignment from one slice to another.


def moments(
    first,
    count,
    width,
    problem,
    rule,
    substeps,
    stages,
    saves,
    start,
    basis,
    beyond,
    seed,
    stop,
    carried,
    state,
    lanes,
    scratch,
    squares,
    fourths,
    diverged,
    positions,
):
    """Run replicas first to first + count and add their displacements' squares and fourth powers to the sums.

    start: as `start_lane` takes it. Iteration t has substeps[stages[t - 1]] substeps, with that row of the rule's
    coefficients; the last stage holds from then on. basis (d, d) turns displacements into the directions wanted;
    with no rows they are left as they are. Replicas farther than `beyond` count as diverged. scratch: (2, d, width),
    (2, UNIT), (width,). squares and fourths are (saves, d), diverged (saves,), positions (count, saves, d) or with
    no rows. Stops early once stop[0] is not 0. lanes[1][0] tells meanwhile how many iterations of all replicas
    together are done.
    """
    x = state[0]
    replica, done, _, xi, words, told = lanes  # all lanes share one clock
    displacement, terms, alive = scratch
    for begin in range(0, count, width):
        live = min(width, count - begin)
        n = (live + UNIT - 1) // UNIT * UNIT
        for lane in range(n):
            start_lane(lane, first + begin + lane, seed, start, carried, lanes[:3])
        s = 0
        for t in range(saves[-1] + 1):
            if t > 0:
                if fetch_add(stop, 0) != 0:
                    return
                done[0] = begin * saves[-1] + live * t
                stage = stages[min(t, len(stages)) - 1]
                for k in range(substeps[stage]):
                    clocked = (replica, np.uint64(t), np.uint64(k), xi, words, told)
                    advance(problem, rule, stage, state, clocked, seed, n)
            if saves[s] == t:
                diverged[s] += displace(x, start[0], basis, beyond, live, n, displacement, alive)
                for j in range(x.shape[0]):
                    for unit in range(0, n, UNIT):
                        sum_of_unit(displacement[0, j], alive, unit, terms)
                        squares[s, j] += terms[0, 0]
                        fourths[s, j] += terms[1, 0]
                    if positions.shape[0] > 0:
                        for lane in range(live):
                            positions[begin + lane, s, j] = x[j, lane]
                s += 1


def displace(x, origin, basis, beyond, live, n, displacement, alive):
    """Displacements along the directions wanted, into displacement[0]; returns how many of the live lanes diverged.

    alive is 1 for lanes with a replica that has not diverged, 0 for the others.
    """
    full_width()
    d = x.shape[0]
    for lane in range(n):
        alive[lane] = 1.0 if lane < live else 0.0
    place = 0 if basis.shape[0] == 0 else 1
    for j in range(d):
        for lane in range(n):
            displacement[place, j, lane] = x[j, lane] - origin[j]
        for lane in range(n):
            alive[lane] = alive[lane] if abs(displacement[place, j, lane]) < beyond else 0.0
    for i in range(basis.shape[0]):
        for lane in range(n):
            displacement[0, i, lane] = 0.0
        for j in range(d):
            for lane in range(n):
                displacement[0, i, lane] += basis[j, i] * displacement[1, j, lane]
    lost = 0
    for lane in range(live):
        if alive[lane] == 0.0:
            lost += 1
    return lost


def sum_of_unit(displacement, alive, first, terms):
    """Sums over UNIT lanes by halves, into terms[0, 0] (squares) and terms[1, 0] (fourth powers)."""
    full_width()
    for lane in range(UNIT):
        square = displacement[first + lane] * displacement[first + lane]
        square = square if alive[first + lane] > 0.0 else 0.0
        terms[0, lane], terms[1, lane] = square, square * square
    half = UNIT // 2
    while half > 0:
        for lane in range(half):
            terms[0, lane] += terms[0, lane + half]
            terms[1, lane] += terms[1, lane + half]
        half //= 2


HELPERS = (displace, sum_of_unit)
