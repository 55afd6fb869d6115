"""Selective state space layers: what a state forgets, takes in and gives, each token says."""

from dataclasses import dataclass
from functools import partial

import numpy as np

from lava_ssm.network.activation import Activation
from lava_ssm.network.description import (
    DIAGONAL_BITS,
    Exponent,
    biases,
    diagonal,
    exponents,
    matrix_nbytes,
    weights,
    zeros_or,
)
from lava_ssm.network.glu import MOST_LEFT, MOST_RIGHT, product
from lava_ssm.network.layer import FixedLayer, FloatLayer, Layer
from lava_ssm.network.neurons import Affine, ByChannel, SelectiveRecurrence
from lava_ssm.network.population import Connection, Copies, Matrix, Ones, Population, Populations
from lava_ssm.numerics import (
    DECAY_INPUT_EXPONENT,
    IntArray,
    RealArray,
    dequantize,
    flag,
    integer,
    reals,
)

MATRICES = ("down", "up", "b", "c")
MESSAGES = (
    "down_sent",
    "step_sent",
    "scaled_sent",
    "b_sent",
    "c_sent",
    "drive_sent",
    "state_exponent",
    "state_sent",
    "sum_sent",
    "output_exponent",
)
"""Exponents of messages and of states."""
MOST_FINER = 16
"""Bits that a state may be finer than messages."""


class Selective(ByChannel, Layer):
    """What float and fixed selective layers have in common."""

    a: np.ndarray
    down: np.ndarray
    up: np.ndarray
    b: np.ndarray
    c: np.ndarray
    d: np.ndarray
    bias: np.ndarray
    gated: bool
    # of messages; a float layer has no exponents
    down_sent = step_sent = b_sent = c_sent = 0

    @property
    def d_input(self) -> int:
        """Number of input channels."""
        return self.d_model * (1 + self.gated)

    @property
    def d_output(self) -> int:
        """Number of output channels."""
        return self.d_model

    @property
    def n_parameters(self) -> int:
        """Number of real parameters."""
        names = ("a", "d", "bias", *MATRICES)
        return sum(int(getattr(self, name).size) for name in names)

    def _shift(self, name: str, source: int, to: int) -> Exponent:
        """Of a matrix's sums, from and to messages of two exponents."""
        return 0

    def _of_products(self, input_exponent: int) -> tuple[int, ...]:
        """Shifts: of steps and inputs, these and b, states and c, d and inputs, sums and gates."""
        return (0,) * 5

    def _states(self) -> SelectiveRecurrence:
        raise NotImplementedError

    def lowered(self, input_exponent: int = 0) -> tuple[Population, ...]:
        d, n, e_u = self.d_model, self.d_state, input_exponent
        scaled, driven, read, direct, gated = self._of_products(e_u)
        made = Populations()
        add = made.add

        def mapped(source: int | None, name: str, e: int, to: int) -> Connection:
            matrix = Matrix(getattr(self, name), self._shift(name, e, to))
            return Connection(source, matrix, f"to_{name}")

        each = partial(Copies, d, d * n, 0, d, n)  # of a channel to its states
        alike = partial(Copies, n, d * n, 0, n)  # of a state's number to all channels
        x = None
        if self.gated:
            x = add(Affine(d), "inputs", Connection(None, Copies(2 * d, d, 0, d), "to_inputs"))
        e_r, e_s = self.down_sent, self.step_sent
        low = add(Affine(len(self.down)), "low", mapped(x, "down", e_u, e_r))
        steps = add(
            Affine(d, bias=self.bias),
            "steps",
            mapped(low, "up", e_r, e_s),
            activation=Activation.SOFTPLUS,
            exponent=e_s,
        )
        b = add(Affine(n), "b", mapped(x, "b", e_u, self.b_sent))
        c = add(Affine(n), "c", mapped(x, "c", e_u, self.c_sent))
        ones = Ones(d, d)
        v = add(product(d, scaled), "scaled", Connection(steps, ones), Connection(x, ones))
        drives = add(
            product(d * n, driven),
            "drives",
            Connection(v, each(), "to_drives"),
            Connection(b, alike(), "b_to_drives"),
        )
        states = add(
            self._states(),
            "states",
            Connection(steps, each(), "to_states"),
            Connection(drives, Ones(d * n, d * n)),
        )
        reads = add(
            product(d * n, read),
            "reads",
            Connection(states, Ones(d * n, d * n)),
            Connection(c, alike(), "c_to_reads"),
        )
        sums = Connection(reads, Ones(d * n, d), "to_sums")
        name = "sums" if self.gated else "neurons"
        out = add(Affine(d, self.d, direct), name, sums, Connection(x, ones))
        if self.gated:
            gate = Connection(None, Copies(2 * d, d, d, d), "to_gate")
            add(product(d, gated), "neurons", Connection(out, ones), gate)
        return tuple(made)

    def _check_shapes(self) -> None:
        if self.a.ndim != 2 or self.a.size == 0:
            raise ValueError(f"a must have shape (d_model, d_state), got {self.a.shape}")
        if self.down.ndim != 2 or self.down.shape[1:] != (self.d_model,) or not len(self.down):
            raise ValueError(f"down must have shape (rank, {self.d_model}), got {self.down.shape}")
        d, n = self.a.shape
        for name, shape in (("up", (d, len(self.down))), ("b", (n, d)), ("c", (n, d))):
            if getattr(self, name).shape != shape:
                raise ValueError(f"{name} must have shape {shape}, got {getattr(self, name).shape}")
        self._set("gated", flag(self.gated, "gated"))


