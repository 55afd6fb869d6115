"""Bounds that no input can break."""

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm.numerics.arrays import RealArray

# A complex product is two real ones on each axis, the input's product is a third; rounding
# moves each by less than one: by less than |3 + 3i| together.
_ROUNDING = 3 * np.sqrt(2)


def state_bound(a: ArrayLike, b: ArrayLike, input_bound: ArrayLike) -> RealArray:
    """Largest magnitude that the state of `x' = a x + b u` can reach, rounded at every step.

        |x| <= sum_k |a|^k (|b| max|u| + 3 sqrt(2)) = (|b| max|u| + 3 sqrt(2)) / (1 - |a|)

    (the geometric series of the recurrence, each of whose three rounded products of mantissas is
    off by less than one on either axis).

    Parameters
    ----------
    a, b
        Complex values of the parameters, |a| < 1, any shape.
    input_bound
        Largest magnitude of the input's mantissa inside the neuron, broadcast against `a`.
    """
    decay = 1 - np.abs(np.asarray(a))
    return np.asarray((np.abs(np.asarray(b)) * np.asarray(input_bound) + _ROUNDING) / decay)
