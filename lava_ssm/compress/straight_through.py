"""Rounded values in place of real ones, and gradients as if they were not rounded."""

from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from lava_ssm.numerics import IntArray, Overflow, RealArray, Rounding, quantize


def instead(of: Tensor, value: Tensor) -> Tensor:
    """The second of two tensors; the gradient goes to the first."""
    result: Tensor = _Instead.apply(of, value)
    return result


def straight(real: Tensor, value: np.ndarray) -> Tensor:
    """Rounded values of parameters in their place."""
    return instead(real, torch.from_numpy(value.copy()).to(real.dtype))


def saturated(values: RealArray, bits: int, exponent: ArrayLike) -> IntArray:
    """Nearest mantissas; beyond the format the largest."""
    return quantize(values, bits, exponent, Rounding.NEAREST, Overflow.SATURATE)


class _Instead(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, of: Tensor, value: Tensor) -> Tensor:
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad, None
