"""States of integers through all tokens at once, in Triton.

What `engine.reference.fixed` does token by token, each state's tokens in one program: on a GPU a
token alone takes as long as its operations take to be started.
"""

import math
from typing import Any

import numpy as np
import torch
import triton
import triton.language as tl

from lava_ssm.engine.overflows import Tally
from lava_ssm.engine.reference import fixed
from lava_ssm.network import (
    Filters,
    GatedRecurrence,
    Neurons,
    Recurrence,
    SelectiveRecurrence,
    Taps,
)
from lava_ssm.nn.device_array import TensorArray
from lava_ssm.numerics import (
    DECAY_EXPONENT,
    SYNAPSE_BITS,
    TABLE_EXPONENT,
    Arithmetic,
    Overflow,
)

_BLOCK = 128
_COUNTED = "input", "state", "message"


@triton.jit
def _shifted(v, n, ROUNDING: tl.constexpr):  # type: ignore[no-untyped-def]
    """Give v >> n, both of 64 bits, 0 <= n < 63, as `numerics.shift` does."""
    dropped = ((n * 0 + 1) << n) - 1
    if ROUNDING == "toward_zero":
        v += (v >> 63) & dropped
    shifted = v >> n
    if ROUNDING == "nearest":
        rest, half = v & dropped, (dropped >> 1) + 1
        shifted += ((rest > half) | ((rest == half) & ((shifted & 1) == 1))).to(tl.int64)
    return shifted


@triton.jit
def _in_word(x, BITS: tl.constexpr, SATURATES: tl.constexpr):  # type: ignore[no-untyped-def]
    """X in a word, as `numerics.to_bits` brings it there, and where it did not fit, 1."""
    low, high = -(1 << (BITS - 1)), (1 << (BITS - 1)) - 1
    over = ((x < low) | (x > high)).to(tl.int64)
    if SATURATES:
        return tl.where(x < low, low, tl.where(x > high, high, x)), over
    return (x << (64 - BITS)) >> (64 - BITS), over


@triton.jit
def _step(x_re, x_im, a_re, a_im, p, ROUNDING: tl.constexpr):  # type: ignore[no-untyped-def]
    """Real and imaginary part of a x, each product shifted on its own."""
    re = _shifted(a_re * x_re, p, ROUNDING) - _shifted(a_im * x_im, p, ROUNDING)
    im = _shifted(a_re * x_im, p, ROUNDING) + _shifted(a_im * x_re, p, ROUNDING)
    return re, im


@triton.jit
def _filters(  # type: ignore[no-untyped-def]
    u, x, a, b, c, p, s, y, counts, time, d_model, d_state,
    ROUNDING: tl.constexpr, SATURATES: tl.constexpr, STATE: tl.constexpr,
    CHANNELS: tl.constexpr, STATES: tl.constexpr,
):  # fmt: skip
    """`fixed.filters` and the sums over a channel's states, of one sequence's some channels."""
    row, block = tl.program_id(0).to(tl.int64), tl.program_id(1)
    channel = block * CHANNELS + tl.arange(0, CHANNELS)[:, None]
    state, real = tl.arange(0, STATES)[None, :], channel < d_model
    inside = real & (state < d_state)
    at = 2 * (channel * d_state + state)
    own = x + row * 2 * d_model * d_state + at
    a_re, a_im = tl.load(a + at, inside, 0), tl.load(a + at + 1, inside, 0)
    b_re, b_im = tl.load(b + at, inside, 0), tl.load(b + at + 1, inside, 0)
    c_re, c_im = tl.load(c + at, inside, 0), tl.load(c + at + 1, inside, 0)
    x_re, x_im = tl.load(own, inside, 0), tl.load(own + 1, inside, 0)
    p, s = tl.load(p + channel, real, 0), tl.load(s + channel, real, 0)
    n_inputs = tl.zeros((CHANNELS, STATES), tl.int64)
    n_states = tl.zeros((CHANNELS, STATES), tl.int64)
    for t in range(time):
        here = (row * time + t) * d_model + channel
        v, over = _in_word(tl.load(u + here, real, 0) << s, STATE, SATURATES)
        n_inputs += tl.where(inside, over, 0)
        re, im = _step(x_re, x_im, a_re, a_im, p, ROUNDING)
        x_re, over_re = _in_word(re + _shifted(b_re * v, p, ROUNDING), STATE, SATURATES)
        x_im, over_im = _in_word(im + _shifted(b_im * v, p, ROUNDING), STATE, SATURATES)
        n_states += over_re + over_im
        out = _shifted(c_re * x_re, p, ROUNDING) - _shifted(c_im * x_im, p, ROUNDING)
        sums = tl.sum(_shifted(2 * out, s, ROUNDING), 1)
        tl.store(y + here, sums[:, None], real)
    tl.store(own, x_re, inside)
    tl.store(own + 1, x_im, inside)
    counted = counts + 3 * (row * tl.num_programs(1) + block)
    tl.store(counted, tl.sum(tl.sum(n_inputs, 1), 0))
    tl.store(counted + 1, tl.sum(tl.sum(n_states, 1), 0))


