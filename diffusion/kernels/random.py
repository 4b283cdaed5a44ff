"""Counter-based random numbers: a normal is a function of (seed, stream, replica, iteration, substep, coordinate).

Philox4x32-7, the smallest number of rounds that its authors call Crush-resistant (Salmon et al., "Parallel random
numbers: as easy as 1, 2, 3", SC 2011), and Box-Muller. One call of the generator gives two normals in float64,
for coordinates 2k and 2k + 1, or four in float32, for 4k to 4k + 3. All is free of branches, so that it is
vectorised over replicas.
"""

import numpy as np

from diffusion.kernels.jit import inlined, jit
from diffusion.kernels.llvm import at, bits_of, bits_of_32, float_of, float_of_32, full_width
from diffusion.laws import EDGE

NOISE, START, BRIDGE, CROSSING = 0, 1, 2, 3  # streams
ROUNDS = 7

_LOW = np.uint64(0xFFFFFFFF)
_MULTIPLIER_0, _MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_52, _32, _24, _12 = np.uint64(52), np.uint64(32), np.uint64(24), np.uint64(12)


@inlined
def philox(c0, c1, c2, c3, key):
    """Four 32-bit words, each in the low half of a uint64 whose high half is noise, for a counter and a 64-bit key."""
    k0, k1 = key & _LOW, key >> _32
    for _ in range(ROUNDS):
        # multiplications use low halves alone, so high halves may hold anything until the end
        p0, p1 = _MULTIPLIER_0 * (c0 & _LOW), _MULTIPLIER_1 * (c2 & _LOW)
        c0, c1, c2, c3 = (p1 >> _32) ^ c1 ^ k0, p1, (p0 >> _32) ^ c3 ^ k1, p0
        k0, k1 = (k0 + _WEYL_0) & _LOW, (k1 + _WEYL_1) & _LOW
    return c0, c1, c2, c3


@inlined
def two_words(seed, stream, replica, iteration, substep, group):
    """Two 64-bit words for a draw."""
    c3 = (np.uint64(stream) << _24) | np.uint64(group)
    w0, w1, w2, w3 = philox(np.uint64(replica), np.uint64(iteration), np.uint64(substep), c3, np.uint64(seed))
    return (w0 << _32) | (w1 & _LOW), (w2 << _32) | (w3 & _LOW)


# Chebyshev interpolants to 2 atanh(s)/s in s^2, |s| <= tan(pi/8), and to sin(y)/y and cos(y) in y^2, |y| <= pi/4.
_LOG = (
    2.0000000000000004,
    0.6666666666655292,
    0.40000000061741614,
    0.2857141602110767,
    0.22223434547517906,
    0.18121934431215214,
    0.16837659970680488,
)
_SIN = (
    1.0,
    -0.16666666666666616,
    0.008333333333320363,
    -0.000198412698286503,
    2.755731337640013e-06,
    -2.5050716974102745e-08,
    1.5894736651849094e-10,
)
_COS = (
    1.0,
    -0.4999999999999925,
    0.041666666666472306,
    -0.0013888888869978658,
    2.4801578538562985e-05,
    -2.755523388484742e-07,
    2.0630454379662294e-09,
)
_LN2, _HALF_PI = float(np.log(2)), float(np.pi / 2)
_ONE, _ROOT_HALF = np.int64(0x3FF0000000000000), np.int64(0x3FE6A09E667F3BCD)  # bits of 1 and sqrt(1/2)
_MANTISSA, _SIGN = np.int64(0x000FFFFFFFFFFFFF), np.int64(-(2**63))
_INTEGER, _BIAS = np.int64(0x4330000000000000), 2.0**52 + 1023  # bits of 2^52, whose last bits count in ones


@inlined
def _polynomial(c, z):
    z2 = z * z  # pairs, as a plain Horner scheme waits for itself
    return (c[0] + z * c[1]) + z2 * ((c[2] + z * c[3]) + z2 * ((c[4] + z * c[5]) + z2 * c[6]))


@inlined
def uniform(word):
    """Uniform in (0, 1], a multiple of 2^-52."""
    return 2.0 - float_of(np.int64(word >> _12) | _ONE)


