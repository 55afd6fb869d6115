"""Sequences with channels last, on a CPU: convolutions and linear maps in its widest vectors."""

import math
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

_ENOUGH = 1 << 24
"""Multiply-adds from which on a convolution of one token is no slower than a product."""


def takes(u: Tensor) -> bool:
    """Whether `convolve_tokens` takes sequences of this type, on this device."""
    if not u.is_cpu or u.dtype not in (torch.float32, torch.bfloat16):
        return False
    from lava_ssm.engine.compiled.compiling import IS_COMPILED  # Numba takes a while

    return IS_COMPILED and not torch.compiler.is_compiling()


def convolve_tokens(u: Tensor, k: Tensor, before: bool = False, after: bool = False) -> Tensor:
    """Convolve each channel of u with its response.

    Parameters
    ----------
    u
        (batch, time, d_model), float32 or bfloat16.
    k
        float32, (d_model, time).
    before, after
        Whether u, and the result, are rectified, which here takes no time.

    Returns
    -------
    Tensor
        Of u's shape and type, in one piece.
    """
    y: Tensor = _Convolution.apply(u, k, before, after)
    return y


class _Convolution(torch.autograd.Function):
    """See `engine.compiled.fourier`."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, k: Tensor, before: bool, after: bool) -> Tensor:
        from lava_ssm.engine.compiled import fourier

        n = torch.get_num_threads()
        spectra = fourier.spectra_of(k.t().contiguous().numpy(), n)
        y = _tensor(fourier.convolve(_array(u), spectra, n, before, after))
        ctx.save_for_backward(u, torch.from_numpy(spectra), y if after else None)
        ctx.before = before
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None, None]:
        from lava_ssm.engine.compiled import fourier

        u, spectra, y = ctx.saved_tensors
        du, dk = fourier.differentiate(
            _array(u),
            spectra.numpy(),
            _array(grad),
            torch.get_num_threads(),
            ctx.before,
            None if y is None else _array(y),
        )
        return _tensor(du), torch.from_numpy(dk).t(), None, None


def _array(u: Tensor) -> np.ndarray:
    """An array of u, of bfloat16 as int16."""
    u = u.contiguous()
    return (u if u.dtype is torch.float32 else u.view(torch.int16)).numpy()


def _tensor(u: np.ndarray) -> Tensor:
    """The reverse."""
    made = torch.from_numpy(u)
    return made if made.dtype is torch.float32 else made.view(torch.bfloat16)


def linear(u: Tensor, weights: Tensor, bias: Tensor | None) -> Tensor:
    """W u + b of u (..., time, d_input).

    What is large is computed as a convolution of one token, which torch leaves to oneDNN. Products
    it leaves to MKL, which does half as many a second on a CPU that is not Intel's.
    """
    pieces = _pieces(u) if u.numel() * len(weights) >= _ENOUGH and len(weights) % 16 == 0 else 0
    if pieces < 16:  # fewer torch does itself
        return nn.functional.linear(u, weights, bias)
    image = u.reshape(pieces, -1, 1, u.shape[-1]).permute(0, 3, 1, 2)
    y = nn.functional.conv2d(image, weights[:, :, None, None], bias)
    return y.permute(0, 2, 3, 1).reshape(*u.shape[:-1], len(weights))


def _pieces(u: Tensor) -> int:
    """How many pieces of about 128 tokens there are, which is best; 0 if oneDNN does not take u."""
    if not u.is_cpu or u.dtype is not torch.float32 or torch.is_autocast_cpu_enabled():
        return 0
    *batch, time, _ = u.shape
    piece = next((n for n in range(192, 63, -1) if time % n == 0), time)
    return math.prod(batch) * time // piece if torch.backends.mkldnn.is_available() else 0
