"""A factor and a shift for each channel."""

from dataclasses import replace
from typing import TypeVar

import numpy as np

from lava_ssm.compress.headroom import ANY, bias_headroom
from lava_ssm.compress.kinds.kind import Kind, Rules, Scales, Tensor
from lava_ssm.compress.parameters import direct_mantissas, fixed_bias
from lava_ssm.compress.ranges import Moments, Ranges
from lava_ssm.network import FixedScale, Scale
from lava_ssm.network.description import DIAGONAL_BITS, Exponent
from lava_ssm.network.fixed_network import MOST_LEFT
from lava_ssm.network.scale import FixedWeighted, FloatWeighted
from lava_ssm.numerics import RealArray, fitting_exponent

F = TypeVar("F", bound=FloatWeighted)
X = TypeVar("X", bound=FixedWeighted)


class WeightedKind(Kind[F, X]):
    """What scales and norms have in common."""

    tensors = (Tensor("weights", DIAGONAL_BITS, "weight_exponent"), Tensor("bias"))

    def output_headroom(self, layer: F, ranges: Ranges, rules: Rules) -> int:
        return bias_headroom(layer.bias, rules.spare)

    def bias_exponents(self, fixed: X, input_exponent: int) -> dict[str, int]:
        return {"bias": fixed.output_exponent}


class ScaleKind(WeightedKind[Scale, FixedScale], of=Scale):
    """y = w u + b."""

    scales = Scales.ANY

    def rescaled(self, layer: Scale, before: RealArray, behind: RealArray) -> Scale:
        return Scale(layer.weights * behind / before, layer.bias * behind)

    def parameters(self, layer: Scale, moments: Moments, rules: Rules) -> tuple[FixedScale, Scale]:
        weights, e = direct_mantissas(layer.weights, rules.formats)
        fixed = FixedScale(weights, weight_exponent=e)
        values = fixed.dequantize().weights
        bias = layer.bias + (layer.weights - values) * moments.mean
        return fixed, Scale(values, bias)

    def finest(self, fixed: FixedScale, input_exponent: int, residual: bool) -> int:
        return ANY if residual else input_exponent + fixed.weight_exponent

    def output_limit(
        self, fixed: FixedScale, layer: Scale, input_exponent: int, ranges: Ranges, rules: Rules
    ) -> int:
        return input_exponent + fixed.weight_exponent + MOST_LEFT

    def finish(
        self, fixed: FixedScale, layer: Scale, ends: tuple[int, int], ranges: Ranges, rules: Rules
    ) -> FixedScale:
        return replace(fixed, output_exponent=ends[1], bias=fixed_bias(layer.bias, ends[1]))

    def fitted(
        self, fixed: FixedScale, layer: Scale, width: int = DIAGONAL_BITS
    ) -> dict[str, Exponent]:
        e = fitting_exponent(np.abs(layer.weights).max(), DIAGONAL_BITS)
        return {"weight_exponent": int(e)}
