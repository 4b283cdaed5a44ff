"""Minibatches of data: which samples each replica draws, a function of (seed, replica, iteration, draw); mean gradient.

With replacement four indices come from one call of the generator. Without it each epoch of a replica is a bijection of
its own, in two steps. First ``s = (A p + c) mod P`` of the place p in the epoch, P the least prime that is not below
the number of samples, which makes every pair of places equally likely to hold every pair of samples; then the rounds of
a Feistel network on digits of any two bases (Black and Rogaway, "Ciphers with arbitrary finite domains", 2002), which
leave no progressions. What falls on no sample goes through its step again. All but the first place of a minibatch fits
32 bits: a vector holds eight lanes of it.
"""

import numpy as np

from diffusion.kernels.jit import inlined, jit
from diffusion.kernels.llvm import at, full_width
from diffusion.kernels.random import philox

ANEW, ORDER = 4, 5  # streams of random numbers, beside those of `diffusion.kernels.random`
TOGETHER = 4  # draws that are chosen at a time
MOST = 2**24  # samples: what float32 divides exactly, and (A p + c) in float64

u32 = np.uint32  # numba widens the result of every integer operation to 64 bits
_LOW, _32, _24, _1 = np.uint64(0xFFFFFFFF), np.uint64(32), np.uint64(24), np.uint64(1)
_WEYL, _FIRST, _SECOND = u32(0x9E3779B9), u32(0x9E3779B1), u32(0x85EBCA6B)
_15, _13, _19 = u32(15), u32(13), u32(19)
_DOWN = 1.0 - 2.0**-22  # more than the rounding of float32, which leaves a quotient at most one too small
_COUNT, _PRIME, _HIGH_BASE, _LOW_BASE = range(4)  # entries of `sizes`

sampled = choose_samples = None  # the user's gradient, and one of those below: filled in by `specialise`
# Whether the gradient is of all coordinates together, and each coordinate has a column of the data
ALL_AT_ONCE = OWN_COLUMNS = False
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
def remainder(number, divisor):
    """What a quotient leaves, of a divisor below 2^32."""
    return u32(number - quotient(number, divisor) * divisor)


@inlined
def within(number, bound):
    """A number below twice a bound, modulo this."""
    return number if number < bound else u32(number - bound)


@inlined
def mixed(digit, key, bound):
    """A whole number below a bound, at most 2^13, that looks random: a digit, hashed with a key."""
    h = u32(u32(digit ^ key) * _FIRST)
    h = u32(u32(h ^ u32(h >> _15)) * _SECOND)
    return u32(u32(u32(h >> _13) * bound) >> _19)


@jit
def choose_anew(index, order, sizes, batch_size, seed, replica, iteration, first, n):
    """With replacement: the samples of draws first to first + TOGETHER of lanes 0 to n, to index (TOGETHER, lanes)."""
    full_width()
    count, c3 = sizes[_COUNT], np.uint64(ANEW) << _24
    for lane in range(n):
        w0, w1, w2, w3 = philox(replica[lane], at(iteration, lane), np.uint64(first), c3, seed)
        index[0, lane], index[1, lane] = u32(below(w0, count)), u32(below(w1, count))
        index[2, lane], index[3, lane] = u32(below(w2, count)), u32(below(w3, count))


def _network(rounds):
    """The Feistel network of so many rounds, two at a time."""

    @inlined
    def network(number, key, high_base, low_base):
        high = u32(np.int32(np.float32(np.int32(number)) * np.float32(_DOWN / low_base)))
        low = u32(number - u32(high * low_base))
        high, low = u32(high + u32(low >= low_base)), within(low, low_base)
        for _ in range(rounds // 2):
            key = u32(key + _WEYL)
            high = within(u32(high + mixed(low, key, high_base)), high_base)
            key = u32(key + _WEYL)
            low = within(u32(low + mixed(high, key, low_base)), low_base)
        return u32(u32(high * low_base) + low)

    return network


def _in_order(rounds):
    """The function that chooses without replacement, of no more draws than are left in the minibatch.

    order: (4, lanes), what is kept from the first draws of an iteration on: s of the next place, A, c and the network's
    key.
    """
    network = _network(rounds)

    @jit
    def choose_in_order(index, order, sizes, batch_size, seed, replica, iteration, first, n):
        full_width()
        modulus, count, prime = sizes[_PRIME], u32(sizes[_COUNT]), u32(sizes[_PRIME])
        high_base, low_base = u32(sizes[_HIGH_BASE]), u32(sizes[_LOW_BASE])
        if first == 0:
            batches, c3 = quotient(sizes[_COUNT], batch_size), np.uint64(ORDER) << _24
            for lane in range(n):
                t = at(iteration, lane) - _1
                epoch = quotient(t, batches)
                place = (t - epoch * batches) * batch_size
                w0, w1, w2, _ = philox(replica[lane], epoch, np.uint64(0), c3, seed)
                factor, shift = _1 + below(w0, modulus - _1), below(w1, modulus)
                order[0, lane] = remainder(factor * place + shift, modulus)
                order[1, lane], order[2, lane], order[3, lane] = u32(factor), u32(shift), u32(w2 & _LOW)
        draws, astray = min(TOGETHER, np.int64(batch_size) - first), np.int64(0)
        for lane in range(n):
            s, factor = order[0, lane], order[1, lane]
            for k in range(TOGETHER):
                index[k, lane] = s
                astray |= np.int64(s >= count)
                s = within(u32(s + factor), prime)
            order[0, lane] = s
        if astray != 0:
            for lane in range(n):
                for k in range(draws):  # places beyond the last may lead to none
                    while index[k, lane] >= count:
                        number = np.uint64(order[1, lane]) * np.uint64(index[k, lane]) + np.uint64(order[2, lane])
                        index[k, lane] = remainder(number, modulus)
        for k in range(draws):
            astray = np.int64(0)
            for lane in range(n):
                chosen = network(index[k, lane], order[3, lane], high_base, low_base)
                index[k, lane] = chosen
                astray |= np.int64(chosen >= count)
            if astray != 0:
                for lane in range(n):
                    while index[k, lane] >= count:
                        index[k, lane] = network(index[k, lane], order[3, lane], high_base, low_base)

    return choose_in_order


# By how many samples each serves: 400,000 triples do not tell it from a true shuffle; small bases take more rounds.
IN_ORDER = {64: _in_order(8), MOST: _in_order(4)}


def push_sampled(x, g, drawing, seed, replica, iteration, force, n):
    """Mean gradient of each lane's own minibatch along every coordinate, times `force` if the rule is along these."""
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
