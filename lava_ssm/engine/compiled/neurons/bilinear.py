"""The product of two inputs, times a weight, with a bias; `reference.fixed.bilinear`."""

# mypy: disable-error-code="no-untyped-def"

import numpy as np

from lava_ssm.engine.compiled.compiling import compiled, compiled_float
from lava_ssm.engine.compiled.neurons.messages import (
    received,
    received_float,
    sent_exactly,
    sent_float,
)
from lava_ssm.engine.compiled.neurons.operation import Operation
from lava_ssm.engine.compiled.words import MESSAGE, shifted, word
from lava_ssm.engine.compiled.writer import Writer
from lava_ssm.network import Bilinear
from lava_ssm.numerics import SYNAPSE_BITS


def lay_out(writer: Writer, row: np.void, neurons: Bilinear) -> None:
    """Weights and biases."""
    n = neurons.n_neurons
    weights, bias = neurons.weights, neurons.bias
    row["shift"], row["limit"] = neurons.shift, neurons.limit or 0
    row["weight_shift"] = 0 if weights is None else min(neurons.weight_shift, 63)
    row["direct"] = writer.put("numbers", np.ones(n) if weights is None else weights)
    row["bias"] = writer.put("numbers", np.zeros(n) if bias is None else bias)


@compiled
def step(row, data, k, n):
    """See `Operation`. In integers: products of two messages have up to 62 bits."""
    size, rules, counts = row.size, data.rules[0], data.counts[row.stage]
    weights = data.numbers[row.direct : row.direct + size]
    bias = data.numbers[row.bias : row.bias + size]
    mode, shift, weight_shift, limit = rules.rounding, row.shift, row.weight_shift, row.limit
    for t in range(n):
        y, u = received(row, data, t)
        for j in range(size):
            value = shifted(np.int64(y[j]) * np.int64(u[j]), shift, mode)
            if limit > 0:
                value = min(max(value, -limit), limit)
            else:
                value = word(value, SYNAPSE_BITS, rules.overflow, counts, MESSAGE)
            value = shifted(value * np.int64(weights[j]), weight_shift, mode)
            sent_exactly(row, data, t, j, value + np.int64(bias[j]))


@compiled_float
def step_float(row, data, k, n):
    """See `Operation`."""
    size = row.size
    weights = data.numbers[row.direct : row.direct + size]
    bias = data.numbers[row.bias : row.bias + size]
    for t in range(n):
        y, u = received_float(row, data, t)
        for j in range(size):
            y[j] = y[j] * u[j] * weights[j] + bias[j]
        sent_float(row, data, t)


BILINEAR = Operation(
    Bilinear, ("shift", "limit", "weight_shift", "direct", "bias"), lay_out, step, step_float
)
