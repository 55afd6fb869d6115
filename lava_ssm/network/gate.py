"""The gate: each channel times the sigmoid of a linear map of all channels."""

from dataclasses import dataclass

from lava_ssm.network.description import Exponent, exponents, none_or
from lava_ssm.network.maps import FixedMaps, FloatMaps, Maps
from lava_ssm.network.neurons import Product
from lava_ssm.network.population import Connection, Ones, Population
from lava_ssm.numerics import SIGMOID_INPUT_EXPONENT, TABLE_EXPONENT, IntArray, RealArray


class Square(Maps):
    """What float and fixed gates have in common: `weights` are square."""

    matrices = ("weights",)
    biases = ("bias",)

    def product_shift(self, input_exponent: int) -> int:
        """Bits that the product of input and sigmoid is shifted to the right."""
        return 0

    def lowered(self, input_exponent: int = 0) -> tuple[Population, ...]:
        (synapse,) = self._synapses(input_exponent)
        inputs = (
            Connection(None, synapse),
            Connection(None, Ones(self.d_input, self.d_input), "product"),
        )
        neurons = Product(self.bias, shift=self.product_shift(input_exponent))
        return (Population(neurons, inputs),)

    def _check_shape(self) -> None:
        super()._check_shape()
        if self.d_input != self.d_output:
            raise ValueError(f"weights must be square, got shape {self.weights.shape}")


@dataclass(frozen=True, eq=False)
class Gate(Square, FloatMaps):
    """y = u * sigmoid(W u + b), element by element.

    (The half of a gated linear unit that S5 networks have behind their states: Smith, Warrington,
    Linderman, "Simplified State Space Layers for Sequence Modeling", ICLR 2023, appendix G.1.)

    Parameters
    ----------
    weights
        W, real, (d_model, d_model).
    bias
        b, real, (d_model,); None: zero.
    """

    weights: RealArray
    bias: RealArray = None  # type: ignore[assignment]  # made zeros


@dataclass(frozen=True, eq=False)
class FixedGate(Square, FixedMaps):
    """A gate in integers: a synapse, a table and a product.

        v = ((sum_j 2 m_ij u_j) >> s_i) + b_i,    s_i = e_u + exponent_i + 1 - 12
        y = (u_i table(v)) >> (e_u + 15 - e_y)

    with the mantissas m of the weights, the input's exponent e_u and the output's e_y; the first
    shift rounds down, as every synapse's, the second as products in neurons do. The table is
    `numerics.sigmoid`: 12 fraction bits in, 15 out.

    Parameters
    ----------
    weights
        Mantissas m, integers in [-128, 127], (d_model, d_model); weight = m * 2**-exponent.
    exponent
        Of the weights: one integer, or one an output channel.
    bias
        Mantissas of 24 bits and 12 fraction bits, (d_model,); None: zero.
    output_exponent
        Of the outgoing messages, any integer; None leaves the input's.
    """

    weights: IntArray
    exponent: Exponent = 7
    bias: IntArray = None  # type: ignore[assignment]  # made zeros
    output_exponent: int | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        self._put(none_or(exponents()), "output_exponent")

    @property
    def sum_exponents(self) -> tuple[int]:
        return (SIGMOID_INPUT_EXPONENT,)

    def product_shift(self, input_exponent: int) -> int:
        if self.output_exponent is None:
            return TABLE_EXPONENT
        return input_exponent + TABLE_EXPONENT - self.output_exponent

    def dequantize(self, input_exponent: int | None = None) -> Gate:
        return Gate(*self._values())
