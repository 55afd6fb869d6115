"""Quantising gated linear units."""

from dataclasses import replace

import numpy as np

from lava_ssm.compress.formats import Formats
from lava_ssm.compress.parameters import linear_mantissas
from lava_ssm.compress.ranges import SPARE, Observed, limit
from lava_ssm.compress.s5 import fixed_bias, gate_bias
from lava_ssm.network import GLU, FixedGLU
from lava_ssm.numerics import Arithmetic, RealArray


def fixed_glu(layer: GLU, formats: Formats, spread: RealArray) -> FixedGLU:
    """Quantise the weights; biases and exponents of messages come later."""
    weights, exponent = linear_mantissas(layer.weights, formats, spread)
    gate, gate_exponent = linear_mantissas(layer.gate, formats, spread)
    return FixedGLU(weights, gate, exponent, gate_exponent)


def corrected_glu(layer: GLU, values: GLU, mean: RealArray) -> GLU:
    """Give the layer of quantised weights biases that make up for their rounding."""
    return replace(
        values,
        bias=layer.bias + (layer.weights - values.weights) @ mean,
        gate_bias=layer.gate_bias + (layer.gate - values.gate) @ mean,
    )


def with_formats_glu(
    fixed: FixedGLU,
    layer: GLU,
    stage: int,
    edges: tuple[int, int],
    seen: Observed,
    rules: Arithmetic,
) -> FixedGLU:
    """Give a layer its biases, the exponent of its messages, and that of what is gated.

    That is as fine as leaves a spare bit in a neuron's word, and no finer than the sums are.
    """
    e_u, e_y = edges
    peak = float((seen.second(stage) + np.abs(layer.bias)).max())
    finest = e_u + int(np.min(fixed.exponent)) + 1
    fits = np.log2(limit(rules.state_bits) / (SPARE * peak)) if peak > 0 else finest
    e = min(finest, int(np.floor(fits)))
    return replace(
        fixed,
        value_exponent=e,
        output_exponent=e_y,
        bias=fixed_bias(layer.bias, e),
        gate_bias=gate_bias(layer.gate_bias),
    )
