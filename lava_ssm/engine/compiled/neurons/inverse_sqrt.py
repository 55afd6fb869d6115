"""The inverse square root of a sum of squares; `numerics.scaled_inverse_sqrt`."""

# mypy: disable-error-code="no-untyped-def"

from math import sqrt

import numpy as np

from lava_ssm.engine.compiled.compiling import compiled, compiled_float
from lava_ssm.engine.compiled.neurons.messages import (
    received,
    received_float,
    sent_exactly,
    sent_float,
)
from lava_ssm.engine.compiled.neurons.operation import Operation
from lava_ssm.engine.compiled.words import shifted
from lava_ssm.engine.compiled.writer import Writer
from lava_ssm.network import InverseSqrt
from lava_ssm.numerics import INVERSE_SQRT_TABLE
from lava_ssm.numerics.inverse_sqrt import FRACTION_BITS, NEWTON_STEPS, SCALED_BIT


def lay_out(writer: Writer, row: np.void, neurons: InverseSqrt) -> None:
    """Epsilon, and the table."""
    row["epsilon"], row["table"] = writer.put("numbers", np.array([neurons.epsilon])), -1
    if writer.rules is not None:
        row["root_exponent"] = neurons.exponent
        row["table"] = writer.put("integers", INVERSE_SQRT_TABLE)


@compiled
def highest_bit(v):
    """Of an int64 from 1 on."""
    bit = 0
    for n in (32, 16, 8, 4, 2, 1):
        if v >> n:
            v >>= n
            bit += n
    return bit


@compiled
def inverse_sqrt(v, table):
    """See `numerics.inverse_sqrt`."""
    factor = np.int64(table[highest_bit(v)])
    b, y = v, factor // 2
    for _ in range(NEWTON_STEPS):
        b = (((b * factor) >> (FRACTION_BITS + 1)) * factor) >> (FRACTION_BITS + 1)
        factor = (3 << FRACTION_BITS) - b
        y = (y * factor) >> (FRACTION_BITS + 1)
    return y


@compiled
def step(row, data, k, n):
    """See `Operation`."""
    rules, table = data.rules[0], data.integers[row.table : row.table + INVERSE_SQRT_TABLE.size]
    epsilon = np.int64(data.numbers[row.epsilon])
    most = (np.int64(1) << (row.message_bits - 1)) - 1
    for t in range(n):
        y, _ = received(row, data, t)
        for i in range(row.size):
            v = max(np.int64(y[i]) + epsilon, np.int64(1))
            j = (highest_bit(v) - SCALED_BIT) >> 1
            root = inverse_sqrt(v >> 2 * j if j >= 0 else v << -2 * j, table)
            amount = min(max(3 * FRACTION_BITS // 2 + j - row.root_exponent, -40), 63)
            if amount < 0:
                root = min(root << -amount, most)
            else:
                root = min(shifted(root, amount, rules.rounding), most)
            sent_exactly(row, data, t, i, root)


@compiled_float
def step_float(row, data, k, n):
    """See `Operation`."""
    epsilon = data.numbers[row.epsilon]
    for t in range(n):
        y, _ = received_float(row, data, t)
        for i in range(row.size):
            y[i] = 1.0 / sqrt(y[i] + epsilon)
        sent_float(row, data, t)


INVERSE_SQRT = Operation(
    InverseSqrt, ("epsilon", "root_exponent", "table"), lay_out, step, step_float
)
