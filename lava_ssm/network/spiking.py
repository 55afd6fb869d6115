"""What stands beside networks in a hybrid graph: spiking neurons and Lava's synapses.

None of them is a layer: the engine knows none. They say in data what Lava's stock Processes have.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm.network.description import Description, mantissas
from lava_ssm.network.fixed_network import FixedNetwork
from lava_ssm.network.float_network import Network
from lava_ssm.network.linear import Linear
from lava_ssm.numerics import IntArray, RealArray, integer, integers, real_number, reals, shown


class Spiking(Description):
    """What spiking neurons, float and fixed, have in common: they are `n`, each of one channel."""

    n: int

    @property
    def d_input(self) -> int:
        """Number of neurons."""
        return self.n

    @property
    def d_output(self) -> int:
        """Number of neurons."""
        return self.n

    def _set_each(self, name: str, check: Callable[[ArrayLike, str], np.ndarray]) -> None:
        """Put numbers in place, checked, one a neuron."""
        values = check(getattr(self, name), name)
        if values.shape not in ((), (self.n,)):
            raise ValueError(f"{name} must be one number or have shape ({self.n},)")
        self._set(name, np.broadcast_to(values, self.n).copy())


def _zero() -> IntArray:
    return np.zeros((), np.int64)


@dataclass(frozen=True, eq=False)
class LIF(Spiking):
    """Leaky integrate-and-fire neurons, as Lava's Process `LIF` has them under `floating_pt`.

    u <- (1 - du) u + input; v <- (1 - dv) v + u + bias; where v > vth a spike, a 1, and v <- 0.

    Parameters
    ----------
    n
        Neurons.
    du, dv
        What decays of current and of voltage in a step, in [0, 1].
    vth
        Threshold.
    bias
        One number, or one a neuron.
    """

    n: int
    du: float = 0.0
    dv: float = 0.0
    vth: float = 10.0
    bias: RealArray = field(default_factory=lambda: np.zeros(()))

    def __post_init__(self) -> None:
        self._set("n", integer(self.n, "n", 1))
        for name in ("du", "dv"):
            self._set(name, real_number(getattr(self, name), name, "[0, 1]"))
        self._set("vth", real_number(self.vth, "vth"))
        self._set_each("bias", reals)


@dataclass(frozen=True, eq=False)
class FixedLIF(Spiking):
    """Leaky integrate-and-fire neurons, as Lava's Process `LIF` has them under `fixed_pt`.

    As `LIF`, with du + 1 and dv in 4096ths; input and threshold are shifted to the left by 6 bits,
    the bias by `bias_exp`; words have 24 bits.

    Parameters
    ----------
    n
        Neurons.
    du, dv
        In [0, 4095].
    vth
        In [0, 131071].
    bias_mant, bias_exp
        In [-4096, 4095] and [0, 7], each one integer or one a neuron.
    """

    n: int
    du: int = 0
    dv: int = 0
    vth: int = 10
    bias_mant: IntArray = field(default_factory=_zero)
    bias_exp: IntArray = field(default_factory=_zero)

    def __post_init__(self) -> None:
        self._set("n", integer(self.n, "n", 1))
        for name, highest in (("du", 4095), ("dv", 4095), ("vth", 131071)):
            self._set(name, integer(getattr(self, name), name, 0, highest))
        self._set_each("bias_mant", lambda values, name: mantissas(values, 13, name))
        self._set_each("bias_exp", integers)
        if not 0 <= self.bias_exp.min() <= self.bias_exp.max() <= 7:
            raise ValueError(f"bias_exp must lie in [0, 7], got {shown(self.bias_exp)}")


@dataclass(frozen=True, eq=False)
class FixedDense(Description):
    """Synapses, as Lava's Process `Dense` has them under `fixed_pt`: (W s) 2^weight_exp.

    In floats a `Dense` is a network, `dense`.

    Parameters
    ----------
    weights
        W, (d_output, d_input), in [-256, 255]; where there are both signs, the even ones alone.
    weight_exp
        A negative one shifts the sum to the right, rounding down.
    num_message_bits
        0: whatever is not zero is a spike.
    """

    weights: IntArray
    weight_exp: int = 0
    num_message_bits: int = 0

    def __post_init__(self) -> None:
        weights = mantissas(self.weights, 9, "weights")
        if weights.ndim != 2 or weights.size == 0:
            raise ValueError(
                f"weights must have shape (d_output, d_input), got shape {weights.shape}"
            )
        if weights.min() < 0 < weights.max() and (weights % 2).any():
            raise ValueError("weights: those of both signs must be even, as Lava makes them")
        self._set("weights", weights)
        self._set("weight_exp", integer(self.weight_exp, "weight_exp", -31, 31))
        self._set("num_message_bits", integer(self.num_message_bits, "num_message_bits", 0, 32))

    @property
    def d_input(self) -> int:
        """Number of input channels."""
        return int(self.weights.shape[1])

    @property
    def d_output(self) -> int:
        """Number of output channels."""
        return int(self.weights.shape[0])


def dense(weights: ArrayLike) -> Network:
    """Give what Lava's Process `Dense` is in floats: a network of one linear layer."""
    return Network((Linear(reals(weights, "weights")),))


Part: TypeAlias = Network | FixedNetwork | LIF | FixedLIF | FixedDense
"""Of a hybrid chain."""


def check_parts(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Give the parts of a hybrid chain, checked: each sends what the next one takes.

    Raises
    ------
    TypeError
        One is no part, or floats stand beside integers.
    ValueError
        There are none, or widths differ.
    """
    if not parts:
        raise ValueError("parts must be at least one")
    for i, part in enumerate(parts):
        if not isinstance(part, Part):
            raise TypeError(
                f"parts[{i}] must be a network, LIF, FixedLIF or FixedDense, got {shown(part)}"
            )
        if isinstance(part, Network | LIF) != isinstance(parts[0], Network | LIF):
            raise TypeError(
                f"parts[{i}] is a {type(part).__name__}, parts[0] a {type(parts[0]).__name__}: "
                "all must be of floats, or all of integers"
            )
        if i and part.d_input != parts[i - 1].d_output:
            raise ValueError(
                f"parts[{i}] takes {part.d_input} channels, parts[{i - 1}] sends "
                f"{parts[i - 1].d_output}"
            )
    return tuple(parts)
