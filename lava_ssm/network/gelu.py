"""The Gaussian error linear unit."""

from dataclasses import dataclass
from typing import ClassVar

from lava_ssm.network.activation import Activation, Elementwise


@dataclass(frozen=True, eq=False)
class GELU(Elementwise):
    """y = u Phi(u), element by element, with the normal distribution function Phi.

    (Hendrycks, Gimpel, "Gaussian Error Linear Units (GELUs)", arXiv 1606.08415.) It follows a
    layer of synapses as a `ReLU` does, and exists in floating point only: to fix a network,
    put a ReLU in its place.
    """

    activation: ClassVar = Activation.GELU
