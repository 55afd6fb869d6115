"""The arithmetic of a fixed network, operation by operation, on int64 arrays.

Each operation adds to a tally how many integers left their words.
"""

from typing import Any

import numpy as np

from lava_ssm.engine.overflows import Tally
from lava_ssm.network import (
    Activation,
    Affine,
    Bilinear,
    Copies,
    Filters,
    GatedRecurrence,
    InverseSqrt,
    Matrix,
    Neurons,
    Product,
    Recurrence,
    SelectiveRecurrence,
    Stateless,
    Synapse,
    Taps,
)
from lava_ssm.numerics import (
    DECAY_EXPONENT,
    SYNAPSE_BITS,
    TABLE_EXPONENT,
    Arithmetic,
    IntArray,
    Overflow,
    Rounding,
    decay,
    multiply_shift,
    overflowing,
    scaled_inverse_sqrt,
    shift,
    sigmoid,
    to_bits,
    word_range,
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


def step(
    neurons: Neurons, rules: Arithmetic, state: IntArray, u: IntArray, tally: Tally
) -> tuple[IntArray, IntArray]:
    """One time step of neurons with states: the new state, and the messages that they send.

    Parameters
    ----------
    state
        (..., *state_shape).
    u
        Input mantissas, (..., n_neurons); of `Filters` also one a channel, (..., d_model); of a
        `GatedRecurrence` or a `SelectiveRecurrence` the sums, then the second inputs,
        (..., 2 n_neurons).
    """
    match neurons:
        case Filters():
            return filters(neurons, rules, state, u, tally)
        case Recurrence():
            return recurrence(neurons, rules, state, u, tally)
        case Taps():
            return taps(neurons, state, u)
        case GatedRecurrence():
            return gated_recurrence(neurons, rules, state, u, tally)
        case SelectiveRecurrence():
            return selective_recurrence(neurons, rules, state, u, tally)
    raise TypeError(f"{type(neurons).__name__} neurons have no state")


def filters(
    neurons: Filters, rules: Arithmetic, state: IntArray, u: IntArray, tally: Tally
) -> tuple[IntArray, IntArray]:
    """See `step`; the state is (..., d_model, d_state, 2)."""
    p = np.reshape(neurons.param_exponent, (-1, 1))  # (d_model, 1) or (1, 1)
    s = np.reshape(neurons.state_exponent, (-1, 1))
    u = by_channel(u, neurons.d_model)  # (..., d_model, d_state or 1)

    v = np.broadcast_to(shift(u, -s, Rounding.FLOOR), state.shape[:-1])  # each state has its own
    v = word(v, rules.state_bits, rules.overflow, "input", tally)[..., np.newaxis]
    drive = multiply_shift(neurons.b, v, p[..., np.newaxis], rules.rounding)
    state = diagonal_step(neurons.a, p, rules, state, drive, tally)
    c_x = multiply_shift(neurons.c, state, p[..., np.newaxis], rules.rounding)
    out = shift(2 * (c_x[..., 0] - c_x[..., 1]), s, rules.rounding)
    return state, out.reshape(*out.shape[:-2], neurons.n_neurons)


def recurrence(
    neurons: Recurrence, rules: Arithmetic, state: IntArray, u: IntArray, tally: Tally
) -> tuple[IntArray, IntArray]:
    """See `step`; the state is (..., d_state, 2), messages are real parts, then imaginary ones."""
    p = np.asarray(neurons.param_exponent)
    state = diagonal_step(neurons.a, p, rules, state, paired(u) + neurons.bias, tally)
    real = flat(complex_relu(state) if neurons.relu else state)
    return state, sent(real, neurons.state_shift, rules, tally)


def by_channel(values: np.ndarray, n: int) -> np.ndarray:
    """(..., n * each) to (..., n, each)."""
    return values.reshape(*values.shape[:-1], n, values.shape[-1] // n)


def flat(parts: np.ndarray) -> np.ndarray:
    """(..., d_state, 2) as a synapse has it, (..., 2 d_state): real parts, then imaginary ones."""
    return np.concatenate([parts[..., 0], parts[..., 1]], axis=-1)


def paired(flat: np.ndarray) -> np.ndarray:
    """(..., 2 d_state), real parts, then imaginary ones, to (..., d_state, 2)."""
    return np.stack(np.split(flat, 2, axis=-1), axis=-1)


def complex_relu(x: IntArray) -> IntArray:
    """Leave complex integers (..., 2) with Re > 0, or Re = 0 and Im > 0; zero elsewhere."""
    re, im = x[..., 0], x[..., 1]
    positive = (re > 0) | ((re == 0) & (im > 0))
    return x * positive[..., np.newaxis]


def taps(neurons: Taps, state: np.ndarray, u: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """See `step`; the state is (..., d_model, length - 1)."""
    sent = np.concatenate([state, u[..., np.newaxis]], axis=-1)
    return sent[..., 1:], sent.reshape(*u.shape[:-1], neurons.n_neurons)


def gated_recurrence(
    neurons: GatedRecurrence, rules: Arithmetic, state: IntArray, u: IntArray, tally: Tally
) -> tuple[IntArray, IntArray]:
    """See `step`; the state is (..., n_neurons). It lies between words, and so needs none."""
    f, c = gate_and_candidate(neurons, rules, u, tally)
    state = c + multiply_shift(f, state - c, TABLE_EXPONENT, rules.rounding)
    return state, sent(state, neurons.state_shift, rules, tally)


def gate_and_candidate(
    neurons: GatedRecurrence, rules: Arithmetic, u: IntArray, tally: Tally
) -> tuple[IntArray, IntArray]:
    """Give f and c of a `GatedRecurrence`, (..., n_neurons) each, which no state is asked for."""
    s, c = np.split(u, 2, axis=-1)
    c = shift(c, -neurons.shift, Rounding.FLOOR)
    c = c if neurons.bias_u is None else c + neurons.bias_u
    c = word(c, rules.state_bits, rules.overflow, "input", tally)
    return sigmoid(s + neurons.bias), c


def selective_recurrence(
    neurons: SelectiveRecurrence, rules: Arithmetic, state: IntArray, u: IntArray, tally: Tally
) -> tuple[IntArray, IntArray]:
    """See `step`; the state is (..., n_neurons)."""
    left, v = decay_and_drive(neurons, rules, u)
    state = multiply_shift(left, state, DECAY_EXPONENT, rules.rounding) + v
    state = word(state, rules.state_bits, rules.overflow, "state", tally)
    return state, sent(state, neurons.state_shift, rules, tally)


def decay_and_drive(
    neurons: SelectiveRecurrence, rules: Arithmetic, u: IntArray
) -> tuple[IntArray, IntArray]:
    """Give what a state of a `SelectiveRecurrence` is multiplied with, and what is added to it."""
    s, v = np.split(u, 2, axis=-1)
    w = multiply_shift(neurons.rates, s, neurons.rate_shift, rules.rounding)
    return decay(w, rules.rounding), shift(v, -neurons.shift, Rounding.FLOOR)


def sent(state: IntArray, amount: int, rules: Arithmetic, tally: Tally) -> IntArray:
    """Give the messages of states: shifted, in their word."""
    return word(
        shift(state, amount, rules.rounding), rules.message_bits, rules.overflow, "message", tally
    )


def output(neurons: Stateless, rules: Arithmetic, s: IntArray, u: Any, tally: Tally) -> IntArray:
    """What neurons without a state make of a sum and, if they have one, of a second input.

    Parameters
    ----------
    s, u
        (..., n_neurons).
    """
    match neurons:
        case Affine():
            if neurons.direct is not None:
                s = s + multiply_shift(neurons.direct, u, neurons.shift, rules.rounding)
            return s if neurons.bias is None else s + neurons.bias
        case Product():
            v = u if neurons.bias_u is None else u + neurons.bias_u
            return multiply_shift(v, sigmoid(s + neurons.bias), neurons.shift, rules.rounding)
        case Bilinear():
            return bilinear(neurons, rules, s, u, tally)
        case InverseSqrt():
            v = np.maximum(s + int(neurons.epsilon), 1)
            _, most = word_range(rules.message_bits)
            return scaled_inverse_sqrt(v, neurons.exponent, most, rules.rounding)


def bilinear(
    neurons: Bilinear, rules: Arithmetic, s: IntArray, u: IntArray, tally: Tally
) -> IntArray:
    """See `output`."""
    y = multiply_shift(s, u, neurons.shift, rules.rounding)
    if neurons.limit is None:
        y = word(y, SYNAPSE_BITS, rules.overflow, "message", tally)
    else:
        y = np.clip(y, -neurons.limit, neurons.limit)
    if neurons.weights is not None:
        y = multiply_shift(y, neurons.weights, neurons.weight_shift, rules.rounding)
    return y if neurons.bias is None else y + neurons.bias


def residual(y: IntArray, earlier: IntArray, amount: int) -> IntArray:
    """Add an earlier message, shifted to the right by `amount`, rounding down."""
    return y + shift(earlier, amount, Rounding.FLOOR)


def received(synapse: Synapse, u: IntArray, tally: Tally) -> IntArray:
    """What a synapse makes of messages u (..., n_in), (..., n_out).

    One that hands each message to several neurons leaves that to them, (..., n_in).
    """
    if isinstance(synapse, Matrix):
        return linear(synapse.weights, synapse.shift, u, tally)
    if isinstance(synapse, Copies):
        return u[..., synapse.index]
    if synapse.n_out > synapse.n_in:
        return u
    sums = by_channel(u, synapse.n_out).sum(axis=-1) if synapse.sums else u
    return word(sums, SYNAPSE_BITS, Overflow.WRAP, "synapse", tally)


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


def message(
    y: IntArray, activation: Activation, rules: Arithmetic, tally: Tally, exponent: int = 0
) -> IntArray:
    """What a receiving neuron sends on: activated, and brought to the message's bits.

    What a table's entry is multiplied with is brought to them before that.

    Parameters
    ----------
    exponent
        Of y, for a table.
    """

    def in_word(y: IntArray) -> IntArray:
        return word(y, rules.message_bits, rules.overflow, "message", tally)

    if activation is Activation.RELU:
        return in_word(np.maximum(y, 0))
    table = activation.table
    if table is None:
        return in_word(y)
    if table.multiplies:  # which makes nothing larger
        return table.activate(in_word(y), exponent, rules.rounding)
    return in_word(table.activate(y, exponent, rules.rounding))


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