@dataclass(frozen=True, eq=False)
class SelectiveSSM(Selective, FloatLayer):
    """h' = exp(D a) h + D x B,    y = C h' + d x.

        D = softplus(up down x + bias),    B = b x,    C = c x

    Each of d_model channels x has d_state real states with the rates a; all channels share B and C,
    of a number a state each. (The recurrence of Mamba: Gu, Dao, "Mamba: Linear-Time Sequence
    Modeling with Selective State Spaces", arXiv 2312.00752, as its public code discretises it: A
    by zero-order hold, B by Euler's rule.)

    Parameters
    ----------
    a
        Rates, real and negative, (d_model, d_state).
    down, up
        To the steps D by way of few numbers, real, (rank, d_model) and (d_model, rank).
    b, c
        Real, (d_state, d_model).
    d
        Direct path, real, (d_model,); None: zero.
    bias
        Of the steps, real, (d_model,); None: zero.
    gated
        Whether the input is x, then a gate z of as many channels, and the output y z.

    Raises
    ------
    ValueError
        Another shape, a value that is not finite, or an `a` that is not negative.
    """

    a: RealArray
    down: RealArray
    up: RealArray
    b: RealArray
    c: RealArray
    d: RealArray = None  # type: ignore[assignment]  # made zeros
    bias: RealArray = None  # type: ignore[assignment]  # made zeros
    gated: bool = False

    def __post_init__(self) -> None:
        self._put(reals, "a", *MATRICES)
        self._check_shapes()
        self._put(zeros_or((self.d_model,), reals), "d", "bias")
        if not self.a.max() < 0:
            raise ValueError(f"a must be negative, got {self.a.max():g}")

    def _states(self) -> SelectiveRecurrence:
        return SelectiveRecurrence(-self.a.ravel())


