"""Gated linear units."""

from dataclasses import replace
from typing import Any

import numpy as np

from lava_ssm.compress.headroom import bias_headroom, headroom
from lava_ssm.compress.kinds.kind import Rules
from lava_ssm.compress.kinds.maps import MapsKind
from lava_ssm.compress.parameters import fixed_bias, gate_bias
from lava_ssm.compress.ranges import Ranges
from lava_ssm.network import GLU, Activation, FixedGLU
from lava_ssm.network.description import Exponent
from lava_ssm.network.glu import MOST_LEFT, MOST_RIGHT
from lava_ssm.numerics import SIGMOID_INPUT_EXPONENT, TABLE_EXPONENT, RealArray


class GLUKind(MapsKind[GLU, FixedGLU], of=GLU):
    """y = (W u + b) f(V u + c)."""

    def fixed(self, layer: GLU, arrays: dict[str, Any]) -> FixedGLU:
        return FixedGLU(**arrays, activation=layer.activation)

    def sums(self, fixed: FixedGLU, ranges: Ranges) -> tuple[RealArray, ...]:
        return _sums(fixed, ranges)

    def output_headroom(self, layer: GLU, ranges: Ranges, rules: Rules) -> int:
        return bias_headroom(layer.bias, rules.spare)

    def output_limit(
        self, fixed: FixedGLU, layer: GLU, input_exponent: int, ranges: Ranges, rules: Rules
    ) -> int:
        """See `Kind`: the product of two factors."""
        return sum(_factors(fixed, layer, input_exponent, ranges, rules)) + MOST_LEFT

    def finish(
        self, fixed: FixedGLU, layer: GLU, ends: tuple[int, int], ranges: Ranges, rules: Rules
    ) -> FixedGLU:
        """What is gated, and what opens it, is as fine as leaves a spare bit in a neuron's word or
        a message, and no finer than the sums are.
        """
        is_sigmoid = fixed.activation is Activation.SIGMOID
        e, e_v = _factors(fixed, layer, ends[0], ranges, rules)
        if is_sigmoid:
            e_v = SIGMOID_INPUT_EXPONENT
        else:  # what the neuron can shift their product by
            excess = max(0, e + e_v - ends[1] - MOST_RIGHT)
            e, e_v = e - excess // 2, e_v - (excess - excess // 2)
        return replace(
            fixed,
            value_exponent=e,
            gate_sum_exponent=e_v,
            output_exponent=ends[1],
            bias=fixed_bias(layer.bias, e),
            gate_bias=(
                gate_bias(layer.gate_bias) if is_sigmoid else fixed_bias(layer.gate_bias, e_v)
            ),
        )


def _factors(
    fixed: FixedGLU, layer: GLU, input_exponent: int, ranges: Ranges, rules: Rules
) -> tuple[int, int]:
    """Exponents of what is gated and of what it is multiplied with, as fine as they may be."""
    values, gates = _sums(fixed, ranges)
    table, is_sigmoid = fixed.activation.table, fixed.activation is Activation.SIGMOID

    def finest(sums: RealArray, bias: RealArray, exponent: Exponent) -> int:
        of_sums = input_exponent + int(np.min(exponent)) + 1
        return min(of_sums, _fitting(sums, bias, rules, is_sigmoid))

    e = finest(values, layer.bias, fixed.exponent)
    if is_sigmoid:
        return e, TABLE_EXPONENT
    e_v = finest(gates, layer.gate_bias, fixed.gate_exponent)
    return e, e_v if table is None or table.multiplies else min(e_v, table.entry_exponent)


def _fitting(sums: RealArray, bias: RealArray, rules: Rules, is_sigmoid: bool = False) -> int:
    """Give the exponent at which sums with their biases fit a message, or a neuron's word."""
    bits = rules.arithmetic.state_bits if is_sigmoid else rules.arithmetic.message_bits
    peak = float((sums + np.abs(bias)).max())
    return headroom(peak, min(bits, rules.arithmetic.state_bits), rules.spare)


def _sums(layer: FixedGLU, ranges: Ranges) -> tuple[RealArray, RealArray]:
    """Of W u and of V u."""
    if layer.activation is Activation.SIGMOID:
        return ranges.second, ranges.sums
    return ranges.peaks["values", "sum"], ranges.peaks["gates", "sum"]
