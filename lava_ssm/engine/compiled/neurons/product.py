"""A second input, times the sigmoid of a sum; `reference.fixed.output`."""

# mypy: disable-error-code="no-untyped-def"

from math import exp

import numpy as np

from lava_ssm.engine.compiled.compiling import compiled, compiled_float
from lava_ssm.engine.compiled.cpu import one_by_one, rounded
from lava_ssm.engine.compiled.neurons.messages import (
    down,
    received,
    received_float,
    sent,
    sent_exactly,
    sent_float,
)
from lava_ssm.engine.compiled.neurons.operation import Operation
from lava_ssm.engine.compiled.words import shifted
from lava_ssm.engine.compiled.writer import Writer
from lava_ssm.network import Product
from lava_ssm.numerics import SIGMOID, TABLE_STEPS


def lay_out(writer: Writer, row: np.void, neurons: Product) -> None:
    """Biases of both, and the table."""
    row["shift"], row["bias"] = min(neurons.shift, 63), writer.put("numbers", neurons.bias)
    bias_u = np.zeros(len(neurons.bias)) if neurons.bias_u is None else neurons.bias_u
    row["bias_u"], row["table"] = writer.put("numbers", bias_u), -1
    if writer.rules is not None:
        row["table"] = writer.put("integers", SIGMOID.entries)


@compiled
def through_table(biases, table, y):
    """The sigmoid of sums and biases, 12 bits behind the point, in the sums' place."""
    most = np.int32(1 << 30)  # beyond the table; with a bias it still fits 32 bits
    for j in range(biases.size):
        v = np.int32(min(max(y[j], -most), most) + np.int32(biases[j]))
        y[j] = min(max(v >> np.int32(4), np.int32(-2048)), np.int32(2047)) + np.int32(2048)
    for j in range(biases.size):
        y[j] = table[np.uint32(one_by_one(y[j]))]


@compiled
def step(row, data, k, n):
    """See `Operation`."""
    size, rules, values = row.size, data.rules[0], data.doubles[0]
    bias = data.numbers[row.bias : row.bias + size]
    bias_u = data.numbers[row.bias_u : row.bias_u + size]
    table, scale = data.integers[row.table : row.table + 2 * TABLE_STEPS], down(row.shift)
    for t in range(n):
        y, u = received(row, data, t)
        through_table(bias, table, y)
        for j in range(size):
            product = (np.float64(u[j]) + bias_u[j]) * np.float64(y[j])
            values[j] = rounded(product * scale)
        if not sent(row, data, t, values):
            for j in range(size):
                exact = (np.int64(u[j]) + np.int64(bias_u[j])) * np.int64(y[j])
                sent_exactly(row, data, t, j, shifted(exact, row.shift, rules.rounding))


@compiled_float
def step_float(row, data, k, n):
    """See `Operation`."""
    size = row.size
    bias = data.numbers[row.bias : row.bias + size]
    bias_u = data.numbers[row.bias_u : row.bias_u + size]
    for t in range(n):
        y, u = received_float(row, data, t)
        for j in range(size):
            y[j] = (u[j] + bias_u[j]) / (1.0 + exp(-(y[j] + bias[j])))
        sent_float(row, data, t)


PRODUCT = Operation(Product, ("shift", "bias", "bias_u", "table"), lay_out, step, step_float)
