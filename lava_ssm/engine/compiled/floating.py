"""The kernel of a float network, and how it is laid out: float64 throughout.

`reference.floating` is the specification. Sums are taken in another order than there.
"""

# mypy: disable-error-code="no-untyped-def"

from dataclasses import dataclass
from math import erf, exp, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ssm.engine.compiled.arguments import taking
from lava_ssm.engine.compiled.compiling import compiled_float, kernel
from lava_ssm.engine.compiled.layout import (
    AFFINE,
    FILTERS,
    PRODUCT,
    RECURRENCE,
    assigned_buffers,
    width_of,
)
from lava_ssm.engine.compiled.windows import aligned
from lava_ssm.network import (
    Activation,
    Affine,
    Connection,
    Filters,
    Matrix,
    Network,
    Product,
    Readout,
    Recurrence,
)

NONE, RELU, GELU = range(3)
_ACTIVATIONS = {Activation.NONE: NONE, Activation.RELU: RELU, Activation.GELU: GELU}

FLOAT_POPULATION = np.dtype(
    [
        (name, np.int64)
        for name in (
            "operation",
            "size",  # neurons; of filters channels, of a recurrence states
            "d_state",  # of filters
            "source",  # number of the buffer of its input's messages
            "d_input",
            "matrix",  # where the weights that these go through begin, or -1
            "second",  # the same of the second input, or -1
            "d_second",
            "second_matrix",
            "residual",
            "out",  # buffer of its messages; of filters the sums over states
            "activation",
            "plain",  # whether the bias is zero
            "parameters",  # where a bias or the states' parameters begin
            "direct",  # the same, or -1
            "states",
        )
    ],
    align=True,
)


@dataclass(frozen=True)
class FloatLayout:
    """What the kernel takes of a float network.

    Parameters
    ----------
    populations
        Table of FLOAT_POPULATION.
    numbers
        Of filters re and im of a, b, c, (d_model, 6, d_state); of a recurrence re and im of a and
        of its biases; biases and direct paths; of matrices the weights, (d_input, d_output).
    sums
        Whether the readout is a running sum, (1,).
    n_states
        Complex states of all populations.
    n_buffers, width
        Of messages between populations; the widest of them.
    """

    populations: NDArray[Any]
    numbers: NDArray[np.float64]
    sums: NDArray[np.bool_]
    n_states: int
    n_buffers: int
    width: int


def float_layout(network: Network) -> FloatLayout:
    """Lay a network out."""
    populations = network.lowered
    numbers = [np.zeros(0)]
    buffers = assigned_buffers(populations)
    table = np.zeros(len(populations), FLOAT_POPULATION)
    n_states = 0

    def put(*arrays: NDArray[Any]) -> int:
        begin = sum(map(len, numbers))
        numbers.extend(np.ravel(x).astype(float) for x in arrays)
        return begin

    def matrix(c: Connection) -> int:
        return put(c.synapse.weights.T) if isinstance(c.synapse, Matrix) else -1

    for n, (row, p) in enumerate(zip(table, populations, strict=True)):
        row["size"], row["out"] = width_of(p), buffers[n]
        row["activation"] = _ACTIVATIONS[p.activation]
        row["second"] = row["second_matrix"] = row["direct"] = row["residual"] = -1
        first, *others = p.inputs
        row["source"], row["matrix"] = buffers[first.source], matrix(first)
        row["d_input"] = first.synapse.n_in
        for c in others:
            row["second"], row["second_matrix"] = buffers[c.source], matrix(c)
            row["d_second"] = c.synapse.n_in
        if p.residual is not None:
            row["residual"] = buffers[p.residual.source]
        match p.neurons:
            case Filters(a, b, c_) as filters:
                row["operation"], row["d_state"] = FILTERS, filters.d_state
                parts = [part for v in (a, b, c_) for part in (v.real, v.imag)]
                row["parameters"] = put(np.stack(parts, axis=1))
                row["states"], n_states = n_states, n_states + filters.n_neurons
            case Recurrence(a, bias, relu):
                row["operation"], row["size"] = RECURRENCE, len(a)
                row["activation"] = RELU if relu else NONE
                row["parameters"] = put(a.real, a.imag, bias.real, bias.imag)
                row["states"], n_states = n_states, n_states + len(a)
            case Affine(size, direct, _, bias):
                row["operation"] = AFFINE
                row["parameters"] = put(np.zeros(size) if bias is None else bias)
                row["plain"] = bias is None or not bias.any()
                row["direct"] = -1 if direct is None else put(direct)
            case Product(bias, bias_u):
                row["operation"] = PRODUCT
                row["parameters"] = put(bias)
                row["direct"] = put(np.zeros(len(bias)) if bias_u is None else bias_u)
    return FloatLayout(
        populations=table,
        numbers=aligned(np.concatenate(numbers)),
        sums=np.array([network.readout is Readout.MEAN_OVER_TIME]),
        n_states=n_states,
        n_buffers=max(buffers.values()) + 1,
        width=max(network.d_input, *(p.neurons.n_neurons for p in populations)),
    )


