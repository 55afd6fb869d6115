"""What populations of neurons compute: the short list of operations that layers are made of.

Each holds arrays and numbers alone; `engine.reference` is what it computes with them. A float one
has exponents and shifts of 0, and complex numbers where a fixed one has pairs of mantissas.
"""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from lava_ssm.network.description import Exponent


@dataclass(frozen=True, eq=False)
class Filters:
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

    @property
    def d_model(self) -> int:
        """Number of channels."""
        return int(self.a.shape[0])

    @property
    def d_state(self) -> int:
        """Number of states of a channel."""
        return int(self.a.shape[1])

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
class Recurrence:
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

    @property
    def n_neurons(self) -> int:
        """Messages that they send a token, two a state."""
        return 2 * len(self.a)

    @property
    def state_shape(self) -> tuple[int, ...]:
        """Of what they carry from token to token: real and imaginary parts."""
        return len(self.a), 2


@dataclass(frozen=True, eq=False)
class Affine:
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
class Product:
    """A second input, times the sigmoid of a sum.

        y = ((u + bias_u) sigmoid(s + bias)) >> shift            (see `FixedGate`)

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


Neurons: TypeAlias = Filters | Recurrence | Affine | Product