@inlined
def _radius(word):
    """sqrt(-2 log u) / sqrt(2) for a uniform u."""
    u = uniform(word)
    shifted = bits_of(u) + (_ONE - _ROOT_HALF)  # u = m 2^e with m in [sqrt(1/2), sqrt(2))
    e = float_of(np.int64(np.uint64(shifted) >> _52) | _INTEGER) - _BIAS  # unsigned: one instruction, not four
    m = float_of((shifted & _MANTISSA) + _ROOT_HALF)
    s = (m - 1.0) / (m + 1.0)
    return np.sqrt(-(e * _LN2 + s * _polynomial(_LOG, s * s)))


@inlined
def _turned(radius, word):
    """The cosine and sine of a random angle times sqrt(2) radius: of one in the first quadrant, and two random signs.

    The angle is pi/4 + y: its cosine and sine are (cos y -+ sin y)/sqrt(2).
    """
    y = (float_of(np.int64(word >> _12) | _ONE) - 1.5) * _HALF_PI
    z = y * y
    sine, cosine = y * _polynomial(_SIN, z), _polynomial(_COS, z)
    sign = np.int64(word)
    return (
        float_of(bits_of(radius * (cosine - sine)) ^ (sign << 63)),
        float_of(bits_of(radius * (cosine + sine)) ^ ((sign << 62) & _SIGN)),
    )


@inlined
def box_muller(first, second):
    """Two independent standard normals from two 64-bit words; at most 8.5 in magnitude."""
    return _turned(_radius(first), second)


_LOG_32 = tuple(np.float32([1.9999999986313182, 0.6666681533815119, 0.3997485051751905, 0.29924390479144986]))
_SIN_32 = tuple(np.float32([0.9999999969177036, -0.16666650673996775, 0.00833203578559731, -0.000195039042508408]))
_COS_32 = tuple(np.float32([0.9999999723284944, -0.4999985641918218, 0.04165501492488376, -0.0013585779264842408]))
_LN2_32, _QUARTER_PI_32 = np.float32(np.log(2)), np.float32(np.pi / 4 * 2**-31)
_1_32, _HALF_32, _STEP_32 = np.float32(1), np.float32(0.5), np.float32(2.0**-31)
_ONE_32, _ROOT_HALF_32, _MANTISSA_32 = np.int32(0x3F800000), np.int32(0x3F3504F3), np.int32(0x007FFFFF)
_23_32, _127_32, _SIGN_32 = np.int32(23), np.int32(127), np.int32(-(2**31))


@inlined
def _polynomial_32(c, z):
    return c[0] + z * (c[1] + z * (c[2] + z * c[3]))


@inlined
def box_muller_32(first, second):
    """`box_muller` in float32 from two 32-bit words; at most 6.7 in magnitude, as the radius comes from 31 bits."""
    u = (np.float32(np.int32(first >> np.uint32(1))) + _HALF_32) * _STEP_32
    # numba widens the result of every integer operation to 64 bits
    shifted = np.int32(bits_of_32(u) + (_ONE_32 - _ROOT_HALF_32))
    e = np.float32(np.int32(np.int32(shifted >> _23_32) - _127_32))
    m = float_of_32(np.int32(np.int32(shifted & _MANTISSA_32) + _ROOT_HALF_32))
    s = (m - _1_32) / (m + _1_32)
    # rounding may leave log u a hair above 0
    radius = np.sqrt(max(-(e * _LN2_32 + s * _polynomial_32(_LOG_32, s * s)), np.float32(0)))
    sign = np.int32(second)
    y = np.float32(sign) * _QUARTER_PI_32
    z = y * y
    sine, cosine = y * _polynomial_32(_SIN_32, z), _polynomial_32(_COS_32, z)
    return (
        float_of_32(np.int32(bits_of_32(radius * (cosine - sine)) ^ np.int32(sign << np.int32(31)))),
        float_of_32(
            np.int32(bits_of_32(radius * (cosine + sine)) ^ np.int32(np.int32(sign << np.int32(30)) & _SIGN_32))
        ),
    )


_ROOT_3 = np.float32(np.sqrt(3))
_SIXTH = round(2**31 / float(_ROOT_3) ** 2)  # of all words; but for the rounding of the root
_LOW_SIXTH, _HIGH_SIXTH = np.int32(-(2**31) + _SIXTH), np.int32(2**31 - _SIXTH)


@jit
def normal_pair(seed, stream, replica, iteration, substep, pair):
    """Two independent standard normals, for the coordinates 2 pair and 2 pair + 1."""
    first, second = two_words(seed, stream, replica, iteration, substep, pair)
    return box_muller(first, second)


