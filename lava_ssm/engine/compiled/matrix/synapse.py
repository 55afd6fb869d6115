"""Synapses: a matrix, its shift, and 32 bits that wrap.

`reference.fixed.linear` is the specification. Sums are taken in 32 bits where the greatest message
and the weights show that they fit, in 64 bits otherwise, and then counted. Products with a message
of zero are skipped, or, where few weights are not zero, those with the zeros.
"""

# mypy: disable-error-code="no-untyped-def"

import numpy as np

from lava_ssm.engine.compiled.compiling import choosing, compiled
from lava_ssm.engine.compiled.cpu import ROUNDING_MODE, shifted_right
from lava_ssm.engine.compiled.matrix.forms import FORMS
from lava_ssm.engine.compiled.words import SYNAPSE, WRAP, shifted, word
from lava_ssm.numerics import SYNAPSE_BITS, Rounding

_FLOOR = ROUNDING_MODE[Rounding.FLOOR]
_add = choosing("add", [form.add for form in FORMS])
_add_wide = choosing("add_wide", [form.add_wide for form in FORMS])
_SHIFTS = tuple(form.shifts for form in FORMS)


@compiled
def synapse(matrix, data, u, y, counts):
    """`(2 weights @ u) >> shift` in 32 bits that wrap, to y[:d_output]."""
    d_output, common, most = matrix.rows, matrix.common_shift, matrix.most
    left = max(-common, 0)
    # Messages are within their format: neurons and `Tokens` see to it. They are measured where that
    # leaves open whether 16 bits hold them, or 32 their sums.
    if most >= 1 << 15 or (most + 1) * matrix.most_gain >= 1 << 31:
        most = greatest(u, matrix.columns)
    if left >= SYNAPSE_BITS or (most + 1) * matrix.most_gain >= 1 << 31:
        _wide(matrix, data, u, y, counts)
        return
    _add(matrix.form, matrix, data, u, y, most)
    if left > 0 and greatest(y, d_output) >= 1 << (31 - left):
        _wide(matrix, data, u, y, counts)
        return
    amounts = data.shifts[matrix.outputs : matrix.outputs + d_output]
    if common < 0:
        for i in range(d_output):
            n = amounts[i]
            y[i] = shifted_right(np.int32(y[i] << np.int32(max(-n, 0))), np.int32(max(n, 0)))
    elif not _SHIFTS[matrix.form]:
        for i in range(d_output):
            y[i] = shifted_right(y[i], amounts[i])


@compiled
def _wide(matrix, data, u, y, counts):
    """The same in 64 bits, where 32 may not hold a sum: wrapped, and counted."""
    totals, common = data.wide, matrix.common_shift
    for i in range(matrix.rows):
        totals[i] = 0
    _add_wide(matrix.form, matrix, data, u, totals)
    for i in range(matrix.rows):
        total = word(totals[i], SYNAPSE_BITS, WRAP, counts, SYNAPSE)
        if common < 0:
            total = word(total << -common, SYNAPSE_BITS, WRAP, counts, SYNAPSE)
        rest = np.int64(data.shifts[matrix.outputs + i]) - min(common, 0)
        y[i] = shifted(total, min(rest, SYNAPSE_BITS - 1), _FLOOR)


@compiled
def greatest(u, size):
    """The least n >= 0 with -n - 1 <= u[i] <= n for int32 u[:size]."""
    low, high = np.int32(0), np.int32(0)
    for i in range(size):
        low, high = min(low, u[i]), max(high, u[i])
    return max(-1 - np.int64(low), np.int64(high))
