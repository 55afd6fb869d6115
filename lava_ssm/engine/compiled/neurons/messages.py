"""What reaches neurons, and what they send: the same of all operations.

In doubles, under the rounding mode of the network's rules: words have at most 32 bits, weights and
parameters 16, so that products, and sums of a few, are exact, and a shift to the right is a
multiplication by a power of two, rounded to an integer. What leaves the 52 bits leaves its word
too, and is taken again in integers. Loops that do not branch and touch few arrays each are what
LLVM makes vectors of: it has to see that none overlaps another. (CPUs without AVX-512 do not shift
integers of 64 bits with their sign.)
"""

# mypy: disable-error-code="no-untyped-def"

from math import erf, exp, log1p, sqrt, tanh

import numpy as np

from lava_ssm.engine.compiled.compiling import compiled, compiled_float
from lava_ssm.engine.compiled.cpu import one_by_one, rounded, to_int32
from lava_ssm.engine.compiled.matrix import add_real, synapse
from lava_ssm.engine.compiled.vectors import PIECE, copy_piece, fill_piece, sum_piece
from lava_ssm.engine.compiled.words import MESSAGE, SYNAPSE, WRAP, shifted, word
from lava_ssm.network import Activation
from lava_ssm.numerics import RECTIFIED_EXPONENT, SYNAPSE_BITS, TABLE_EXPONENT, TABLE_STEPS

NONE, RELU, GELU, SILU, SIGMOID, TANH, SOFTPLUS, POSITIVE = range(8)
ACTIVATIONS = dict(zip(Activation, range(8), strict=True))
"""Those from GELU on are taken by a table, those up to SILU of what it is looked up with, too;
those from SOFTPLUS on add it to max(y, 0)."""


@compiled
def received(row, data, t):
    """The sums of the first input, in the buffer of what neurons send, and the second input."""
    y, source = data.buffers[row.out, t, row.out_at :], data.buffers[row.source, t, row.source_at :]
    u = data.buffers[max(row.second, 0), t, row.second_at :]
    counts, sums = data.counts[row.stage], data.sums[1]
    if row.matrix >= 0:
        synapse(data.matrices[row.matrix], data, source, y, counts)
    elif row.adds > 0:
        added(source, row.adds, row.source_bits, y, row.size, counts)
    elif row.count > 0:
        copied(source, row.first, row.count, row.each, y, row.size)
    elif row.source != row.out:
        for j in range(row.size):
            y[j] = source[j]
    if row.second_matrix >= 0:
        synapse(data.matrices[row.second_matrix], data, u, sums, counts)
        return y, sums
    if row.second_count > 0:
        copied(u, row.second_first, row.second_count, row.second_each, sums, row.size)
        return y, sums
    return y, u


@compiled
def added(source, each, bits, y, size, counts):
    """What neurons receive of `Ones` that add up `each` messages of so many bits."""
    if each % PIECE == 0 and each << (bits - 1) <= 1 << (SYNAPSE_BITS - 1):
        for j in range(size):
            total = np.int32(0)
            for i in range(j * each, (j + 1) * each, PIECE):
                total = np.int32(total + sum_piece(source, i))
            y[j] = total
        return
    for j in range(size):
        total = np.int64(0)
        for i in range(j * each, (j + 1) * each):
            total += np.int64(source[i])
        y[j] = word(total, SYNAPSE_BITS, WRAP, counts, SYNAPSE)


@compiled
def copied(source, first, count, each, y, size):
    """What neurons receive of `Copies`: y[i] = source[first + (i // each) % count]."""
    if each == 1:
        for at in range(0, size, count):
            for j in range(0, count - PIECE + 1, PIECE):
                copy_piece(source, first + j, y, at + j)
            for j in range(count - count % PIECE, count):
                y[at + j] = source[first + j]
        return
    for at in range(0, size, count * each):
        for j in range(count):
            value, begin = source[first + j], at + j * each
            for i in range(0, each - PIECE + 1, PIECE):
                fill_piece(value, y, begin + i)
            for i in range(each - each % PIECE, each):
                y[begin + i] = value


