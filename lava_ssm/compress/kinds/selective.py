"""Selective state space layers."""

from dataclasses import replace
from typing import Any

import numpy as np

from lava_ssm.compress.drift import Drift
from lava_ssm.compress.headroom import ANY, NONE, bias_headroom, headroom, synapse_headroom
from lava_ssm.compress.kinds.kind import Kind, Rules, Tensor
from lava_ssm.compress.parameters import (
    direct_mantissas,
    fixed_bias,
    saturated,
    weight_exponents,
    weight_mantissas,
)
from lava_ssm.compress.ranges import Moments, Ranges
from lava_ssm.compress.weights import compensated
from lava_ssm.network import FixedSelectiveSSM, SelectiveSSM
from lava_ssm.network.description import DIAGONAL_BITS, WEIGHT_BITS, Exponent
from lava_ssm.network.glu import MOST_LEFT, MOST_RIGHT
from lava_ssm.network.selective import MATRICES, MOST_FINER
from lava_ssm.numerics import DECAY_INPUT_EXPONENT, SYNAPSE_BITS, IntArray, fitting_exponent

_MOST_STEPS = 31
"""Fraction bits that steps have at most."""
_LEAST_STEPS = DECAY_INPUT_EXPONENT - MOST_LEFT
"""Fraction bits of steps and rates together, at least."""


class SelectiveSSMKind(Kind[SelectiveSSM, FixedSelectiveSSM], of=SelectiveSSM):
    """h' = exp(D a) h + D x B, y = C h' + d x, D = softplus(up down x + bias)."""

    tensors = (
        Tensor("a", DIAGONAL_BITS, "a_exponent"),
        Tensor("down", WEIGHT_BITS, "down_exponent"),
        Tensor("up", WEIGHT_BITS, "up_exponent", ("bias",)),
        Tensor("b", WEIGHT_BITS, "b_exponent"),
        Tensor("c", WEIGHT_BITS, "c_exponent"),
        Tensor("d", DIAGONAL_BITS, "d_exponent"),
    )

    def following(self, layer: SelectiveSSM, drift: Drift) -> tuple[SelectiveSSM, Moments]:
        """The maps of x follow."""
        n = layer.d_model
        x = Drift.of(drift.u[..., :n], drift.v[..., :n], drift.moments)
        down, b, c = (x.followed(getattr(layer, name), None)[0] for name in ("down", "b", "c"))
        return replace(layer, down=down, b=b, c=c), drift.moments

    def parameters(
        self, layer: SelectiveSSM, moments: Moments, rules: Rules
    ) -> tuple[FixedSelectiveSSM, SelectiveSSM]:
        """Rounded weights of the maps of x make up for each other."""
        formats, n = rules.formats, layer.d_model
        gram = moments.gram[:n, :n]
        maps: dict[str, Any] = {}
        for name in MATRICES:
            weights = getattr(layer, name)
            mantissas, exponent = weight_mantissas(weights, formats)
            if formats.compensate and name != "up":
                e = np.asarray(exponent)
                mantissas = compensated(weights, formats.width, e, gram, name)
            maps[name], maps[f"{name}_exponent"] = mantissas, exponent
        d, d_exponent = direct_mantissas(layer.d, formats)
        e_a = _of_rates(layer)
        fixed = FixedSelectiveSSM(
            _rates(layer.a, e_a),
            **maps,
            d=d,
            gated=layer.gated,
            a_exponent=e_a,
            d_exponent=d_exponent,
            step_sent=_LEAST_STEPS - e_a,
        )
        return fixed, replace(fixed.dequantize(), bias=layer.bias)

    def input_headroom(self, fixed: FixedSelectiveSSM, ranges: Ranges, rules: Rules) -> int:
        sums = {"low": fixed.down_exponent, "b": fixed.b_exponent, "c": fixed.c_exponent}
        return min(
            synapse_headroom(ranges.peaks[name, "sum"], exponent, rules.spare)
            for name, exponent in sums.items()
        )

    def output_headroom(self, layer: SelectiveSSM, ranges: Ranges, rules: Rules) -> int:
        """What is read of the states fits messages, and their sum 32 bits."""
        return ANY if layer.gated else _of_sums(layer, ranges, rules)

    def finest(self, fixed: FixedSelectiveSSM, input_exponent: int, residual: bool) -> int:
        """Without a gate d's product is shifted."""
        return ANY if fixed.gated else input_exponent + fixed.d_exponent + MOST_LEFT // 2

    def output_limit(
        self,
        fixed: FixedSelectiveSSM,
        layer: SelectiveSSM,
        input_exponent: int,
        ranges: Ranges,
        rules: Rules,
    ) -> int:
        if bias_headroom(layer.bias, rules.spare) < _LEAST_STEPS - fixed.a_exponent:
            return NONE
        sums = _finest_sums(fixed, layer, input_exponent, ranges, rules)
        return sums + input_exponent + MOST_LEFT if fixed.gated else sums

    def finish(
        self,
        fixed: FixedSelectiveSSM,
        layer: SelectiveSSM,
        ends: tuple[int, int],
        ranges: Ranges,
        rules: Rules,
    ) -> FixedSelectiveSSM:
        """Messages and states are as fine as leaves their words a spare bit."""
        e_x, e_y = ends
        low = min(
            _sent("low", ranges, rules),
            synapse_headroom(ranges.peaks["steps", "sum"], fixed.up_exponent, rules.spare),
        )
        step, scaled, drive, state, sent = _inside(fixed, layer, e_x, ranges, rules)
        sums = _finest_sums(fixed, layer, e_x, ranges, rules) if fixed.gated else e_y
        # factors are no finer than their products can be shifted to the right
        b = min(_sent("b", ranges, rules), drive + MOST_RIGHT - scaled)
        c = min(_sent("c", ranges, rules), sums + MOST_RIGHT - sent)
        return replace(
            fixed,
            bias=fixed_bias(layer.bias, step),
            down_sent=low,
            step_sent=step,
            scaled_sent=scaled,
            b_sent=b,
            c_sent=c,
            drive_sent=drive,
            state_exponent=state,
            state_sent=sent,
            sum_sent=sums,
            output_exponent=e_y,
        )

    def state_exponents(self, fixed: FixedSelectiveSSM, input_exponent: int) -> int:
        return fixed.state_exponent

    def bias_exponents(self, fixed: FixedSelectiveSSM, input_exponent: int) -> dict[str, int]:
        return {"bias": fixed.step_sent}

    def fitted(
        self, fixed: FixedSelectiveSSM, layer: SelectiveSSM, width: int = WEIGHT_BITS
    ) -> dict[str, Exponent]:
        """Of the matrices; those of a and d stay."""
        exponents: dict[str, Exponent] = {}
        for name in MATRICES:
            weights, old = np.abs(getattr(layer, name)), getattr(fixed, f"{name}_exponent")
            one = isinstance(old, int)
            fits = weight_exponents(weights.max() if one else weights.max(axis=1), width)
            exponents[f"{name}_exponent"] = int(fits) if one else fits
        return exponents

    def mantissas(self, name: str, values: np.ndarray, bits: int, exponent: Exponent) -> IntArray:
        if name == "a":
            return _rates(values, int(exponent))
        return super().mantissas(name, values, bits, exponent)


