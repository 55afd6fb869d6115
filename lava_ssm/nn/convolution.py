"""Convolution with the impulse response of a diagonal recurrence, chunk by chunk."""

import itertools
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn.functional import pad

_LONGEST = 112
"""Tokens that one matrix product may take; about 60 are the fastest."""
_BLOCK = 1 << 20
"""Numbers of states that are computed at a time: 4 MB stay in a cache, and need no new pages."""


def convolve(u: Tensor, log_a: Tensor, w: Tensor) -> Tensor:
    """Convolve each channel of u with k_t = Re(sum_n w_n a_n^t).

    Where torch casts for speed (`torch.autocast("cpu", torch.bfloat16)`), the factors of matrix
    products are cast; sums over time are not.

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
    time = u.shape[-1]
    size = chunk_size(time)
    padding = -time % size
    mixed = u.is_cpu and torch.is_autocast_cpu_enabled()
    products = torch.get_autocast_cpu_dtype() if mixed else w.real.dtype
    with torch.autocast("cpu", enabled=False):
        u = pad(u, (0, padding)) if padding else u
        y: Tensor = _Convolution.apply(u, log_a, w, size, products)
    return y[..., :time].contiguous() if padding else y


def chunk_size(time: int) -> int:
    """Tokens of a chunk: all of a short sequence, else a divisor near 64 if there is one."""
    if time <= _LONGEST:
        return time
    divisors = [size for size in range(40, _LONGEST + 1) if time % size == 0]
    return min(divisors, key=lambda size: abs(size - 64)) if divisors else 64


class _Convolution(torch.autograd.Function):
    """y = k * u by chunks of T tokens, the states handed from chunk to chunk.

    With U_c the chunks of u (rows, T tokens each), s_c the states before chunk c, for one channel:

        p_c     = U_c R                     R_jn = a_n^(T-1-j)      what a chunk adds to the states
        s_(c+1) = a^T s_c + p_c,  s_0 = 0
        Y_c     = U_c K + Re(s_c Q)         K_ij = k_(j-i) for j >= i,   Q_nj = w_n a_n^(j+1)

    Three matrix products for all chunks at once, of widths T and 2 d_state: linear in time, without
    a Fourier transform, in real arithmetic: states are rows of d_state real parts, then d_state
    imaginary ones.
    """

    @staticmethod
    def forward(
        ctx: Any, u: Tensor, log_a: Tensor, w: Tensor, size: int, products: torch.dtype
    ) -> Tensor:
        # a^0 ... a^T, (d_model, d_state, T + 1)
        powers = _powers(log_a, size).to(w.dtype)
        w_powers = w[..., None] * powers
        k = w_powers[..., :-1].real.sum(1)  # (d_model, T)
        toeplitz = _toeplitz(k).to(products)
        rows = _rows(u, size).to(products)  # (d_model, batch * chunks, T)
        y = rows @ toeplitz
        into = out = s = None
        if u.shape[-1] > size:
            r, q = powers[..., :size].flip(-1), w_powers[..., 1:]
            into = torch.cat([r.real, r.imag], 1).to(products)  # (d_model, 2 d_state, T)
            out = torch.cat([q.real, -q.imag], 1).to(products)  # (d_model, 2 d_state, T)
            end, chunks = powers[..., -1], u.shape[-1] // size
            s = y.new_empty(*rows.shape[:2], into.shape[1])
            for few in _blocks(s):
                added = (rows[few] @ into[few].mT).to(k.dtype)
                s[few] = _scan(added, end[few], chunks)
                y[few].baddbmm_(s[few], out[few])
        ctx.save_for_backward(rows, w, powers, toeplitz, into, out, s)
        return y.view(u.shape)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor, None, None]:
        rows, w, powers, toeplitz, into, out, s = ctx.saved_tensors
        size, n, kind = rows.shape[-1], w.shape[-1], w.real.dtype
        dy = _rows(grad, size).to(rows.dtype)
        du = dy @ toeplitz.mT
        # of w a^t, (d_model, d_state, T + 1), first by way of k; then of the powers themselves
        dk = _diagonal_sums((rows.mT @ dy).to(kind))
        d_weighted = pad(dk, (0, 1))[:, None, :].repeat(1, n, 1).to(w.dtype)
        d_powers = torch.zeros_like(powers)
        if s is not None:
            end, chunks = powers[..., -1].conj(), grad.shape[-1] // size
            for few in _blocks(s):
                dp = _scan((dy[few] @ out[few].mT).to(kind), end[few], chunks, backwards=True)
                dp = dp.to(rows.dtype)
                du[few].baddbmm_(dp, into[few])
                dq = (s[few].mT @ dy[few]).to(kind)  # (few, 2 d_state, T)
                d_weighted[few, :, 1:] += torch.complex(dq[:, :n], -dq[:, n:])
                dr = (dp.mT @ rows[few]).flip(-1).to(kind)
                d_powers[few, :, :-1] = torch.complex(dr[:, :n], dr[:, n:])
                # sums over all chunks of conj(s) dp, for each state: diagonals of one product
                met = (s[few].mT @ dp).to(kind).view(-1, 2, n, 2, n).diagonal(dim1=2, dim2=4)
                d_powers[few, :, -1] = torch.complex(
                    met[:, 0, 0] + met[:, 1, 1], met[:, 0, 1] - met[:, 1, 0]
                )
        dw = (d_weighted * powers.conj()).sum(-1)
        d_powers += d_weighted * w.conj()[..., None]
        j = torch.arange(size + 1, device=w.device)
        d_log_a = (d_powers * powers.conj() * j).sum(-1)
        return du.view(grad.shape), d_log_a, dw, None, None


def _blocks(states: Tensor) -> Iterator[slice]:
    """Channels of states (d_model, rows, 2 d_state), a few at a time: what fits into a cache."""
    few = max(1, _BLOCK // states[0].numel())
    for first in range(0, len(states), few):
        yield slice(first, first + few)


def _rows(u: Tensor, size: int) -> Tensor:
    """Chunks of u (d_model, batch, time): (d_model, batch * chunks, size), contiguous."""
    return u.contiguous().view(u.shape[0], -1, size)


def _powers(log_a: Tensor, last: int) -> Tensor:
    """a^0 ... a^last: (d_model, d_state, last + 1), complex128.

    In double precision, since a phase of hundreds of radians leaves float32 few digits.
    """
    j = torch.arange(last + 1, device=log_a.device, dtype=torch.float64)
    decay = (log_a.real.detach().double()[..., None] * j).exp()
    phase = log_a.imag.detach().double()[..., None] * j
    return torch.complex(decay * phase.cos(), decay * phase.sin())


def _toeplitz(k: Tensor) -> Tensor:
    """K_ij = k_(j-i) for j >= i, else 0, of k (d_model, T): (d_model, T, T)."""
    size = k.shape[-1]
    return pad(k, (size - 1, 0)).unfold(-1, size, 1).flip(1)


def _diagonal_sums(matrix: Tensor) -> Tensor:
    """Sums of the main diagonal and those above it, (d_model, T), of (d_model, T, T)."""
    d_model, size, _ = matrix.shape
    # rows from the last to the first, each one place further right than the one before
    flat = pad(matrix.flip(1), (0, size)).view(d_model, -1)
    skewed = flat[:, : size * (2 * size - 1)].view(d_model, size, -1)
    return skewed.sum(1)[:, size - 1 :]


def _scan(p: Tensor, a: Tensor, chunks: int, backwards: bool = False) -> Tensor:
    """s_(c+1) = a s_c + p_c from s = 0, for p (d_model, batch * chunks, 2 d_state); same shape.

    Backwards in time: s_(c-1) = a s_c + p_c.
    """
    d_model, rows, width = p.shape
    n = width // 2
    p = p.view(d_model, rows // chunks, chunks, width)
    s = torch.empty_like(p)
    re, im = a.real[:, None, :].contiguous(), a.imag[:, None, :].contiguous()
    order = list(range(chunks))[:: -1 if backwards else 1]
    s[:, :, order[0]] = 0
    for last, c in itertools.pairwise(order):
        x, new, add = s[:, :, last], s[:, :, c], p[:, :, last]
        torch.addcmul(add[..., :n], re, x[..., :n], out=new[..., :n])
        new[..., :n].addcmul_(im, x[..., n:], value=-1)
        torch.addcmul(add[..., n:], re, x[..., n:], out=new[..., n:])
        new[..., n:].addcmul_(im, x[..., :n])
    return s.view(d_model, rows, width)
