"""Real states that decay by an exponential; `reference.fixed.selective_recurrence`."""

# mypy: disable-error-code="no-untyped-def"

from math import exp

import numpy as np

from lava_ssm.engine.compiled.compiling import compiled, compiled_float
from lava_ssm.engine.compiled.cpu import one_by_one, rounded, to_int32
from lava_ssm.engine.compiled.neurons.messages import down, fits, received, received_float
from lava_ssm.engine.compiled.neurons.operation import Operation, real_states
from lava_ssm.engine.compiled.words import MESSAGE, STATE, shifted, word
from lava_ssm.engine.compiled.writer import Writer
from lava_ssm.network import SelectiveRecurrence
from lava_ssm.numerics import (
    DECAY,
    DECAY_EXPONENT,
    DECAY_INPUT_EXPONENT,
    TABLE_EXPONENT,
    TABLE_STEPS,
)

_ONE = 1 << DECAY_EXPONENT
_MOST = (8 << DECAY_INPUT_EXPONENT) - 1
_STEP = DECAY_INPUT_EXPONENT - DECAY.step_exponent
_EXACT = 2.0**53
_AT_ONCE = 512


def lay_out(writer: Writer, row: np.void, neurons: SelectiveRecurrence) -> None:
    """Rates, and the half of the table that is looked up."""
    row["states"] = writer.carry(neurons.n_neurons)
    row["shift"], row["state_shift"] = neurons.shift, neurons.state_shift
    row["rate_shift"] = min(neurons.rate_shift, 63)
    if writer.rules is None:
        row["rates"], row["table"] = writer.put("numbers", neurons.rates), -1
    else:
        row["rates"] = writer.put("integers", neurons.rates)
        row["table"] = writer.put("integers", DECAY.entries[TABLE_STEPS:])


@compiled
def step(row, data, k, n):
    """See `Operation`. Some states at a time: what loops pass on stays in the first cache."""
    for t in range(n):
        y, u = received(row, data, t)
        for first in range(0, row.size, _AT_ONCE):
            last = min(row.size, first + _AT_ONCE)
            of_states = row.states + first, row.states + last
            h = data.carried[k, of_states[0] : of_states[1]]
            rates = data.integers[row.rates + first : row.rates + last]
            _some(row, data, rates, h, y[first:last], u[first:last])


@compiled
def _some(row, data, rates, h, y, u):
    """Step states h. A product with one has 54 bits at most: only of 32 it is not exact."""
    size, rules, counts = h.size, data.rules[0], data.counts[row.stage]
    table = data.integers[row.table : row.table + TABLE_STEPS]
    decays, after, out = data.doubles[0], data.doubles[1], data.sums[0]
    up, scale, of_rate = down(-row.shift), down(row.state_shift), down(row.rate_shift)
    of_entry = down(DECAY_INPUT_EXPONENT + TABLE_EXPONENT - DECAY_EXPONENT)
    one = down(DECAY_EXPONENT)
    half = np.float64(np.int64(1) << (rules.state_bits - 1))
    most = np.float64(np.int64(1) << (rules.message_bits - 1))
    for j in range(size):
        w = rounded(np.float64(y[j]) * np.float64(rates[j]) * of_rate)
        decays[j] = min(max(w, 0.0), np.float64(_MOST))
        out[j] = to_int32(decays[j]) >> np.int32(_STEP)
    for j in range(size):
        out[j] = table[np.uint32(one_by_one(out[j]))]
    too_large = np.int64(0)
    for j in range(size):
        left = np.float64(_ONE) - rounded(decays[j] * np.float64(out[j]) * of_entry)
        decays[j] = min(left, np.float64(_ONE - 1))
        product = decays[j] * h[j]
        after[j] = rounded(product * one) + np.float64(u[j]) * up
        too_large |= np.int64(not fits(after[j], half)) | np.int64(not abs(product) < _EXACT)
    if too_large != 0:
        for j in range(size):
            product = np.int64(decays[j]) * np.int64(h[j])
            exact = shifted(product, DECAY_EXPONENT, rules.rounding)
            exact += np.int64(u[j]) << row.shift
            after[j] = word(exact, rules.state_bits, rules.overflow, counts, STATE)
    too_large = np.int64(0)
    for j in range(size):
        h[j] = after[j]
        sent = rounded(after[j] * scale)
        too_large |= np.int64(not fits(sent, most))
        y[j] = to_int32(sent)
    if too_large != 0:
        for j in range(size):
            y[j] = word(np.int64(y[j]), rules.message_bits, rules.overflow, counts, MESSAGE)


@compiled_float
def step_float(row, data, k, n):
    """See `Operation`."""
    size = row.size
    rates = data.numbers[row.rates : row.rates + size]
    h = data.carried[k, row.states : row.states + size]
    for t in range(n):
        y, u = received_float(row, data, t)
        for j in range(size):
            h[j] = exp(-rates[j] * y[j]) * h[j] + u[j]
            y[j] = h[j]


SELECTIVE_RECURRENCE = Operation(
    SelectiveRecurrence,
    ("states", "shift", "state_shift", "rate_shift", "rates", "table"),
    lay_out,
    step,
    step_float,
    real_states,
)
