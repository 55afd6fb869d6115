"""A factor and a shift for each channel."""

from dataclasses import dataclass

import numpy as np

from lava_ssm.network.description import biases, diagonal, exponents, zeros_or
from lava_ssm.network.layer import FixedLayer, FloatLayer, Layer
from lava_ssm.network.neurons import Affine
from lava_ssm.network.population import Connection, Matrix, Ones, Population
from lava_ssm.numerics import IntArray, RealArray, dequantize, reals


class Weighted(Layer):
    """What scales and normalisations have in common: a weight and a bias for each channel."""

    weights: np.ndarray
    bias: np.ndarray

    @property
    def d_input(self) -> int:
        """Number of channels."""
        return len(self.weights)

    @property
    def d_output(self) -> int:
        """Number of channels."""
        return len(self.weights)

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases."""
        return 2 * len(self.weights)

    def _check_shape(self) -> None:
        if self.weights.ndim != 1 or self.weights.size == 0:
            raise ValueError(f"weights must have shape (d_model,), got {self.weights.shape}")


class FloatWeighted(Weighted, FloatLayer):
    """In floating point."""

    def __post_init__(self) -> None:
        self._put(reals, "weights")
        self._check_shape()
        self._put(zeros_or((self.d_output,), reals), "bias")


class FixedWeighted(Weighted, FixedLayer):
    """In integers: weights of 16 bits, biases of 24."""

    weight_exponent: int
    output_exponent: int

    def __post_init__(self) -> None:
        self._put(diagonal, "weights")
        self._check_shape()
        self._put(zeros_or((self.d_output,), biases), "bias")
        self._put(exponents(), "weight_exponent", "output_exponent")

    @property
    def nbytes(self) -> int:
        """Two bytes a weight, four a bias."""
        return 6 * self.d_output


class Scaling(Weighted):
    """What float and fixed scales have in common: the direct path of neurons without synapses."""

    def shift(self, input_exponent: int) -> int:
        """Bits that the product is shifted to the right."""
        return 0

    def lowered(self, input_exponent: int = 0) -> tuple[Population, ...]:
        """What the neurons add up beside the direct path is nothing: a matrix of 0."""
        n = self.d_input
        inputs = (
            Connection(None, Matrix(np.zeros((n, n), int)), "nothing"),
            Connection(None, Ones(n, n), "direct"),
        )
        neurons = Affine(n, self.weights, self.shift(input_exponent), self.bias)
        return (Population(neurons, inputs),)


@dataclass(frozen=True, eq=False)
class Scale(Scaling, FloatWeighted):
    """y = w u + b, channel by channel: a batch norm with its running statistics is one.

    (`scale_and_shift` gives both. NIR's `Scale`, with a bias.)

    Parameters
    ----------
    weights
        w, real, (d_model,).
    bias
        b, real, (d_model,); None: zero.
    """

    weights: RealArray
    bias: RealArray = None  # type: ignore[assignment]  # made zeros


@dataclass(frozen=True, eq=False)
class FixedScale(Scaling, FixedWeighted):
    """A scale in integers, weights of 16 bits.

        y_i = ((w_i u_i) >> (e_u + weight_exponent - e_y)) + b_i

    with the input's exponent e_u and the output's e_y, rounded as products in neurons are.

    Parameters
    ----------
    weights
        Mantissas of 16 bits, (d_model,).
    bias
        Mantissas of 24 bits and `output_exponent`, (d_model,); None: zero.
    weight_exponent
        Of the weights, one integer.
    output_exponent
        Of the outgoing messages.
    """

    weights: IntArray
    bias: IntArray = None  # type: ignore[assignment]  # made zeros
    weight_exponent: int = 0
    output_exponent: int = 0

    def shift(self, input_exponent: int) -> int:
        return input_exponent + self.weight_exponent - self.output_exponent

    def dequantize(self, input_exponent: int | None = None) -> Scale:
        weights = dequantize(self.weights, self.weight_exponent)
        return Scale(weights, dequantize(self.bias, self.output_exponent))