@compiled
def received_float(row, data, t):
    """The same of a float network."""
    y, source = data.buffers[row.out, t, row.out_at :], data.buffers[row.source, t, row.source_at :]
    u = data.buffers[max(row.second, 0), t, row.second_at :]
    sums = data.sums[1]
    if row.matrix >= 0:
        add_real(data.matrices[row.matrix], data, source, y)
    elif row.adds > 0:
        for j in range(row.size):
            total = y.dtype.type(0)
            for i in range(j * row.adds, (j + 1) * row.adds):
                total += source[i]
            y[j] = total
    elif row.count > 0:
        copied(source, row.first, row.count, row.each, y, row.size)
    elif row.source != row.out:
        for j in range(row.size):
            y[j] = source[j]
    if row.second_matrix >= 0:
        add_real(data.matrices[row.second_matrix], data, u, sums)
        return y, sums
    if row.second_count > 0:
        copied(u, row.second_first, row.second_count, row.second_each, sums, row.size)
        return y, sums
    return y, u


@compiled
def sent(row, data, t, values):
    """Bring what neurons have made, doubles, to messages; whether all fit, else see `sent_exactly`.

    Adds the residual path, and applies the activation.
    """
    y, size = data.buffers[row.out, t, row.out_at :], row.size
    if row.residual >= 0:
        r = data.buffers[row.residual, t, row.residual_at :]
        factor = down(row.residual_shift)
        for j in range(size):
            values[j] += np.floor(np.float64(r[j]) * factor)
    if row.activation > RELU:
        return activated(row, data, values, y)
    half = np.float64(np.int64(1) << (row.message_bits - 1))
    least = 0.0 if row.activation == RELU else -np.inf
    all_fit = True
    for j in range(size):
        all_fit &= fits(max(values[j], least), half)
    if all_fit:
        for j in range(size):
            y[j] = to_int32(max(values[j], least))
    return all_fit


@compiled
def activated(row, data, values, y):
    """Activations by table of doubles that are integers, see `numerics.Table`; else as `sent`.

    Entries are read one by one; what is before and after that LLVM makes vectors of.
    """
    size, multiplies, rectifies = row.size, row.activation <= SILU, row.activation >= SOFTPLUS
    entry_exponent = RECTIFIED_EXPONENT if rectifies else TABLE_EXPONENT
    amount = entry_exponent - row.exponent
    if amount < -MOST_LEFT:
        return False
    n = max(row.exponent - row.step_exponent, np.int64(-12))  # farther left all are at the ends
    half = np.float64(np.int64(1) << (row.message_bits - 1))
    steps, factor, of_entry, one = data.sums[0], down(n), down(amount), down(TABLE_EXPONENT)
    least, most = np.float64(-TABLE_STEPS), np.float64(TABLE_STEPS - 1)
    entries = data.integers[row.entries : row.entries + 2 * TABLE_STEPS]
    too_large = np.int64(0)
    for j in range(size):
        step = min(max(np.floor(values[j] * factor), least), most)
        steps[j] = to_int32(step) + np.int32(TABLE_STEPS)
        too_large |= np.int64(multiplies and not fits(values[j], half))
    if too_large != 0:
        return False
    for j in range(size):
        steps[j] = entries[np.uint32(one_by_one(steps[j]))]
    for j in range(size):
        entry = np.float64(steps[j])
        if multiplies:
            value = rounded(values[j] * entry * one)
        else:
            value = rounded(entry * of_entry)
            if rectifies:
                value += max(values[j], 0.0)
        steps[j] = to_int32(value)
        too_large |= np.int64(not fits(value, half))
    if too_large == 0:
        for j in range(size):
            y[j] = steps[j]
    return too_large == 0


@compiled
def sent_exactly(row, data, t, j, value):
    """The same of one neuron, an int64: brought to its word, and counted."""
    if row.residual >= 0:
        n = row.residual_shift
        r = np.int64(data.buffers[row.residual, t, row.residual_at + j])
        value += (r << max(-n, 0)) >> max(n, 0)
    rules, bits, counts = data.rules[0], row.message_bits, data.counts[row.stage]
    if row.activation > RELU:
        value = by_table(row, data, value)
        sent = message(value, bits, rules, NONE, counts)
    else:
        sent = message(value, bits, rules, row.activation, counts)
    data.buffers[row.out, t, row.out_at + j] = sent


