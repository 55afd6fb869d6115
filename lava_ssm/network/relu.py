"""The rectifier."""

from dataclasses import dataclass

from lava_ssm.network.description import Description


@dataclass(frozen=True, eq=False)
class ReLU(Description):
    """y = max(0, u), element by element; the same in float and in fixed point.

    It follows an S4D or Linear layer, and on the chip it is part of the neurons that receive
    that layer's output.
    """