@dataclass(frozen=True, eq=False)
class FixedSelectiveSSM(Selective, FixedLayer):
    """A selective layer in integers: four synapses, two tables, and products of two words each.

        r  = (sum_j 2 m_kj x_j) >> (e_x + down_exponent_k + 1 - down_sent)
        D  = softplus(((sum_k 2 m_ik r_k) >> (down_sent + up_exponent_i + 1 - step_sent)) + bias_i)
        B  = (sum_j 2 m_nj x_j) >> (e_x + b_exponent_n + 1 - b_sent),    C likewise
        v  = (D_i x_i) >> (step_sent + e_x - scaled_sent)
        q  = (v_i B_n) >> (scaled_sent + b_sent - drive_sent)
        w  = (-a_in D_i) >> (a_exponent + step_sent - 20)
        h' = ((decay(w) h) >> 23) + (q << (state_exponent - drive_sent))
        p  = ((h' >> (state_exponent - state_sent)) C_n) >> (state_sent + c_sent - sum_sent)
        s  = sum_n p_in + ((d_i x_i) >> (e_x + d_exponent - sum_sent))
        y  = (s_i z_i) >> (sum_sent + e_x - e_y)

    with the input's exponent e_x and the output's e_y; without a gate y is s, of sum_sent = e_y.
    Names that end in `_sent` are exponents of messages. Softplus, decay and words are as
    `docs/design.md` says.

    Parameters
    ----------
    a
        Mantissas in [-32767, 0], (d_model, d_state).
    down, up, b, c
        Mantissas in [-128, 127], shapes as of `SelectiveSSM`.
    d
        Mantissas of 16 bits, (d_model,); None: zero.
    bias
        Mantissas of 24 bits with `step_sent`, (d_model,); None: zero.
    gated
        See `SelectiveSSM`.
    a_exponent, down_exponent, up_exponent, b_exponent, c_exponent, d_exponent
        Of these; of matrices one integer, or one a row.
    down_sent, step_sent, scaled_sent, b_sent, c_sent, drive_sent, state_sent, sum_sent
        Of the messages r, D, v, B, C, q, of states and of sums.
    state_exponent
        Of the states: at most 16 more than `drive_sent` and `state_sent`, and not less.
    output_exponent
        Of the outgoing messages.
    """

    a: IntArray
    down: IntArray
    up: IntArray
    b: IntArray
    c: IntArray
    d: IntArray = None  # type: ignore[assignment]  # made zeros
    bias: IntArray = None  # type: ignore[assignment]  # made zeros
    gated: bool = False
    a_exponent: int = 10
    down_exponent: Exponent = 7
    up_exponent: Exponent = 7
    b_exponent: Exponent = 7
    c_exponent: Exponent = 7
    d_exponent: int = 14
    down_sent: int = 0
    step_sent: int = 16
    scaled_sent: int = 0
    b_sent: int = 0
    c_sent: int = 0
    drive_sent: int = 0
    state_exponent: int = 0
    state_sent: int = 0
    sum_sent: int = 0
    output_exponent: int = 0

    def __post_init__(self) -> None:
        self._put(diagonal, "a")
        self._put(weights, *MATRICES)
        self._check_shapes()
        if self.a.max() > 0 or self.a.min() == -1 << (DIAGONAL_BITS - 1):
            raise ValueError(
                f"a: mantissas must lie in [-32767, 0], got {self.a.min()} to {self.a.max()}"
            )
        self._put(zeros_or((self.d_model,), diagonal), "d")
        self._put(zeros_or((self.d_model,), biases), "bias")
        for name in MATRICES:
            self._put(exponents(len(getattr(self, name))), f"{name}_exponent")
        self._put(exponents(), "a_exponent", "d_exponent", *MESSAGES)
        for name in ("drive_sent", "state_sent"):
            e = self.state_exponent
            integer(getattr(self, name), f"{name}, up to state_exponent,", e - MOST_FINER, e)
        if not self.gated:
            e = self.output_exponent
            integer(self.sum_sent, "sum_sent, without a gate output_exponent,", e, e)
        least = DECAY_INPUT_EXPONENT - MOST_LEFT
        integer(self.a_exponent + self.step_sent, "a_exponent + step_sent", least)
        e_b, e_c = self.scaled_sent + self.b_sent, self.state_sent + self.c_sent
        for name, most in (("drive_sent", e_b), ("sum_sent", e_c)):
            integer(getattr(self, name), name, most - MOST_RIGHT, most + MOST_LEFT)

    @property
    def nbytes(self) -> int:
        """Bytes of the weights, see `matrix_nbytes`, two an a and d, and four a bias."""
        matrices = sum(matrix_nbytes(getattr(self, name)) for name in MATRICES)
        return matrices + 2 * (self.a.size + self.d.size) + 4 * self.bias.size

    def _shift(self, name: str, source: int, to: int) -> Exponent:
        of_rows: Exponent = getattr(self, f"{name}_exponent")
        return of_rows + (source + 1 - to)

    def _of_products(self, input_exponent: int) -> tuple[int, ...]:
        e_x = input_exponent
        return (
            self.step_sent + e_x - self.scaled_sent,
            self.scaled_sent + self.b_sent - self.drive_sent,
            self.state_sent + self.c_sent - self.sum_sent,
            e_x + self.d_exponent - self.sum_sent,
            self.sum_sent + e_x - self.output_exponent,
        )

    def _states(self) -> SelectiveRecurrence:
        return SelectiveRecurrence(
            -self.a.ravel(),
            self.a_exponent + self.step_sent - DECAY_INPUT_EXPONENT,
            self.state_exponent - self.drive_sent,
            self.state_exponent - self.state_sent,
        )

    def dequantize(self, input_exponent: int | None = None) -> SelectiveSSM:
        """A rate that is rounded to zero is half a unit."""
        down, up, b, c = (
            dequantize(getattr(self, name), np.reshape(getattr(self, f"{name}_exponent"), (-1, 1)))
            for name in MATRICES
        )
        return SelectiveSSM(
            np.minimum(dequantize(self.a, self.a_exponent), -(2.0 ** (-1 - self.a_exponent))),
            down,
            up,
            b,
            c,
            dequantize(self.d, self.d_exponent),
            dequantize(self.bias, self.step_sent),
            self.gated,
        )
