"""Orders in which the pixels of an image may come."""

import numpy as np
from numpy.typing import NDArray


def bit_reversal(n: int) -> NDArray[np.int64]:
    """Numbers below n in the order of their reversed bits.

    The permutation of psMNIST in the code of S4 (Gu, Goel, Ré, "Efficiently Modeling Long
    Sequences with Structured State Spaces", ICLR 2022): 0 ... 2^m - 1, read with their m bits
    reversed, less those that are no pixels.
    """
    bits = max(1, (n - 1).bit_length())
    numbers = np.arange(1 << bits)
    reversed_ = np.zeros_like(numbers)
    for i in range(bits):
        reversed_ |= ((numbers >> i) & 1) << (bits - 1 - i)
    return reversed_[reversed_ < n]


def seeded(n: int, seed: int = 92916) -> NDArray[np.int64]:
    """NumPy's `RandomState(seed)` permutation, as work before S4 has it for psMNIST."""
    return np.random.RandomState(seed).permutation(n)
