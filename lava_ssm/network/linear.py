"""Linear maps between channels."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lava_ssm.network.description import (
    Exponent,
    biases,
    dequantized_bias,
    exponents,
    matrix_nbytes,
    none_or,
    weights,
    zeros_or,
)
from lava_ssm.network.layer import FixedLayer, FloatLayer, Layer
from lava_ssm.network.neurons import Affine
from lava_ssm.network.population import Connection, Matrix, Population
from lava_ssm.numerics import IntArray, RealArray, dequantize, reals


class LinearMap(Layer):
    """What float and fixed linear layers have in common: the shape of `weights`."""

    weights: np.ndarray
    bias: np.ndarray | None

    @property
    def d_input(self) -> int:
        """Number of input channels."""
        return int(self.weights.shape[1])

    @property
    def d_output(self) -> int:
        """Number of output channels."""
        return int(self.weights.shape[0])

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases."""
        return self.weights.size + (0 if self.bias is None else self.bias.size)

    def shift(self, input_exponent: int) -> Exponent:
        """Bits that the sum is shifted to the right: one integer, or one an output channel."""
        return 0

    def lowered(self, input_exponent: int = 0) -> tuple[Population, ...]:
        synapse = Matrix(self.weights, self.shift(input_exponent))
        neurons = Affine(self.d_output, bias=self.bias)
        return (Population(neurons, (Connection(None, synapse),)),)

    def _check_shape(self) -> None:
        shape = self.weights.shape
        if len(shape) != 2 or self.weights.size == 0:
            raise ValueError(f"weights must have shape (d_output, d_input), got shape {shape}")


class FloatMap(FloatLayer):
    """What layers of one synapse with real weights have in common."""

    _check_shape: Callable[[], None]
    bias: RealArray | None

    def __post_init__(self) -> None:
        self._put(reals, "weights")
        self._check_shape()
        self._put(none_or(zeros_or((self.d_output,), reals)), "bias")


@dataclass(frozen=True, eq=False)
class Linear(FloatMap, LinearMap):
    """y = W u, or y = W u + b.

    Parameters
    ----------
    weights
        W, real, shape (d_output, d_input). Executors make use of its zeros.
    bias
        b, real, shape (d_output,), or None.

    Raises
    ------
    ValueError
        W is not a matrix, is empty, b does not fit it, or a value is not finite.
    """

    weights: RealArray
    bias: RealArray | None = None


class FixedMap(FixedLayer):
    """What layers of one synapse with 8-bit weights have in common."""

    _check_shape: Callable[[], None]
    weights: IntArray
    exponent: Exponent
    output_exponent: int | None
    bias: IntArray | None

    def __post_init__(self) -> None:
        self._put(weights, "weights")
        self._check_shape()
        self._put(exponents(self.d_output), "exponent")
        self._put(none_or(exponents()), "output_exponent")
        self._put(none_or(zeros_or((self.d_output,), biases)), "bias")

    @property
    def nbytes(self) -> int:
        """Bytes of the weights, see `matrix_nbytes`, and four a bias."""
        rows = self.weights.reshape(self.d_output, -1)
        return matrix_nbytes(rows) + (0 if self.bias is None else 4 * self.bias.size)

    def shift(self, input_exponent: int) -> Exponent:
        """Bits that the sum is shifted to the right: one integer, or one an output channel."""
        if self.output_exponent is None:
            return self.exponent + 1
        return self.exponent + (input_exponent + 1 - self.output_exponent)

    def _values(self, input_exponent: int | None) -> tuple[RealArray, RealArray | None]:
        """Weights and bias of the float layer."""
        exponents = np.reshape(self.exponent, (-1, *[1] * (self.weights.ndim - 1)))
        e = input_exponent if self.output_exponent is None else self.output_exponent
        return dequantize(self.weights, exponents), dequantized_bias(self.bias, e)


@dataclass(frozen=True, eq=False)
class FixedLinear(FixedMap, LinearMap):
    """A synapse: a 32-bit sum of weights times messages, shifted, rounded down.

        y = (sum_j 2 m_ij u_j) >> s_i (+ b_i),    s_i = e_u + exponent_i + 1 - e_y

    with the mantissas m of the weights, the input's exponent e_u and the output's e_y. (A signed
    8-bit mantissa m is the synaptic weight 2 m in Lava and on the chip.)

    Parameters
    ----------
    weights
        Mantissas m, integers in [-128, 127], shape (d_output, d_input);
        weight = m * 2**-exponent.
    exponent
        Of the weights: one integer, or one an output channel.
    output_exponent
        Of the outgoing messages, any integer; None leaves the input's.
    bias
        Mantissas b of 24 bits that the neuron behind the synapse adds, (d_output,), or None;
        value = b * 2**-e_y.
    """

    weights: IntArray
    exponent: Exponent = 7
    output_exponent: int | None = None
    bias: IntArray | None = None

    def dequantize(self, input_exponent: int | None = None) -> Linear:
        return Linear(*self._values(input_exponent))