def _of_rates(layer: SelectiveSSM) -> int:
    return int(fitting_exponent(np.abs(layer.a).max(), DIAGONAL_BITS))


def _rates(a: np.ndarray, exponent: int) -> IntArray:
    """Mantissas of rates, which are negative."""
    most = (1 << (DIAGONAL_BITS - 1)) - 1
    return np.clip(saturated(a, DIAGONAL_BITS, exponent), -most, -1)


def _sent(name: str, ranges: Ranges, rules: Rules) -> int:
    """Largest exponent at which what a population sends fits its message; 0 of nothing."""
    peak = float(ranges.peaks[name, "sent"].max())
    return headroom(peak, rules.arithmetic.message_bits, rules.spare) if peak > 0 else 0


def _of_states(ranges: Ranges, rules: Rules) -> tuple[int, int, int]:
    """Exponents of what drives states, of these, and of what they send."""
    peak = float(ranges.states.max())
    state = headroom(peak, rules.arithmetic.state_bits, rules.spare) if peak > 0 else 0
    drive = min(_sent("drives", ranges, rules), state)
    state = min(state, drive + MOST_FINER)
    return drive, state, min(max(_sent("states", ranges, rules), state - MOST_FINER), state)


def _inside(
    fixed: FixedSelectiveSSM, layer: SelectiveSSM, e_x: int, ranges: Ranges, rules: Rules
) -> tuple[int, int, int, int, int]:
    """Exponents of steps, of these times x, of what drives states, of these and what they send."""
    step = min(_sent("steps", ranges, rules), bias_headroom(layer.bias, rules.spare), _MOST_STEPS)
    # of larger ones no decay can be looked up
    step = max(step, _LEAST_STEPS - fixed.a_exponent)
    scaled = min(_sent("scaled", ranges, rules), step + e_x)
    drive, state, read = _of_states(ranges, rules)
    drive = min(drive, scaled + _sent("b", ranges, rules))
    state = min(state, drive + MOST_FINER)
    return step, scaled, min(drive, state), state, min(max(read, state - MOST_FINER), state)


def _finest_sums(
    fixed: FixedSelectiveSSM, layer: SelectiveSSM, e_x: int, ranges: Ranges, rules: Rules
) -> int:
    """Largest exponent of what the states give and of d x, as far as neurons can shift them."""
    *_, sent = _inside(fixed, layer, e_x, ranges, rules)
    read, direct = sent + _sent("c", ranges, rules) + MOST_LEFT, e_x + fixed.d_exponent
    if not fixed.gated:
        return min(read, direct + MOST_LEFT)
    return min(_of_sums(layer, ranges, rules), read, direct + MOST_LEFT // 2)


def _of_sums(layer: SelectiveSSM, ranges: Ranges, rules: Rules) -> int:
    """Largest exponent at which fits what is read of the states, and what that adds up to."""
    name = "sums" if layer.gated else "neurons"
    peak = float(ranges.peaks[name, "sum"].max())
    *_, read = _of_states(ranges, rules)
    return min(
        _sent("reads", ranges, rules) if ranges.peaks["reads", "sent"].any() else ANY,
        _sent(name, ranges, rules) if layer.gated else ANY,
        headroom(peak, SYNAPSE_BITS, rules.spare),
        read + _sent("c", ranges, rules),
    )
