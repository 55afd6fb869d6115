"""Linear maps of one input, each with a bias, see `network.maps`."""

from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from lava_ssm.compress.headroom import synapse_headroom
from lava_ssm.compress.kinds.kind import Kind, Rules, Scales, Tensor
from lava_ssm.compress.ranges import Moments, Ranges
from lava_ssm.compress.weights import matrix_mantissas
from lava_ssm.network.description import WEIGHT_BITS
from lava_ssm.network.maps import FixedMaps, FloatMaps, exponent_of
from lava_ssm.numerics import RealArray

F = TypeVar("F", bound=FloatMaps)
X = TypeVar("X", bound=FixedMaps)


class MapsKind(Kind[F, X]):
    """W u + b, V u + c, ... of one input u."""

    scales = Scales.ANY

    def __init_subclass__(cls, of: type[FloatMaps]) -> None:
        cls.maps = tuple(zip(of.matrices, of.biases, strict=True))
        cls.tensors = tuple(
            Tensor(name, WEIGHT_BITS, exponent_of(name), (bias,)) for name, bias in cls.maps
        )
        super().__init_subclass__(of)

    def rescaled(self, layer: F, before: RealArray, behind: RealArray) -> F:
        """Its outputs are multiples of W u + b; what the other maps give stays."""
        maps = {name: getattr(layer, name) / before for name in layer.matrices}
        maps["weights"] = layer.weights * behind[:, np.newaxis] / before
        return replace(layer, **maps, bias=layer.bias * behind)

    def parameters(self, layer: F, moments: Moments, rules: Rules) -> tuple[X, F]:
        """Biases make up for rounding at the mean input."""
        arrays: dict[str, Any] = {}
        for name in layer.matrices:
            arrays[name], arrays[exponent_of(name)] = matrix_mantissas(
                getattr(layer, name), rules.formats, moments
            )
        fixed = self.fixed(layer, arrays)
        values: Any = fixed.dequantize()
        biases = {
            bias: getattr(layer, bias)
            + (getattr(layer, name) - getattr(values, name)) @ moments.mean
            for name, bias in self.maps
        }
        return fixed, replace(values, **biases)

    def fixed(self, layer: F, arrays: dict[str, Any]) -> X:
        """Give the fixed layer of such mantissas and exponents, without biases."""
        raise NotImplementedError

    def sums(self, fixed: X, ranges: Ranges) -> tuple[RealArray, ...]:
        """Largest sums of each matrix."""
        raise NotImplementedError

    def input_headroom(self, fixed: X, ranges: Ranges, rules: Rules) -> int:
        return min(
            synapse_headroom(sums, getattr(fixed, exponent_of(name)), rules.spare)
            for name, sums in zip(fixed.matrices, self.sums(fixed, ranges), strict=True)
        )

    def bias_exponents(self, fixed: X, input_exponent: int) -> dict[str, int]:
        return dict(zip(fixed.biases, fixed.sum_exponents, strict=True))