@triton.jit
def _recurrence(  # type: ignore[no-untyped-def]
    u, x, a, bias, shifts, y, counts, time, d_state, RELU: tl.constexpr,
    ROUNDING: tl.constexpr, SATURATES: tl.constexpr, STATE: tl.constexpr, MESSAGE: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """`fixed.recurrence`, of one sequence's some states."""
    row, block = tl.program_id(0).to(tl.int64), tl.program_id(1)
    state = block * BLOCK + tl.arange(0, BLOCK)
    inside, at = state < d_state, 2 * state
    own = x + row * 2 * d_state + at
    a_re, a_im = tl.load(a + at, inside, 0), tl.load(a + at + 1, inside, 0)
    bias_re, bias_im = tl.load(bias + at, inside, 0), tl.load(bias + at + 1, inside, 0)
    x_re, x_im = tl.load(own, inside, 0), tl.load(own + 1, inside, 0)
    p, k = tl.load(shifts), tl.load(shifts + 1)
    n_states, n_messages = tl.zeros((BLOCK,), tl.int64), tl.zeros((BLOCK,), tl.int64)
    for t in range(time):
        here = (row * time + t) * 2 * d_state + state
        re, im = _step(x_re, x_im, a_re, a_im, p, ROUNDING)
        re += tl.load(u + here, inside, 0) + bias_re
        im += tl.load(u + here + d_state, inside, 0) + bias_im
        x_re, over_re = _in_word(re, STATE, SATURATES)
        x_im, over_im = _in_word(im, STATE, SATURATES)
        n_states += over_re + over_im
        re, im = x_re, x_im
        if RELU:
            positive = (x_re > 0) | ((x_re == 0) & (x_im > 0))
            re, im = tl.where(positive, x_re, 0), tl.where(positive, x_im, 0)
        re, over_re = _in_word(_shifted(re, k, ROUNDING), MESSAGE, SATURATES)
        im, over_im = _in_word(_shifted(im, k, ROUNDING), MESSAGE, SATURATES)
        n_messages += over_re + over_im
        tl.store(y + here, re, inside)
        tl.store(y + here + d_state, im, inside)
    tl.store(own, x_re, inside)
    tl.store(own + 1, x_im, inside)
    counted = counts + 3 * (row * tl.num_programs(1) + block)
    tl.store(counted + 1, tl.sum(n_states, 0))
    tl.store(counted + 2, tl.sum(n_messages, 0))


@triton.jit
def _real(  # type: ignore[no-untyped-def]
    f, c, x, shifts, y, counts, time, n, GATED: tl.constexpr,
    ROUNDING: tl.constexpr, SATURATES: tl.constexpr, STATE: tl.constexpr, MESSAGE: tl.constexpr,
    BLOCK: tl.constexpr,
):  # fmt: skip
    """`fixed.gated_recurrence` or `fixed.selective_recurrence`, of one sequence's some states."""
    row, block = tl.program_id(0).to(tl.int64), tl.program_id(1)
    state = block * BLOCK + tl.arange(0, BLOCK)
    inside = state < n
    h = tl.load(x + row * n + state, inside, 0)
    p, k = tl.load(shifts), tl.load(shifts + 1)
    n_states, n_messages = tl.zeros((BLOCK,), tl.int64), tl.zeros((BLOCK,), tl.int64)
    for t in range(time):
        here = (row * time + t) * n + state
        factor, drive = tl.load(f + here, inside, 0), tl.load(c + here, inside, 0)
        if GATED:
            h = drive + _shifted(factor * (h - drive), p, ROUNDING)
        else:
            h, over = _in_word(drive + _shifted(factor * h, p, ROUNDING), STATE, SATURATES)
            n_states += over
        sent, over = _in_word(_shifted(h, k, ROUNDING), MESSAGE, SATURATES)
        n_messages += over
        tl.store(y + here, sent, inside)
    tl.store(x + row * n + state, h, inside)
    counted = counts + 3 * (row * tl.num_programs(1) + block)
    tl.store(counted + 1, tl.sum(n_states, 0))
    tl.store(counted + 2, tl.sum(n_messages, 0))


def at_once(
    rules: Arithmetic, neurons: Neurons, state: Any, u: Any, adds: bool, tally: Tally
) -> tuple[Any, Any] | None:
    """See `engine.reference.AtOnce`; the inputs are a `TensorArray`.

    Of an overflow that raises nothing is given: token by token it is raised where it happens.
    """
    *batch, time, width = u.shape
    x = u.tensor_of(state).clone(memory_format=torch.contiguous_format)
    given: tuple[Any, ...]
    sizes: tuple[int, ...]
    block, how = _BLOCK, {"MESSAGE": rules.message_bits, "BLOCK": _BLOCK}
    match neurons:
        case Filters(a, b, c, p, s) if width == neurons.d_model and (adds or neurons.d_state == 1):
            states = triton.next_power_of_2(neurons.d_state)
            block = max(1, _BLOCK // states)
            each = (np.broadcast_to(e, width) for e in (p, s))
            kernel, given, sizes = _filters, (u, x, a, b, c, *each), (width, neurons.d_state)
            how = {"CHANNELS": block, "STATES": states}
        case Recurrence(a, bias, relu, p, k) if not adds:
            kernel, given, sizes = _recurrence, (u, x, a, bias, np.array([p, k])), (len(a),)
            how |= {"RELU": relu}
        case GatedRecurrence() | SelectiveRecurrence() if not adds:
            if isinstance(neurons, GatedRecurrence):
                f, c = fixed.gate_and_candidate(neurons, rules, u, tally)
                p = TABLE_EXPONENT
            else:
                f, c = fixed.decay_and_drive(neurons, rules, u)
                p = DECAY_EXPONENT
            width, k = neurons.n_neurons, neurons.state_shift
            kernel, given, sizes = _real, (f, c, x, np.array([p, k])), (width,)
            how |= {"GATED": isinstance(neurons, GatedRecurrence)}
        case Taps(_, length) if not adds:
            whole = torch.cat([x.mT, u.tensor], -2)
            sent = whole.unfold(-2, length, 1).reshape(*batch, time, -1)
            return TensorArray(whole[..., time:, :].mT), TensorArray(sent)
        case _:
            return None
    grid = math.prod(batch), triton.cdiv(sizes[0], block)
    y, counts = x.new_empty(*batch, time, width), x.new_zeros(*grid, len(_COUNTED))
    kernel[grid](
        *(u.tensor_of(value).contiguous() for value in given), y, counts, time, *sizes,
        ROUNDING=rules.rounding.value, SATURATES=rules.overflow is Overflow.SATURATE,
        STATE=rules.state_bits, **how,
    )  # fmt: skip
    overflowed = dict(zip(_COUNTED, counts.sum((0, 1)).tolist(), strict=True))
    if rules.overflow is Overflow.RAISE and any(overflowed.values()):
        return None
    tally.update(overflowed)
    made: Any = TensorArray(y)
    if adds:
        made = fixed.word(made, SYNAPSE_BITS, Overflow.WRAP, "synapse", tally)
    return TensorArray(x), made
