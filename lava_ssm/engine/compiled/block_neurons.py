"""State neurons of S5 layers, and the neurons behind synapses, of a network's kernel.

In doubles, under the rounding mode of the network's rules: words have at most 32 bits, weights and
parameters 16, so that products, and sums of a few, are exact, and a shift to the right is a
multiplication by a power of two, rounded to an integer. Loops that do not branch and touch few
arrays each are what LLVM makes vectors of: it has to see that none overlaps another. (CPUs without
AVX-512 do not shift integers of 64 bits with their sign.)
"""

# mypy: disable-error-code="no-untyped-def"

import numpy as np

from lava_ssm.engine.compiled.compiling import compiled
from lava_ssm.engine.compiled.cpu import one_by_one, rounded, to_int32
from lava_ssm.engine.compiled.layout import PRODUCT
from lava_ssm.engine.compiled.words import MESSAGE, STATE, shifted, word


@compiled
def down(n):
    """2**-n, -16 <= n <= 63; what has 62 bits less is rounded as what has 63."""
    if n < 0:
        return np.float64(np.int64(1) << -n)
    return 1.0 / np.float64(np.int64(1) << min(n, 62))


@compiled
def fits(x, half):
    """Whether an integer, a double below 2^52, lies in [-half, half), the middle of which is -1/2.

    Exact in all rounding modes, and cheaper than to compare with both ends.
    """
    return abs(x + 0.5) < half


@compiled
def states(row, numbers, rules, re, im, drive, sent, reals, counts):
    """One step of the recurrence of a recurrence, and what its states send.

    `reals` is float64, (2, width): to write on.
    """
    size, overflow, state_bits = row.size, rules[1], rules[2]
    of_a, of_bias = row.diagonal, row.bias
    a_re, a_im = numbers[of_a : of_a + size], numbers[of_a + size : of_a + 2 * size]
    bias_re = numbers[of_bias : of_bias + size]
    bias_im = numbers[of_bias + size : of_bias + 2 * size]
    x_re, x_im = re[row.states : row.states + size], im[row.states : row.states + size]
    v_re, v_im = drive[:size], drive[size : 2 * size]
    new_re, new_im = reals[0, :size], reals[1, :size]
    half = np.float64(np.int64(1) << (state_bits - 1))
    for n in range(size):
        new = rounded(a_re[n] * x_re[n]) - rounded(a_im[n] * x_im[n])
        new_re[n] = new + (np.float64(v_re[n]) + bias_re[n])
    for n in range(size):
        new = rounded(a_re[n] * x_im[n]) + rounded(a_im[n] * x_re[n])
        new_im[n] = new + (np.float64(v_im[n]) + bias_im[n])
    all_fit = True
    for n in range(size):
        x_re[n], x_im[n] = new_re[n], new_im[n]
        all_fit &= fits(x_re[n], half) & fits(x_im[n], half)
    if not all_fit:
        for n in range(size):
            x_re[n] = word(np.int64(x_re[n]), state_bits, overflow, counts, STATE)
            x_im[n] = word(np.int64(x_im[n]), state_bits, overflow, counts, STATE)
    send(row, rules, x_re, x_im, sent[:size], sent[size : 2 * size], counts)


@compiled
def send(row, rules, re, im, sent_re, sent_im, counts):
    """What states send: their parts, rectified together, as messages."""
    scale, rectified, bits = down(row.shift), row.relu != 0, rules[3]
    half = np.float64(np.int64(1) << (bits - 1))
    all_fit = True
    for n in range(re.size):
        on = (re[n] > 0) | ((re[n] == 0) & (im[n] > 0)) | (not rectified)
        out_re = rounded(re[n] * scale) if on else 0.0
        out_im = rounded(im[n] * scale) if on else 0.0
        all_fit &= fits(out_re, half) & fits(out_im, half)
        sent_re[n], sent_im[n] = to_int32(out_re), to_int32(out_im)
    if not all_fit:
        for sent in (sent_re, sent_im):
            for n in range(sent.size):
                sent[n] = word(np.int64(sent[n]), bits, rules[1], counts, MESSAGE)


@compiled
def through_gate(biases, table, y):
    """What sums open a gate to: sigmoid of each, 12 bits behind the point, in their place."""
    most = np.int32(1 << 30)  # beyond the table; with a bias it still fits 32 bits
    for j in range(y.size):
        v = np.int32(min(max(y[j], -most), most) + np.int32(biases[j]))
        y[j] = min(max(v >> np.int32(4), np.int32(-2048)), np.int32(2047)) + np.int32(2048)
    for j in range(y.size):
        y[j] = table[np.uint32(one_by_one(y[j]))]


@compiled
def neurons(row, numbers, table, rules, y, u, r, out, counts):
    """What neurons make of their sums `y`, in place: messages.

    Where products are shifted to the right.

    Parameters
    ----------
    row
        Of the population.
    u, r
        int32: the second input, and the message of a residual path; not looked at without.
    out
        float64, (width,): to write on.
    """
    size, relu, bits, scale = row.size, row.relu != 0, rules[3], down(row.shift)
    y = y[:size]
    biases = numbers[row.bias : row.bias + size]
    if row.operation == PRODUCT:
        through_gate(biases, table, y)
        of_u = numbers[row.direct : row.direct + size]
        for j in range(size):
            out[j] = rounded((np.float64(u[j]) + of_u[j]) * np.float64(y[j]) * scale)
    elif row.direct >= 0:
        direct = numbers[row.direct : row.direct + size]
        for j in range(size):
            through = rounded(direct[j] * np.float64(u[j]) * scale)
            out[j] = np.float64(y[j]) + biases[j] + through
    else:
        for j in range(size):
            out[j] = np.float64(y[j]) + biases[j]
    if row.residual >= 0:
        factor = down(row.residual_shift)
        for j in range(size):
            out[j] += np.floor(np.float64(r[j]) * factor)
    half = np.float64(np.int64(1) << (bits - 1))
    least = 0.0 if relu else -np.inf
    all_fit = True
    for j in range(size):
        v = out[j] if out[j] > least else least
        all_fit &= fits(v, half)
        y[j] = to_int32(v)
    if not all_fit:
        for j in range(size):
            v = np.int64(out[j])
            y[j] = word(max(v, 0) if relu else v, bits, rules[1], counts, MESSAGE)


@compiled
def wide_neurons(row, numbers, table, rules, y, u, r, wide, counts):
    """The same with products shifted either way; `wide` is int64, (width,): to write on."""
    size, relu, bits, shift = row.size, row.relu != 0, rules[3], row.shift
    y = y[:size]
    biases = numbers[row.bias : row.bias + size]
    if row.operation == PRODUCT:
        through_gate(biases, table, y)
        of_u = numbers[row.direct : row.direct + size]
        for j in range(size):
            v = np.int64(u[j]) + np.int64(of_u[j])
            wide[j] = shifted(v * np.int64(y[j]), shift, rules[0])
    elif row.direct >= 0:
        direct = numbers[row.direct : row.direct + size]
        for j in range(size):
            through = shifted(np.int64(direct[j]) * np.int64(u[j]), shift, rules[0])
            wide[j] = np.int64(y[j]) + np.int64(biases[j]) + through
    else:
        for j in range(size):
            wide[j] = np.int64(y[j]) + np.int64(biases[j])
    if row.residual >= 0:
        n = row.residual_shift
        for j in range(size):
            wide[j] += (np.int64(r[j]) << max(-n, 0)) >> max(n, 0)
    for j in range(size):
        v = max(wide[j], 0) if relu else wide[j]
        y[j] = word(v, bits, rules[1], counts, MESSAGE)
