"""The product of two integers, shifted."""

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm.numerics.arrays import IntArray, integers
from lava_ssm.numerics.rounding import Rounding, shift


def _magnitude(v: IntArray) -> int:
    return max(int(v.max()), -int(v.min())) if v.size else 0


def multiply_shift(a: ArrayLike, b: ArrayLike, amount: ArrayLike, rounding: Rounding) -> IntArray:
    """`a * b * 2**-amount` as integers; the product itself is exact.

    Parameters
    ----------
    a, b, amount
        Integers that broadcast against each other.
    rounding
        What becomes of the bits that a shift to the right drops.

    Raises
    ------
    OverflowError
        A product, or its shift to the left, leaves 64 bits.
    """
    a, b = integers(a, "a"), integers(b, "b")
    if _magnitude(a) * _magnitude(b) >= 1 << 63:  # they may not meet: look at each product
        with np.errstate(over="ignore"):  # what leaves 64 bits is wrong by 2**64, doubles by less
            error = a.astype(np.float64) * b.astype(np.float64) - a * b
        if (np.abs(error) > 2.0**62).any():
            raise OverflowError("a product leaves 64 bits")
    return shift(a * b, amount, rounding)
