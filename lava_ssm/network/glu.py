"""The gated linear unit: a linear map times the sigmoid of another."""

from dataclasses import dataclass

import numpy as np

from lava_ssm.network.description import (
    MESSAGE_EXPONENTS,
    Exponent,
    biases,
    exponent,
    mantissas,
    matrix_nbytes,
    optional,
)
from lava_ssm.network.layer import FixedLayer, FloatLayer, Layer
from lava_ssm.network.linear import WEIGHT_BITS
from lava_ssm.network.neurons import Product
from lava_ssm.network.population import Connection, Matrix, Population
from lava_ssm.numerics import (
    SIGMOID_INPUT_EXPONENT,
    TABLE_EXPONENT,
    IntArray,
    RealArray,
    dequantize,
    reals,
)


class TwoMaps(Layer):
    """What float and fixed gated linear units have in common: two matrices, two biases."""

    weights: np.ndarray
    gate: np.ndarray
    bias: np.ndarray
    gate_bias: np.ndarray

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
        return 2 * (self.weights.size + self.bias.size)

    def _shifts(self, input_exponent: int) -> tuple[Exponent, Exponent, int]:
        """Of the sums of both matrices, and of the product."""
        return 0, 0, 0

    def lowered(self, input_exponent: int = 0) -> tuple[Population, ...]:
        """See `Layer`."""
        of_sum, of_gate, of_product = self._shifts(input_exponent)
        inputs = (
            Connection(None, Matrix(self.gate, of_gate), "gate"),
            Connection(None, Matrix(self.weights, of_sum), "value"),
        )
        return (Population(Product(self.gate_bias, self.bias, of_product), inputs),)

    def _check_shapes(self) -> None:
        shape = self.weights.shape
        if len(shape) != 2 or self.weights.size == 0 or self.gate.shape != shape:
            raise ValueError(
                "weights, gate must have one shape (d_output, d_input), got "
                f"{shape}, {self.gate.shape}"
            )


@dataclass(frozen=True, eq=False)
class GLU(TwoMaps, FloatLayer):
    """y = (W u + b) * sigmoid(V u + c), element by element.

    (Dauphin, Fan, Auli, Grangier, "Language Modeling with Gated Convolutional Networks", ICML
    2017, section 2; S4 networks have one behind their states.)

    Parameters
    ----------
    weights, gate
        W and V, real, (d_output, d_input).
    bias, gate_bias
        b and c, real, (d_output,); None: zero.

    Raises
    ------
    ValueError
        Another shape, or a value that is not finite.
    """

    weights: RealArray
    gate: RealArray
    bias: RealArray = None  # type: ignore[assignment]  # made zeros
    gate_bias: RealArray = None  # type: ignore[assignment]  # made zeros

    def __post_init__(self) -> None:
        for name in ("weights", "gate"):
            self._set(name, reals(getattr(self, name), name))
        self._check_shapes()
        for name in ("bias", "gate_bias"):
            self._set(name, optional(getattr(self, name), (self.d_output,), reals, name))


@dataclass(frozen=True, eq=False)
class FixedGLU(TwoMaps, FixedLayer):
    """A gated linear unit in integers: two synapses, a table and a product.

        s = ((sum_j 2 m_ij u_j) >> (e_u + exponent_i + 1 - value_exponent)) + b_i
        v = ((sum_j 2 n_ij u_j) >> (e_u + gate_exponent_i + 1 - 12)) + c_i
        y = (s_i table(v)) >> (value_exponent + 15 - e_y)

    with the mantissas m, n of W, V, the input's exponent e_u and the output's e_y; shifts and table
    as `docs/design.md` says.

    Parameters
    ----------
    weights, gate
        Mantissas in [-128, 127], (d_output, d_input).
    exponent, gate_exponent
        Of these: one integer, or one an output channel.
    bias, gate_bias
        Mantissas of 24 bits, (d_output,): b with `value_exponent`, c with 12 fraction bits; None:
        zero.
    value_exponent
        Of s.
    output_exponent
        Of the outgoing messages.

    Raises
    ------
    ValueError
        A wrong shape, or a mantissa or exponent out of range.
    """

    weights: IntArray
    gate: IntArray
    exponent: Exponent = 7
    gate_exponent: Exponent = 7
    bias: IntArray = None  # type: ignore[assignment]  # made zeros
    gate_bias: IntArray = None  # type: ignore[assignment]  # made zeros
    value_exponent: int = 0
    output_exponent: int = 0

    def __post_init__(self) -> None:
        for name in ("weights", "gate"):
            self._set(name, mantissas(getattr(self, name), WEIGHT_BITS, name))
        self._check_shapes()
        for name in ("bias", "gate_bias"):
            self._set(name, optional(getattr(self, name), (self.d_output,), biases, name))
        for name, channels in (
            ("exponent", self.d_output),
            ("gate_exponent", self.d_output),
            ("value_exponent", None),
            ("output_exponent", None),
        ):
            given = exponent(getattr(self, name), channels, MESSAGE_EXPONENTS, name)
            self._set(name, given)

    @property
    def nbytes(self) -> int:
        """Bytes of the weights, see `matrix_nbytes`, and four a bias."""
        return matrix_nbytes(self.weights) + matrix_nbytes(self.gate) + 8 * self.bias.size

    def _shifts(self, input_exponent: int) -> tuple[Exponent, Exponent, int]:
        return (
            self.exponent + (input_exponent + 1 - self.value_exponent),
            self.gate_exponent + (input_exponent + 1 - SIGMOID_INPUT_EXPONENT),
            self.value_exponent + TABLE_EXPONENT - self.output_exponent,
        )

    def dequantize(self, input_exponent: int | None = None) -> GLU:
        """See `FixedLayer`."""
        return GLU(
            dequantize(self.weights, np.reshape(self.exponent, (-1, 1))),
            dequantize(self.gate, np.reshape(self.gate_exponent, (-1, 1))),
            dequantize(self.bias, self.value_exponent),
            dequantize(self.gate_bias, SIGMOID_INPUT_EXPONENT),
        )
