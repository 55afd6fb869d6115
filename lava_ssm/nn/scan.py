"""The diagonal linear recurrence over whole sequences, in parallel, with its gradient.

    x_t = a x_{t-1} + v_t,    x_0 = v_0

Time is cut into sqrt(time) pieces. All pieces are run at once, each from the zero state, one step
of all of them at a time; then the states at their ends are carried from piece to piece; then each
piece gets what entered it, times the powers of a. That is two operations an element, as in the
plain recurrence, plus one, in 2 sqrt(time) steps instead of `time`, and no level of a tree is
kept: memory is that of x. (Of the prefix sums of Blelloch, "Prefix Sums and Their Applications",
1990, the two-level form.)

The gradient of a recurrence is the same recurrence backwards in time, with the conjugate of a:

    dL/dv_t = g_t = dL/dx_t + conj(a) g_{t+1},    dL/da = sum_t conj(x_{t-1}) g_t
"""

import math
from typing import Any

import torch
from torch import Tensor


def scan(a: Tensor, v: Tensor) -> Tensor:
    """Run the recurrence.

    Parameters
    ----------
    a
        Complex, (d_state,).
    v
        Complex, (..., time, d_state), of a's type.

    Returns
    -------
    Tensor
        x, the shape of `v`.
    """
    x: Tensor = _Scan.apply(a, v)
    return x


class _Scan(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, a: Tensor, v: Tensor) -> Tensor:
        x = recurrence(a, v)
        ctx.save_for_backward(a, x)
        return x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor]:
        a, x = ctx.saved_tensors
        g = recurrence(a.conj(), grad.flip(-2)).flip(-2)
        if not ctx.needs_input_grad[0]:
            return None, g
        d_state = x.shape[-1]
        before, after = (part.reshape(-1, d_state) for part in (x[..., :-1, :], g[..., 1:, :]))
        return torch.einsum("tp,tp->p", before.conj(), after), g


def gated_scan(f: Tensor, v: Tensor) -> Tensor:
    """Run x_t = f_t x_{t-1} + v_t, whose factors differ from token to token.

    Parameters
    ----------
    f, v
        Real, (..., time, d_state), of one shape and type.

    Returns
    -------
    Tensor
        x, of that shape.
    """
    x: Tensor = _GatedScan.apply(f, v)
    return x


class _GatedScan(torch.autograd.Function):
    """g_t = dL/dv_t = dL/dx_t + f_{t+1} g_{t+1},    dL/df_t = x_{t-1} g_t."""

    @staticmethod
    def forward(ctx: Any, f: Tensor, v: Tensor) -> Tensor:
        x = recurrence(f, v)
        ctx.save_for_backward(f, x)
        return x

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        f, x = ctx.saved_tensors
        # backwards in time, the first factor is that of no token and multiplies nothing
        g = recurrence(f.roll(-1, -2).flip(-2), grad.flip(-2)).flip(-2)
        before = torch.cat([torch.zeros_like(x[..., :1, :]), x[..., :-1, :]], dim=-2)
        return before * g, g


def recurrence(a: Tensor, v: Tensor) -> Tensor:
    """The same without a gradient; a is (d_state,), or of the shape of v."""
    *batch, time, d_state = v.shape
    length = max(1, math.isqrt(time))
    pieces = -(-time // length)

    def cut(values: Tensor) -> Tensor:
        """(..., time, d_state) to (batch, pieces, length, d_state), filled up with zeros."""
        whole = values.new_zeros(math.prod(batch), pieces * length, d_state)
        whole[:, :time] = values.reshape(-1, time, d_state)
        return whole.view(-1, pieces, length, d_state)

    x = cut(v)
    if a.ndim == 1:
        steps = torch.arange(1, length + 1, device=a.device)
        # powers in double precision: a phase of thousands of radians leaves float32 few digits
        powers = (a.to(torch.complex128) ** steps[:, None]).to(a.dtype)  # (length, d_state)
        factors = a.expand(length, d_state)
    else:
        factors = cut(a)
        powers = factors.cumprod(dim=-2)  # of each piece
    for t in range(1, length):
        x[:, :, t].addcmul_(x[:, :, t - 1], factors[..., t, :])
    entering = torch.zeros_like(x[:, :, 0])  # (batch, pieces, d_state)
    last = powers[..., -1, :].expand(entering.shape)
    for piece in range(1, pieces):
        torch.addcmul(
            x[:, piece - 1, -1], entering[:, piece - 1], last[:, piece - 1], out=entering[:, piece]
        )
    x.addcmul_(entering[:, :, None], powers)
    return x.view(-1, pieces * length, d_state)[:, :time].reshape(*batch, time, d_state)
