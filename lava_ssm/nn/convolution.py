"""Convolution with the impulse response of a diagonal recurrence."""

import math
from collections.abc import Iterator
from typing import Any

import torch
from scipy.fft import next_fast_len
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

from lava_ssm.nn import cpu, gpu

_BLOCK = 1 << 19
"""Numbers that are transformed at a time: 2 MB, and as much of spectra, stay in a cache."""
_BLOCK_OF_GPU = 1 << 28
"""The same on a GPU, where nothing is gained by less: 1 GB, and twice as much of spectra."""


def convolve(u: Tensor, log_a: Tensor, w: Tensor) -> Tensor:
    """Convolve each channel of u with k_t = Re(sum_n w_n a_n^t).

    Where torch casts for speed (`torch.autocast("cpu", torch.bfloat16)`), the result is cast; what
    is computed is not. On a GPU u of 16 bits, as casting gives it, is convolved by products of such
    numbers: they are several times faster than Fourier transforms, see `gpu`.

    Parameters
    ----------
    u
        Real, channels first: (d_model, batch, time).
    log_a, w
        Complex, (d_model, d_state); |a| <= 1.

    Returns
    -------
    Tensor
        Of u's shape, contiguous.
    """
    cast = u.is_cpu and torch.is_autocast_cpu_enabled()
    kind = torch.get_autocast_cpu_dtype() if cast else w.real.dtype
    with torch.autocast("cuda" if u.is_cuda else "cpu", enabled=False):
        k = impulse_response(log_a, w, u.shape[-1])
        if gpu.takes(u):
            return gpu.by_products(u, k)
        y: Tensor = _Convolution.apply(u, k, kind)
    return y


def convolve_tokens(
    u: Tensor, log_a: Tensor, w: Tensor, before: bool = False, after: bool = False
) -> Tensor:
    """The same of u with channels last, (..., time, d_model), between ReLUs if that is asked."""
    flat = u.reshape(-1, *u.shape[-2:])
    if not cpu.takes(u) or log_a.dtype is not torch.complex64:
        first = turned(flat.view(-1, u.shape[-1])).view(u.shape[-1], *flat.shape[:2])
        y = convolve(first.relu() if before else first, log_a, w)
        y = turned(y.view(u.shape[-1], -1)).view(u.shape)
        return y.relu() if after else y
    cast = torch.is_autocast_cpu_enabled()
    with torch.autocast("cpu", enabled=False):
        k = impulse_response(log_a, w, u.shape[-2])
        # bfloat16 comes and goes as such where torch casts alone
        y = cpu.convolve_tokens(flat if cast else flat.float(), k, before, after).view(u.shape)
    return y.to(torch.get_autocast_cpu_dtype()) if cast else y


def impulse_response(log_a: Tensor, w: Tensor, length: int) -> Tensor:
    """k_0 ... k_{length-1} of k_t = Re(sum_n w_n a_n^t), real, (d_model, length).

    k_(r i + j) = Re(sum_n (w_n a_n^(r i)) a_n^j): two short tables of powers and one matrix
    product, instead of all powers of all states. The tables are made in double precision: a phase
    of thousands of radians leaves float32 few digits.

    Parameters
    ----------
    log_a, w
        Complex, (d_model, d_state).
    """
    k: Tensor = _Response.apply(log_a, w, length)
    return k


