"""The rectifier."""

from dataclasses import dataclass
from typing import ClassVar

from lava_ssm.network.activation import Activation, Elementwise


@dataclass(frozen=True, eq=False)
class ReLU(Elementwise):
    """y = max(0, u), element by element; the same in float and in fixed point.

    It follows a layer of synapses, and on the chip it is part of the neurons that receive that
    layer's output.
    """

    activation: ClassVar = Activation.RELU
