"""What a network asks of its layers."""

from collections.abc import Iterator

from lava_ssm.network.description import Description
from lava_ssm.network.population import Population


class Layer(Description):
    """A layer of synapses: the contract of every kind. The equation is its own."""

    @property
    def d_input(self) -> int:
        """Number of input channels."""
        raise NotImplementedError

    @property
    def d_output(self) -> int:
        """Number of output channels."""
        raise NotImplementedError

    @property
    def n_parameters(self) -> int:
        """Number of real parameters."""
        raise NotImplementedError

    def lowered(self, input_exponent: int = 0) -> tuple[Population, ...]:
        """Give what the layer is on the chip, made of the operations of `network.neurons`.

        A population's sources are None, for what enters the layer, or populations before it, by
        number; the last one sends what the layer gives. Names are `states` and `neurons`; steps,
        delays and what follows the layer are the network's business.

        Parameters
        ----------
        input_exponent
            Of the messages that enter a fixed layer.
        """
        raise NotImplementedError


class FloatLayer(Layer):
    """A layer of a `Network`.

    A ValueError says at construction which array has another shape, or values that are not finite.
    """


class FixedLayer(Layer):
    """A layer of a `FixedNetwork`.

    A ValueError says at construction which array has another shape, or which mantissa, exponent or
    shift is out of range.
    """

    @property
    def output_exponent(self) -> int | None:
        """Exponent of the outgoing messages; None: that of the incoming ones."""
        return None

    @property
    def nbytes(self) -> int:
        """Bytes of the mantissas."""
        raise NotImplementedError

    def dequantize(self, input_exponent: int | None = None) -> FloatLayer:
        """Give the float layer with the values of these mantissas.

        Parameters
        ----------
        input_exponent
            Of the messages that enter; needed only by a layer with a bias and no exponent of its
            own for what it gives.
        """
        raise NotImplementedError


def kinds_of(family: type[Description]) -> Iterator[type[Description]]:
    """Give the kinds of layers that a family has: its dataclasses."""
    for kind in family.__subclasses__():
        if "__dataclass_params__" in vars(kind):
            yield kind
        yield from kinds_of(kind)
