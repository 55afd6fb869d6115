"""Differences of tokens beside the tokens."""

import numpy as np
import torch
from numpy.typing import ArrayLike

from lava_ssm.nn.conv1d import Conv1d
from lava_ssm.numerics import integer, reals

MOST = 8
"""The highest order: the taps of higher ones take more than 8 bits."""


def differences(x: ArrayLike, order: int) -> Conv1d:
    """Make a layer that gives tokens and their differences in time, up to an order.

        y_(i,k) = 2^e_(i,k) (1 - 1/z)^k u_i,    k = 0 ... order

    What changes fast is often much smaller than what changes slowly, and tells as much: the first
    difference is what MultiRocket sees beside a series (Tan et al., "MultiRocket", arXiv
    2102.00457), the first two are the delta features of speech. Taps are whole numbers times a
    power of two, which weights of 8 bits hold exactly; they are not trained.

    Parameters
    ----------
    x
        Sequences (samples, time, d_input), real, by which e is chosen: such that each output has a
        standard deviation in [0.7, 1.42], or is 0.
    order
        In [0, 8], below the number of tokens.

    Returns
    -------
    Conv1d
        From d_input to d_input (order + 1) channels: those of channel 0 come first.

    Raises
    ------
    TypeError
        x is no array of numbers.
    ValueError
        Another shape, or an order outside its range.
    """
    x = reals(x, "x")
    if x.ndim != 3 or x.size == 0:
        raise ValueError(f"x must have shape (samples, time, d_input), got {x.shape}")
    order = integer(order, "order", 0, min(MOST, x.shape[1] - 1))
    layer = Conv1d(x.shape[2], x.shape[2] * (order + 1), order + 1, bias=False, groups=x.shape[2])
    taps = np.zeros((x.shape[2], order + 1, order + 1))
    binomials = np.ones(1)
    for k in range(order + 1):
        std = np.diff(x, k, axis=1).std((0, 1))
        scale = 2.0 ** -np.round(np.log2(np.where(std > 0, std, 1)))
        taps[:, k, order - k :] = scale[:, None] * binomials
        binomials = np.convolve(binomials, [-1, 1])  # the last one is the present token's
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(taps).view_as(layer.weight))
    layer.weight.requires_grad_(False)
    return layer
