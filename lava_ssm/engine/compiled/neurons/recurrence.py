"""Complex states that receive and send two messages each; `reference.fixed.recurrence`."""

# mypy: disable-error-code="no-untyped-def"

from collections.abc import Sequence

import numpy as np

from lava_ssm.engine.compiled.compiling import compiled, compiled_float
from lava_ssm.engine.compiled.cpu import rounded, to_int32
from lava_ssm.engine.compiled.matrix import add_real, synapse
from lava_ssm.engine.compiled.neurons.messages import down, fits
from lava_ssm.engine.compiled.neurons.operation import Operation, Part
from lava_ssm.engine.compiled.words import MESSAGE, STATE, word
from lava_ssm.engine.compiled.writer import Writer
from lava_ssm.network import Recurrence
from lava_ssm.numerics import dequantize


def lay_out(writer: Writer, row: np.void, neurons: Recurrence) -> None:
    """Of the diagonal, values, and of the biases: real parts, then imaginary ones."""
    row["n_states"], row["rectifies"] = len(neurons.a), neurons.relu
    row["states"] = writer.carry(2 * len(neurons.a))
    row["shift"] = neurons.state_shift
    diagonal, bias = neurons.a, neurons.bias
    if writer.rules is None:
        diagonal, bias = (np.stack([v.real, v.imag], axis=-1) for v in (diagonal, bias))
    else:
        diagonal = dequantize(diagonal, neurons.param_exponent)
    row["diagonal"] = writer.put("numbers", diagonal.T)
    row["bias"] = writer.put("numbers", bias.T)


@compiled
def _halves(values, first, size):
    return values[first : first + size], values[first + size : first + 2 * size]


@compiled
def step(row, data, k, n):
    """See `Operation`."""
    size, rules = row.n_states, data.rules[0]
    a_re, a_im = _halves(data.numbers, row.diagonal, size)
    bias_re, bias_im = _halves(data.numbers, row.bias, size)
    x_re, x_im = _halves(data.carried[k], row.states, size)
    v_re, v_im = _halves(data.sums[0], 0, size)
    new_re, new_im = data.doubles[0, :size], data.doubles[1, :size]
    half = np.float64(np.int64(1) << (rules.state_bits - 1))
    counts = data.counts[row.stage]
    for t in range(n):
        u = data.buffers[row.source, t, row.source_at :]
        if row.matrix >= 0:
            synapse(data.matrices[row.matrix], data, u, data.sums[0], counts)
        else:
            for j in range(2 * size):
                data.sums[0, j] = u[j]
        for i in range(size):
            new = rounded(a_re[i] * x_re[i]) - rounded(a_im[i] * x_im[i])
            new_re[i] = new + (np.float64(v_re[i]) + bias_re[i])
        for i in range(size):
            new = rounded(a_re[i] * x_im[i]) + rounded(a_im[i] * x_re[i])
            new_im[i] = new + (np.float64(v_im[i]) + bias_im[i])
        all_fit = True
        for i in range(size):
            x_re[i], x_im[i] = new_re[i], new_im[i]
            all_fit &= fits(x_re[i], half) & fits(x_im[i], half)
        if not all_fit:
            for i in range(size):
                x_re[i] = word(np.int64(x_re[i]), rules.state_bits, rules.overflow, counts, STATE)
                x_im[i] = word(np.int64(x_im[i]), rules.state_bits, rules.overflow, counts, STATE)
        _send(row, data, t, x_re, x_im)


@compiled
def _send(row, data, t, re, im):
    """What states send: their parts, rectified together, as messages."""
    rules, scale, rectifies = data.rules[0], down(row.shift), row.rectifies != 0
    sent_re, sent_im = _halves(data.buffers[row.out, t], row.out_at, re.size)
    half = np.float64(np.int64(1) << (rules.message_bits - 1))
    all_fit = True
    for i in range(re.size):
        on = (re[i] > 0) | ((re[i] == 0) & (im[i] > 0)) | (not rectifies)
        out_re = rounded(re[i] * scale) if on else 0.0
        out_im = rounded(im[i] * scale) if on else 0.0
        all_fit &= fits(out_re, half) & fits(out_im, half)
        sent_re[i], sent_im[i] = to_int32(out_re), to_int32(out_im)
    if not all_fit:
        counts = data.counts[row.stage]
        for sent in (sent_re, sent_im):
            for i in range(sent.size):
                value = np.int64(sent[i])
                sent[i] = word(value, rules.message_bits, rules.overflow, counts, MESSAGE)


@compiled_float
def step_float(row, data, k, n):
    """See `Operation`."""
    size, rectifies = row.n_states, row.rectifies != 0
    a_re, a_im = _halves(data.numbers, row.diagonal, size)
    b_re, b_im = _halves(data.numbers, row.bias, size)
    x_re, x_im = _halves(data.carried[k], row.states, size)
    drive, matrix = data.sums[0], data.matrices[row.matrix]
    for t in range(n):
        add_real(matrix, data, data.buffers[row.source, t, row.source_at :], drive)
        y = data.buffers[row.out, t, row.out_at :]
        for i in range(size):
            new_re = a_re[i] * x_re[i] - a_im[i] * x_im[i] + (drive[i] + b_re[i])
            new_im = a_re[i] * x_im[i] + a_im[i] * x_re[i] + (drive[i + size] + b_im[i])
            x_re[i], x_im[i] = new_re, new_im
            on = (not rectifies) | (new_re > 0) | ((new_re == 0) & (new_im > 0))
            y[i], y[i + size] = new_re if on else 0.0, new_im if on else 0.0


def parts(row: np.void) -> Sequence[Part]:
    """See `Operation`."""
    places = row["states"] + np.arange(2 * row["n_states"]).reshape(2, -1)
    return [("carried", part) for part in places]


RECURRENCE = Operation(
    Recurrence,
    ("n_states", "states", "diagonal", "bias", "shift", "rectifies"),
    lay_out,
    step,
    step_float,
    parts,
)
