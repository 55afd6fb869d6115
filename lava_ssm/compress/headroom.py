"""How fine a format may be in which a number still fits its word."""

import numpy as np

from lava_ssm.network.description import BIAS_BITS, Exponent
from lava_ssm.numerics import SYNAPSE_BITS, Arithmetic, RealArray, dequantize, word_range

_SLACK = 1.01
"""What rounding inside a network adds to what its float one causes."""
ANY = 1000
"""Exponent of what is always zero."""
NONE = -2 * ANY
"""Below all exponents."""
LARGEST_STATE_EXPONENT = 16
"""Bits by which a filter's state is finer than messages, at most."""


def limit(bits: int) -> int:
    """Largest integer of a signed word."""
    return word_range(bits)[1]


def headroom(peak: float, bits: int, spare: int) -> int:
    """Largest exponent at which so many times a peak fits its word; `ANY` of zero."""
    return int(np.floor(np.log2(limit(bits) / (_SLACK * spare * peak)))) if peak > 0 else ANY


def synapse_headroom(sums: RealArray, exponent: Exponent, spare: int) -> int:
    """Largest exponent of messages at which a synapse's sums fit 32 bits.

    Parameters
    ----------
    sums
        Largest magnitudes of the real sums, (rows,).
    exponent
        Of the weights, one or a row's.
    """
    scale = dequantize(np.ones(len(sums), int), -(np.asarray(exponent) + 1))
    return headroom(float((sums * scale).max()), SYNAPSE_BITS, spare)


def neuron_headroom(
    sums: RealArray, bias: RealArray | None, arithmetic: Arithmetic, spare: int
) -> int:
    """Largest exponent of messages at which sums fit the neuron, and its bias fits its word.

    What is rectified need not fit the message, but what it is made from the neuron.
    """
    register = max(arithmetic.message_bits, arithmetic.state_bits)
    return min(headroom(float(sums.max()), register, spare), bias_headroom(bias, spare))


def bias_headroom(bias: RealArray | None, spare: int) -> int:
    """Largest exponent at which a bias fits its word."""
    return ANY if bias is None else headroom(float(np.abs(bias).max()), BIAS_BITS, spare)
