"""Gated linear units."""

from dataclasses import replace

import numpy as np

from lava_ssm.compress.headroom import bias_headroom, headroom, synapse_headroom
from lava_ssm.compress.kinds.kind import Kind, Rules, Scales, Tensor
from lava_ssm.compress.parameters import fixed_bias, gate_bias
from lava_ssm.compress.ranges import Moments, Ranges
from lava_ssm.compress.weights import matrix_mantissas
from lava_ssm.network import GLU, FixedGLU
from lava_ssm.network.linear import WEIGHT_BITS
from lava_ssm.numerics import SIGMOID_INPUT_EXPONENT, RealArray


class GLUKind(Kind[GLU, FixedGLU]):
    """y = (W u + b) sigmoid(V u + c)."""

    tensors = (
        Tensor("weights", WEIGHT_BITS, "exponent", ("bias",)),
        Tensor("gate", WEIGHT_BITS, "gate_exponent", ("gate_bias",)),
    )

    scales = Scales.ANY

    def rescaled(self, layer: GLU, before: RealArray, behind: RealArray) -> GLU:
        """See `Kind`."""
        weights, bias = layer.weights * behind[:, np.newaxis] / before, layer.bias * behind
        return replace(layer, weights=weights, bias=bias, gate=layer.gate / before)

    def parameters(self, layer: GLU, moments: Moments, rules: Rules) -> tuple[FixedGLU, GLU]:
        """See `Kind`."""
        weights, exponent = matrix_mantissas(layer.weights, rules.formats, moments)
        gate, gate_exponent = matrix_mantissas(layer.gate, rules.formats, moments)
        fixed = FixedGLU(weights, gate, exponent, gate_exponent)
        values = fixed.dequantize()
        bias = layer.bias + (layer.weights - values.weights) @ moments.mean
        gate_mean = layer.gate_bias + (layer.gate - values.gate) @ moments.mean
        return fixed, replace(values, bias=bias, gate_bias=gate_mean)

    def input_headroom(self, fixed: FixedGLU, ranges: Ranges, rules: Rules) -> int:
        """See `Kind`."""
        return min(
            synapse_headroom(ranges.sums, fixed.gate_exponent, rules.spare),
            synapse_headroom(ranges.second, fixed.exponent, rules.spare),
        )

    def output_headroom(self, layer: GLU, ranges: Ranges, rules: Rules) -> int:
        """See `Kind`."""
        return bias_headroom(layer.bias, rules.spare)

    def finish(
        self, fixed: FixedGLU, layer: GLU, ends: tuple[int, int], ranges: Ranges, rules: Rules
    ) -> FixedGLU:
        """See `Kind`.

        What is gated is as fine as leaves a spare bit in a neuron's word, and no finer than the
        sums are.
        """
        peak = float((ranges.second + np.abs(layer.bias)).max())
        finest = ends[0] + int(np.min(fixed.exponent)) + 1
        e = (
            min(finest, headroom(peak, rules.arithmetic.state_bits, rules.spare))
            if peak > 0
            else finest
        )
        return replace(
            fixed,
            value_exponent=e,
            output_exponent=ends[1],
            bias=fixed_bias(layer.bias, e),
            gate_bias=gate_bias(layer.gate_bias),
        )

    def bias_exponents(self, fixed: FixedGLU, input_exponent: int) -> dict[str, int]:
        """See `Kind`."""
        return {"bias": fixed.value_exponent, "gate_bias": SIGMOID_INPUT_EXPONENT}
