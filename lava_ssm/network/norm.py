"""Normalisations of each token over its channels."""

from dataclasses import dataclass, field
from math import ceil, log2, sqrt

import numpy as np

from lava_ssm.network.description import ADDED, bits, exponents
from lava_ssm.network.neurons import Affine, Bilinear, InverseSqrt
from lava_ssm.network.population import Connection, Matrix, Ones, Population, Populations
from lava_ssm.network.scale import FixedWeighted, FloatWeighted, Weighted
from lava_ssm.numerics import SYNAPSE_BITS, IntArray, RealArray, dequantize, real_number

EPSILON_BITS = 24


class Normalization(Weighted):
    """What all normalisations have in common: squares, their sum, its inverse root, a product."""

    centred = False
    inner_bits: int | None = None

    def lowered(self, input_exponent: int = 0) -> tuple[Population, ...]:
        n = self.d_input
        each, to_all, to_one = Ones(n, n), _ones(n, 1), _ones(1, n)
        made = Populations()
        u: int | None = None
        if self.centred:
            mean_shift, direct, shift = self._mean()
            summed = Connection(None, Matrix(to_one.weights, 1 + mean_shift), "to_mean")
            mean = made.add(Affine(1), "mean", summed)
            u = made.add(
                Affine(n, np.full(n, direct), shift),
                "centred",
                Connection(None, each, "channels"),
                Connection(mean, to_all, "to_centred"),
            )
        square, inverse, product = self._operations()
        twice, wide = (Connection(u, each, name) for name in ("a", "b")), self.inner_bits
        squares = made.add(square, "squares", *twice, message_bits=wide)
        onto = Connection(squares, to_one, "to_scale")
        scale = made.add(inverse, "scale", onto, message_bits=wide)
        inputs = Connection(scale, to_all, "to_neurons"), Connection(u, each, "product")
        made.add(product, "neurons", *inputs)
        return tuple(made)

    def _mean(self) -> tuple[int, float, int]:
        """Bits that the sum is shifted, the negative factor of that, and its product's shift."""
        raise NotImplementedError

    def _operations(self) -> tuple[Bilinear, InverseSqrt, Bilinear]:
        """Squares, inverse root, product."""
        raise NotImplementedError


def _ones(n_out: int, n_in: int) -> Matrix:
    """Synapses from all to all, of weight one: (2 u) >> 1 in fixed point."""
    return Matrix(np.ones((n_out, n_in), int), 1)


class FloatNormalization(Normalization, FloatWeighted):
    """What float normalisations have in common."""

    eps: float

    def __post_init__(self) -> None:
        super().__post_init__()
        self._set("eps", real_number(self.eps, "eps", "(0, inf)"))

    def _mean(self) -> tuple[int, float, int]:
        return 0, -1 / self.d_input, 0

    def _operations(self) -> tuple[Bilinear, InverseSqrt, Bilinear]:
        n = self.d_input
        return (
            Bilinear(n),
            InverseSqrt(n * self.eps),
            Bilinear(n, limit=1, weights=self.weights * sqrt(n), bias=self.bias),
        )


@dataclass(frozen=True, eq=False)
class LayerNorm(FloatNormalization):
    """y = w (u - mean) / sqrt(var + eps) + b, mean and variance over a token's channels.

    (Ba, Kiros, Hinton, "Layer Normalization", arXiv 1607.06450; the variance divides by d_model.)

    Parameters
    ----------
    weights
        w, real, (d_model,).
    bias
        b, real, (d_model,); None: zero.
    eps
        Above 0; 1e-5 in PyTorch, 1e-6 in Flax.

    Raises
    ------
    ValueError
        Another shape, a value that is not finite, or an eps that is not positive.
    """

    weights: RealArray
    bias: RealArray = None  # type: ignore[assignment]  # made zeros
    eps: float = 1e-5
    centred = True


@dataclass(frozen=True, eq=False)
class RMSNorm(FloatNormalization):
    """y = w u / sqrt(mean(u^2) + eps) + b, the mean over a token's channels.

    (Zhang, Sennrich, "Root Mean Square Layer Normalization", NeurIPS 2019, equation 4.)

    Parameters
    ----------
    weights, bias, eps
        See `LayerNorm`.

    Raises
    ------
    ValueError
        See `LayerNorm`.
    """

    weights: RealArray
    bias: RealArray = None  # type: ignore[assignment]  # made zeros
    eps: float = 1e-5


