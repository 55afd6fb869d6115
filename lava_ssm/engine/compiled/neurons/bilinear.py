"""The product of two inputs, times a weight, with a bias; `reference.fixed.bilinear`."""

# mypy: disable-error-code="no-untyped-def"

import numpy as np

from lava_ssm.engine.compiled.compiling import compiled, compiled_float
from lava_ssm.engine.compiled.cpu import rounded
from lava_ssm.engine.compiled.neurons.messages import (
    down,
    fits,
    received,
    received_float,
    sent,
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
    row["shift"], row["limit"] = min(neurons.shift, 63), neurons.limit or 0
    row["weight_shift"] = 0 if weights is None else min(neurons.weight_shift, 63)
    row["direct"] = writer.put("numbers", np.ones(n) if weights is None else weights)
    row["bias"] = writer.put("numbers", np.zeros(n) if bias is None else bias)


@compiled
def step(row, data, k, n):
    """See `Operation`. Of messages that are large products have up to 62 bits: in integers."""
    size, rules, counts = row.size, data.rules[0], data.counts[row.stage]
    values, most = data.doubles[0], np.float64(row.limit)
    scale, of_weight, half = down(row.shift), down(row.weight_shift), np.float64(2.0**31)
    weights = data.numbers[row.direct : row.direct + size]
    bias = data.numbers[row.bias : row.bias + size]
    mode, shift, weight_shift, limit = rules.rounding, row.shift, row.weight_shift, row.limit
    for t in range(n):
        y, u = received(row, data, t)
        all_fit = True
        for j in range(size):
            product = np.float64(y[j]) * np.float64(u[j])
            value = rounded(product * scale)
            if limit > 0:
                value = min(max(value, -most), most)
            else:
                all_fit &= fits(value, half)
            all_fit &= abs(product) < 2.0**53
            values[j] = rounded(value * weights[j] * of_weight) + bias[j]
        if all_fit and sent(row, data, t, values):
            continue
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
