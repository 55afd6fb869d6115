"""Layer norms and root mean square norms."""

from collections.abc import Callable
from dataclasses import replace
from math import ceil, log2, sqrt
from typing import Any, ClassVar, TypeVar

import numpy as np

from lava_ssm.compress.headroom import ANY, headroom, limit, synapse_headroom
from lava_ssm.compress.kinds.kind import Rules
from lava_ssm.compress.kinds.scale import WeightedKind
from lava_ssm.compress.parameters import fixed_bias, saturated
from lava_ssm.compress.ranges import Moments, Ranges
from lava_ssm.network import FixedLayerNorm, FixedRMSNorm, LayerNorm, RMSNorm
from lava_ssm.network.description import DIAGONAL_BITS, WEIGHT_BITS, Exponent
from lava_ssm.network.fixed_network import MOST_LEFT
from lava_ssm.network.norm import EPSILON_BITS, FixedNormalization, FloatNormalization
from lava_ssm.numerics import CHIP, SYNAPSE_BITS, IntArray, RealArray, fitting_exponent, quantize

F = TypeVar("F", bound=FloatNormalization)
X = TypeVar("X", bound=FixedNormalization)

_VALUE_BITS = 20
"""Fraction bits of u / sqrt(sum of squares), which is at most 1."""
_LEAST_BITS = 8
"""Bits that the inverse root of the loudest token keeps; where that leaves quiet ones no room, they
are limited."""


class NormKind(WeightedKind[F, X]):
    """y = w u / sqrt(mean(u^2) + eps) + b."""

    fixed_kind: ClassVar[Callable[..., Any]]

    def parameters(self, layer: F, moments: Moments, rules: Rules) -> tuple[X, F]:
        weights, e = _weights(layer)
        fixed: X = self.fixed_kind(weights, weight_exponent=e)
        values: Any = fixed.dequantize(0)
        return fixed, replace(layer, weights=values.weights)

    def finest(self, fixed: X, input_exponent: int, residual: bool) -> int:
        return ANY if residual else _VALUE_BITS + fixed.weight_exponent

    def output_limit(
        self, fixed: X, layer: F, input_exponent: int, ranges: Ranges, rules: Rules
    ) -> int:
        e = input_exponent + _root_exponent(layer, ranges, rules)
        return e - _product_shift(e) + fixed.weight_exponent + MOST_LEFT

    def finish(self, fixed: X, layer: F, ends: tuple[int, int], ranges: Ranges, rules: Rules) -> X:
        """Squares are as fine as leaves them and their sum a spare bit, for twice the peak."""
        e_u, e_y = ends
        n, bits = layer.d_output, _inner_bits(rules)
        squares, total = (float(ranges.peaks[key].max()) for key in _SQUARES)
        # by what a square, twice their sum and epsilon exceed their words, without a shift
        excess = (
            rules.spare**2 * squares / limit(bits),
            rules.spare**2 * 2 * total / limit(SYNAPSE_BITS),
            layer.eps * n / ((1 << EPSILON_BITS) - 1),
        )
        k = min(max(0, 2 * ceil(log2(max(excess)) / 2 + e_u)), 62)
        # a square that is shifted loses half a unit, if it was not zero; of quiet tokens, to which
        # that matters, about half of them are
        lost = n / 4 if k > 0 else 0.0
        most_epsilon = (1 << EPSILON_BITS) - 1
        epsilon = min(max(round(layer.eps * n * 2.0 ** (2 * e_u - k) + lost), 1), most_epsilon)
        f = _root_exponent(layer, ranges, rules)
        return replace(
            fixed,
            bias=fixed_bias(layer.bias, e_y),
            square_shift=k,
            epsilon=epsilon,
            scale_exponent=f + e_u - k // 2,
            product_shift=_product_shift(e_u + f),
            output_exponent=e_y,
            inner_bits=None if bits == rules.arithmetic.message_bits else bits,
        )

    def fitted(self, fixed: X, layer: F, width: int = WEIGHT_BITS) -> dict[str, Exponent]:
        return {"weight_exponent": _weights(layer)[1]}

    def mantissas(self, name: str, values: np.ndarray, bits: int, exponent: Exponent) -> IntArray:
        return saturated(values * sqrt(len(values)), bits, exponent)


_SQUARES = (("squares", "sent"), ("scale", "sum"))


def _inner_bits(rules: Rules) -> int:
    """Width of squares and inverse root: no less than the chip has, since squares span twice as
    many powers of two as what enters.
    """
    return max(rules.arithmetic.message_bits, CHIP.message_bits)


def _root_exponent(layer: FloatNormalization, ranges: Ranges, rules: Rules) -> int:
    """Exponent at which the inverse root of the quietest token has a spare bit in its message."""
    total = float(ranges.peaks["scale", "sum"].max())
    least, most = (
        1 / sqrt(total + layer.eps * layer.d_output),
        float(ranges.peaks["scale", "sent"].max()),
    )
    fits, top = (headroom(v, _inner_bits(rules), rules.spare) for v in (most, least))
    return min(max(fits, ceil(_LEAST_BITS - log2(least))), top)  # the loudest must fit


def _product_shift(exponent: int) -> int:
    """Bits that u times the inverse root, a product of an exponent, is shifted."""
    return min(max(0, exponent - _VALUE_BITS), 62)


def _weights(layer: FloatNormalization) -> tuple[np.ndarray, int]:
    """Mantissas of w sqrt(d_model), and their exponent."""
    weights: RealArray = layer.weights * sqrt(layer.d_output)
    e = int(fitting_exponent(np.abs(weights).max(), DIAGONAL_BITS))
    return quantize(weights, DIAGONAL_BITS, e, name="weights"), e


class RMSNormKind(NormKind[RMSNorm, FixedRMSNorm], of=RMSNorm):
    """See `NormKind`."""

    fixed_kind = FixedRMSNorm


class LayerNormKind(NormKind[LayerNorm, FixedLayerNorm], of=LayerNorm):
    """See `NormKind`; u less its mean."""

    fixed_kind = FixedLayerNorm

    def input_headroom(self, fixed: FixedLayerNorm, ranges: Ranges, rules: Rules) -> int:
        return synapse_headroom(ranges.peaks["mean", "sum"], 0, rules.spare)

    def finish(
        self,
        fixed: FixedLayerNorm,
        layer: LayerNorm,
        ends: tuple[int, int],
        ranges: Ranges,
        rules: Rules,
    ) -> FixedLayerNorm:
        """The mean is as fine as fits its message, with a spare bit."""
        peak, bits = float(ranges.peaks["mean", "sum"].max()), rules.arithmetic.message_bits
        fits = headroom(peak, bits, rules.spare)
        fixed = super().finish(fixed, layer, ends, ranges, rules)
        return replace(fixed, mean_shift=min(max(0, ends[0] - fits), 24))
