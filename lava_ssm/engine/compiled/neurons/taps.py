"""Delay lines: each channel's last messages; `reference.fixed.taps`."""

# mypy: disable-error-code="no-untyped-def"

from collections.abc import Sequence

import numpy as np

from lava_ssm.engine.compiled.compiling import compiled
from lava_ssm.engine.compiled.neurons.operation import Operation, Part
from lava_ssm.engine.compiled.writer import Writer
from lava_ssm.network import Taps

_USUAL = 4
"""Tokens that the convolutions of language models reach over."""


def lay_out(writer: Writer, row: np.void, neurons: Taps) -> None:
    """Nothing but how many."""
    row["channels_of_taps"], row["length"] = neurons.d_model, neurons.length
    row["states"] = writer.carry(neurons.d_model * (neurons.length - 1))


@compiled
def step(row, data, k, n):
    """See `Operation`: the same of fixed and float networks."""
    d_model, length, earlier = row.channels_of_taps, row.length, row.length - 1
    x = data.carried[k, row.states : row.states + d_model * earlier]
    for t in range(n):
        u = data.buffers[row.source, t, row.source_at :]
        y = data.buffers[row.out, t, row.out_at :]
        if length == _USUAL:  # a loop of a length that is known is unrolled
            _moved(x, u, y, d_model, _USUAL)
        else:
            _moved(x, u, y, d_model, length)


@compiled
def _moved(x, u, y, d_model, length):
    """Send each channel's last messages, and forget the oldest."""
    earlier = length - 1
    for i in range(d_model):
        for j in range(earlier):
            y[i * length + j] = y.dtype.type(x[i * earlier + j])
        y[i * length + earlier] = u[i]
    for i in range(d_model):
        for j in range(earlier):
            x[i * earlier + j] = y[i * length + j + 1]


def parts(row: np.void) -> Sequence[Part]:
    """See `Operation`."""
    shape = row["channels_of_taps"], row["length"] - 1
    return [("carried", row["states"] + np.arange(np.prod(shape)).reshape(shape))]


TAPS = Operation(Taps, ("states", "channels_of_taps", "length"), lay_out, step, step, parts)
