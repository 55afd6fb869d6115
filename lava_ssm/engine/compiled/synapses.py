"""Synapses, and the messages of the neurons behind them.

`reference.fixed.linear` and `message` are the specification. Sums are taken in 32 bits where the
greatest message and the weights show that they fit, in 64 bits otherwise, and then counted.
Products with a message of zero are skipped, or, where few weights are not zero, those with the
zeros (see `windows`; by places, which are for CPUs without windows, both).
"""

# mypy: disable-error-code="no-untyped-def"

import numpy as np

from lava_ssm.engine.compiled.compiling import compiled
from lava_ssm.engine.compiled.cpu import ROUNDING_MODE, shifted_right
from lava_ssm.engine.compiled.layout import NARROW_WINDOWS, PAIRS, PLACES, WIDE_WINDOWS
from lava_ssm.engine.compiled.narrow_windows import NARROW, add_narrow_windows
from lava_ssm.engine.compiled.pairs import active, add_pairs, sums_of_blocks
from lava_ssm.engine.compiled.wide_windows import WIDE, add_wide_windows
from lava_ssm.engine.compiled.windows import sums_of_windows
from lava_ssm.engine.compiled.words import MESSAGE, SYNAPSE, WRAP, shifted, word
from lava_ssm.numerics import SYNAPSE_BITS, Rounding

_FLOOR = ROUNDING_MODE[Rounding.FLOOR]


@compiled
def synapse(
    matrix, weights, places, steps, tables, pointers, shifts, offsets, u, y, found, window, counts
):
    """`(2 weights @ u) >> shift` in 32 bits that wrap, to y[:d_output].

    `found` is int64, at least (d_input,): to write on; `window` see `windows.add_windows`.
    """
    d_output, d_input, form = matrix.rows, matrix.columns, matrix.form
    common, of_outputs, most = matrix.common_shift, matrix.outputs, matrix.most
    left = max(-common, 0)
    # Messages are within their format: `neurons`, `states`, `Tokens` see to it. They are measured
    # where that leaves open whether 16 bits hold them, or 32 their sums.
    if most >= 1 << 15 or (most + 1) * matrix.most_gain >= 1 << 31:
        most = greatest(u, d_input)
    if left >= SYNAPSE_BITS or (most + 1) * matrix.most_gain >= 1 << 31:
        _wide(matrix, weights, places, steps, tables, pointers, shifts, u, y, found, counts)
        return
    mask = np.int32(-1 if common >= 0 else 0)
    if form == WIDE_WINDOWS:
        add_wide_windows(
            steps, tables, pointers, offsets, shifts, matrix.pointers, of_outputs, d_input,
            d_output, most, mask, u, window, y,
        )  # fmt: skip
    elif form == NARROW_WINDOWS:
        add_narrow_windows(
            steps, tables, pointers, offsets, shifts, matrix.pointers, of_outputs, d_input,
            d_output, most, mask, u, window, y,
        )  # fmt: skip
    elif form == PAIRS:
        add_pairs(weights, matrix.first, d_input, d_output, most, u, found, y)
    else:
        for i in range(d_output):
            y[i] = 0
        n = active(u, d_input, found)
        if form == PLACES:
            _sparse(weights, places, pointers, matrix.first, matrix.pointers, n, found, u, y)
        else:
            _dense(weights, matrix.first, n, found, d_output, u, y)
    if left > 0 and greatest(y, d_output) >= 1 << (31 - left):
        _wide(matrix, weights, places, steps, tables, pointers, shifts, u, y, found, counts)
        return
    amounts = shifts[of_outputs : of_outputs + d_output]
    if common < 0:
        for i in range(d_output):
            n = amounts[i]
            y[i] = shifted_right(np.int32(y[i] << np.int32(max(-n, 0))), np.int32(max(n, 0)))
    elif form != WIDE_WINDOWS and form != NARROW_WINDOWS:
        for i in range(d_output):
            y[i] = shifted_right(y[i], amounts[i])


@compiled
def _dense(weights, first, n_active, found, d_output, u, y):
    """Add up, four inputs that are not zero at a time to spare loads of the sums."""
    n = np.uint64(d_output)  # unsigned: no indices from the end
    base = np.uint64(first)
    whole = n_active & ~np.uint64(3)
    for k in range(np.uint64(0), whole, np.uint64(4)):
        j0, j1 = np.uint64(found[k]), np.uint64(found[k + np.uint64(1)])
        j2, j3 = np.uint64(found[k + np.uint64(2)]), np.uint64(found[k + np.uint64(3)])
        u0, u1, u2, u3 = twice(u[j0]), twice(u[j1]), twice(u[j2]), twice(u[j3])
        r0, r1, r2, r3 = base + j0 * n, base + j1 * n, base + j2 * n, base + j3 * n
        for i in range(n):
            y[i] += np.int32(
                weights[r0 + i] * u0
                + weights[r1 + i] * u1
                + weights[r2 + i] * u2
                + weights[r3 + i] * u3
            )
    for k in range(whole, n_active):
        j = np.uint64(found[k])
        v, row = twice(u[j]), base + j * n
        for i in range(n):
            y[i] += np.int32(weights[row + i] * v)


@compiled
def _sparse(weights, places, pointers, first, of_pointers, n_active, found, u, y):
    """Add up the weights that are not zero of the inputs that are not."""
    base, start = np.uint64(first), np.uint64(of_pointers)
    for k in range(n_active):
        j = np.uint64(found[k])
        v = twice(u[j])
        begin = base + np.uint64(pointers[start + j])
        end = base + np.uint64(pointers[start + j + np.uint64(1)])
        for at in range(begin, end):
            y[np.uint64(places[at])] += np.int32(weights[at] * v)


@compiled
def _wide(matrix, weights, places, steps, tables, pointers, shifts, u, y, totals, counts):
    """The same in 64 bits, where 32 may not hold a sum: wrapped, and counted.

    `totals` is int64, at least (d_output,): to write on.
    """
    d_output, d_input, first = matrix.rows, matrix.columns, matrix.first
    of_pointers, common = matrix.pointers, matrix.common_shift
    for i in range(d_output):
        totals[i] = 0
    if matrix.form == WIDE_WINDOWS:
        sums_of_windows(steps, tables, pointers[of_pointers:], WIDE, d_output, u, totals)
    elif matrix.form == NARROW_WINDOWS:
        sums_of_windows(steps, tables, pointers[of_pointers:], NARROW, d_output, u, totals)
    elif matrix.form == PAIRS:
        sums_of_blocks(weights[first:], d_input, d_output, u, totals)
    elif matrix.form == PLACES:
        for j in range(d_input):
            begin = first + pointers[of_pointers + j]
            end = first + pointers[of_pointers + j + 1]
            for at in range(begin, end):
                totals[places[at]] += 2 * np.int64(weights[at]) * np.int64(u[j])
    else:
        for j in range(d_input):
            for i in range(d_output):
                weight = np.int64(weights[first + j * d_output + i])
                totals[i] += 2 * weight * np.int64(u[j])
    for i in range(d_output):
        total = word(totals[i], SYNAPSE_BITS, WRAP, counts, SYNAPSE)
        if common < 0:
            total = word(total << -common, SYNAPSE_BITS, WRAP, counts, SYNAPSE)
        rest = np.int64(shifts[matrix.outputs + i]) - min(common, 0)
        y[i] = shifted(total, min(rest, SYNAPSE_BITS - 1), _FLOOR)


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
