"""Real states that a gate mixes with a second input; `reference.fixed.gated_recurrence`."""

# mypy: disable-error-code="no-untyped-def"

from math import exp

import numpy as np

from lava_ssm.engine.compiled.compiling import compiled, compiled_float
from lava_ssm.engine.compiled.cpu import rounded, to_int32
from lava_ssm.engine.compiled.neurons.messages import down, fits, received, received_float
from lava_ssm.engine.compiled.neurons.operation import Operation, real_states
from lava_ssm.engine.compiled.neurons.product import through_table
from lava_ssm.engine.compiled.words import INPUT, MESSAGE, word
from lava_ssm.engine.compiled.writer import Writer
from lava_ssm.network import GatedRecurrence
from lava_ssm.numerics import SIGMOID, TABLE_EXPONENT, TABLE_STEPS


def lay_out(writer: Writer, row: np.void, neurons: GatedRecurrence) -> None:
    """Biases of both, and the table."""
    row["states"] = writer.carry(neurons.n_neurons)
    row["shift"], row["state_shift"] = neurons.shift, neurons.state_shift
    bias_u = np.zeros(neurons.n_neurons) if neurons.bias_u is None else neurons.bias_u
    row["bias"], row["bias_u"] = (writer.put("numbers", v) for v in (neurons.bias, bias_u))
    row["table"] = -1 if writer.rules is None else writer.put("integers", SIGMOID.entries)


@compiled
def step(row, data, k, n):
    """See `Operation`. Words have at most 32 bits, so that all products are exact."""
    size, rules, counts = row.size, data.rules[0], data.counts[row.stage]
    bias = data.numbers[row.bias : row.bias + size]
    bias_u = data.numbers[row.bias_u : row.bias_u + size]
    table = data.integers[row.table : row.table + 2 * TABLE_STEPS]
    h, c = data.carried[k, row.states : row.states + size], data.doubles[0]
    up, scale, one = down(-row.shift), down(row.state_shift), down(TABLE_EXPONENT)
    half = np.float64(np.int64(1) << (rules.state_bits - 1))
    most = np.float64(np.int64(1) << (rules.message_bits - 1))
    for t in range(n):
        y, u = received(row, data, t)
        through_table(bias, table, y)
        all_fit = True
        for j in range(size):
            c[j] = np.float64(u[j]) * up + bias_u[j]
            all_fit &= fits(c[j], half)
        if not all_fit:
            for j in range(size):
                exact = (np.int64(u[j]) << row.shift) + np.int64(bias_u[j])
                c[j] = word(exact, rules.state_bits, rules.overflow, counts, INPUT)
        for j in range(size):
            h[j] = c[j] + rounded(np.float64(y[j]) * (h[j] - c[j]) * one)
        all_fit = True
        for j in range(size):
            sent = rounded(h[j] * scale)
            all_fit &= fits(sent, most)
            y[j] = to_int32(sent)
        if not all_fit:
            for j in range(size):
                y[j] = word(np.int64(y[j]), rules.message_bits, rules.overflow, counts, MESSAGE)


@compiled_float
def step_float(row, data, k, n):
    """See `Operation`."""
    size = row.size
    bias = data.numbers[row.bias : row.bias + size]
    bias_u = data.numbers[row.bias_u : row.bias_u + size]
    h = data.carried[k, row.states : row.states + size]
    for t in range(n):
        y, u = received_float(row, data, t)
        for j in range(size):
            c = u[j] + bias_u[j]
            h[j] = c + (h[j] - c) / (1.0 + exp(-(y[j] + bias[j])))
            y[j] = h[j]


GATED_RECURRENCE = Operation(
    GatedRecurrence,
    ("states", "shift", "state_shift", "bias", "bias_u", "table"),
    lay_out,
    step,
    step_float,
    real_states,
)
