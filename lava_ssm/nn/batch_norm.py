"""Batch norm of channels that each lie in one piece, as fast as memory is on a GPU."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lava_ssm.nn.kernels import combined, moments


def normed(y: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    """Norm y (d_model, n) by the statistics of its rows, in training, and let `norm` know them.

    The same as `torch.nn.BatchNorm1d` of y as (1, d_model, n) on a GPU, whose kernels give a
    channel one block of threads: they take several times as long as memory does.
    """
    n = y.shape[1]
    result, mean, variance = _Norm.apply(y, norm.weight, norm.bias, norm.eps)
    mean_so_far, variance_so_far = norm.running_mean, norm.running_var
    batches, momentum = norm.num_batches_tracked, norm.momentum
    if mean_so_far is None or variance_so_far is None or batches is None or momentum is None:
        raise ValueError(f"norm must track statistics, with a momentum, got {norm}")
    with torch.no_grad():
        batches.add_(1)
        mean_so_far.lerp_(mean, momentum)
        variance_so_far.lerp_(variance * (n / max(n - 1, 1)), momentum)
    return result


class _Norm(torch.autograd.Function):
    """w (y - mean) / std + b of rows; with e = (y - mean) / std and means over rows

    dy = w / std (dz - mean(dz) - e mean(dz e)),  dw = sum(dz e),  db = sum(dz)

    (Ioffe, Szegedy, "Batch Normalization", arXiv 1502.03167, section 3).
    """

    @staticmethod
    def forward(
        ctx: Any, y: Tensor, weight: Tensor, bias: Tensor, eps: float
    ) -> tuple[Tensor, Tensor, Tensor]:
        total, squares = moments(y, y)
        mean = total / y.shape[1]
        variance = (squares / y.shape[1] - mean.square()).clamp(min=0)
        inverse = (variance + eps).rsqrt()
        scale = weight * inverse
        result = combined(bias - mean * scale, scale, y, None, y)
        ctx.save_for_backward(y, weight, mean, inverse)
        ctx.mark_non_differentiable(mean, variance)
        return result, mean, variance

    @staticmethod
    @once_differentiable
    def backward(
        ctx: Any, grad: Tensor, _mean: Tensor, _variance: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, None]:
        y, weight, mean, inverse = ctx.saved_tensors
        grad, n = grad.contiguous(), y.shape[1]
        d_bias, product = moments(grad, y)
        d_weight = (product - mean * d_bias) * inverse
        scale = weight * inverse
        slope = -scale * inverse * d_weight / n
        dy = combined(-scale * d_bias / n - slope * mean, slope, y, scale, grad)
        return dy, d_weight, d_bias, None
