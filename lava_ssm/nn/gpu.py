"""Sequences with channels first, on a GPU: convolutions by matrix products, norms in Triton."""

from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

try:
    HAVE_TRITON = int(version("triton").split(".")[0]) >= 3
except PackageNotFoundError:
    HAVE_TRITON = False
"""PyTorch brings it along, where it can be had; an older one's interpreter knows too little."""
_CHUNK = 256
"""Most tokens of a chunk: a longer one multiplies more zeros, shorter ones are more products."""


def has_kernels(x: Tensor) -> bool:
    """Whether Triton's kernels run where a tensor is."""
    return x.is_cuda and HAVE_TRITON


def takes(u: Tensor) -> bool:
    """Whether `by_products` is the fastest way to convolve sequences of this type and device."""
    return u.is_cuda and u.dtype.itemsize == 2


def normed(y: Tensor, norm: nn.BatchNorm1d) -> Tensor:
    """Norm y (d_model, ...), in training, by the statistics of its channels, which `norm` keeps."""
    rows = y.reshape(len(y), -1)
    if has_kernels(y):
        from lava_ssm.nn import batch_norm

        return batch_norm.normed(rows, norm).view(y.shape)
    result: Tensor = norm(rows[None])
    return result.view(y.shape)


def by_products(u: Tensor, k: Tensor) -> Tensor:
    """Convolve u (d_model, batch, time) with k (d_model, time), by matrix products of u's type.

    k is rounded to that type, sums are as exact as the device's products.
    """
    time = u.shape[-1]
    chunks = -(-time // _CHUNK)
    length = 8 * -(-time // (8 * chunks))  # of a chunk: rows of matrices that begin at 16 bytes
    end = chunks * length - time
    padded = nn.functional.pad(k.to(u.dtype), (length - 1, end))
    u = nn.functional.pad(u, (0, end)) if end else u.contiguous()
    y: Tensor = _Products.apply(u, padded, length)
    return y[..., :time].contiguous() if end else y


class _Products(torch.autograd.Function):
    """y = k * u for u (d_model, batch, time), time in chunks of `length` tokens.

    A chunk of y is the product of all of u up to its end and as many rows of one matrix: its row
    time - 1 - t holds k_t ... k_(t + length - 1), what the chunk hears of t tokens before it ends.
    `padded` is k behind length - 1 zeros, so that what has not happened yet counts nothing.
    """

    @staticmethod
    def forward(ctx: Any, u: Tensor, padded: Tensor, length: int) -> Tensor:
        ctx.save_for_backward(u, padded)
        ctx.length = length
        matrix = _toeplitz(padded, length, -1)
        y = torch.empty_like(u)
        for begin in range(0, u.shape[-1], length):
            end = begin + length
            torch.bmm(u[..., :end], matrix[:, -end:], out=y[..., begin:end])
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        u, padded = ctx.saved_tensors
        length, time = ctx.length, u.shape[-1]
        grad = grad.contiguous()
        # backwards in time: the chunk and what follows it, by the transposed matrix from its end
        transposed = _toeplitz(padded, length, 1)
        du, d_matrix = torch.empty_like(u), None
        for begin in range(time - length, -1, -length):
            end = begin + length
            torch.bmm(grad[..., begin:], transposed[:, : time - begin], out=du[..., begin:end])
            heard, chunk = u[..., :end].mT, grad[..., begin:end]
            if d_matrix is None:
                d_matrix = torch.bmm(heard, chunk)
            else:
                d_matrix[:, -end:].baddbmm_(heard, chunk)
        assert d_matrix is not None
        return du, _diagonals(d_matrix).to(padded.dtype), None


def _toeplitz(k: Tensor, length: int, down: int) -> Tensor:
    """Matrices (channels, rows, length) with k[.. + down r - down i] at (r, i), see `kernels`."""
    if has_kernels(k):
        from lava_ssm.nn.kernels import toeplitz

        return toeplitz(k, length, down, -down)
    return k.unfold(-1, length, 1).flip(1 if down < 0 else 2)


def _diagonals(matrix: Tensor) -> Tensor:
    """The adjoint of `_toeplitz` with down = -1, in float32 at least."""
    if has_kernels(matrix):
        from lava_ssm.nn.kernels import diagonals

        return diagonals(matrix)
    channels, rows, length = matrix.shape
    windows = matrix.flip(1).to(torch.promote_types(matrix.dtype, torch.float32))
    size = [channels, rows + length - 1]
    summed: Tensor = torch.ops.aten.unfold_backward(windows, size, 1, length, 1)
    return summed
