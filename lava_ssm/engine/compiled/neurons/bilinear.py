"""The product of two inputs, times a weight, with a bias; `reference.fixed.bilinear`."""

# mypy: disable-error-code="no-untyped-def"

import numpy as np

from lava_ssm.engine.compiled.compiling import compiled, compiled_float
from lava_ssm.engine.compiled.cpu import rounded, to_int32
from lava_ssm.engine.compiled.neurons.messages import (
    NONE,
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
    row["shift"], row["limit"] = min(neurons.shift, 63), neurons.limit or 0
    row["direct"] = row["bias"] = -1
    if (weights := neurons.weights) is not None:
        row["weight_shift"] = min(neurons.weight_shift, 63)
        row["direct"] = writer.put("numbers", weights)
    if (bias := neurons.bias) is not None:
        row["bias"] = writer.put("numbers", bias)
    is_alone = weights is None and bias is None and neurons.limit is None
    row["plain"] = is_alone and row["residual"] < 0 and row["activation"] == NONE


@compiled
def _multiplied(y, u, size, scale, bits, data):
    """Messages that are products and nothing else, to y; whether all fit."""
    out, too_large = data.sums[0], np.int64(0)
    half = np.float64(np.int64(1) << (bits - 1))
    for j in range(size):
        product = np.float64(y[j]) * np.float64(u[j])
        value = rounded(product * scale)
        out[j] = to_int32(value)
        too_large |= np.int64(not fits(value, half)) | np.int64(not abs(product) < 2.0**53)
    if too_large == 0:
        for j in range(size):
            y[j] = out[j]
    return too_large == 0


@compiled
def step(row, data, k, n):
    """See `Operation`. Of messages that are large products have up to 62 bits: in integers."""
    size, rules, counts = row.size, data.rules[0], data.counts[row.stage]
    values, most = data.doubles[0], np.float64(row.limit)
    scale, of_weight, half = down(row.shift), down(row.weight_shift), np.float64(2.0**31)
    weighs, moves, limits = row.direct >= 0, row.bias >= 0, row.limit > 0
    weights = data.numbers[max(row.direct, 0) : max(row.direct, 0) + size]
    bias = data.numbers[max(row.bias, 0) : max(row.bias, 0) + size]
    mode, shift, weight_shift, limit = rules.rounding, row.shift, row.weight_shift, row.limit
    for t in range(n):
        y, u = received(row, data, t)
        if row.plain and _multiplied(y, u, size, scale, row.message_bits, data):
            continue
        too_large = np.int64(0)
        for j in range(size):
            product = np.float64(y[j]) * np.float64(u[j])
            value = rounded(product * scale)
            if limits:
                value = min(max(value, -most), most)
            else:
                too_large |= np.int64(not fits(value, half))
            too_large |= np.int64(not abs(product) < 2.0**53)
            if weighs:
                value = rounded(value * weights[j] * of_weight)
            if moves:
                value += bias[j]
            values[j] = value
        if too_large == 0 and sent(row, data, t, values):
            continue
        for j in range(size):
            value = shifted(np.int64(y[j]) * np.int64(u[j]), shift, mode)
            if limits:
                value = min(max(value, -limit), limit)
            else:
                value = word(value, SYNAPSE_BITS, rules.overflow, counts, MESSAGE)
            if weighs:
                value = shifted(value * np.int64(weights[j]), weight_shift, mode)
            if moves:
                value += np.int64(bias[j])
            sent_exactly(row, data, t, j, value)


@compiled_float
def step_float(row, data, k, n):
    """See `Operation`."""
    size, weighs, moves = row.size, row.direct >= 0, row.bias >= 0
    weights = data.numbers[max(row.direct, 0) : max(row.direct, 0) + size]
    bias = data.numbers[max(row.bias, 0) : max(row.bias, 0) + size]
    for t in range(n):
        y, u = received_float(row, data, t)
        for j in range(size):
            y[j] *= u[j]
            if weighs:
                y[j] *= weights[j]
            if moves:
                y[j] += bias[j]
        sent_float(row, data, t)


BILINEAR = Operation(
    Bilinear,
    ("shift", "limit", "weight_shift", "direct", "bias", "plain"),
    lay_out,
    step,
    step_float,
)
