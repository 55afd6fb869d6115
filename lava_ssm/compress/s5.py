"""Quantising what S5 networks have: S5 layers, gates, biases."""

from dataclasses import replace
from typing import Any

import numpy as np

from lava_ssm.compress.formats import Formats
from lava_ssm.compress.parameters import direct_mantissas, linear_mantissas, parts, stable
from lava_ssm.compress.ranges import SPARE, Observed, limit
from lava_ssm.network import S5, FixedGate, FixedS5, Gate
from lava_ssm.network.description import BIAS_BITS, DIAGONAL_BITS
from lava_ssm.network.linear import WEIGHT_BITS
from lava_ssm.numerics import (
    SIGMOID_INPUT_EXPONENT,
    SYNAPSE_BITS,
    Arithmetic,
    IntArray,
    Overflow,
    RealArray,
    dequantize,
    quantize,
)


def fixed_s5(layer: S5, formats: Formats, spread: RealArray | None = None) -> FixedS5:
    """Quantise the parameters of an S5 layer; biases and exponents of messages come later.

    The diagonals have 16 bits, a 15 of them behind the point (|a| < 1); B and C 8, with one
    exponent a matrix or, `per_channel`, one a row.
    """
    b, b_exponent = linear_mantissas(parts(layer.b), formats, spread)
    c, c_exponent = linear_mantissas(parts(layer.c), formats)
    p = DIAGONAL_BITS - 1
    diagonal = stable(parts(layer.a)[:, np.newaxis], np.full(layer.d_state, p), formats.rounding)
    low, high = -(1 << p), (1 << p) - 1
    d, d_exponent = direct_mantissas(layer.d, formats)
    return FixedS5(
        a=np.clip(diagonal[:, 0], low, high),
        b=b,
        c=np.clip(c, 1 - (1 << (WEIGHT_BITS - 1)), None),
        d=d,
        param_exponent=p,
        b_exponent=b_exponent,
        c_exponent=c_exponent,
        d_exponent=d_exponent,
        relu=layer.relu,
    )


def fixed_gate(layer: Gate, formats: Formats, spread: RealArray | None = None) -> FixedGate:
    """Quantise the weights of a gate; its bias comes later."""
    weights, exponent = linear_mantissas(layer.weights, formats, spread)
    return FixedGate(weights, exponent)


def corrected(layer: Any, values: Any, mean: RealArray, sent: np.ndarray | None = None) -> Any:
    """Give the layer of the quantised weights biases that make up for their rounding.

    The biases of `layer` with `dW mean` added, where dW is what rounding took from the weights
    and `mean` the calibration data's mean input: on the average the layer computes what it did.
    A normalisation that was folded into the weights subtracts a mean; without this, the rounded
    weights and the exact bias would disagree about it.

    Parameters
    ----------
    layer
        Linear with a bias, Gate or S5.
    values
        The same with the values of the quantised weights.
    sent
        Of an S5: mean of what its states send, complex, (d_state,).
    """
    match layer:
        case S5():
            assert sent is not None
            drive = layer.drive_bias + (layer.b - values.b) @ mean
            read = 2 * ((layer.c - values.c) @ sent).real
            bias = layer.bias + (layer.d - values.d) * mean + read
            return replace(values, drive_bias=drive, bias=bias)
        case _:
            return replace(values, bias=layer.bias + (layer.weights - values.weights) @ mean)


def fixed_bias(bias: RealArray, exponent: int) -> IntArray:
    """Mantissas of the biases of neurons whose messages have an exponent."""
    return quantize(bias, BIAS_BITS, exponent, name="bias")


def gate_bias(bias: RealArray) -> IntArray:
    """Mantissas of a gate's bias; beyond +-8, where the sigmoid is 0 or 1, it may saturate."""
    return quantize(
        bias, BIAS_BITS, SIGMOID_INPUT_EXPONENT, overflow=Overflow.SATURATE, name="bias"
    )


def with_formats(
    fixed: FixedS5,
    layer: S5,
    stage: int,
    output_exponent: int,
    seen: Observed,
    rules: Arithmetic,
) -> FixedS5:
    """Give a layer its biases and the exponents of its states and messages.

    States are as fine as leaves a spare bit in their words, and are shifted as little as leaves
    one in their messages and in the 32-bit sums C m.
    """
    state = float(seen.state(stage).max())
    peak = max(state, float(np.abs(parts(layer.drive_bias)).max()))
    drive = float(seen.drive(stage).max())
    e_x = min(
        _finest(peak, rules.state_bits),
        _finest(drive, SYNAPSE_BITS),
        _finest(peak, BIAS_BITS),
    )
    sums = seen.sums(stage) * dequantize(
        np.ones(fixed.d_model, int), -np.broadcast_to(fixed.c_exponent, fixed.d_model)
    )
    e_m = min(
        e_x,
        _finest(state, rules.message_bits),
        _finest(float(sums.max()), SYNAPSE_BITS),
    )
    shift = min(max(e_x - e_m, 0), 31)
    return replace(
        fixed,
        state_exponent=e_x,
        state_shift=shift,
        output_exponent=output_exponent,
        drive_bias=fixed_bias(parts(layer.drive_bias), e_x),
        bias=fixed_bias(layer.bias, output_exponent),
    )


def _finest(peak: float, bits: int) -> int:
    """Largest exponent at which `peak` leaves a spare bit in a word; that of 0 is 0."""
    if peak <= 0:
        return 0
    return int(np.floor(np.log2(limit(bits) / (SPARE * peak))))
