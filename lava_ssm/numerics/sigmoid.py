"""The sigmoid by table, as a neuron on a chip has it."""

import numpy as np

from lava_ssm.numerics.arrays import IntArray
from lava_ssm.numerics.rounding import Rounding, round_real, shift

SIGMOID_INPUT_EXPONENT = 12
"""Fraction bits of what goes in."""
SIGMOID_EXPONENT = 15
"""Fraction bits of what comes out, an integer in [0, 2**15]: 16 bits."""
_STEP_BITS = 4
"""The table has a step for each 2**4 inputs, 1/256 wide."""
_STEPS = 2048
"""Steps on either side of zero: the table reaches from -8 to 8."""

SIGMOID_TABLE: IntArray = round_real(
    2.0**SIGMOID_EXPONENT / (1 + np.exp(-(np.arange(-_STEPS, _STEPS) + 0.5) / 256)),
    Rounding.NEAREST,
)
"""2**15 sigmoid(v) in the middle of each of 4096 steps of v, from -8 to 8."""
SIGMOID_TABLE.flags.writeable = False

SIGMOID_ERROR = 0.25 * 0.5 / 256 + 2.0 ** -(SIGMOID_EXPONENT + 1)
"""No entry is further from the sigmoid of an input, 5.04e-4: half a step where the slope is
largest, 1/4, and half a unit of the entry. (Beyond -8 and 8 the last entries are as near.)"""


def sigmoid(v: IntArray) -> IntArray:
    """Look the sigmoid up: mantissas of 12 fraction bits to mantissas of 15, same shape.

    2**15 sigmoid(v 2**-12)  ~  table[min(max(v >> 4, -2048), 2047)]
    """
    step = np.clip(shift(v, _STEP_BITS, Rounding.FLOOR), -_STEPS, _STEPS - 1)
    return SIGMOID_TABLE[step + _STEPS]