# Bits and normals in loops of their own: LLVM then uses full vectors for each. iteration and substep are arrays, one
# entry for each lane, or numbers that all lanes share, which saves the generator a part of its first rounds.


@jit
def draw_float64(out, words, seed, replica, iteration, substep, group, wanted, n):
    """Noise of two coordinates, of which `wanted` are, for lanes 0 to n, an even number.

    out is (>= 2, lanes), words scratch of the shape (2, lanes).
    """
    full_width()
    for lane in range(n):
        t, k = at(iteration, lane), at(substep, lane)
        words[0, lane], words[1, lane] = two_words(seed, NOISE, replica[lane], t, k, group)
    # two at a time, as one waits for itself longer than the processor can look ahead
    half = n // 2
    for lane in range(half):
        other = lane + half
        a, b = box_muller(words[0, lane], words[1, lane])
        c, d = box_muller(words[0, other], words[1, other])
        out[0, lane], out[1, lane], out[0, other], out[1, other] = a, b, c, d


@jit
def draw_float32(out, words, seed, replica, iteration, substep, group, wanted, n):
    """Noise of four coordinates, or of two if no more are wanted, for lanes 0 to n.

    out is (>= 4, lanes), words scratch of the shape (4, lanes).
    """
    full_width()
    c3 = (np.uint64(NOISE) << _24) | np.uint64(group)
    for lane in range(n):
        w0, w1, w2, w3 = philox(replica[lane], at(iteration, lane), at(substep, lane), c3, seed)
        words[0, lane], words[1, lane], words[2, lane], words[3, lane] = w0, w1, w2, w3
    if wanted <= 2:
        for lane in range(n):
            out[0, lane], out[1, lane] = box_muller_32(words[0, lane], words[1, lane])
        return
    for lane in range(n):
        a, b = box_muller_32(words[0, lane], words[1, lane])
        c, d = box_muller_32(words[2, lane], words[3, lane])
        out[0, lane], out[1, lane], out[2, lane], out[3, lane] = a, b, c, d


@jit
def draw_three_point(out, words, seed, replica, iteration, substep, group, wanted, n):
    """Draws of four coordinates, or of as many as are wanted: ROOT_3 up or down, each in a sixth of all cases, else 0.

    Arrays as of `draw_float32`. Their first five moments are a normal's.
    """
    full_width()
    c3 = (np.uint64(NOISE) << _24) | np.uint64(group)
    for lane in range(n):
        w0, w1, w2, w3 = philox(replica[lane], at(iteration, lane), at(substep, lane), c3, seed)
        words[0, lane], words[1, lane], words[2, lane], words[3, lane] = w0, w1, w2, w3
    for k in range(min(wanted, 4)):
        for lane in range(n):
            word = np.int32(words[k, lane])
            out[k, lane] = _ROOT_3 if word >= _HIGH_SIXTH else (-_ROOT_3 if word < _LOW_SIXTH else np.float32(0))


@jit
def draw_law(out, scratch, seed, replica, iteration, substep, group, wanted, n):
    """Noise of another law in two coordinates, of which `wanted` are, for lanes 0 to n.

    out is (>= 2, lanes). scratch: words (2, lanes), uniforms or normals (2, lanes), a law's table (see
    `diffusion.laws.Law`), and how many draws are added; each has a substep of its own.
    """
    full_width()
    words, each, table, draws = scratch
    cells, discrete = table.shape[0], table.shape[1] == 1
    scale = np.float64(cells) if discrete else cells / (2.0 * EDGE)
    for k in range(2):
        for lane in range(n):
            out[k, lane] = 0.0
    for turn in range(draws):
        for lane in range(n):
            t, k = at(iteration, lane), at(substep, lane) + np.uint64(turn)
            words[0, lane], words[1, lane] = two_words(seed, NOISE, replica[lane], t, k, group)
        if discrete:
            for j in range(min(wanted, 2)):
                for lane in range(n):
                    out[j, lane] += table[np.int32(scale * (1.0 - uniform(words[j, lane]))), 0]
            continue
        for lane in range(n):
            each[0, lane], each[1, lane] = box_muller(words[0, lane], words[1, lane])
        for j in range(min(wanted, 2)):
            for lane in range(n):
                place = (each[j, lane] + EDGE) * scale
                cell = np.int32(place)
                far = place - cell
                c0, c1, c2, c3 = table[cell, 0], table[cell, 1], table[cell, 2], table[cell, 3]
                out[j, lane] += c0 + far * (c1 + far * (c2 + far * c3))
