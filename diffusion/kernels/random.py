"""Counter-based random numbers: a normal is a function of (seed, stream, replica, iteration, substep, coordinate).

Philox4x32-10 of Salmon et al., "Parallel random numbers: as easy as 1, 2, 3" (SC 2011), and Box-Muller.
"""

import math

import numpy as np

from diffusion.kernels.jit import jit

NOISE, START = 0, 1  # streams

_LOW = np.uint64(0xFFFFFFFF)
_MULTIPLIER_0, _MULTIPLIER_1 = np.uint64(0xD2511F53), np.uint64(0xCD9E8D57)
_WEYL_0, _WEYL_1 = np.uint64(0x9E3779B9), np.uint64(0xBB67AE85)
_32, _11, _24 = np.uint64(32), np.uint64(11), np.uint64(24)


@jit
def philox(c0, c1, c2, c3, key):  # type: ignore[no-untyped-def]
    """Four 32-bit words (in uint64) for the counter (c0, c1, c2, c3) and the 64-bit key."""
    k0, k1 = key & _LOW, key >> _32
    for _ in range(10):
        p0, p1 = _MULTIPLIER_0 * c0, _MULTIPLIER_1 * c2
        c0, c1, c2, c3 = (p1 >> _32) ^ c1 ^ k0, p1 & _LOW, (p0 >> _32) ^ c3 ^ k1, p0 & _LOW
        k0, k1 = (k0 + _WEYL_0) & _LOW, (k1 + _WEYL_1) & _LOW
    return c0, c1, c2, c3


@jit
def normal_pair(seed, stream, replica, iteration, substep, pair):  # type: ignore[no-untyped-def]
    """Two independent standard normals, for the coordinates 2 pair and 2 pair + 1."""
    w0, w1, w2, w3 = philox(
        np.uint64(replica),
        np.uint64(iteration),
        np.uint64(substep),
        (np.uint64(stream) << _24) | np.uint64(pair),
        seed,
    )
    # 53 bits each, at the middle of their cell: never 0 or 1
    u = (np.float64(((w0 << _32) | w1) >> _11) + 0.5) * 2.0**-53
    angle = 2.0 * math.pi * (np.float64(((w2 << _32) | w3) >> _11) + 0.5) * 2.0**-53
    radius = math.sqrt(-2.0 * math.log(u))
    return radius * math.cos(angle), radius * math.sin(angle)
