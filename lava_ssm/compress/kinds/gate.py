"""Gates."""

from dataclasses import replace

import numpy as np

from lava_ssm.compress.headroom import synapse_headroom
from lava_ssm.compress.kinds.kind import Kind, Rules, Scales, Tensor
from lava_ssm.compress.parameters import gate_bias
from lava_ssm.compress.ranges import Moments, Ranges
from lava_ssm.compress.weights import matrix_mantissas
from lava_ssm.network import FixedGate, Gate
from lava_ssm.network.description import WEIGHT_BITS
from lava_ssm.network.fixed_network import MOST_LEFT
from lava_ssm.numerics import SIGMOID_INPUT_EXPONENT, TABLE_EXPONENT, RealArray


class GateKind(Kind[Gate, FixedGate], of=Gate):
    """y = u sigmoid(W u + b)."""

    tensors = (Tensor("weights", WEIGHT_BITS, "exponent", ("bias",)),)
    maps = (("weights", "bias"),)

    scales = Scales.SAME

    def rescaled(self, layer: Gate, before: RealArray, behind: RealArray) -> Gate:
        return replace(layer, weights=layer.weights / before)

    def matrices(self, layer: Gate) -> tuple[np.ndarray, ...]:
        return (layer.weights,)

    def parameters(self, layer: Gate, moments: Moments, rules: Rules) -> tuple[FixedGate, Gate]:
        fixed = FixedGate(*matrix_mantissas(layer.weights, rules.formats, moments))
        values = fixed.dequantize()
        bias = layer.bias + (layer.weights - values.weights) @ moments.mean
        return fixed, replace(values, bias=bias)

    def input_headroom(self, fixed: FixedGate, ranges: Ranges, rules: Rules) -> int:
        return synapse_headroom(ranges.sums, fixed.exponent, rules.spare)

    def finest(self, fixed: FixedGate, input_exponent: int, residual: bool) -> int:
        return input_exponent + TABLE_EXPONENT

    def output_limit(
        self, fixed: FixedGate, layer: Gate, input_exponent: int, ranges: Ranges, rules: Rules
    ) -> int:
        return input_exponent + TABLE_EXPONENT + MOST_LEFT

    def finish(
        self, fixed: FixedGate, layer: Gate, ends: tuple[int, int], ranges: Ranges, rules: Rules
    ) -> FixedGate:
        return replace(fixed, output_exponent=ends[1], bias=gate_bias(layer.bias))

    def bias_exponents(self, fixed: FixedGate, input_exponent: int) -> dict[str, int]:
        return {"bias": SIGMOID_INPUT_EXPONENT}
