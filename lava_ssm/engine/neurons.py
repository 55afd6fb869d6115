"""Neurons prepared for many steps: the reference, restated for speed.

A double holds every integer below 2**53, so products of mantissas and states are exact in it, and
rounding after a shift is one instruction: trunc, floor or rint of a product whose factor was
multiplied by a power of two beforehand. Tested against the reference on random layers, all rules.
"""

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np

from lava_ssm.engine.overflows import Tally
from lava_ssm.engine.reference import fixed
from lava_ssm.network import FixedS4D
from lava_ssm.numerics import SYNAPSE_BITS, Arithmetic, IntArray, RealArray, Rounding, word_range

_ROUND: dict[Rounding, np.ufunc] = {
    Rounding.TOWARD_ZERO: np.trunc,
    Rounding.FLOOR: np.floor,
    Rounding.NEAREST: np.rint,  # ties to even
}
StateParts: TypeAlias = Sequence[IntArray] | IntArray
_EXACT_BITS = 50
"""Three products, added and doubled, stay below 2**53."""


class DoubleNeurons:
    """Steps the state neurons of a layer, whose parameters and states are exact in doubles.

    Parameters
    ----------
    layer, rules
        As of `reference.fixed.s4d_neurons`, with `fits(layer, rules)`.
    """

    def __init__(self, layer: FixedS4D, rules: Arithmetic) -> None:
        size = layer.d_model * layer.d_state
        p = np.repeat(np.broadcast_to(layer.param_exponent, layer.d_model), layer.d_state)
        s = np.repeat(np.broadcast_to(layer.state_exponent, layer.d_model), layer.d_state)

        def scaled(values: IntArray) -> RealArray:  # (2, d_model * d_state): real, imaginary
            flat: RealArray = np.moveaxis(values, -1, 0).reshape(2, size) * np.exp2(-p)
            return flat

        a, self._b, self._c = scaled(layer.a), scaled(layer.b), scaled(layer.c)
        self._a = a[:, np.newaxis]  # (2, 1, size): times x gives all four products
        self._up, self._down = np.exp2(s), np.exp2(1 - s)
        self._round = _ROUND[rules.rounding]
        self._rules = rules
        self._low, self._high = word_range(rules.state_bits)
        # no input within these leaves the word of a state
        self._most = self._high >> int(s.max())
        self._least = -(-self._low >> int(s.max()))
        # made once: a step of a large layer would spend a third of its time on fresh memory
        self._v, self._out = np.empty((2, size))
        self._x, self._c_x = np.empty((2, 2, size))
        self._a_x = np.empty((2, 2, size))

    @staticmethod
    def fits(layer: FixedS4D, rules: Arithmetic) -> bool:
        """Whether doubles hold every integer that can arise."""
        return layer.param_bits + rules.state_bits <= _EXACT_BITS

    def step(self, state: StateParts, u: IntArray, tally: Tally) -> tuple[RealArray, RealArray]:
        """One time step, as of `reference.fixed.s4d_neurons` with flat arrays.

        Parameters
        ----------
        state
            The real parts and the imaginary ones, each (d_model * d_state,).
        u
            Input mantissas, (d_model * d_state,).

        Returns
        -------
        tuple
            The new state and each neuron's output: integers, in doubles, to be read before the
            next step.
        """
        rounded, x, a_x, c_x, out = self._round, self._x, self._a_x, self._c_x, self._out
        x[0], x[1] = state
        v = np.multiply(u, self._up, out=self._v)
        if u.min() < self._least or u.max() > self._most:
            v = self._word(v, "input", tally)
        rounded(np.multiply(self._a, x, out=a_x), out=a_x)  # a_re x_re, a_re x_im; a_im x_re, ...
        rounded(np.multiply(self._b, v, out=x), out=x)
        x += a_x[0]
        x[0] -= a_x[1, 1]
        x[1] += a_x[1, 0]
        new = self._word(x, "state", tally)
        rounded(np.multiply(self._c, new, out=c_x), out=c_x)
        np.subtract(c_x[0], c_x[1], out=out)
        out *= self._down
        return new, rounded(out, out=out)

    def _word(self, x: RealArray, what: str, tally: Tally) -> RealArray:
        if x.min() >= self._low and x.max() <= self._high:
            return x
        bits, overflow = self._rules.state_bits, self._rules.overflow
        return fixed.word(x.astype(np.int64), bits, overflow, what, tally).astype(float)


class ReferenceNeurons:
    """The same for layers whose products a double cannot hold: the reference itself."""

    def __init__(self, layer: FixedS4D, rules: Arithmetic) -> None:
        self._layer, self._rules = layer, rules

    def step(self, state: StateParts, u: IntArray, tally: Tally) -> tuple[IntArray, IntArray]:
        """See `DoubleNeurons.step`."""
        shape = (self._layer.d_model, self._layer.d_state)
        x = np.stack([*state], axis=-1).astype(np.int64).reshape(*shape, 2)
        x, out = fixed.s4d_neurons(
            self._layer, self._rules, x, u.astype(np.int64).reshape(shape), tally
        )
        return np.moveaxis(x, -1, 0).reshape(2, -1), out.ravel()


Neurons: TypeAlias = DoubleNeurons | ReferenceNeurons


def neurons(layer: FixedS4D, rules: Arithmetic) -> Neurons:
    """Prepare a layer's state neurons for many steps."""
    kind = DoubleNeurons if DoubleNeurons.fits(layer, rules) else ReferenceNeurons
    return kind(layer, rules)


class Relays:
    """Neurons between synapses, prepared for many steps: `reference.fixed.message` after a shift.

    Parameters
    ----------
    relu
        Whether to rectify.
    amount
        Bits to shift to the right, rounding down, one or one a neuron.
    rules
        Width and rule of overflow of messages.
    """

    def __init__(self, relu: bool, amount: IntArray, rules: Arithmetic) -> None:
        self._relu, self._rules = relu, rules
        self._amount = np.minimum(amount, SYNAPSE_BITS - 1).astype(np.int32)  # floor: no more left
        self._shifts = bool(amount.any())
        self._low, self._high = word_range(rules.message_bits)
        # enough is shifted out of 32 bits for any sum to fit a message
        self._fits = int(amount.min()) >= SYNAPSE_BITS - rules.message_bits

    def step(self, u: IntArray, tally: Tally) -> IntArray:
        """Give the messages of 32-bit sums `u` (int32)."""
        y = u >> self._amount if self._shifts else u
        if self._relu:
            y = np.maximum(y, 0)
        if self._fits or (y.max() <= self._high and (self._relu or y.min() >= self._low)):
            return y
        # rectified already, if it is to be
        return fixed.message(y.astype(np.int64), False, self._rules, tally)
