"""The Gaussian error linear unit."""

from dataclasses import dataclass

from lava_ssm.network.description import Description


@dataclass(frozen=True, eq=False)
class GELU(Description):
    """y = u Phi(u), element by element, with the normal distribution function Phi.

    (Hendrycks, Gimpel, "Gaussian Error Linear Units (GELUs)", arXiv 1606.08415.) It follows a
    layer of synapses as a `ReLU` does, and exists in floating point only: to fix a network,
    put a ReLU in its place.
    """
