"""Gated linear units: a linear map times an activation of another."""

from dataclasses import dataclass, field

import numpy as np

from lava_ssm.network.activation import Activation
from lava_ssm.network.description import (
    ADDED,
    Exponent,
    biases,
    exponents,
    matrix_nbytes,
    weights,
    zeros_or,
)
from lava_ssm.network.layer import FixedLayer, FloatLayer
from lava_ssm.network.linear import LinearMap
from lava_ssm.network.neurons import Affine, Bilinear, Product
from lava_ssm.network.population import Connection, Matrix, Ones, Population
from lava_ssm.numerics import (
    SIGMOID_INPUT_EXPONENT,
    TABLE_EXPONENT,
    IntArray,
    RealArray,
    dequantize,
    integer,
    member,
    reals,
)

MOST_RIGHT, MOST_LEFT = 62, 16
"""Bits that a product of two messages is shifted at most."""


class TwoMaps(LinearMap):
    """What float and fixed gated linear units have in common: two matrices, two biases."""

    gate: np.ndarray
    bias: np.ndarray
    gate_bias: np.ndarray
    activation: Activation
    gate_sum_exponent = 0

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases."""
        return 2 * (self.weights.size + self.bias.size)

    def _shifts(self, input_exponent: int) -> tuple[Exponent, Exponent, int]:
        """Of the sums of both matrices, and of the product."""
        return 0, 0, 0

    def lowered(self, input_exponent: int = 0) -> tuple[Population, ...]:
        of_sum, of_gate, of_product = self._shifts(input_exponent)
        gate = Connection(None, Matrix(self.gate, of_gate), "gate")
        value = Connection(None, Matrix(self.weights, of_sum), "value")
        if self.activation is Activation.SIGMOID:
            return (Population(Product(self.gate_bias, self.bias, of_product), (gate, value)),)
        n, left = self.d_output, min(of_product, 0)
        product = Bilinear(n, of_product - left, None, np.ones(n, int) if left else None, left)
        ones = Ones(n, n)
        return (
            Population(
                Affine(n, bias=self.gate_bias),
                (gate,),
                "gates",
                activation=self.activation,
                exponent=self.gate_sum_exponent,
            ),
            Population(Affine(n, bias=self.bias), (value,), "values"),
            Population(product, (Connection(0, ones, "a"), Connection(1, ones, "b"))),
        )

    def _check(self) -> None:
        self._set("activation", member(Activation, self.activation, "activation"))
        self._check_shapes()

    def _check_shapes(self) -> None:
        shape = self.weights.shape
        if len(shape) != 2 or self.weights.size == 0 or self.gate.shape != shape:
            raise ValueError(
                "weights, gate must have one shape (d_output, d_input), got "
                f"{shape}, {self.gate.shape}"
            )


@dataclass(frozen=True, eq=False)
class GLU(TwoMaps, FloatLayer):
    """y = (W u + b) * f(V u + c), element by element; f is the sigmoid, or another activation.

    (Dauphin, Fan, Auli, Grangier, "Language Modeling with Gated Convolutional Networks", ICML
    2017, section 2; S4 networks have one behind their states. With others Shazeer, "GLU Variants
    Improve Transformer", arXiv 2002.05202, section 2: GEGLU, SwiGLU, ReGLU, bilinear.)

    Parameters
    ----------
    weights, gate
        W and V, real, (d_output, d_input).
    bias, gate_bias
        b and c, real, (d_output,); None: zero.
    activation
        f, or its value ("gelu", "silu", "relu", "tanh", "none").

    Raises
    ------
    ValueError
        Another shape, a value that is not finite, or another activation.
    """

    weights: RealArray
    gate: RealArray
    bias: RealArray = None  # type: ignore[assignment]  # made zeros
    gate_bias: RealArray = None  # type: ignore[assignment]  # made zeros
    activation: Activation = field(default=Activation.SIGMOID, metadata=ADDED)

    def __post_init__(self) -> None:
        self._put(reals, "weights", "gate")
        self._check()
        self._put(zeros_or((self.d_output,), reals), "bias", "gate_bias")


@dataclass(frozen=True, eq=False)
class FixedGLU(TwoMaps, FixedLayer):
    """A gated linear unit in integers: two synapses, a table and a product.

        s = ((sum_j 2 m_ij u_j) >> (e_u + exponent_i + 1 - value_exponent)) + b_i
        v = ((sum_j 2 n_ij u_j) >> (e_u + gate_exponent_i + 1 - gate_sum_exponent)) + c_i
        y = (s_i table(v_i)) >> (value_exponent + 15 - e_y)                      of the sigmoid
        y = (s_i f(v_i)) >> (value_exponent + gate_sum_exponent - e_y)           of another f

    with the mantissas m, n of W, V, the input's exponent e_u and the output's e_y. Shifts and
    tables are as `docs/design.md` says. With a sigmoid one population of neurons does it all. Of
    another f there are three, and s and f(v) are messages of theirs, f(v) as of a layer's
    activation; a product beyond 32 bits overflows.

    Parameters
    ----------
    weights, gate
        Mantissas in [-128, 127], (d_output, d_input).
    exponent, gate_exponent
        Of these: one integer, or one an output channel.
    bias, gate_bias
        Mantissas of 24 bits, (d_output,): b with `value_exponent`, c with `gate_sum_exponent`;
        None: zero.
    value_exponent
        Of s.
    output_exponent
        Of the outgoing messages.
    activation
        f, see `GLU`.
    gate_sum_exponent
        Of v; 12 before a sigmoid.

    Raises
    ------
    ValueError
        A wrong shape, or a mantissa, exponent or shift out of range.
    """

    weights: IntArray
    gate: IntArray
    exponent: Exponent = 7
    gate_exponent: Exponent = 7
    bias: IntArray = None  # type: ignore[assignment]  # made zeros
    gate_bias: IntArray = None  # type: ignore[assignment]  # made zeros
    value_exponent: int = 0
    output_exponent: int = 0
    activation: Activation = field(default=Activation.SIGMOID, metadata=ADDED)
    gate_sum_exponent: int = field(default=SIGMOID_INPUT_EXPONENT, metadata=ADDED)

    def __post_init__(self) -> None:
        self._put(weights, "weights", "gate")
        self._check()
        self._put(zeros_or((self.d_output,), biases), "bias", "gate_bias")
        self._put(exponents(self.d_output), "exponent", "gate_exponent")
        self._put(exponents(), "value_exponent", "output_exponent", "gate_sum_exponent")
        if self.activation is Activation.SIGMOID:
            e = SIGMOID_INPUT_EXPONENT
            integer(self.gate_sum_exponent, "gate_sum_exponent of a sigmoid", e, e)
        else:
            most = self.value_exponent + self.gate_sum_exponent
            integer(self.output_exponent, "output_exponent", most - MOST_RIGHT, most + MOST_LEFT)

    @property
    def nbytes(self) -> int:
        """Bytes of the weights, see `matrix_nbytes`, and four a bias."""
        return matrix_nbytes(self.weights) + matrix_nbytes(self.gate) + 8 * self.bias.size

    def _shifts(self, input_exponent: int) -> tuple[Exponent, Exponent, int]:
        return (
            self.exponent + (input_exponent + 1 - self.value_exponent),
            self.gate_exponent + (input_exponent + 1 - self.gate_sum_exponent),
            self.value_exponent + self._of_factor - self.output_exponent,
        )

    @property
    def _of_factor(self) -> int:
        """Exponent of what s is multiplied with."""
        is_entry = self.activation is Activation.SIGMOID
        return TABLE_EXPONENT if is_entry else self.gate_sum_exponent

    def dequantize(self, input_exponent: int | None = None) -> GLU:
        return GLU(
            dequantize(self.weights, np.reshape(self.exponent, (-1, 1))),
            dequantize(self.gate, np.reshape(self.gate_exponent, (-1, 1))),
            dequantize(self.bias, self.value_exponent),
            dequantize(self.gate_bias, self.gate_sum_exponent),
            self.activation,
        )
