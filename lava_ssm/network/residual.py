"""The path around a block."""

from dataclasses import dataclass

from lava_ssm.network.description import Description
from lava_ssm.numerics import integer


@dataclass(frozen=True, eq=False)
class Residual(Description):
    """y = u + the message that entered the last `span` layers of synapses.

    It follows a layer of synapses, before an activation that comes with it: the neurons that
    receive that layer's output receive the earlier message too, delayed so that tokens meet. In
    fixed point the message is shifted, rounding down, to the exponent of the layer's output.

    Parameters
    ----------
    span
        How many layers of synapses the path goes around, at least 1.

    Raises
    ------
    ValueError
        Not an integer of at least 1.
    """

    span: int

    def __post_init__(self) -> None:
        self._set("span", integer(self.span, "span", 1))
