"""Linear maps."""

from dataclasses import replace
from typing import TypeVar

import numpy as np

from lava_ssm.compress.formats import Formats
from lava_ssm.compress.headroom import ANY, neuron_headroom, synapse_headroom
from lava_ssm.compress.kinds.kind import Kind, Rules, Scales, Tensor
from lava_ssm.compress.parameters import column_steps, fixed_bias, row_steps, weight_mantissas
from lava_ssm.compress.ranges import Moments, Ranges
from lava_ssm.compress.weights import compensated, matrix_mantissas
from lava_ssm.network import FixedLinear, Linear
from lava_ssm.network.description import WEIGHT_BITS
from lava_ssm.network.linear import FixedMap, FloatMap
from lava_ssm.numerics import IntArray, RealArray

F = TypeVar("F", bound=FloatMap)
X = TypeVar("X", bound=FixedMap)


class MapKind(Kind[F, X]):
    """What maps of one synapse have in common: sums of weights times messages, and a bias."""

    tensors = (Tensor("weights", WEIGHT_BITS, "exponent", ("bias",)),)
    scales = Scales.ANY

    def input_headroom(self, fixed: X, ranges: Ranges, rules: Rules) -> int:
        return synapse_headroom(ranges.sums, fixed.exponent, rules.spare)

    def output_headroom(self, layer: F, ranges: Ranges, rules: Rules) -> int:
        """What is rectified need not fit the message, but the neuron."""
        return neuron_headroom(ranges.sums, layer.bias, rules.arithmetic, rules.spare)

    def finest(self, fixed: X, input_exponent: int, residual: bool) -> int:
        return ANY if residual else input_exponent + int(np.min(fixed.exponent)) + 1

    def finish(self, fixed: X, layer: F, ends: tuple[int, int], ranges: Ranges, rules: Rules) -> X:
        bias = None if layer.bias is None else fixed_bias(layer.bias, ends[1])
        return replace(fixed, output_exponent=ends[1], bias=bias)

    def bias_exponents(self, fixed: X, input_exponent: int) -> dict[str, int]:
        e = input_exponent if fixed.output_exponent is None else fixed.output_exponent
        return {} if fixed.bias is None else {"bias": e}


class LinearKind(MapKind[Linear, FixedLinear], of=Linear):
    """y = W u + b."""

    maps = (("weights", "bias"),)

    def rescaled(self, layer: Linear, before: RealArray, behind: RealArray) -> Linear:
        bias = None if layer.bias is None else layer.bias * behind
        return Linear(layer.weights * behind[:, np.newaxis] / before, bias)

    def row_steps(self, layer: Linear, moments: Moments, formats: Formats) -> IntArray:
        return row_steps(layer.weights, formats, moments.std)

    def column_steps(self, layer: Linear, formats: Formats) -> IntArray:
        return column_steps(layer.weights, formats)

    def weighed(self, layer: Linear) -> bool:
        return layer.bias is None

    def parameters(
        self, layer: Linear, moments: Moments, rules: Rules
    ) -> tuple[FixedLinear, Linear]:
        """Without a bias, rounded weights make up for each other."""
        if layer.bias is not None:
            fixed = FixedLinear(*matrix_mantissas(layer.weights, rules.formats, moments))
            values = fixed.dequantize()
            bias = layer.bias + (layer.weights - values.weights) @ moments.mean
            return fixed, replace(values, bias=bias)
        # no bias makes up for means: their products' errors count too
        rms = np.sqrt(np.diag(moments.gram)) if rules.weigh else None
        weights, exponent = weight_mantissas(layer.weights, rules.formats, rms)
        if rules.formats.compensate:
            weights = compensated(
                layer.weights, rules.formats.width, np.asarray(exponent), moments.gram
            )
        fixed = FixedLinear(weights, exponent)
        return fixed, fixed.dequantize()
