"""What quantisation asks of a kind of layer."""

from dataclasses import dataclass
from typing import ClassVar, Generic, TypeVar

from lava_ssm.compress.formats import Formats
from lava_ssm.compress.headroom import ANY
from lava_ssm.compress.ranges import Ranges
from lava_ssm.network import FixedLayer, FloatLayer
from lava_ssm.network.description import Exponent
from lava_ssm.numerics import Arithmetic, IntArray

F = TypeVar("F", bound=FloatLayer)
X = TypeVar("X", bound=FixedLayer)


@dataclass(frozen=True)
class Rules:
    """What holds for all layers of a network.

    Parameters
    ----------
    formats
        Of the parameters.
    arithmetic
        Of the fixed network.
    weigh
        Whether weights of linear layers without bias get the exponents with the least error of
        their products, instead of those at which the largest weight fits.
    """

    formats: Formats
    arithmetic: Arithmetic
    weigh: bool = False


@dataclass(frozen=True)
class Tensor:
    """A field that holds mantissas, for reports.

    Parameters
    ----------
    name
        Of the field, in the float and in the fixed layer.
    bits
        Width of a mantissa, or the name of the field that says it.
    exponent
        The field that holds its exponents; None: it has that of messages, and no row of its own.
    along
        Fields that are quantised with it: biases that make up for its rounding.
    """

    name: str
    bits: int | str = 0
    exponent: str | None = None
    along: tuple[str, ...] = ()


class Kind(Generic[F, X]):
    """How layers of one kind are quantised; F is the float layer, X the fixed one.

    First `parameters`, then, once the ranges of the network with their values are known, exponents
    of messages by the methods that end in `headroom`, then `finish`.
    """

    tensors: ClassVar[tuple[Tensor, ...]]
    hands_on: ClassVar[bool] = False
    """Whether its messages have the exponent of what enters."""

    def weighed(self, layer: F) -> bool:
        """Whether its weights depend on `Rules.weigh`."""
        return False

    def parameters(self, layer: F, inputs: Ranges, rules: Rules) -> tuple[X, F]:
        """Quantise the weights; biases and exponents of messages come later.

        Parameters
        ----------
        inputs
            What calibration data cause in this stage of the float network.

        Returns
        -------
        tuple
            The fixed layer; and the float one of its values, with biases that make up for the
            rounding of the weights.

        Raises
        ------
        ValueError
            A format cannot hold the weights.
        """
        raise NotImplementedError

    def input_headroom(self, fixed: X, ranges: Ranges) -> int:
        """Largest exponent of what enters at which the sums of the first synapses fit."""
        return ANY

    def state_headroom(self, fixed: X, ranges: Ranges, rules: Rules) -> IntArray | None:
        """Of states that share a word with what enters: for each channel the largest sum of both
        exponents at which they fit, (d_model,); None without.
        """
        return None

    def output_headroom(self, layer: F, ranges: Ranges, rules: Rules) -> int:
        """Largest exponent of its messages at which fits what they are made of."""
        return ANY

    def finest(self, fixed: X, input_exponent: int, residual: bool) -> int:
        """Exponent of its messages beyond which it would only append zeros.

        Parameters
        ----------
        residual
            Whether an earlier message is added to them.
        """
        return ANY

    def finish(self, fixed: X, layer: F, ends: tuple[int, int], ranges: Ranges, rules: Rules) -> X:
        """Give a layer its biases and the exponents of its messages and states.

        Parameters
        ----------
        layer
            The float layer of the values.
        ends
            Exponents of what enters, and of what it gives.
        """
        raise NotImplementedError

    def state_exponents(self, fixed: X, input_exponent: int) -> Exponent | None:
        """Of its states: one or a channel's; None without states."""
        return None
