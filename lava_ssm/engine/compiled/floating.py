"""The kernel of a float network, and how it is laid out: float64 throughout.

`reference.floating` is the specification. Sums are taken in another order than there.
"""

# mypy: disable-error-code="no-untyped-def"

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from lava_ssm.engine.compiled.compiling import compiled_float, kernel
from lava_ssm.network import S4D, Linear, Network, Readout

# Columns of the table of stages.
IS_LINEAR, D_INPUT, D_OUTPUT, D_STATE, RELU, PARAMETERS, STATES = range(7)
N_STAGE_COLUMNS = 7


@dataclass(frozen=True)
class FloatProgram:
    """What the kernel takes of a float network.

    Parameters
    ----------
    stages
        int64, (n_stages, N_STAGE_COLUMNS).
    parameters
        Of each S4D stage re and im of a, b, c, (d_model, 6, d_state); of each linear one its
        weights, (d_input, d_output).
    sums
        Whether the readout is a running sum.
    n_states
        States of all stages.
    width
        Widest token between stages.
    """

    stages: NDArray[np.int64]
    parameters: NDArray[np.float64]
    sums: bool
    n_states: int
    width: int


def float_program(network: Network) -> FloatProgram:
    """Lay a network out."""
    table = np.zeros((len(network.stages), N_STAGE_COLUMNS), np.int64)
    parameters = [np.zeros(0)]
    n_parameters = n_states = 0
    for row, stage in zip(table, network.stages, strict=True):
        layer = stage.layer
        row[D_INPUT], row[D_OUTPUT], row[RELU] = layer.d_input, layer.d_output, stage.relu
        row[PARAMETERS], row[STATES] = n_parameters, n_states
        if isinstance(layer, Linear):
            row[IS_LINEAR] = 1
            parameters.append(layer.weights.T.ravel())
        else:
            assert isinstance(layer, S4D)  # `stream` sends other networks to the reference
            row[D_STATE] = layer.d_state
            parts = [part for v in (layer.a, layer.b, layer.c) for part in (v.real, v.imag)]
            parameters.append(np.stack(parts, axis=1).ravel())
            n_states += layer.a.size
        n_parameters += parameters[-1].size
    return FloatProgram(
        stages=table,
        parameters=np.concatenate(parameters),
        sums=network.readout is Readout.MEAN_OVER_TIME,
        n_states=n_states,
        width=int(table[:, D_INPUT : D_OUTPUT + 1].max()),
    )


@kernel
def advance_float(stages, parameters, sums, re, im, totals, signals, tokens, outputs):
    """Run tokens on from a state.

    Parameters
    ----------
    stages, parameters, sums
        See `FloatProgram`.
    re, im, totals
        State of each sequence, (batch, ...): states, running sums. Updated.
    signals
        (2, width): to write on.
    tokens, outputs
        (batch, time, d_input) and (batch, time, d_output), which is written.
    """
    for k in range(tokens.shape[0]):
        for t in range(tokens.shape[1]):
            for j in range(tokens.shape[2]):
                signals[0, j] = tokens[k, t, j]
            now = 0
            for i in range(stages.shape[0]):
                u, y = signals[now], signals[1 - now]
                first, d_output = stages[i, PARAMETERS], stages[i, D_OUTPUT]
                if stages[i, IS_LINEAR]:
                    _linear(parameters, first, stages[i, D_INPUT], d_output, u, y)
                else:
                    n, x = stages[i, D_STATE], stages[i, STATES]
                    for h in range(d_output):
                        at = first + 6 * n * h
                        y[h] = _channel(parameters, at, n, re[k], im[k], x + n * h, u[h])
                if stages[i, RELU]:
                    for j in range(d_output):
                        y[j] = max(y[j], 0.0)
                now = 1 - now
            for j in range(outputs.shape[2]):
                value = signals[now, j]
                if sums:
                    totals[k, j] += value
                    value = totals[k, j]
                outputs[k, t, j] = value


@compiled_float
def _linear(weights, first, d_input, d_output, u, y):
    for i in range(d_output):
        y[i] = 0.0
    row, n = np.uint64(first), np.uint64(d_output)
    for j in range(d_input):
        for i in range(n):
            y[i] += weights[row + i] * u[j]
        row += n


@compiled_float
def _channel(parameters, first, size, re, im, x, u):
    first, size, x = np.uint64(first), np.uint64(size), np.uint64(x)
    y = 0.0
    for n in range(size):
        at = first + n
        a_re, a_im = parameters[at], parameters[at + size]
        at += size + size
        b_re, b_im = parameters[at], parameters[at + size]
        at += size + size
        c_re, c_im = parameters[at], parameters[at + size]
        x_re, x_im = re[x + n], im[x + n]
        new_re = a_re * x_re - a_im * x_im + b_re * u
        new_im = a_re * x_im + a_im * x_re + b_im * u
        re[x + n], im[x + n] = new_re, new_im
        y += c_re * new_re - c_im * new_im
    return 2.0 * y