class FixedNormalization(Normalization, FixedWeighted):
    """What fixed normalisations have in common."""

    square_shift: int
    epsilon: int
    scale_exponent: int
    product_shift: int

    def __post_init__(self) -> None:
        super().__post_init__()
        self._put(exponents(), "scale_exponent")
        self._put(bits(0, 62), "square_shift", "product_shift")
        if self.square_shift % 2:
            raise ValueError(f"square_shift must be even, got {self.square_shift}")
        self._put(bits(1, (1 << EPSILON_BITS) - 1), "epsilon")
        if self.inner_bits is not None:
            self._put(bits(2, SYNAPSE_BITS), "inner_bits")

    @property
    def value_exponent(self) -> int:
        """Exponent of u / sqrt(sum of squares), before the weights."""
        return self.scale_exponent + self.square_shift // 2 - self.product_shift

    def _operations(self) -> tuple[Bilinear, InverseSqrt, Bilinear]:
        n, e_v = self.d_output, self.value_exponent
        shift = e_v + self.weight_exponent - self.output_exponent
        limit = 1 << min(max(e_v, 0), 30)
        return (
            Bilinear(n, self.square_shift),
            InverseSqrt(self.epsilon, self.scale_exponent),
            Bilinear(n, self.product_shift, limit, self.weights, shift, self.bias),
        )

    def _values(self, input_exponent: int | None) -> tuple[RealArray, RealArray, float]:
        """Weights, bias and eps of the float layer."""
        if input_exponent is None:
            raise ValueError("input_exponent: epsilon has the input's, which is not known")
        n = self.d_output
        eps = self.epsilon * 2.0 ** (self.square_shift - 2 * input_exponent) / n
        weights = dequantize(self.weights, self.weight_exponent) / sqrt(n)
        return weights, dequantize(self.bias, self.output_exponent), eps


@dataclass(frozen=True, eq=False)
class FixedLayerNorm(FixedNormalization):
    """A layer norm in integers, on the arithmetic of Lava's `InvSqrt`.

        m   = (2 sum_j u_j) >> (1 + mean_shift)                 a synapse
        c_i = u_i + ((f m) >> s)                                f 2^-s ~ -2^mean_shift / d_model
        q_i = (c_i c_i) >> square_shift
        r   = 2^scale_exponent / sqrt(sum_j q_j + epsilon)      `numerics.scaled_inverse_sqrt`
        t_i = (c_i r) >> product_shift                          at most 2^value_exponent
        y_i = ((t_i w_i) >> k) + b_i

    with k such that y has `output_exponent`. Each of m, c, q, r is a message.

    Parameters
    ----------
    weights
        w sqrt(d_model), mantissas of 16 bits and `weight_exponent`, (d_model,).
    bias
        Mantissas of 24 bits and `output_exponent`, (d_model,); None: zero.
    weight_exponent
        Of the weights.
    mean_shift
        Bits that the sum of the channels is shifted, 0 to 24.
    square_shift
        Bits that a square is shifted, even, 0 to 62.
    epsilon
        Added to the sum of the squares, 1 to 2^24 - 1.
    scale_exponent
        Of r, as of an integer root. What a message does not hold of r is limited, not an overflow:
        a quieter token is divided by more than its deviation.
    product_shift
        Bits that c r is shifted, 0 to 62.
    output_exponent
        Of the outgoing messages.
    inner_bits
        Width of q and r, 2 to 32; None: that of the network's messages.
    """

    weights: IntArray
    bias: IntArray = None  # type: ignore[assignment]  # made zeros
    weight_exponent: int = 0
    mean_shift: int = 0
    square_shift: int = 0
    epsilon: int = 1
    scale_exponent: int = 0
    product_shift: int = 0
    output_exponent: int = 0
    inner_bits: int | None = field(default=None, metadata=ADDED)
    centred = True

    def __post_init__(self) -> None:
        super().__post_init__()
        self._put(bits(0, 24), "mean_shift")

    def _mean(self) -> tuple[int, float, int]:
        shift = 14 + ceil(log2(self.d_input)) - self.mean_shift
        return self.mean_shift, -round(2.0 ** (shift + self.mean_shift) / self.d_input), shift

    def dequantize(self, input_exponent: int | None = None) -> LayerNorm:
        """See `FixedLayer`; what `scale_exponent` limits is not in it."""
        return LayerNorm(*self._values(input_exponent))


@dataclass(frozen=True, eq=False)
class FixedRMSNorm(FixedNormalization):
    """A root mean square norm in integers: a `FixedLayerNorm` with c = u.

    Parameters
    ----------
    weights, bias, weight_exponent, square_shift, epsilon, scale_exponent, product_shift, \
output_exponent, inner_bits
        See `FixedLayerNorm`.

    Raises
    ------
    ValueError
        See `FixedLayerNorm`.
    """

    weights: IntArray
    bias: IntArray = None  # type: ignore[assignment]  # made zeros
    weight_exponent: int = 0
    square_shift: int = 0
    epsilon: int = 1
    scale_exponent: int = 0
    product_shift: int = 0
    output_exponent: int = 0
    inner_bits: int | None = field(default=None, metadata=ADDED)

    def dequantize(self, input_exponent: int | None = None) -> RMSNorm:
        return RMSNorm(*self._values(input_exponent))
