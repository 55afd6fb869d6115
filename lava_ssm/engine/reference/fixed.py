"""The arithmetic of a fixed network, operation by operation, on int64 arrays.

Each operation adds to a tally how many integers left their words.
"""

import numpy as np

from lava_ssm.engine.overflows import Tally
from lava_ssm.network import FixedGate, FixedS4D, FixedS5
from lava_ssm.numerics import (
    SYNAPSE_BITS,
    Arithmetic,
    IntArray,
    Overflow,
    Rounding,
    multiply_shift,
    overflowing,
    shift,
    sigmoid,
    to_bits,
)


def diagonal_step(
    a: IntArray, p: IntArray, rules: Arithmetic, state: IntArray, drive: IntArray, tally: Tally
) -> IntArray:
    """One step of the diagonal recurrence x' = a x + drive, each product shifted on its own.

    Parameters
    ----------
    a
        Mantissas (..., 2): real, imaginary; exponent `p`, broadcast against `a[..., 0]`.
    state, drive
        Mantissas (..., 2) of one exponent.
    """
    x_re, x_im = state[..., 0], state[..., 1]
    a_re, a_im = a[..., 0], a[..., 1]

    def times(m: IntArray, x: IntArray) -> IntArray:
        return multiply_shift(m, x, p, rules.rounding)

    new = np.stack(
        [
            times(a_re, x_re) - times(a_im, x_im) + drive[..., 0],
            times(a_re, x_im) + times(a_im, x_re) + drive[..., 1],
        ],
        axis=-1,
    )
    return word(new, rules.state_bits, rules.overflow, "state", tally)


def s4d_neurons(
    layer: FixedS4D, rules: Arithmetic, state: IntArray, u: IntArray, tally: Tally
) -> tuple[IntArray, IntArray]:
    """One time step of the state neurons.

    Parameters
    ----------
    state
        (..., d_model, d_state, 2): real, imaginary.
    u
        Input mantissas, (..., d_model, d_state) or (..., d_model, 1).

    Returns
    -------
    tuple
        The new state, and each state's output, int64 of shape (..., d_model, d_state).
    """
    p = np.reshape(layer.param_exponent, (-1, 1))  # (d_model, 1) or (1, 1)
    s = np.reshape(layer.state_exponent, (-1, 1))

    v = np.broadcast_to(shift(u, -s, Rounding.FLOOR), state.shape[:-1])  # each state has its own
    v = word(v, rules.state_bits, rules.overflow, "input", tally)[..., np.newaxis]
    drive = multiply_shift(layer.b, v, p[..., np.newaxis], rules.rounding)
    state = diagonal_step(layer.a, p, rules, state, drive, tally)
    c_x = multiply_shift(layer.c, state, p[..., np.newaxis], rules.rounding)
    return state, shift(2 * (c_x[..., 0] - c_x[..., 1]), s, rules.rounding)


def s5_neurons(
    layer: FixedS5, rules: Arithmetic, state: IntArray, drive: IntArray, tally: Tally
) -> tuple[IntArray, IntArray]:
    """One time step of the state neurons of an S5 layer.

    Parameters
    ----------
    state
        (..., d_state, 2): real, imaginary.
    drive
        What the synapse to the states gives, the same shape.

    Returns
    -------
    tuple
        The new state, and the messages that the states send, the same shape.
    """
    p = np.asarray(layer.param_exponent)
    state = diagonal_step(layer.a, p, rules, state, drive + layer.drive_bias, tally)
    sent = complex_relu(state) if layer.relu else state
    sent = shift(sent, layer.state_shift, rules.rounding)
    return state, word(sent, rules.message_bits, rules.overflow, "message", tally)


def complex_relu(x: IntArray) -> IntArray:
    """Leave complex integers (..., 2) with Re > 0, or Re = 0 and Im > 0; zero elsewhere."""
    re, im = x[..., 0], x[..., 1]
    positive = (re > 0) | ((re == 0) & (im > 0))
    return x * positive[..., np.newaxis]


