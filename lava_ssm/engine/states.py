"""States that are given from outside."""

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm.numerics import integers, overflowing, reals, word_range


def checked_state(
    given: ArrayLike, shape: tuple[int, ...], bits: int | None, name: str = "state"
) -> np.ndarray:
    """A layer's state as an array of that shape.

    Parameters
    ----------
    bits
        Width of a mantissa; None for reals.

    Raises
    ------
    TypeError
        Not real numbers, or, where `bits` are given, not integers.
    ValueError
        Another shape, values that are not finite, or mantissas beyond their word.
    """
    values = reals(given, name) if bits is None else integers(given, name)
    if values.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {values.shape}")
    if bits is not None and overflowing(values, bits).any():
        low, high = word_range(bits)
        raise ValueError(
            f"{name}: mantissas must lie in [{low}, {high}] ({bits} bits), "
            f"got {values.min()} to {values.max()}"
        )
    return values
