"""The inverse square root in integers, as Lava's `InvSqrt` takes it."""

import numpy as np

from lava_ssm.numerics.arrays import IntArray, entries
from lava_ssm.numerics.rounding import Rounding, shift

INVERSE_SQRT_BITS = 24
"""Bits of what enters, which has 12 fraction bits, as has what comes out."""
FRACTION_BITS = 12
NEWTON_STEPS = 5
INVERSE_SQRT_TABLE: IntArray = np.array(
    [
        2 * int(2**FRACTION_BITS / (2 ** ((bit - FRACTION_BITS) / 2) * 1.238982962))
        for bit in range(INVERSE_SQRT_BITS)
    ]
)
"""Twice the first estimate, by the highest bit."""
INVERSE_SQRT_TABLE.flags.writeable = False
SCALED_BIT = 11
"""`scaled_inverse_sqrt` brings numbers to [2**11, 2**13), where the algorithm is most precise."""
INVERSE_SQRT_ERROR = 1.4e-3
"""Largest relative error there: 1.1e-3 of the algorithm, the rest what the number is cut to."""


def inverse_sqrt(v: IntArray) -> IntArray:
    """2**12 / sqrt(v 2**-12), bit for bit as Lava's `InvSqrt` under `fixed_pt`.

        b = v,  Y = table[highest bit of v],  y = Y / 2
        five times:  b = (((b Y) >> 13) Y) >> 13,   Y = 3 2**12 - b,   y = (y Y) >> 13

    (lava/proc/graded/models.py: a table, then Newton's steps, each shift rounding down.)

    Parameters
    ----------
    v
        Integers in [1, 2**24), any shape; 0 gives 0.
    """
    _, bits = np.frexp(v.astype(np.float64))
    factor = entries(INVERSE_SQRT_TABLE, np.maximum(bits - 1, 0))
    b, y = v, factor // 2
    for _ in range(NEWTON_STEPS):
        b = (((b * factor) >> (FRACTION_BITS + 1)) * factor) >> (FRACTION_BITS + 1)
        factor = (3 << FRACTION_BITS) - b
        y = (y * factor) >> (FRACTION_BITS + 1)
    return np.where(v == 0, 0, y)


def scaled_inverse_sqrt(v: IntArray, exponent: int, most: int, rounding: Rounding) -> IntArray:
    """2**exponent / sqrt(v), at most `most`, to within 1.4e-3 of it.

        w = v >> 2 j  in [2**11, 2**13),    inverse_sqrt(w) >> (18 + j - exponent)

    Parameters
    ----------
    v
        Integers in [1, 2**33), any shape.
    exponent
        Any.
    rounding
        Of the last shift to the right; the first rounds down.
    """
    _, bits = np.frexp(v.astype(np.float64))
    j = (bits - 1 - SCALED_BIT) >> 1
    y = inverse_sqrt(shift(v, 2 * j, Rounding.FLOOR))
    amount = np.clip(3 * FRACTION_BITS // 2 + j - exponent, -40, 63)  # beyond: `most`, or 0
    return np.minimum(shift(y, amount, rounding), most)
