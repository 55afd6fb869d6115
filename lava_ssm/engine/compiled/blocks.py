"""The kernel of a fixed network of S5 layers, gates and residual paths: token after token.

`reference.fixed` is the specification. A synapse skips products with a message of zero, or, where
few weights are not zero, those with the zeros (see `windows`; by places, which are for CPUs without
windows, both).
"""

# mypy: disable-error-code="no-untyped-def"

import numpy as np

from lava_ssm.engine.compiled.arguments import taking
from lava_ssm.engine.compiled.block_neurons import neurons, states, wide_neurons
from lava_ssm.engine.compiled.block_program import (
    COLUMNS,
    COMMON_SHIFT,
    FIRST,
    FORM,
    KIND,
    MATRIX,
    MATRIX_OUT,
    MOST,
    MOST_GAIN,
    NARROW_WINDOWS,
    OUTPUTS,
    PAIRS,
    PLACES,
    POINTERS,
    PRODUCT_SHIFT,
    ROWS,
    S5,
    WIDE_WINDOWS,
)
from lava_ssm.engine.compiled.compiling import compiled, kernel
from lava_ssm.engine.compiled.cpu import (
    ROUNDING_MODE,
    rounding_mode,
    set_rounding_mode,
    shifted_right,
)
from lava_ssm.engine.compiled.narrow_windows import NARROW, add_narrow_windows
from lava_ssm.engine.compiled.pairs import active, add_pairs, sums_of_blocks
from lava_ssm.engine.compiled.synapses import greatest, twice
from lava_ssm.engine.compiled.tokens import quantized
from lava_ssm.engine.compiled.wide_windows import WIDE, add_wide_windows
from lava_ssm.engine.compiled.windows import sums_of_windows
from lava_ssm.engine.compiled.words import SUM, SYNAPSE, WRAP, shifted, word
from lava_ssm.numerics import SYNAPSE_BITS, Rounding

_FLOOR = ROUNDING_MODE[Rounding.FLOOR]


def kinds(real):
    """Of the arrays in the table of `advance_blocks`, see `arguments.taking`; states are `real`."""
    return (
        *[(np.int64, 2)] * 2, (np.int8, 1), (np.uint16, 1), (np.uint8, 1), (np.int32, 1),
        (np.int64, 1), *[(np.int32, 1)] * 2, (np.float64, 1), (np.int32, 1), (np.int64, 1),
        *[(real, 2)] * 2, *[(np.int64, 2)] * 2,
        (np.int32, 2), *[(np.int32, 1)] * 2, (np.int64, 1), (np.float64, 2), (np.uint8, 1),
        (np.float64, 1),
    )  # fmt: skip


_arrays = taking(kinds)


@kernel
def advance_blocks(table, values, tokens, outputs):
    """Run tokens on from a state.

    Parameters
    ----------
    table
        stages, ..., rules
            See `block_program.BlockProgram`.
        re, im, totals
            float64: state of each sequence, (batch, n_states), integers. int64: running sums.
            Updated.
        counts
            int64, (n_stages, 5), updated.
        messages
            int32, (n_stages + 1, width): those that enter each stage, and the outputs; to write on.
        sums, sent, wide, reals
            int32, int32, int64, (width,), and float64, (2, width): to write on.
        window
            See `windows.add_windows`.
        limits
            See `tokens.Tokens`.
    values
        float64, (batch d_input,): one token of each sequence, to be rounded to `tokens`, or none.
    tokens, outputs
        int64, (batch, time, d_input) and (batch, time, d_output), which is written.

    Returns
    -------
    bool
        Whether all values lie in the input's format; otherwise no state changes.
    """
    (
        stages, matrices, weights, places, steps, tables, pointers, shifts, offsets, numbers,
        sigmoid, rules, re, im, totals, counts, messages, sums, sent, wide, reals, window, limits,
    ) = _arrays(table, np.float64)  # fmt: skip
    if values.size > 0 and not quantized(values, limits, tokens):
        return False
    before = rounding_mode()
    set_rounding_mode(np.int32(rules[0]))
    n_stages = stages.shape[0]
    for k in range(tokens.shape[0]):
        for t in range(tokens.shape[1]):
            for j in range(tokens.shape[2]):
                messages[0, j] = tokens[k, t, j]
            for i in range(n_stages):
                row = stages[i]
                if row[KIND] == S5:
                    synapse(
                        matrices[row[MATRIX]], weights, places, steps, tables, pointers, shifts,
                        offsets, messages[i], sums, wide, window, counts[i],
                    )  # fmt: skip
                    states(row, numbers, rules, re[k], im[k], sums, sent, reals, counts[i])
                    synapse(
                        matrices[row[MATRIX_OUT]], weights, places, steps, tables, pointers, shifts,
                        offsets, sent, sums, wide, window, counts[i],
                    )  # fmt: skip
                else:
                    synapse(
                        matrices[row[MATRIX]], weights, places, steps, tables, pointers, shifts,
                        offsets, messages[i], sums, wide, window, counts[i],
                    )  # fmt: skip
                if row[PRODUCT_SHIFT] >= 0:
                    neurons(row, i, numbers, sigmoid, rules, messages, sums, reals, counts[i])
                else:
                    wide_neurons(row, i, numbers, sigmoid, rules, messages, sums, wide, counts[i])
            for j in range(outputs.shape[2]):
                value = np.int64(messages[n_stages, j])
                if rules[4]:
                    total = totals[k, j] + value
                    value = word(total, SYNAPSE_BITS, rules[1], counts[-1], SUM)
                    totals[k, j] = value
                outputs[k, t, j] = value
    set_rounding_mode(before)
    return True