def s5_output(
    layer: FixedS5, rules: Arithmetic, sums: IntArray, u: IntArray, input_exponent: int
) -> IntArray:
    """Add the direct path and the bias to the sums over states.

    Parameters
    ----------
    sums
        What the synapse from the states gives, (..., d_model).
    u
        The layer's input, (..., d_model).
    """
    amount = layer.direct_shift(input_exponent)
    return sums + multiply_shift(layer.d, u, amount, rules.rounding) + layer.bias


def gate(
    layer: FixedGate, rules: Arithmetic, sums: IntArray, u: IntArray, input_exponent: int
) -> IntArray:
    """Multiply u (..., d_model) by the sigmoid of what the gate's synapse gives, same shape."""
    amount = layer.product_shift(input_exponent)
    return multiply_shift(u, sigmoid(sums + layer.bias), amount, rules.rounding)


def residual(y: IntArray, earlier: IntArray, amount: int) -> IntArray:
    """Add an earlier message, shifted to the right by `amount`, rounding down."""
    return y + shift(earlier, amount, Rounding.FLOOR)


def reduce_states(out: IntArray, tally: Tally) -> IntArray:
    """Sum over a channel's states, (..., d_model, d_state) to (..., d_model): a 32-bit synapse."""
    return word(out.sum(axis=-1), SYNAPSE_BITS, Overflow.WRAP, "synapse", tally)


def linear(weights: IntArray, amount: np.ndarray | int, u: IntArray, tally: Tally) -> IntArray:
    """`(2 weights @ u) >> amount`, in 32 bits that wrap.

    Parameters
    ----------
    weights
        Mantissas, (d_output, d_input).
    amount
        Shift to the right, one integer or (d_output,). The synapse shifts by the smallest, in 32
        bits; what is left is shifted, rounding down, in the neuron that receives.
    u
        Messages, (..., d_input).

    Returns
    -------
    ndarray
        int64, (..., d_output).
    """
    sums = word(exact_product(u, 2 * weights.T), SYNAPSE_BITS, Overflow.WRAP, "synapse", tally)
    common, rest = split_shift(amount)
    left = max(-common, 0)
    if left:
        sums = shift(sums, -min(left, SYNAPSE_BITS), Rounding.FLOOR)
        sums = word(sums, SYNAPSE_BITS, Overflow.WRAP, "synapse", tally)
    return shift(shift(sums, max(common, 0), Rounding.FLOOR), rest, Rounding.FLOOR)


def exact_product(u: IntArray, weights: IntArray) -> IntArray:
    """`u @ weights` in int64: by doubles, which are many times faster, where they are exact."""
    if u.size and weights.size:
        largest = int(np.abs(u).max()) * int(np.abs(weights).max()) * len(weights)
        if largest < 1 << 53:
            return (u.astype(np.float64) @ weights.astype(np.float64)).astype(np.int64)
    return u @ weights


def split_shift(amount: np.ndarray | int) -> tuple[int, np.ndarray | int]:
    """Split shifts into the one that all rows share, the smallest, and what is left of each."""
    common = int(np.min(amount))
    return common, amount - common


def message(y: IntArray, relu: bool, rules: Arithmetic, tally: Tally) -> IntArray:
    """What a receiving neuron sends on: rectified or not, brought to the message's bits."""
    rectified = np.maximum(y, 0) if relu else y
    return word(rectified, rules.message_bits, rules.overflow, "message", tally)


def running_sum(total: IntArray, y: IntArray, rules: Arithmetic, tally: Tally) -> IntArray:
    """Add a token's output to the running sum of a mean readout, 32 bits."""
    return word(total + y, SYNAPSE_BITS, rules.overflow, "sum", tally)


def word(x: IntArray, bits: int, overflow: Overflow, what: str, tally: Tally) -> IntArray:
    """Bring integers to a word, counting those that do not fit it under `what`."""
    n = np.count_nonzero(overflowing(x, bits))
    if n == 0:
        return x
    tally[what] += n
    return to_bits(x, bits, overflow, name=what)
