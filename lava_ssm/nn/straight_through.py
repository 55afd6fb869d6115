"""Rounded values in place of real ones, and gradients as if they were not rounded."""

from typing import Any

import numpy as np
import torch
from torch import Tensor


def instead(of: Tensor, value: Tensor) -> Tensor:
    """The second of two tensors; the gradient goes to the first."""
    result: Tensor = _Instead.apply(of, value)
    return result


def straight(real: Tensor, value: np.ndarray) -> Tensor:
    """Rounded values of parameters in their place."""
    return instead(real, tensor_like(value, real))


def tensor_like(array: np.ndarray, other: Tensor) -> Tensor:
    """Give an array in the precision of a tensor, and on its device."""
    kind = other.real.dtype
    kind = kind.to_complex() if array.dtype.kind == "c" else kind
    return torch.from_numpy(array.copy()).to(other.device, kind)


class _Instead(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, of: Tensor, value: Tensor) -> Tensor:
        return value.view_as(value)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        return grad, None
