"""Gated linear recurrences."""

from dataclasses import replace

import numpy as np

from lava_ssm.compress.headroom import ANY, bias_headroom, headroom, synapse_headroom
from lava_ssm.compress.kinds.kind import Kind, Rules, Scales, Tensor
from lava_ssm.compress.parameters import fixed_bias, gate_bias
from lava_ssm.compress.ranges import Moments, Ranges
from lava_ssm.compress.weights import matrix_mantissas
from lava_ssm.network import MLGRU, Activation, FixedMinGRU, FixedMLGRU, MinGRU
from lava_ssm.network.description import WEIGHT_BITS, Exponent
from lava_ssm.network.fixed_network import MOST_LEFT
from lava_ssm.network.gru import BIASES, LEAST_OF_GATE, MATRICES, MOST_SHIFT
from lava_ssm.numerics import SIGMOID_INPUT_EXPONENT, TABLE_EXPONENT, IntArray, RealArray


class MinGRUKind(Kind[MinGRU, FixedMinGRU], of=MinGRU):
    """h' = (1 - z) h + z f(c), z = sigmoid(V u + b_z), c = W u + b."""

    tensors = (
        Tensor("weights", WEIGHT_BITS, "exponent", ("bias",)),
        Tensor("gate", WEIGHT_BITS, "gate_exponent", ("gate_bias",)),
    )
    maps = (("weights", "bias"), ("gate", "gate_bias"))

    scales = Scales.ANY

    def passes(self, layer: MinGRU) -> Scales:
        """None through an activation."""
        return super().passes(layer) if layer.activation is Activation.NONE else Scales.NONE

    def rescaled(self, layer: MinGRU, before: RealArray, behind: RealArray) -> MinGRU:
        weights, bias = layer.weights * behind[:, np.newaxis] / before, layer.bias * behind
        return replace(layer, weights=weights, bias=bias, gate=layer.gate / before)

    def matrices(self, layer: MinGRU) -> tuple[np.ndarray, ...]:
        return layer.weights, layer.gate

    def parameters(
        self, layer: MinGRU, moments: Moments, rules: Rules
    ) -> tuple[FixedMinGRU, MinGRU]:
        weights, exponent = matrix_mantissas(layer.weights, rules.formats, moments)
        gate, gate_exponent = matrix_mantissas(layer.gate, rules.formats, moments)
        fixed = FixedMinGRU(
            weights,
            np.maximum(gate, LEAST_OF_GATE),
            exponent,
            gate_exponent,
            activation=layer.activation,
        )
        values = fixed.dequantize()
        bias = layer.bias + (layer.weights - values.weights) @ moments.mean
        gate_mean = layer.gate_bias + (layer.gate - values.gate) @ moments.mean
        return fixed, replace(values, bias=bias, gate_bias=gate_mean)

    def input_headroom(self, fixed: FixedMinGRU, ranges: Ranges, rules: Rules) -> int:
        return min(
            synapse_headroom(ranges.drive, fixed.gate_exponent, rules.spare),
            synapse_headroom(_sums(fixed, ranges), fixed.exponent, rules.spare),
        )

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

    def bias_exponents(self, fixed: FixedMinGRU, input_exponent: int) -> dict[str, int]:
        return {"bias": fixed.candidate_exponent, "gate_bias": SIGMOID_INPUT_EXPONENT}

    def mantissas(self, name: str, values: np.ndarray, bits: int, exponent: Exponent) -> IntArray:
        found = super().mantissas(name, values, bits, exponent)
        return np.maximum(found, LEAST_OF_GATE) if name == "gate" else found


def _of_states(layer: MinGRU, ranges: Ranges, rules: Rules) -> int:
    """Largest exponent at which candidates fit the state's word, and their biases theirs."""
    plain = layer.activation is Activation.NONE
    bias = layer.bias if plain else np.zeros_like(layer.bias)
    peak = float((ranges.peaks["states", "second"] + np.abs(bias)).max())
    fits = headroom(peak, rules.arithmetic.state_bits, rules.spare)
    return min(fits, bias_headroom(bias, rules.spare))


def _sums(layer: FixedMinGRU, ranges: Ranges) -> RealArray:
    """Of W u."""
    plain = layer.activation is Activation.NONE
    return ranges.peaks["states", "second"] if plain else ranges.peaks["candidates", "sum"]


class MLGRUKind(Kind[MLGRU, FixedMLGRU], of=MLGRU):
    """h' = f h + (1 - f) c, y = sigmoid(V u + b_g) h', c = silu(W u + b)."""

    tensors = (
        Tensor("weights", WEIGHT_BITS, "exponent", ("bias",)),
        Tensor("forget", WEIGHT_BITS, "forget_exponent", ("forget_bias",)),
        Tensor("gate", WEIGHT_BITS, "gate_exponent", ("gate_bias",)),
    )
    maps = tuple(zip(MATRICES, BIASES, strict=True))

    def parameters(self, layer: MLGRU, moments: Moments, rules: Rules) -> tuple[FixedMLGRU, MLGRU]:
        (w, e_w), (f, e_f), (v, e_v) = (
            matrix_mantissas(getattr(layer, name), rules.formats, moments) for name in MATRICES
        )
        fixed = FixedMLGRU(w, f, v, e_w, e_f, e_v)
        values = fixed.dequantize()
        means = {
            bias: getattr(layer, bias)
            + (getattr(layer, name) - getattr(values, name)) @ moments.mean
            for bias, name in zip(BIASES, MATRICES, strict=True)
        }
        return fixed, replace(values, **means)

    def input_headroom(self, fixed: FixedMLGRU, ranges: Ranges, rules: Rules) -> int:
        return min(
            synapse_headroom(ranges.peaks["candidates", "sum"], fixed.exponent, rules.spare),
            synapse_headroom(ranges.drive, fixed.forget_exponent, rules.spare),
            synapse_headroom(ranges.sums, fixed.gate_exponent, rules.spare),
        )

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

    def bias_exponents(self, fixed: FixedMLGRU, input_exponent: int) -> dict[str, int]:
        return {
            "bias": fixed.value_exponent,
            "forget_bias": SIGMOID_INPUT_EXPONENT,
            "gate_bias": SIGMOID_INPUT_EXPONENT,
        }


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
