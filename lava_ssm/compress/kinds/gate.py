"""Gates."""

from dataclasses import replace
from typing import Any

from lava_ssm.compress.kinds.kind import Rules, Scales
from lava_ssm.compress.kinds.maps import MapsKind
from lava_ssm.compress.parameters import gate_bias
from lava_ssm.compress.ranges import Ranges
from lava_ssm.network import FixedGate, Gate
from lava_ssm.network.fixed_network import MOST_LEFT
from lava_ssm.numerics import TABLE_EXPONENT, RealArray


class GateKind(MapsKind[Gate, FixedGate], of=Gate):
    """y = u sigmoid(W u + b)."""

    scales = Scales.SAME

    def rescaled(self, layer: Gate, before: RealArray, behind: RealArray) -> Gate:
        return replace(layer, weights=layer.weights / before)

    def fixed(self, layer: Gate, arrays: dict[str, Any]) -> FixedGate:
        return FixedGate(**arrays)

    def sums(self, fixed: FixedGate, ranges: Ranges) -> tuple[RealArray, ...]:
        return (ranges.sums,)

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
