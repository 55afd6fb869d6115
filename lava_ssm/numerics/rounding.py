"""Rounding: of reals to integers, and of integers that are shifted to the right."""

from enum import Enum

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm.numerics.arrays import IntArray, integers, reals

_MAX = np.int64(np.iinfo(np.int64).max)


class Rounding(Enum):
    """Which integer stands for a number between two of them."""

    TOWARD_ZERO = "toward_zero"
    """The one nearer to zero: what Loihi 2's S4D neuron was seen to do after a product."""
    FLOOR = "floor"
    """The lower one: an arithmetic shift, what a synapse does."""
    NEAREST = "nearest"
    """The nearer one, the even one of two equally near (IEEE 754): for parameters and inputs."""


ROUNDED: dict[Rounding, np.ufunc] = {
    Rounding.TOWARD_ZERO: np.trunc,
    Rounding.FLOOR: np.floor,
    Rounding.NEAREST: np.rint,
}
"""What rounds floats to whole ones."""


def round_real(values: ArrayLike, rounding: Rounding = Rounding.NEAREST) -> IntArray:
    """Round real numbers to integers, same shape.

    Raises
    ------
    ValueError
        A value is not finite.
    OverflowError
        A value lies outside 64 signed bits.
    """
    if rounding not in ROUNDED:
        raise TypeError(f"rounding must be a Rounding, got {rounding!r}")
    rounded = ROUNDED[rounding](reals(values))
    if not ((rounded >= -(2.0**63)) & (rounded < 2.0**63)).all():
        raise OverflowError(f"{np.abs(rounded).max():.6g} does not fit 64 signed bits")
    return rounded.astype(np.int64)


def shift(values: ArrayLike, amount: ArrayLike, rounding: Rounding) -> IntArray:
    """`values * 2**-amount` as integers; a negative amount shifts to the left, exactly.

    Parameters
    ----------
    values
        Integers, any shape.
    amount
        Integers, broadcast against `values`; any size.
    rounding
        What becomes of the bits that a shift to the right drops.

    Raises
    ------
    OverflowError
        A shift to the left leaves 64 bits.
    """
    v = integers(values)
    n = np.clip(integers(amount, "amount"), -64, 64)
    right = np.clip(n, 0, 63)
    dropped = _MAX >> (63 - right)  # a mask of the bits that the shift drops
    match rounding:
        case Rounding.FLOOR:
            shifted = v >> right
        case Rounding.TOWARD_ZERO:
            shifted = (v + ((v >> 63) & dropped)) >> right
            shifted = np.where(n > 63, 0, shifted) if (n > 63).any() else shifted
        case Rounding.NEAREST:
            shifted = v >> right
            rest, half = v & dropped, (dropped >> 1) + 1
            shifted = shifted + ((rest > half) | ((rest == half) & (shifted & 1 == 1)))
            shifted = np.where(n > 63, 0, shifted) if (n > 63).any() else shifted
        case _:
            raise TypeError(f"rounding must be a Rounding, got {rounding!r}")
    if (n < 0).any():
        left = np.clip(-n, 0, 63)
        raised = v << left
        if not (((raised >> left) == v) & ((n > -64) | (v == 0)) | (n >= 0)).all():
            raise OverflowError(f"a shift to the left by {int(left.max())} leaves 64 bits")
        shifted = np.where(n < 0, raised, shifted)
    return shifted