@compiled
def synapse(
    matrix, weights, places, steps, tables, pointers, shifts, offsets, u, y, found, window, counts
):
    """`(2 weights @ u) >> shift` in 32 bits that wrap, to y[:d_output].

    `found` is int64, at least (d_input,): to write on; `window` see `windows.add_windows`.
    """
    d_output, d_input, form = matrix[ROWS], matrix[COLUMNS], matrix[FORM]
    common, of_outputs, most = matrix[COMMON_SHIFT], matrix[OUTPUTS], matrix[MOST]
    left = max(-common, 0)
    # Messages are within their format: `neurons`, `states`, `Tokens` see to it. They are measured
    # where that leaves open whether 16 bits hold them, or 32 their sums.
    if most >= 1 << 15 or (most + 1) * matrix[MOST_GAIN] >= 1 << 31:
        most = greatest(u, d_input)
    if left >= SYNAPSE_BITS or (most + 1) * matrix[MOST_GAIN] >= 1 << 31:
        _wide(matrix, weights, places, steps, tables, pointers, shifts, u, y, found, counts)
        return
    mask = np.int32(-1 if common >= 0 else 0)
    if form == WIDE_WINDOWS:
        add_wide_windows(
            steps, tables, pointers, offsets, shifts, matrix[POINTERS], of_outputs, d_input,
            d_output, most, mask, u, window, y,
        )  # fmt: skip
    elif form == NARROW_WINDOWS:
        add_narrow_windows(
            steps, tables, pointers, offsets, shifts, matrix[POINTERS], of_outputs, d_input,
            d_output, most, mask, u, window, y,
        )  # fmt: skip
    elif form == PAIRS:
        add_pairs(weights, matrix[FIRST], d_input, d_output, most, u, found, y)
    else:
        for i in range(d_output):
            y[i] = 0
        n = active(u, d_input, found)
        if form == PLACES:
            _sparse(weights, places, pointers, matrix[FIRST], matrix[POINTERS], n, found, u, y)
        else:
            _dense(weights, matrix[FIRST], n, found, d_output, u, y)
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
    d_output, d_input, first = matrix[ROWS], matrix[COLUMNS], matrix[FIRST]
    of_pointers, common = matrix[POINTERS], matrix[COMMON_SHIFT]
    for i in range(d_output):
        totals[i] = 0
    if matrix[FORM] == WIDE_WINDOWS:
        sums_of_windows(steps, tables, pointers[of_pointers:], WIDE, d_output, u, totals)
    elif matrix[FORM] == NARROW_WINDOWS:
        sums_of_windows(steps, tables, pointers[of_pointers:], NARROW, d_output, u, totals)
    elif matrix[FORM] == PAIRS:
        sums_of_blocks(weights[first:], d_input, d_output, u, totals)
    elif matrix[FORM] == PLACES:
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
        rest = np.int64(shifts[matrix[OUTPUTS] + i]) - min(common, 0)
        y[i] = shifted(total, min(rest, SYNAPSE_BITS - 1), _FLOOR)
