"""The state neurons of one S4D layer, prepared for many steps: the reference, restated in doubles.

A double holds every integer below 2**53, so products of mantissas and states are exact in it, and
rounding after a shift is one instruction: trunc, floor or rint of a product whose factor was
multiplied by a power of two beforehand. Tested against the reference on random layers, all rules.
"""

from typing import TypeAlias

import numpy as np

from lava_ssm.engine.overflows import Tally
from lava_ssm.engine.reference import fixed
from lava_ssm.network import FixedS4D
from lava_ssm.numerics import Arithmetic, IntArray, RealArray, Rounding, word_range

_ROUND: dict[Rounding, np.ufunc] = {
    Rounding.TOWARD_ZERO: np.trunc,
    Rounding.FLOOR: np.floor,
    Rounding.NEAREST: np.rint,  # ties to even
}
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
        self._a_re, self._a_im = a
        self._up, self._down = np.exp2(s), np.exp2(1 - s)
        self._round = _ROUND[rules.rounding]
        self._rules = rules
        self._low, self._high = word_range(rules.state_bits)
        self._products = np.empty((2, size))
        self._crossed = np.empty((2, size))

    @staticmethod
    def fits(layer: FixedS4D, rules: Arithmetic) -> bool:
        """Whether doubles hold every integer that can arise."""
        return layer.param_bits + rules.state_bits <= _EXACT_BITS

    def step(self, state: IntArray, u: IntArray, tally: Tally) -> tuple[RealArray, RealArray]:
        """One time step, as of `reference.fixed.s4d_neurons` with flat arrays.

        Parameters
        ----------
        state
            (2, d_model * d_state): the real parts, then the imaginary ones.
        u
            Input mantissas, (d_model * d_state,).

        Returns
        -------
        tuple
            The new state and each neuron's output: integers, in doubles.
        """
        v = self._word(u * self._up, "input", tally)
        straight, crossed, rounded = self._products, self._crossed, self._round
        rounded(np.multiply(state, self._a_re, out=straight), out=straight)  # a_re x_re, a_re x_im
        rounded(np.multiply(state, self._a_im, out=crossed), out=crossed)  # a_im x_re, a_im x_im
        new = self._b * v
        rounded(new, out=new)
        new += straight
        new[0] -= crossed[1]
        new[1] += crossed[0]
        new = self._word(new, "state", tally)
        rounded(np.multiply(new, self._c, out=straight), out=straight)
        out = straight[0] - straight[1]
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

    def step(self, state: IntArray, u: IntArray, tally: Tally) -> tuple[IntArray, IntArray]:
        """See `DoubleNeurons.step`."""
        shape = (self._layer.d_model, self._layer.d_state)
        x = np.moveaxis(state.astype(np.int64).reshape(2, *shape), 0, -1)
        x, out = fixed.s4d_neurons(
            self._layer, self._rules, x, u.astype(np.int64).reshape(shape), tally
        )
        return np.moveaxis(x, -1, 0).reshape(2, -1), out.ravel()


Neurons: TypeAlias = DoubleNeurons | ReferenceNeurons


def neurons(layer: FixedS4D, rules: Arithmetic) -> Neurons:
    """Prepare a layer's state neurons for many steps."""
    kind = DoubleNeurons if DoubleNeurons.fits(layer, rules) else ReferenceNeurons
    return kind(layer, rules)
