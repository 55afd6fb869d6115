"""Gated linear recurrences."""

from dataclasses import replace
from typing import Any

import numpy as np

from lava_ssm.compress.headroom import ANY, bias_headroom, headroom
from lava_ssm.compress.kinds.kind import Rules, Scales
from lava_ssm.compress.kinds.maps import MapsKind
from lava_ssm.compress.parameters import fixed_bias, gate_bias
from lava_ssm.compress.ranges import Ranges
from lava_ssm.network import MLGRU, Activation, FixedMinGRU, FixedMLGRU, MinGRU
from lava_ssm.network.description import Exponent
from lava_ssm.network.fixed_network import MOST_LEFT
from lava_ssm.network.gru import LEAST_OF_GATE, MOST_SHIFT
from lava_ssm.numerics import TABLE_EXPONENT, IntArray, RealArray


class MinGRUKind(MapsKind[MinGRU, FixedMinGRU], of=MinGRU):
    """h' = (1 - z) h + z f(c), z = sigmoid(V u + b_z), c = W u + b."""

    def passes(self, layer: MinGRU) -> Scales:
        """None through an activation."""
        return super().passes(layer) if layer.activation is Activation.NONE else Scales.NONE

    def fixed(self, layer: MinGRU, arrays: dict[str, Any]) -> FixedMinGRU:
        arrays["gate"] = np.maximum(arrays["gate"], LEAST_OF_GATE)
        return FixedMinGRU(**arrays, activation=layer.activation)

    def sums(self, fixed: FixedMinGRU, ranges: Ranges) -> tuple[RealArray, ...]:
        plain = fixed.activation is Activation.NONE
        key = ("states", "second") if plain else ("candidates", "sum")
        return ranges.peaks[key], ranges.drive

    def output_headroom(self, layer: MinGRU, ranges: Ranges, rules: Rules) -> int:
        """What is sent on, rectified or not, was a message of the states."""
        sent = float(ranges.states.max())
        return min(
            headroom(sent, rules.arithmetic.message_bits, rules.spare),
            _of_states(layer, ranges, rules),
        )

    def output_limit(
        self, fixed: FixedMinGRU, layer: MinGRU, input_exponent: int, ranges: Ranges, rules: Rules
    ) -> int:
        """A state is at most so much finer than candidates that neurons of their own send."""
        if layer.activation is Activation.NONE:
            return ANY
        return _of_candidates(layer, ranges, rules) + MOST_SHIFT

    def finish(
        self,
        fixed: FixedMinGRU,
        layer: MinGRU,
        ends: tuple[int, int],
        ranges: Ranges,
        rules: Rules,
    ) -> FixedMinGRU:
        """States are as fine as what enters them fits their words."""
        finest = _of_states(layer, ranges, rules)
        e = ends[1] + min(max(finest - ends[1], 0), MOST_SHIFT)
        of_value = 0
        if layer.activation is not Activation.NONE:
            of_value = _of_candidates(layer, ranges, rules)
            e = min(e, of_value + MOST_SHIFT)
            of_value = min(e, of_value)
        fixed = replace(fixed, state_exponent=e, output_exponent=ends[1], value_exponent=of_value)
        return replace(
            fixed,
            bias=fixed_bias(layer.bias, fixed.candidate_exponent),
            gate_bias=gate_bias(layer.gate_bias),
        )

    def state_exponents(self, fixed: FixedMinGRU, input_exponent: int) -> int:
        return fixed.state_exponent

    def mantissas(self, name: str, values: np.ndarray, bits: int, exponent: Exponent) -> IntArray:
        nearest = super().mantissas(name, values, bits, exponent)
        return np.maximum(nearest, LEAST_OF_GATE) if name == "gate" else nearest


def _of_states(layer: MinGRU, ranges: Ranges, rules: Rules) -> int:
    """Largest exponent at which candidates fit the state's word, and their biases theirs."""
    plain = layer.activation is Activation.NONE
    bias = layer.bias if plain else np.zeros_like(layer.bias)
    peak = float((ranges.peaks["states", "second"] + np.abs(bias)).max())
    fits = headroom(peak, rules.arithmetic.state_bits, rules.spare)
    return min(fits, bias_headroom(bias, rules.spare))


class MLGRUKind(MapsKind[MLGRU, FixedMLGRU], of=MLGRU):
    """h' = f h + (1 - f) c, y = sigmoid(V u + b_g) h', c = silu(W u + b)."""

    scales = Scales.NONE

    def fixed(self, layer: MLGRU, arrays: dict[str, Any]) -> FixedMLGRU:
        return FixedMLGRU(**arrays)

    def sums(self, fixed: FixedMLGRU, ranges: Ranges) -> tuple[RealArray, ...]:
        return ranges.peaks["candidates", "sum"], ranges.drive, ranges.sums

    def output_headroom(self, layer: MLGRU, ranges: Ranges, rules: Rules) -> int:
        """See `Kind`: finer, a product of a candidate and a table's entry ends in zeros."""
        return _of_candidates(layer, ranges, rules) + TABLE_EXPONENT

    def output_limit(
        self, fixed: FixedMLGRU, layer: MLGRU, input_exponent: int, ranges: Ranges, rules: Rules
    ) -> int:
        return _of_candidates(layer, ranges, rules) + TABLE_EXPONENT + MOST_LEFT

    def finish(
        self, fixed: FixedMLGRU, layer: MLGRU, ends: tuple[int, int], ranges: Ranges, rules: Rules
    ) -> FixedMLGRU:
        """States have what is left of their words beyond messages."""
        e = _of_candidates(layer, ranges, rules)
        entering = float(ranges.peaks["states", "second"].max())
        left = headroom(entering, rules.arithmetic.state_bits, rules.spare) - e
        return replace(
            fixed,
            value_exponent=e,
            state_shift=min(max(left, 0), MOST_SHIFT),
            output_exponent=ends[1],
            bias=fixed_bias(layer.bias, e),
            forget_bias=gate_bias(layer.forget_bias),
            gate_bias=gate_bias(layer.gate_bias),
        )

    def state_exponents(self, fixed: FixedMLGRU, input_exponent: int) -> int:
        return fixed.value_exponent + fixed.state_shift


def _of_candidates(layer: MLGRU | MinGRU, ranges: Ranges, rules: Rules) -> int:
    """Largest exponent at which candidates fit messages and states, before their table too."""
    before = ranges.peaks["candidates", "sum"] + np.abs(layer.bias)
    peak = float(np.maximum(before, ranges.peaks["states", "second"]).max())
    bits = min(rules.arithmetic.message_bits, rules.arithmetic.state_bits)
    e = min(headroom(peak, bits, rules.spare), bias_headroom(layer.bias, rules.spare))
    table = layer.activation.table
    if table is not None and not table.multiplies:  # entries end in zeros beyond
        e = min(e, table.entry_exponent)
    return e if peak > 0 else 0
