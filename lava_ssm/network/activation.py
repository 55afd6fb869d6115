"""What neurons do to their sum before they send it."""

from dataclasses import dataclass
from enum import Enum
from typing import ClassVar

from lava_ssm import numerics
from lava_ssm.network.description import Description
from lava_ssm.numerics import Table


class Activation(Enum):
    """A function of a real number, applied element by element."""

    NONE = "none"
    RELU = "relu"
    GELU = "gelu"
    SILU = "silu"
    SIGMOID = "sigmoid"
    TANH = "tanh"
    SOFTPLUS = "softplus"
    POSITIVE = "positive"

    @property
    def table(self) -> Table | None:
        """By which it is taken in fixed point; None of those that need none."""
        return _TABLES.get(self)


_TABLES = {
    Activation.GELU: numerics.GELU,
    Activation.SILU: numerics.SILU,
    Activation.SIGMOID: numerics.SIGMOID,
    Activation.TANH: numerics.TANH,
    Activation.SOFTPLUS: numerics.SOFTPLUS,
    Activation.POSITIVE: numerics.POSITIVE,
}


class Elementwise(Description):
    """A layer that is an activation of the neurons of the layer of synapses before it.

    In fixed point it leaves the exponent of messages. All but the `ReLU` are taken by a table
    (`lava_ssm.numerics.Table`, which states its error).
    """

    activation: ClassVar[Activation]


@dataclass(frozen=True, eq=False)
class ReLU(Elementwise):
    """y = max(0, u); the same in float and in fixed point."""

    activation: ClassVar = Activation.RELU


@dataclass(frozen=True, eq=False)
class GELU(Elementwise):
    """y = u Phi(u), with the normal distribution function Phi.

    (Hendrycks, Gimpel, "Gaussian Error Linear Units (GELUs)", arXiv 1606.08415.)
    """

    activation: ClassVar = Activation.GELU


@dataclass(frozen=True, eq=False)
class SiLU(Elementwise):
    """y = u sigmoid(u).

    (Elfwing, Uchibe, Doya, "Sigmoid-weighted linear units", Neural Networks 107, 2018; also swish.)
    """

    activation: ClassVar = Activation.SILU


@dataclass(frozen=True, eq=False)
class Sigmoid(Elementwise):
    """y = 1 / (1 + exp(-u))."""

    activation: ClassVar = Activation.SIGMOID


@dataclass(frozen=True, eq=False)
class Tanh(Elementwise):
    """y = tanh(u)."""

    activation: ClassVar = Activation.TANH


@dataclass(frozen=True, eq=False)
class Softplus(Elementwise):
    """y = log(1 + exp(u))."""

    activation: ClassVar = Activation.SOFTPLUS


@dataclass(frozen=True, eq=False)
class Positive(Elementwise):
    """y = u + 1/2 from zero on, sigmoid(u) below.

    (Feng, Tung, Ahmed, Bengio, Hajimirsadegh, "Were RNNs All We Needed?", arXiv 2410.01201: what
    makes the candidates of a minGRU positive, so that logarithms of them can be taken.)
    """

    activation: ClassVar = Activation.POSITIVE
