"""Impulse responses of diagonal systems, summed over all time."""

import numpy as np

from lava_ssm.numerics import RealArray

_BLOCK, _BLOCKS = 256, 64
"""Tokens that are taken at a time, and how many times at most."""


def response_sums(
    weight: np.ndarray, a: np.ndarray, precision: float = 0.01
) -> tuple[RealArray, RealArray]:
    """Sums over all time of the positive and of the negative part of impulse responses.

    k_t = Re(sum_n w_n a_n^t), summed until what is left of it, at most
    sum_n |w_n| |a_n|^t / (1 - |a_n|), is below `precision` of the sum (or a millionth of what it
    was, where the states cancel), and added to both.

    Parameters
    ----------
    weight, a
        w and a, complex, (channels, states); |a| < 1.

    Returns
    -------
    tuple
        Two arrays (channels,), not negative.
    """
    weight, decay = weight.astype(complex), 1 - np.abs(a)
    positive, negative = (np.zeros(len(a)) for _ in range(2))
    left = (np.abs(weight) / decay).sum(axis=-1)
    enough = 1e-6 * left
    rows = np.arange(len(a))  # of which more is to be summed
    for _ in range(_BLOCKS):
        if not len(rows):
            break
        # a token at a time: powers of a block at once would take much memory
        w, of_rows = weight[rows], a[rows]
        for _ in range(_BLOCK):
            k = w.real.sum(axis=-1)
            positive[rows] += np.maximum(k, 0)
            negative[rows] += np.maximum(-k, 0)
            w = w * of_rows
        weight[rows] = w
        left[rows] = (np.abs(w) / decay[rows]).sum(axis=-1)
        summed = positive[rows] + negative[rows]
        rows = rows[left[rows] > np.maximum(precision * summed, enough[rows])]
    return positive + left, negative + left