@compiled
def by_table(row, data, value):
    """An activation of one int64; see `numerics.Table`."""
    rules, counts = data.rules[0], data.counts[row.stage]
    initial = value
    if row.activation <= SILU:
        value = message(value, row.message_bits, rules, NONE, counts)
    n = row.exponent - row.step_exponent
    ends = np.int64(2 * TABLE_STEPS)
    step = value >> min(n, 63) if n >= 0 else min(max(value, -ends), ends) << min(-n, 12)
    step = min(max(step, np.int64(-TABLE_STEPS)), np.int64(TABLE_STEPS - 1))
    entry = np.int64(data.integers[row.entries + step + TABLE_STEPS])
    if row.activation <= SILU:
        return shifted(value * entry, TABLE_EXPONENT, rules.rounding)
    if row.activation >= SOFTPLUS:
        entry = shifted(entry, min(RECTIFIED_EXPONENT - row.exponent, 63), rules.rounding)
        return max(initial, np.int64(0)) + entry
    return shifted(entry, min(TABLE_EXPONENT - row.exponent, 63), rules.rounding)


@compiled_float
def sent_float(row, data, t):
    """Add the residual path to what neurons have made, in its place, and apply the activation."""
    y, size = data.buffers[row.out, t, row.out_at :], row.size
    if row.residual >= 0:
        r = data.buffers[row.residual, t, row.residual_at :]
        for j in range(size):
            y[j] += r[j]
    if row.activation == RELU:
        zero = y.dtype.type(0)
        for j in range(size):
            y[j] = max(y[j], zero)
    elif row.activation == GELU:
        for j in range(size):
            y[j] = 0.5 * y[j] * (1.0 + erf(y[j] / sqrt(2.0)))
    elif row.activation == SILU:
        for j in range(size):
            y[j] = y[j] / (1.0 + exp(-y[j]))
    elif row.activation == SIGMOID:
        for j in range(size):
            y[j] = 1.0 / (1.0 + exp(-y[j]))
    elif row.activation == TANH:
        for j in range(size):
            y[j] = tanh(y[j])
    elif row.activation == SOFTPLUS:
        for j in range(size):
            y[j] = max(y[j], 0.0) + log1p(exp(-abs(y[j])))
    elif row.activation == POSITIVE:
        for j in range(size):
            y[j] = max(y[j], 0.0) + 1.0 / (1.0 + exp(-min(y[j], 0.0)))


@compiled
def messages(y, size, bits, rules, activation, counts):
    """What neurons send on of int32 sums y[:size], in so many bits, in place."""
    half = 1 << (bits - 1)
    low, high = np.int32(0), np.int32(0)
    if activation == RELU:
        for i in range(size):
            y[i] = max(y[i], np.int32(0))
    for i in range(size):
        low, high = min(low, y[i]), max(high, y[i])
    if low < -half or high >= half:
        for i in range(size):
            y[i] = message(np.int64(y[i]), bits, rules, activation, counts)


@compiled
def message(y, bits, rules, activation, counts):
    """The same of one sum, an int64."""
    v = max(y, 0) if activation == RELU else y
    return word(v, bits, rules.overflow, counts, MESSAGE)


MOST_LEFT = 16
"""Bits to the left, at most."""


@compiled
def down(n):
    """2**-n, -MOST_LEFT <= n <= 63; what has 62 bits less is rounded as what has 63."""
    if n < 0:
        return np.float64(np.int64(1) << -n)
    return 1.0 / np.float64(np.int64(1) << min(n, 62))


@compiled
def fits(x, half):
    """Whether an integer, a double, lies in [-half, half), the middle of which is -1/2.

    Exact in all rounding modes, and cheaper than to compare with both ends.
    """
    return abs(x + 0.5) < half