def float_kinds(real):
    """Of the arrays in the table of `advance_float`, see `arguments.taking`."""
    return (
        *((FLOAT_POPULATION, 1), (np.float64, 1), (np.bool_, 1)),
        *[(real, 2)] * 5,
    )


_arrays = taking(float_kinds)


@kernel
def advance_float(table, tokens, outputs):
    """Run tokens on from a state.

    Parameters
    ----------
    table
        populations, numbers, sums
            See `FloatLayout`.
        re, im, totals
            State of each sequence, (batch, ...): states, running sums. Updated.
        buffers, scratch
            (n_buffers, width), (2, width): to write on.
    tokens, outputs
        (batch, time, d_input) and (batch, time, d_output), which is written.
    """
    populations, numbers, sums, re, im, totals, buffers, scratch = _arrays(table, np.float64)
    last = populations[populations.size - 1].out
    for k in range(tokens.shape[0]):
        for t in range(tokens.shape[1]):
            for j in range(tokens.shape[2]):
                buffers[0, j] = tokens[k, t, j]
            for i in range(populations.size):
                p = populations[i]
                u, y = buffers[p.source], buffers[p.out]
                if p.operation == FILTERS:
                    n = p.d_state
                    for h in range(p.size):
                        at = p.parameters + 6 * n * h
                        y[h] = _channel(numbers, at, n, re[k], im[k], p.states + n * h, u[h])
                elif p.operation == RECURRENCE:
                    _linear(numbers, p.matrix, p.d_input, 2 * p.size, u, scratch[0])
                    _recurrence(numbers, p, re[k], im[k], scratch[0], y)
                else:
                    if p.matrix >= 0:
                        _linear(numbers, p.matrix, p.d_input, p.size, u, y)
                    elif p.source != p.out:
                        for j in range(p.size):
                            y[j] = u[j]
                    v = buffers[max(p.second, 0)]
                    if p.second_matrix >= 0:
                        _linear(numbers, p.second_matrix, p.d_second, p.size, v, scratch[1])
                        v = scratch[1]
                    _neurons(numbers, p, y, v, buffers[max(p.residual, 0)])
            for j in range(outputs.shape[2]):
                value = buffers[last, j]
                if sums[0]:
                    totals[k, j] += value
                    value = totals[k, j]
                outputs[k, t, j] = value


@compiled_float
def _neurons(numbers, p, y, u, r):
    """What neurons without states make of their sums `y`, in place."""
    size = p.size  # a field of a record would be read anew in each turn of a loop
    biases = numbers[p.parameters : p.parameters + size]
    if p.operation == PRODUCT:
        of_u = numbers[p.direct : p.direct + size]
        for j in range(size):
            y[j] = (u[j] + of_u[j]) / (1.0 + exp(-(y[j] + biases[j])))
    elif p.direct >= 0:
        direct = numbers[p.direct : p.direct + size]
        for j in range(size):
            y[j] += biases[j] + direct[j] * u[j]
    elif not p.plain:
        for j in range(size):
            y[j] += biases[j]
    if p.residual >= 0:
        for j in range(size):
            y[j] += r[j]
    if p.activation == RELU:
        for j in range(size):
            y[j] = max(y[j], 0.0)
    elif p.activation == GELU:
        for j in range(size):
            y[j] = 0.5 * y[j] * (1.0 + erf(y[j] / sqrt(2.0)))


@compiled_float
def _recurrence(numbers, p, re, im, drive, y):
    size, first, rectified = p.size, p.parameters, p.activation == RELU
    a_re, a_im = numbers[first : first + size], numbers[first + size : first + 2 * size]
    first += 2 * size
    b_re, b_im = numbers[first : first + size], numbers[first + size : first + 2 * size]
    x_re, x_im = re[p.states : p.states + size], im[p.states : p.states + size]
    for n in range(size):
        new_re = a_re[n] * x_re[n] - a_im[n] * x_im[n] + (drive[n] + b_re[n])
        new_im = a_re[n] * x_im[n] + a_im[n] * x_re[n] + (drive[n + size] + b_im[n])
        x_re[n], x_im[n] = new_re, new_im
        on = (not rectified) | (new_re > 0) | ((new_re == 0) & (new_im > 0))
        y[n], y[n + size] = new_re if on else 0.0, new_im if on else 0.0


@compiled_float
def _linear(weights, first, d_input, d_output, u, y):
    """W u, four inputs at a time to spare loads of the sums."""
    for i in range(d_output):
        y[i] = 0.0
    row, n = np.uint64(first), np.uint64(d_output)
    j = 0
    while j + 4 <= d_input:
        u0, u1, u2, u3 = u[j], u[j + 1], u[j + 2], u[j + 3]
        for i in range(n):
            at = row + i
            y[i] += (
                weights[at] * u0
                + weights[at + n] * u1
                + weights[at + n + n] * u2
                + weights[at + n + n + n] * u3
            )
        row += np.uint64(4) * n
        j += 4
    while j < d_input:
        for i in range(n):
            y[i] += weights[row + i] * u[j]
        row += n
        j += 1


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
