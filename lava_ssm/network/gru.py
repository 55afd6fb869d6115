"""Gated linear recurrences: states whose gates depend on the token alone."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import numpy as np

from lava_ssm.network.activation import Activation
from lava_ssm.network.description import ADDED, WEIGHT_BITS, Exponent, bits, exponents
from lava_ssm.network.maps import FixedMaps, FloatMaps, Maps
from lava_ssm.network.neurons import Affine, GatedRecurrence, Product
from lava_ssm.network.population import Connection, Ones, Population
from lava_ssm.numerics import (
    SIGMOID_INPUT_EXPONENT,
    TABLE_EXPONENT,
    IntArray,
    RealArray,
    integer,
    member,
)

LEAST_OF_GATE = 1 - (1 << (WEIGHT_BITS - 1))
"""Of the mantissas of an update gate: a synapse has their negatives."""
MOST_SHIFT = 16
"""Bits that a state may be finer than its messages."""


class UpdateGate(Maps):
    """What float and fixed minGRUs have in common."""

    gate: np.ndarray
    gate_bias: np.ndarray
    activation: Activation
    value_exponent = 0
    state_exponent = 0
    output_exponent = 0

    def lowered(self, input_exponent: int = 0) -> tuple[Population, ...]:
        to_value, to_gate = self._synapses(input_exponent)
        gate = Connection(None, replace(to_gate, weights=-self.gate), "gate")
        value = Connection(None, to_value, "candidate")
        n, ones = self.d_output, Ones(self.d_output, self.d_output)
        candidates: tuple[Population, ...] = ()
        bias: np.ndarray | None = self.bias
        left = 0
        if self.activation is not Activation.NONE:  # neurons of their own add the bias
            candidates = (
                Population(
                    Affine(n, bias=bias),
                    (value,),
                    "candidates",
                    activation=self.activation,
                    exponent=self.value_exponent,
                ),
            )
            value, bias = Connection(0, ones), None
            left = self.state_exponent - self.value_exponent
        finer = self.state_exponent - self.output_exponent
        states = GatedRecurrence(-self.gate_bias, bias, left, finer)
        return (
            *candidates,
            Population(states, (gate, value), "states"),
            Population(Affine(n), (Connection(len(candidates), ones),)),
        )

    def _check_shape(self) -> None:
        super()._check_shape()
        self._set("activation", member(Activation, self.activation, "activation"))


@dataclass(frozen=True, eq=False)
class MinGRU(UpdateGate, FloatMaps):
    """h' = (1 - z) h + z f(c),  z = sigmoid(V u + b_z),  c = W u + b;  y = h'.

    (Feng, Tung, Ahmed, Bengio, Hajimirsadegh, "Were RNNs All We Needed?", arXiv 2410.01201:
    without f, or, as it is trained in logarithms, which want positive candidates, with "positive".)

    Parameters
    ----------
    weights, gate
        W and V, real, (d_output, d_input).
    bias, gate_bias
        b and b_z, real, (d_output,); None: zero.
    activation
        f, or its value.
    """

    weights: RealArray
    gate: RealArray
    bias: RealArray = None  # type: ignore[assignment]  # made zeros
    gate_bias: RealArray = None  # type: ignore[assignment]  # made zeros
    activation: Activation = field(default=Activation.NONE, metadata=ADDED)


@dataclass(frozen=True, eq=False)
class FixedMinGRU(UpdateGate, FixedMaps):
    """A minGRU in integers: two synapses, a table, and one product a state.

        c  = ((sum_j 2 m_ij u_j) >> (e_u + exponent_i + 1 - state_exponent)) + b_i
        v  = ((sum_j -2 n_ij u_j) >> (e_u + gate_exponent_i + 1 - 12)) - b_z,i
        h' = c + ((table(v) (h - c)) >> 15)
        y  = h' >> (state_exponent - e_y)

    with the mantissas m, n of W, V, the input's exponent e_u and the output's e_y; 1 - z is the
    sigmoid of the negative sum. Shifts and the table as of `FixedGate`; c is brought to the word of
    the state, h' lies between h and c. With an activation f neurons of their own give candidates,
    as of a layer's activation, messages of `value_exponent`:

        c  = f(((sum_j 2 m_ij u_j) >> (e_u + exponent_i + 1 - value_exponent)) + b_i)
             << (state_exponent - value_exponent)

    Parameters
    ----------
    weights, gate
        Mantissas in [-128, 127] and, of the gate, in [-127, 127], (d_output, d_input).
    exponent, gate_exponent
        Of these: one integer, or one an output channel.
    bias, gate_bias
        Mantissas of 24 bits, (d_output,): b with `candidate_exponent`, b_z with 12 fraction bits;
        None: zero.
    state_exponent
        Of h and c.
    output_exponent
        Of the outgoing messages, at most 16 less than `state_exponent`, and not more than it.
    activation
        f, see `MinGRU`.
    value_exponent
        Of the candidate's messages, likewise; 0 without an activation.
    """

    weights: IntArray
    gate: IntArray
    exponent: Exponent = 7
    gate_exponent: Exponent = 7
    bias: IntArray = None  # type: ignore[assignment]  # made zeros
    gate_bias: IntArray = None  # type: ignore[assignment]  # made zeros
    state_exponent: int = 0
    output_exponent: int = 0
    activation: Activation = field(default=Activation.NONE, metadata=ADDED)
    value_exponent: int = field(default=0, metadata=ADDED)

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.gate.min() < LEAST_OF_GATE:
            raise ValueError(
                f"gate: mantissas must lie in [{LEAST_OF_GATE}, {-LEAST_OF_GATE}], "
                f"got {self.gate.min()}"
            )
        self._put(exponents(), "state_exponent", "output_exponent", "value_exponent")
        of_messages = ["output_exponent", "value_exponent"]
        if self.activation is Activation.NONE:
            integer(self.value_exponent, "value_exponent without an activation", 0, 0)
            of_messages.pop()
        for name in of_messages:
            e = getattr(self, name)
            if not 0 <= self.state_exponent - e <= MOST_SHIFT:
                raise ValueError(
                    f"{name} must lie in [state_exponent - {MOST_SHIFT}, state_exponent], "
                    f"got {e} and state_exponent {self.state_exponent}"
                )

    @property
    def candidate_exponent(self) -> int:
        """Of W u + b."""
        plain = self.activation is Activation.NONE
        return self.state_exponent if plain else self.value_exponent

    @property
    def sum_exponents(self) -> tuple[int, int]:
        return self.candidate_exponent, SIGMOID_INPUT_EXPONENT

    def dequantize(self, input_exponent: int | None = None) -> MinGRU:
        weights, gate, bias, gate_bias = self._values()
        return MinGRU(weights, gate, bias, gate_bias, self.activation)


class Forgetting(Maps):
    """What float and fixed MLGRUs have in common."""

    matrices = ("weights", "forget", "gate")
    biases = ("bias", "forget_bias", "gate_bias")
    activation: ClassVar = Activation.SILU
    forget_bias: np.ndarray
    gate_bias: np.ndarray
    value_exponent = 0
    state_shift = 0

    @property
    def _product_shift(self) -> int:
        return 0

    def lowered(self, input_exponent: int = 0) -> tuple[Population, ...]:
        n, finer = self.d_output, self.state_shift
        (to_value, to_forget, to_gate), ones = self._synapses(input_exponent), Ones(n, n)
        candidates = Population(
            Affine(n, bias=self.bias),
            (Connection(None, to_value, "candidate"),),
            "candidates",
            activation=self.activation,
            exponent=self.value_exponent,
        )
        states = Population(
            GatedRecurrence(self.forget_bias, shift=finer, state_shift=finer),
            (Connection(None, to_forget, "forget"), Connection(0, ones)),
            "states",
        )
        gated = Population(
            Product(self.gate_bias, shift=self._product_shift),
            (Connection(None, to_gate, "gate"), Connection(1, ones)),
        )
        return candidates, states, gated


@dataclass(frozen=True, eq=False)
class MLGRU(Forgetting, FloatMaps):
    """h' = f h + (1 - f) c,  y = sigmoid(V u + b_g) h'.

        f = sigmoid(F u + b_f),  c = silu(W u + b)

    (Zhu et al., "Scalable MatMul-free Language Modeling", arXiv 2406.02528; the
    output map that it has behind this is a `Linear`.)

    Parameters
    ----------
    weights, forget, gate
        W, F and V, real, (d_output, d_input).
    bias, forget_bias, gate_bias
        b, b_f and b_g, real, (d_output,); None: zero.
    """

    weights: RealArray
    forget: RealArray
    gate: RealArray
    bias: RealArray = None  # type: ignore[assignment]  # made zeros
    forget_bias: RealArray = None  # type: ignore[assignment]  # made zeros
    gate_bias: RealArray = None  # type: ignore[assignment]  # made zeros


@dataclass(frozen=True, eq=False)
class FixedMLGRU(Forgetting, FixedMaps):
    """An MLGRU in integers: three synapses, three tables, one product a state and one an output.

        c  = silu(((sum_j 2 m_ij u_j) >> (e_u + exponent_i + 1 - value_exponent)) + b_i)
        v  = ((sum_j 2 n_ij u_j) >> (e_u + forget_exponent_i + 1 - 12)) + b_f,i
        h' = c 2^k + ((table(v) (h - c 2^k)) >> 15)
        w  = ((sum_j 2 o_ij u_j) >> (e_u + gate_exponent_i + 1 - 12)) + b_g,i
        y  = ((h' >> k) table(w)) >> (value_exponent + 15 - e_y)

    with the mantissas m, n, o of W, F, V, the input's exponent e_u, the output's e_y and k =
    state_shift; c and h' >> k are messages of `value_exponent`. Shifts and the table as of
    `FixedGate`, silu as of `SiLU`; c 2^k is brought to the word of the state.

    Parameters
    ----------
    weights, forget, gate
        Mantissas in [-128, 127], (d_output, d_input).
    exponent, forget_exponent, gate_exponent
        Of these: one integer, or one an output channel.
    bias, forget_bias, gate_bias
        Mantissas of 24 bits, (d_output,): b with `value_exponent`, the others with 12 fraction
        bits; None: zero.
    value_exponent
        Of the candidate.
    state_shift
        Bits by which the state is finer, 0 to 16.
    output_exponent
        Of the outgoing messages.
    """

    weights: IntArray
    forget: IntArray
    gate: IntArray
    exponent: Exponent = 7
    forget_exponent: Exponent = 7
    gate_exponent: Exponent = 7
    bias: IntArray = None  # type: ignore[assignment]  # made zeros
    forget_bias: IntArray = None  # type: ignore[assignment]  # made zeros
    gate_bias: IntArray = None  # type: ignore[assignment]  # made zeros
    value_exponent: int = 0
    state_shift: int = 0
    output_exponent: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        self._put(exponents(), "value_exponent", "output_exponent")
        self._put(bits(0, MOST_SHIFT), "state_shift")

    @property
    def sum_exponents(self) -> tuple[int, int, int]:
        return self.value_exponent, SIGMOID_INPUT_EXPONENT, SIGMOID_INPUT_EXPONENT

    @property
    def _product_shift(self) -> int:
        return self.value_exponent + TABLE_EXPONENT - self.output_exponent

    def dequantize(self, input_exponent: int | None = None) -> MLGRU:
        return MLGRU(*self._values())
