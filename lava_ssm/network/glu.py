"""Gated linear units: a linear map times an activation of another."""

from dataclasses import dataclass, field

import numpy as np

from lava_ssm.network.activation import Activation
from lava_ssm.network.description import ADDED, Exponent, exponents
from lava_ssm.network.maps import FixedMaps, FloatMaps, Maps
from lava_ssm.network.neurons import Affine, Bilinear, Product
from lava_ssm.network.population import Connection, Ones, Population
from lava_ssm.numerics import (
    SIGMOID_INPUT_EXPONENT,
    TABLE_EXPONENT,
    IntArray,
    RealArray,
    integer,
    member,
)

MOST_RIGHT, MOST_LEFT = 62, 16
"""Bits that a product of two messages is shifted at most."""


def product(n: int, amount: int) -> Bilinear:
    """Neurons that multiply two messages, and shift that to the right, or exactly to the left."""
    left = min(amount, 0)
    return Bilinear(n, amount - left, None, np.ones(n, int) if left else None, left)


class Gated(Maps):
    """What float and fixed gated linear units have in common."""

    gate: np.ndarray
    gate_bias: np.ndarray
    activation: Activation
    gate_sum_exponent = 0

    @property
    def _product_shift(self) -> int:
        return 0

    def lowered(self, input_exponent: int = 0) -> tuple[Population, ...]:
        to_value, to_gate = self._synapses(input_exponent)
        gate, value = Connection(None, to_gate, "gate"), Connection(None, to_value, "value")
        of_product = self._product_shift
        if self.activation is Activation.SIGMOID:
            return (Population(Product(self.gate_bias, self.bias, of_product), (gate, value)),)
        n, ones = self.d_output, Ones(self.d_output, self.d_output)
        return (
            Population(
                Affine(n, bias=self.gate_bias),
                (gate,),
                "gates",
                activation=self.activation,
                exponent=self.gate_sum_exponent,
            ),
            Population(Affine(n, bias=self.bias), (value,), "values"),
            Population(
                product(n, of_product), (Connection(0, ones, "a"), Connection(1, ones, "b"))
            ),
        )

    def _check_shape(self) -> None:
        super()._check_shape()
        self._set("activation", member(Activation, self.activation, "activation"))


@dataclass(frozen=True, eq=False)
class GLU(Gated, FloatMaps):
    """y = (W u + b) * f(V u + c), element by element; f is the sigmoid, or another activation.

    (Dauphin, Fan, Auli, Grangier, "Language Modeling with Gated Convolutional Networks", ICML
    2017; S4 networks have one behind their states. With others Shazeer, "GLU Variants Improve
    Transformer", arXiv 2002.05202: GEGLU, SwiGLU, ReGLU, bilinear.)

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


@dataclass(frozen=True, eq=False)
class FixedGLU(Gated, FixedMaps):
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
        super().__post_init__()
        self._put(exponents(), "value_exponent", "output_exponent", "gate_sum_exponent")
        if self.activation is Activation.SIGMOID:
            e = SIGMOID_INPUT_EXPONENT
            integer(self.gate_sum_exponent, "gate_sum_exponent of a sigmoid", e, e)
        else:
            most = self.value_exponent + self.gate_sum_exponent
            integer(self.output_exponent, "output_exponent", most - MOST_RIGHT, most + MOST_LEFT)

    @property
    def sum_exponents(self) -> tuple[int, int]:
        return self.value_exponent, self.gate_sum_exponent

    @property
    def _product_shift(self) -> int:
        is_entry = self.activation is Activation.SIGMOID
        of_factor = TABLE_EXPONENT if is_entry else self.gate_sum_exponent
        return self.value_exponent + of_factor - self.output_exponent

    def dequantize(self, input_exponent: int | None = None) -> GLU:
        weights, gate, bias, gate_bias = self._values()
        return GLU(weights, gate, bias, gate_bias, self.activation)
