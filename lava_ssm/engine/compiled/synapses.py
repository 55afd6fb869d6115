"""Linear layers and the neurons behind synapses, for a block of tokens.

`reference.fixed.linear` and `message` are the specification. Sums are taken in 32 bits where the
greatest message and the weights show that they fit, in 64 bits otherwise, and then counted.
"""

# mypy: disable-error-code="no-untyped-def"

import numpy as np

from lava_ssm.engine.compiled.compiling import compiled
from lava_ssm.engine.compiled.cpu import ROUNDING_MODE, shifted_right
from lava_ssm.engine.compiled.words import MESSAGE, SYNAPSE, WRAP, shifted, word
from lava_ssm.numerics import SYNAPSE_BITS, Rounding

_FLOOR = ROUNDING_MODE[Rounding.FLOOR]


@compiled
def linear(
    weights, first, d_input, d_output, most_gain, common, shifts, of_shifts, u, y, n_tokens, rules,
    relu, counts,
):  # fmt: skip
    """`relu((2 weights @ u) >> shift)` for each token, as messages.

    Parameters
    ----------
    weights
        int8: the mantissas from `first` on, (d_input, d_output).
    most_gain
        The greatest sum over inputs of |2 weights|.
    common
        The shift that the synapse itself does; to the left if negative.
    shifts
        int64: the whole shift to the right of each output, from `of_shifts` on.
    u, y
        int32, (time, at least d_input) and (time, at least d_output), which is written.
    rules, relu, counts
        See `neurons.channel` and `messages`.
    """
    for t in range(n_tokens):
        most = greatest(u[t], d_input)
        if common >= 0 and (most + 1) * most_gain < 1 << (SYNAPSE_BITS - 1):
            _sums(weights, first, d_input, d_output, u, y, t)
            for i in range(d_output):
                y[t, i] = shifted_right(y[t, i], np.int32(shifts[of_shifts + i]))
            messages(y[t], d_output, rules, relu, counts)
        else:
            for i in range(d_output):
                total = np.int64(0)
                for j in range(d_input):
                    total += 2 * np.int64(weights[first + j * d_output + i]) * np.int64(u[t, j])
                total = word(total, SYNAPSE_BITS, WRAP, counts, SYNAPSE)
                if common < 0:
                    left = min(-common, SYNAPSE_BITS)
                    total = word(total << left, SYNAPSE_BITS, WRAP, counts, SYNAPSE)
                rest = shifts[of_shifts + i] - min(common, 0)
                total = shifted(total, min(rest, SYNAPSE_BITS - 1), _FLOOR)
                y[t, i] = message(total, rules, relu, counts)


@compiled
def _sums(weights, first, d_input, d_output, u, y, t):
    """Doubled sums in 32 bits; four inputs at a time to spare loads of the sums."""
    for i in range(d_output):
        y[t, i] = 0
    row, n = np.uint64(first), np.uint64(d_output)  # unsigned: no indices from the end
    j = 0
    while j + 4 <= d_input:
        u0, u1, u2, u3 = twice(u[t, j]), twice(u[t, j + 1]), twice(u[t, j + 2]), twice(u[t, j + 3])
        if u0 | u1 | u2 | u3:
            for i in range(n):
                at = row + i
                y[t, i] += np.int32(
                    weights[at] * u0
                    + weights[at + n] * u1
                    + weights[at + n + n] * u2
                    + weights[at + n + n + n] * u3
                )
        j += 4
        row += np.uint64(4) * n
    while j < d_input:
        u0 = twice(u[t, j])
        for i in range(n):
            y[t, i] += np.int32(weights[row + i] * u0)
        j += 1
        row += n


@compiled
def twice(u):
    """2 u, still in 32 bits: Numba would widen it."""
    return np.int32(2 * u)


@compiled
def greatest(u, size):
    """The least n >= 0 with -n - 1 <= u[i] <= n for int32 u[:size]."""
    low, high = np.int32(0), np.int32(0)
    for i in range(size):
        low, high = min(low, u[i]), max(high, u[i])
    return max(-1 - np.int64(low), np.int64(high))


@compiled
def messages(y, size, rules, relu, counts):
    """What neurons send on of int32 sums y[:size], in place.

    Rectified if `relu`, and brought to a message's bits.
    """
    half = 1 << (rules[3] - 1)
    low, high = np.int32(0), np.int32(0)
    if relu:
        for i in range(size):
            y[i] = max(y[i], np.int32(0))
    for i in range(size):
        low, high = min(low, y[i]), max(high, y[i])
    if low < -half or high >= half:
        for i in range(size):
            y[i] = message(np.int64(y[i]), rules, relu, counts)


@compiled
def message(y, rules, relu, counts):
    """The same of one sum, an int64."""
    return word(max(y, 0) if relu else y, rules[3], rules[1], counts, MESSAGE)