class _Response(torch.autograd.Function):
    """k and its gradient: with g_t = dL/dk_t,

        dL/dw_n = conj(sum_t g_t a_n^t),    dL/dlog a_n = conj(w_n sum_t t g_t a_n^t)

    of the same two tables, t = r i + j, as sums over j, which are matrix products, then over i.
    """

    @staticmethod
    def forward(ctx: Any, log_a: Tensor, w: Tensor, length: int) -> Tensor:
        r = math.ceil(math.sqrt(length))
        rows = -(-length // r)
        exact = log_a.to(torch.complex128)
        low = _powers(exact, r).to(w.dtype)
        low, high = torch.cat([low.real, low.imag], 1), _powers(r * exact, rows).to(w.dtype)
        ctx.save_for_backward(low, high, w)
        # the real part of a complex product as one real one: (d_model, rows, 2 d_state) @ ...
        weighted = w[..., None] * high
        k = torch.cat([weighted.real, -weighted.imag], 1).mT @ low
        return k.reshape(len(k), rows * r)[:, :length]

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        with torch.autocast("cuda" if grad.is_cuda else "cpu", enabled=False):
            return *_Response._gradients(grad, *ctx.saved_tensors), None

    @staticmethod
    def _gradients(grad: Tensor, low: Tensor, high: Tensor, w: Tensor) -> tuple[Tensor, Tensor]:
        (d_model, d_state, rows), r = high.shape, low.shape[-1]
        g = nn.functional.pad(grad, (0, rows * r - grad.shape[1])).view(d_model, rows, r)
        both = torch.cat([g, torch.arange(r, device=g.device) * g], 1)  # (d_model, 2 rows, r)
        re, im = (low @ both.mT).split(d_state, 1)  # sums over j
        sums, weighted = torch.complex(re, im).split(rows, 2)
        weighted = weighted + r * torch.arange(rows, device=g.device) * sums
        dw, dlog_a = ((high * part).sum(2).conj() for part in (sums, weighted))
        return dlog_a * w.conj(), dw


def _powers(log_a: Tensor, n: int) -> Tensor:
    """a^0 ... a^(n-1) of a (d_model, d_state): (d_model, d_state, n).

    Products of few exponentials, which take longer.
    """
    few = math.ceil(math.sqrt(n))
    t = torch.arange(few, device=log_a.device)
    inner, outer = (log_a[..., None] * t).exp(), (log_a[..., None] * few * t).exp()
    return (outer[..., None] * inner[..., None, :]).flatten(2)[..., :n]


class _Convolution(torch.autograd.Function):
    """y = k * u for u (d_model, batch, time) and k (d_model, time), by Fourier transforms.

    A few channels at a time, so that what is transformed stays in a cache: that is several times
    faster than transforming all of u. With capitals for transforms, of a length at which nothing
    wraps round:

        Y = K U,    dU = conj(K) dY,    dK = sum of the batch's conj(U) dY

    U is computed again on the way back, which costs no more than to write and read it.
    """

    @staticmethod
    def forward(ctx: Any, u: Tensor, k: Tensor, kind: torch.dtype) -> Tensor:
        time = u.shape[-1]
        n = next_fast_len(2 * time - 1, real=True)
        k_f = torch.fft.rfft(k, n)[:, None]
        y = u.new_empty(u.shape, dtype=kind)
        for few in _blocks(u, n):
            u_f = torch.fft.rfft(u[few].to(k.dtype), n)
            y[few] = torch.fft.irfft(u_f.mul_(k_f[few]), n)[..., :time]
        ctx.save_for_backward(u, k_f)
        ctx.n = n
        return y

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, None]:
        u, k_f = ctx.saved_tensors
        n, time, kind = ctx.n, u.shape[-1], k_f.real.dtype
        du, dk_f = torch.empty_like(u), torch.empty_like(k_f[:, 0])
        for few in _blocks(u, n):
            dy_f = torch.fft.rfft(grad[few].to(kind), n)
            u_f = torch.fft.rfft(u[few].to(kind), n)
            dk_f[few] = (u_f.conj() * dy_f).sum(1)
            du[few] = torch.fft.irfft(dy_f.mul_(k_f[few].conj()), n)[..., :time]
        return du, torch.fft.irfft(dk_f, n)[:, :time], None


def _blocks(u: Tensor, n: int) -> Iterator[slice]:
    """Channels of u (d_model, batch, time), a few at a time; on a GPU many."""
    few = max(1, (_BLOCK_OF_GPU if u.is_cuda else _BLOCK) // (n * u.shape[1]))
    for first in range(0, len(u), few):
        yield slice(first, first + few)


def turned(matrix: Tensor) -> Tensor:
    """Transpose (rows, columns) into memory of its own, and the gradient too.

    PyTorch copies two transposed axes by blocks, several times faster than three permuted ones.
    """
    result: Tensor = _Transposition.apply(matrix)
    return result


class _Transposition(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, matrix: Tensor) -> Tensor:
        return matrix.t().contiguous()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        return grad.t().contiguous()
