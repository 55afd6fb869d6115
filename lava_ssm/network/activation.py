"""What neurons do to their sum before they send it."""

from enum import Enum
from typing import ClassVar

from lava_ssm.network.description import Description


class Activation(Enum):
    """A function of a real number, applied element by element."""

    NONE = "none"
    RELU = "relu"
    GELU = "gelu"
    """In floating point only."""


class Elementwise(Description):
    """A layer that is an activation of the neurons of the layer of synapses before it."""

    activation: ClassVar[Activation]
