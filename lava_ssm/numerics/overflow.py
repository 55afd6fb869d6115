"""What happens to an integer that its word cannot hold."""

from enum import Enum

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm.numerics.arrays import IntArray, integers
from lava_ssm.numerics.scalars import integer


class Overflow(Enum):
    """What becomes of a value that does not fit its bits."""

    WRAP = "wrap"
    """Two's complement, as a hardware word does."""
    SATURATE = "saturate"
    """The largest or smallest value that fits."""
    RAISE = "raise"
    """`FixedPointOverflow`: for finding out."""


class FixedPointOverflow(OverflowError):
    """A value did not fit its bits and the rule of overflow was RAISE."""


def word_range(bits: int) -> tuple[int, int]:
    """Smallest and largest integer of a signed word of `bits` bits, 1 <= bits <= 64."""
    half = 1 << (integer(bits, "bits", 1, 64) - 1)
    return -half, half - 1


def overflowing(values: ArrayLike, bits: int) -> np.ndarray:
    """True where an integer does not fit a signed word of `bits` bits; shape of `values`."""
    low, high = word_range(bits)
    v = integers(values)
    return (v < low) | (v > high)


def to_bits(values: ArrayLike, bits: int, overflow: Overflow, name: str = "value") -> IntArray:
    """Bring integers to a signed word of `bits` bits, 1 <= bits <= 64.

    Parameters
    ----------
    values
        Integers, any shape.
    bits
        Width of the word, the sign included.
    overflow
        What becomes of a value that does not fit.
    name
        What the values are, for the text of an error.

    Raises
    ------
    FixedPointOverflow
        A value does not fit and `overflow` is RAISE.
    """
    low, high = word_range(bits)
    v = integers(values)
    match overflow:
        case Overflow.WRAP:
            return (v << (64 - bits)) >> (64 - bits)
        case Overflow.SATURATE:
            return np.clip(v, low, high)
        case Overflow.RAISE:
            outside = overflowing(v, bits)
            if outside.any():
                worst = max(int(v.min()), int(v.max()), key=abs)
                raise FixedPointOverflow(
                    f"{name}: {int(outside.sum())} of {v.size} integers lie outside "
                    f"[{low}, {high}] ({bits} bits), the largest is {worst}"
                )
            return v
        case _:
            raise TypeError(f"overflow must be an Overflow, got {overflow!r}")
