"""A fixed network laid out for the kernels: flat arrays, and a table of stages."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ssm.engine.compiled import neurons
from lava_ssm.engine.compiled.cpu import HAS_ROUNDING_MODE, ROUNDING_MODE
from lava_ssm.engine.compiled.words import OVERFLOW
from lava_ssm.engine.reference.fixed import split_shift
from lava_ssm.network import FixedLinear, FixedNetwork, FixedS4D, Readout
from lava_ssm.numerics import SYNAPSE_BITS, Arithmetic, Rounding, word_range

# Columns of the table of stages.
IS_LINEAR, D_INPUT, D_OUTPUT, D_STATE, PADDED, RELU = range(6)
PARAMETERS, STATES, CHANNELS = range(6, 9)  # where the stage's part of a flat array begins
MOST_GAIN, COMMON_SHIFT = range(9, 11)  # of a linear stage
N_STAGE_COLUMNS = 11

LANES = 16
"""States are padded to a multiple of this: the floats of a 512-bit vector."""


@dataclass(frozen=True)
class Program:
    """What the kernels take of a fixed network.

    Parameters
    ----------
    stages
        int64, (n_stages, N_STAGE_COLUMNS).
    parameters
        float32 or float64: of each S4D stage (d_model, 6, padded), times 2**-param_exponent.
    channels
        float64, (..., neurons.N_COLUMNS): of each S4D stage its channels.
    weights
        int8: of each linear stage its mantissas, (d_input, d_output).
    shifts
        int64: of each linear stage the shift of each output.
    rules
        int64: rounding mode, overflow, state_bits, message_bits, whether the readout is a sum.
    n_states
        Padded states of all stages.
    width
        Widest token between stages.
    """

    stages: NDArray[np.int64]
    parameters: NDArray[Any]
    channels: NDArray[np.float64]
    weights: NDArray[np.int8]
    shifts: NDArray[np.int64]
    rules: NDArray[np.int64]
    n_states: int
    width: int


def program(network: FixedNetwork) -> Program:
    """Lay a network out."""
    rules = network.arithmetic
    real = real_type(network)
    table = np.zeros((len(network.stages), N_STAGE_COLUMNS), np.int64)
    parameters: list[NDArray[Any]] = [np.zeros(0, real)]
    channels = [np.zeros((0, neurons.N_COLUMNS))]
    weights, shifts = [np.zeros(0, np.int8)], [np.zeros(0, np.int64)]
    n_parameters = n_states = n_channels = n_weights = n_shifts = 0
    for i, (row, stage) in enumerate(zip(table, network.stages, strict=True)):
        layer = stage.layer
        row[D_INPUT], row[D_OUTPUT], row[RELU] = layer.d_input, layer.d_output, stage.relu
        if isinstance(layer, FixedLinear):
            row[IS_LINEAR] = 1
            row[PARAMETERS], row[CHANNELS] = n_weights, n_shifts
            row[MOST_GAIN] = 2 * np.abs(layer.weights).sum(axis=1).max()
            amount = layer.shift(network.exponents[i])
            # beyond these a 32-bit sum is shifted to nothing
            row[COMMON_SHIFT] = np.clip(split_shift(amount)[0], -SYNAPSE_BITS, SYNAPSE_BITS)
            weights.append(layer.weights.T.astype(np.int8).ravel())
            amount = np.minimum(np.broadcast_to(amount, layer.d_output), SYNAPSE_BITS - 1)
            shifts.append(np.maximum(amount, -SYNAPSE_BITS).astype(np.int64))
            n_weights, n_shifts = n_weights + layer.weights.size, n_shifts + layer.d_output
        else:
            assert isinstance(layer, FixedS4D)  # `stream` sends other networks to the reference
            row[D_STATE], row[PADDED] = layer.d_state, padded(layer.d_state)
            row[PARAMETERS], row[STATES], row[CHANNELS] = n_parameters, n_states, n_channels
            parameters.append(scaled(layer, real).ravel())
            channels.append(channel_numbers(layer, rules, real))
            n_parameters += parameters[-1].size
            n_states += layer.d_model * int(row[PADDED])
            n_channels += layer.d_model
    return Program(
        stages=table,
        parameters=np.concatenate(parameters),
        channels=np.concatenate(channels),
        weights=np.concatenate(weights),
        shifts=np.concatenate(shifts),
        rules=np.append(rule_numbers(rules), network.readout is Readout.MEAN_OVER_TIME),
        n_states=n_states,
        width=int(table[:, D_INPUT : D_OUTPUT + 1].max()),
    )


def padded(d_state: int) -> int:
    """Round a number of states up to full vectors."""
    return -(-d_state // LANES) * LANES


def real_type(network: FixedNetwork) -> type:
    """Type of the floats in which states are kept."""
    layers = [stage.layer for stage in network.stages]
    bits = max((la.param_bits for la in layers if isinstance(la, FixedS4D)), default=2)
    return float_type(network.arithmetic, bits)


def float_type(rules: Arithmetic, param_bits: int) -> type:
    """float32 where a state fits it and rounding twice is rounding once; float64 otherwise."""
    single = rules.state_bits <= 24 and param_bits <= 24 and rules.rounding is not Rounding.NEAREST
    return np.float32 if single else np.float64


def scaled(layer: FixedS4D, real: type) -> NDArray[Any]:
    """Give a, b, c times 2**-param_exponent, (d_model, 6, padded): exact in `real`."""
    p = np.broadcast_to(layer.param_exponent, layer.d_model)
    values = np.concatenate([layer.a, layer.b, layer.c], axis=-1)  # (d_model, d_state, 6)
    rows: NDArray[Any] = np.zeros((layer.d_model, 6, padded(layer.d_state)), real)
    rows[..., : layer.d_state] = np.moveaxis(values, -1, 1) * np.exp2(-p)[:, np.newaxis, np.newaxis]
    return rows


def channel_numbers(layer: FixedS4D, rules: Arithmetic, real: type) -> NDArray[np.float64]:
    """Give each channel's exponents, and the limits within which floats are exact.

    Within `U_LIMIT` of its input and `X_LIMIT` of its new state no word overflows, no integer
    leaves the float's significant bits, and no sum over states its 32 bits.
    """
    numbers = np.zeros((layer.d_model, neurons.N_COLUMNS))
    p = np.broadcast_to(layer.param_exponent, layer.d_model)
    s = np.broadcast_to(layer.state_exponent, layer.d_model)
    b = np.abs(layer.b).max(axis=(1, 2)) * np.exp2(-p)
    c = np.abs(layer.c).sum(axis=2).max(axis=1) * np.exp2(-p)
    exact = 2.0 ** (np.finfo(real).nmant + 1)
    most = float(word_range(rules.state_bits)[1])
    # |out| <= 2 (|c_re x_re| + |c_im x_im|) 2^-s and a unit of rounding, d_state of them
    largest_out = 2.0 ** (SYNAPSE_BITS - 1) / layer.d_state - 4
    largest_c_x = np.minimum(exact, largest_out * np.exp2(s - 1)) - 4
    numbers[:, neurons.PARAM_EXPONENT] = p
    numbers[:, neurons.STATE_EXPONENT] = s
    numbers[:, neurons.UP], numbers[:, neurons.DOWN] = np.exp2(s), np.exp2(1 - s)
    with np.errstate(divide="ignore"):
        numbers[:, neurons.U_LIMIT] = np.floor(np.minimum(most, exact / b) * np.exp2(-s))
        numbers[:, neurons.X_LIMIT] = np.floor(np.minimum(most, largest_c_x / c))
    if not HAS_ROUNDING_MODE or layer.param_bits + rules.state_bits > np.finfo(np.float64).nmant:
        numbers[:, neurons.U_LIMIT] = -1  # never in floats
    numbers[:, neurons.B_NORM] = b * np.exp2(s)  # of u, not of v
    return numbers


def rule_numbers(rules: Arithmetic) -> NDArray[np.int64]:
    """Lay the rules of arithmetic out."""
    modes = [ROUNDING_MODE[rules.rounding], OVERFLOW[rules.overflow]]
    return np.array([*modes, rules.state_bits, rules.message_bits], np.int64)
