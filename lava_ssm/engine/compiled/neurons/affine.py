"""A sum, with a multiple of a second input and a bias; `reference.fixed.output`."""

# mypy: disable-error-code="no-untyped-def"

import numpy as np

from lava_ssm.engine.compiled.compiling import compiled, compiled_float
from lava_ssm.engine.compiled.cpu import rounded
from lava_ssm.engine.compiled.neurons.messages import (
    RELU,
    down,
    messages,
    received,
    received_float,
    sent,
    sent_exactly,
    sent_float,
)
from lava_ssm.engine.compiled.neurons.operation import Operation
from lava_ssm.engine.compiled.words import shifted
from lava_ssm.engine.compiled.writer import Writer
from lava_ssm.network import Affine


def lay_out(writer: Writer, row: np.void, neurons: Affine) -> None:
    """Biases and direct paths."""
    direct, bias = neurons.direct, neurons.bias
    row["direct"] = row["bias"] = -1
    if direct is not None and direct.any():  # else zeros, shifted by nothing
        row["direct"], row["shift"] = writer.put("numbers", direct), min(neurons.shift, 63)
    if bias is not None and bias.any():
        row["bias"] = writer.put("numbers", bias)
    is_alone = row["bias"] < 0 and row["direct"] < 0 and row["residual"] < 0
    row["plain"] = is_alone and row["activation"] <= RELU


@compiled
def step(row, data, k, n):
    """See `Operation`."""
    size, rules, values = row.size, data.rules[0], data.doubles[0]
    bias = data.numbers[max(row.bias, 0) : max(row.bias, 0) + size]
    direct = data.numbers[max(row.direct, 0) : max(row.direct, 0) + size]
    scale = down(row.shift)
    for t in range(n):
        y, u = received(row, data, t)
        if row.plain:
            messages(y, size, row.message_bits, rules, row.activation, data.counts[row.stage])
            continue
        for j in range(size):
            values[j] = np.float64(y[j])
        if row.bias >= 0:
            for j in range(size):
                values[j] += bias[j]
        if row.direct >= 0:
            for j in range(size):
                values[j] += rounded(direct[j] * np.float64(u[j]) * scale)
        if not sent(row, data, t, values):
            for j in range(size):
                value = np.int64(y[j])
                if row.bias >= 0:
                    value += np.int64(bias[j])
                if row.direct >= 0:
                    product = np.int64(direct[j]) * np.int64(u[j])
                    value += shifted(product, row.shift, rules.rounding)
                sent_exactly(row, data, t, j, value)


@compiled_float
def step_float(row, data, k, n):
    """See `Operation`."""
    size = row.size  # a field of a record would be read anew in each turn of a loop
    bias = data.numbers[max(row.bias, 0) : max(row.bias, 0) + size]
    direct = data.numbers[max(row.direct, 0) : max(row.direct, 0) + size]
    for t in range(n):
        y, u = received_float(row, data, t)
        if row.bias >= 0:
            for j in range(size):
                y[j] += bias[j]
        if row.direct >= 0:
            for j in range(size):
                y[j] += direct[j] * u[j]
        sent_float(row, data, t)


AFFINE = Operation(Affine, ("bias", "direct", "shift", "plain"), lay_out, step, step_float)
