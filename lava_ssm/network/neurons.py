"""What populations of neurons compute: the short list of operations that layers are made of.

Each holds arrays and numbers alone; `engine.reference` is what it computes with them. A float one
has exponents and shifts of 0, and complex numbers where a fixed one has pairs of mantissas. What
carries a state from token to token says whether that is messages, and of how many parts a state is:
of two, real and imaginary, along a last axis of 2, or of one.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from lava_ssm.network.description import Exponent
from lava_ssm.tables import Shaped


class ByChannel:
    """What has states of each channel: the shape of `a`, (d_model, d_state, ...)."""

    a: np.ndarray

    @property
    def d_model(self) -> int:
        """Number of channels."""
        return int(self.a.shape[0])

    @property
    def d_state(self) -> int:
        """Number of states of a channel."""
        return int(self.a.shape[1])


@dataclass(frozen=True, eq=False)
class Filters(ByChannel, Shaped):
    """Complex states, each with an input and an output of its own.

        x' = a x + b u,    y = 2 Re(c x')            (see `FixedS4D`)

    Parameters
    ----------
    a, b, c
        (d_model, d_state), or mantissas (d_model, d_state, 2).
    param_exponent, state_exponent, param_bits
        See `FixedS4D`.
    """

    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    param_exponent: Exponent = 0
    state_exponent: Exponent = 0
    param_bits: int = 0
    holds_messages = False
    n_parts = 2

    @property
    def n_neurons(self) -> int:
        """Messages that they send a token, one a state."""
        return self.d_model * self.d_state

    @property
    def state_shape(self) -> tuple[int, ...]:
        """Of what they carry from token to token: real and imaginary parts."""
        return self.d_model, self.d_state, 2

    @property
    def is_complex(self) -> bool:
        """Whether a, b or c has an imaginary part."""
        parts = (v.imag if np.iscomplexobj(v) else v[..., 1:] for v in (self.a, self.b, self.c))
        return any(part.any() for part in parts)


@dataclass(frozen=True, eq=False)
class Recurrence(Shaped):
    """Complex states that receive and send two messages each: real parts, then imaginary ones.

        x' = a x + u + bias,    y = r(x') >> state_shift            (see `FixedS5`)

    Parameters
    ----------
    a, bias
        (d_state,), or mantissas (d_state, 2).
    param_exponent, state_shift, relu
        See `FixedS5`.
    """

    a: np.ndarray
    bias: np.ndarray
    relu: bool
    param_exponent: int = 0
    state_shift: int = 0
    holds_messages = False
    n_parts = 2

    @property
    def n_neurons(self) -> int:
        """Messages that they send a token, two a state."""
        return 2 * len(self.a)

    @property
    def state_shape(self) -> tuple[int, ...]:
        """Of what they carry from token to token: real and imaginary parts."""
        return len(self.a), 2


@dataclass(frozen=True, eq=False)
class Affine(Shaped):
    """A sum, with a multiple of a second input and a bias.

        y = s + ((direct u) >> shift) + bias

    Parameters
    ----------
    n_neurons
        How many.
    direct
        (n_neurons,); None: there is no second input.
    shift
        Bits to the right.
    bias
        (n_neurons,), or None.
    """

    n_neurons: int
    direct: np.ndarray | None = None
    shift: int = 0
    bias: np.ndarray | None = None
    state_shape = None


@dataclass(frozen=True, eq=False)
class Product(Shaped):
    """A second input, times the sigmoid of a sum.

        y = ((u + bias_u) sigmoid(s + bias)) >> shift

    Parameters
    ----------
    bias, bias_u
        (n_neurons,); bias_u None: zero.
    shift
        Bits to the right.
    """

    bias: np.ndarray
    bias_u: np.ndarray | None = None
    shift: int = 0
    state_shape = None

    @property
    def n_neurons(self) -> int:
        """How many."""
        return len(self.bias)


@dataclass(frozen=True, eq=False)
class Bilinear(Shaped):
    """The product of two inputs, times a weight, with a bias.

        y = ((((s u) >> shift) weights) >> weight_shift) + bias

    In fixed point what the first shift leaves is limited, or brought to 32 bits.

    Parameters
    ----------
    n_neurons
        How many.
    shift, weight_shift
        Bits to the right, the first at least 0.
    limit
        What the shifted product, by what it is made of, does not exceed, below 2^31; rounded
        integers that would are limited. None: not known.
    weights
        (n_neurons,), of 16 bits; None: one, not shifted.
    bias
        (n_neurons,), or None.
    """

    n_neurons: int
    shift: int = 0
    limit: int | None = None
    weights: np.ndarray | None = None
    weight_shift: int = 0
    bias: np.ndarray | None = None
    state_shape = None


@dataclass(frozen=True, eq=False)
class InverseSqrt(Shaped):
    """The inverse square root of a sum of squares, on the arithmetic of Lava's `InvSqrt`.

        y = 2^exponent / sqrt(max(s + epsilon, 1))      (see `numerics.scaled_inverse_sqrt`)

    In floating point 1 / sqrt(s + epsilon). In fixed point no more than a message holds.

    Parameters
    ----------
    epsilon
        At least 1 in fixed point, of 24 bits.
    exponent
        Any.
    n_neurons
        How many.
    """

    epsilon: float
    exponent: int = 0
    n_neurons: int = 1
    state_shape = None


@dataclass(frozen=True, eq=False)
class Taps(Shaped):
    """A delay line: each channel's last messages, the present one among them.

        y_k = u of (length - 1 - k) tokens ago,      k = 0 ... length - 1; 0 before the first token

    Parameters
    ----------
    d_model
        Number of channels. Each is handed to its `length` neurons, one behind another.
    length
        Messages of a channel that are sent, at least 2.
    """

    d_model: int
    length: int
    holds_messages = True
    n_parts = 1

    @property
    def n_neurons(self) -> int:
        """Messages that they send a token."""
        return self.d_model * self.length

    @property
    def state_shape(self) -> tuple[int, ...]:
        """Of what they carry from token to token: earlier messages, oldest first."""
        return self.d_model, self.length - 1


class RealStates(Shaped):
    """What has a real state a neuron."""

    holds_messages = False
    n_parts = 1

    @property
    def n_neurons(self) -> int:
        """How many."""
        raise NotImplementedError

    @property
    def state_shape(self) -> tuple[int, ...]:
        """Of what they carry from token to token."""
        return (self.n_neurons,)


@dataclass(frozen=True, eq=False)
class GatedRecurrence(RealStates):
    """Real states, each a mean of what it was and of a second input, by the sigmoid of a sum.

        f = sigmoid(s + bias),    c = (u << shift) + bias_u
        h' = c + f (h - c),       y = h' >> state_shift         (see `FixedMinGRU`)

    In fixed point c is brought to the state's word; h' lies between h and c, and hence in it too.

    Parameters
    ----------
    bias, bias_u
        (n_neurons,); bias_u None: zero.
    shift, state_shift
        Bits of u to the left, and of the state to the right, both at least 0.
    """

    bias: np.ndarray
    bias_u: np.ndarray | None = None
    shift: int = 0
    state_shift: int = 0

    @property
    def n_neurons(self) -> int:
        """How many."""
        return len(self.bias)


@dataclass(frozen=True, eq=False)
class SelectiveRecurrence(RealStates):
    """Real states that decay as a first input says, and take a second in.

        h' = exp(-rates s) h + u,    y = h'         (see `FixedSelectiveSSM`)

    In fixed point `numerics.decay` of (rates s) >> rate_shift, u << shift, y = h' >> state_shift.

    Parameters
    ----------
    rates
        Not negative, (n_neurons,); mantissas of 16 bits.
    rate_shift
        Bits to the right, at least -16.
    shift, state_shift
        Bits of u to the left, and of the state to the right, both at least 0.
    """

    rates: np.ndarray
    rate_shift: int = 0
    shift: int = 0
    state_shift: int = 0

    @property
    def n_neurons(self) -> int:
        """How many."""
        return len(self.rates)


Stateless: TypeAlias = Affine | Product | Bilinear | InverseSqrt
"""Operations that carry nothing from token to token."""
Stateful: TypeAlias = Filters | Recurrence | Taps | GatedRecurrence | SelectiveRecurrence
"""Operations that carry a state."""
Neurons: TypeAlias = Stateful | Stateless
"""What a population does with the sums of its inputs."""
