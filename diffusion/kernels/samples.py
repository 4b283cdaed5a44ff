"""Minibatches of data: which samples each replica draws, a function of (seed, replica, iteration, draw), and their mean gradient.

With replacement four indices come from one call of the generator. Without it each epoch of a replica is a bijection of its own, in two
steps. First ``s = (A p + c) mod P`` of the place p in the epoch, P the least prime that is not below the number of samples, which makes every
pair of places equally likely to hold every pair of samples; then the rounds of a Feistel network on digits of any two bases (Black and
Rogaway, "Ciphers with arbitrary finite domains", 2002), which leave no progressions. What falls on no sample goes through its step again.
"""

import numpy as np

from diffusion.kernels.jit import inlined, jit
from diffusion.kernels.llvm import at, full_width
from diffusion.kernels.random import philox

ANEW, ORDER = 4, 5  # streams of random numbers, beside those of `diffusion.kernels.random`
TOGETHER = 4  # draws that are chosen at a time
MOST = 2**24  # samples: what (A p + c) needs to be exact in float64

_LOW, _32, _24, _1 = np.uint64(0xFFFFFFFF), np.uint64(32), np.uint64(24), np.uint64(1)
_WEYL, _FIRST, _SECOND = np.uint64(0x9E3779B9), np.uint64(0x9E3779B1), np.uint64(0x85EBCA6B)
_COUNT, _PRIME, _HIGH_BASE, _LOW_BASE = range(4)  # entries of `sizes`

sampled = choose_samples = None  # the user's gradient, and one of those below: filled in by `specialise`
ALL_AT_ONCE = OWN_COLUMNS = (
    False  # whether the gradient is of all coordinates, and each coordinate has a column of the data
)
ALONG = False  # whether the rule, which weighs by `force`, is along other directions


@inlined
def below(word, bound):
    """A whole number below a bound, from the low 32 bits of a word."""
    return ((word & _LOW) * bound) >> _32


@inlined
def quotient(number, divisor):
    """The whole part of a quotient, for numbers below 2^51; by float64, as that is vectorised."""
    return np.uint64((np.float64(number) + 0.5) * (1.0 / np.float64(divisor)))


@inlined
def mixed(digit, key, bound):
    """A whole number below a bound that looks random: a digit, hashed with a key."""
    h = ((digit ^ key) & _LOW) * _FIRST
    h = ((h ^ (h >> _32)) & _LOW) * _SECOND
    return below(h ^ (h >> _32), bound)


@jit
def choose_anew(index, order, sizes, batch_size, seed, replica, iteration, first, n):
    """With replacement: the samples of draws first to first + TOGETHER of lanes 0 to n, into index (TOGETHER, lanes)."""
    full_width()
    count, c3 = sizes[_COUNT], np.uint64(ANEW) << _24
    for lane in range(n):
        w0, w1, w2, w3 = philox(replica[lane], at(iteration, lane), np.uint64(first), c3, seed)
        index[0, lane], index[1, lane] = below(w0, count), below(w1, count)
        index[2, lane], index[3, lane] = below(w2, count), below(w3, count)


def _network(rounds):
    """The Feistel network of so many rounds, two at a time."""

    @inlined
    def network(place, key, sizes):
        high_base, low_base = sizes[_HIGH_BASE], sizes[_LOW_BASE]
        high = quotient(place, low_base)
        low = place - high * low_base
        for _ in range(rounds // 2):
            key += _WEYL
            high += mixed(low, key, high_base)
            high = high if high < high_base else high - high_base
            key += _WEYL
            low += mixed(high, key, low_base)
            low = low if low < low_base else low - low_base
        return high * low_base + low

    return network


def _in_order(rounds):
    """The function that chooses without replacement, of no more draws than are left in the minibatch.

    order: (4, lanes), what is kept from the first draws of an iteration on: s of the next place, A, c and the network's key.
    """
    network = _network(rounds)

    @jit
    def found_again(s, factor, shift, key, sizes):
        """The sample of a place where a step leads to none: the step is repeated until it leads to one."""
        while s >= sizes[_COUNT]:
            number = factor * s + shift
            s = number - quotient(number, sizes[_PRIME]) * sizes[_PRIME]
        s = network(s, key, sizes)
        while s >= sizes[_COUNT]:
            s = network(s, key, sizes)
        return s

    @jit
    def choose_in_order(index, order, sizes, batch_size, seed, replica, iteration, first, n):
        full_width()
        count, prime = sizes[_COUNT], sizes[_PRIME]
        if first == 0:
            batches, c3 = quotient(count, batch_size), np.uint64(ORDER) << _24
            for lane in range(n):
                t = at(iteration, lane) - _1
                epoch = quotient(t, batches)
                place = (t - epoch * batches) * batch_size
                w0, w1, w2, _ = philox(replica[lane], epoch, np.uint64(0), c3, seed)
                factor, shift = _1 + below(w0, prime - _1), below(w1, prime)
                number = factor * place + shift
                order[0, lane] = number - quotient(number, prime) * prime
                order[1, lane], order[2, lane], order[3, lane] = factor, shift, w2 & _LOW
        for k in range(min(TOGETHER, np.int64(batch_size) - first)):
            astray = np.int64(0)
            for lane in range(n):
                s = order[0, lane]
                chosen = network(s, order[3, lane], sizes)
                index[k, lane] = chosen
                astray |= np.int64((s >= count) | (chosen >= count))
                s += order[1, lane]
                order[0, lane] = s if s < prime else s - prime
            if astray != 0:
                for lane in range(n):
                    factor = order[1, lane]
                    s = order[0, lane] - factor if order[0, lane] >= factor else order[0, lane] + prime - factor
                    if s >= count or index[k, lane] >= count:
                        index[k, lane] = found_again(s, factor, order[2, lane], order[3, lane], sizes)

    return choose_in_order


# by how many samples it is good for: 400,000 triples do not tell it from a true shuffle; digits of few values take more rounds
IN_ORDER = {64: _in_order(8), MOST: _in_order(4)}


def push_sampled(x, g, drawing, seed, replica, iteration, force, n):
    """Mean gradient of each lane's own minibatch along every coordinate, times `force` where the rule is along these."""
    full_width()
    index, order, sizes, batch_size, data, parameters = drawing
    d, size = x.shape[0], np.int64(batch_size)
    for j in range(d):
        for lane in range(n):
            g[j, lane] = 0.0
    for first in range(0, size, TOGETHER):
        choose_samples(index, order, sizes, batch_size, seed, replica, iteration, first, n)
        for k in range(min(TOGETHER, size - first)):
            gather(x, g, index[k], data, parameters, n)
    for j in range(d):
        share = (1.0 if ALONG else force[j]) / size
        for lane in range(n):
            g[j, lane] *= share


def gather(x, g, index, data, parameters, n):
    """Add the gradient of one sample for each lane."""
    full_width()
    if ALL_AT_ONCE:
        for lane in range(n):
            pushes = sampled(x, lane, data, index[lane], parameters)
            for j in range(x.shape[0]):
                g[j, lane] += pushes[j]
    else:
        for j in range(x.shape[0]):
            column = j if OWN_COLUMNS else 0
            for lane in range(n):
                g[j, lane] += sampled(x[j, lane], data, index[lane], column, parameters)


HELPERS = (gather, push_sampled)
