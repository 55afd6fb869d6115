"""Functions by table, as a neuron on a chip has them."""

from collections.abc import Callable
from dataclasses import dataclass, field
from math import erf, exp, expm1, log1p, sqrt, tanh

import numpy as np

from lava_ssm.numerics.arrays import IntArray, entries
from lava_ssm.numerics.products import multiply_shift
from lava_ssm.numerics.rounding import Rounding, round_real, shift

TABLE_EXPONENT = 15
"""Fraction bits of an entry."""
RECTIFIED_EXPONENT = 16
"""Fraction bits of an entry that is added to max(y, 0)."""
TABLE_STEPS = 2048
"""Steps of a table on either side of zero."""


@dataclass(frozen=True, eq=False)
class Table:
    """A function f of a real number, by 4096 entries around zero: 2**15 f in the middle of a step.

    Beyond its ends the last entries stand.

    Parameters
    ----------
    function
        f.
    step_exponent
        A step is 2**-step_exponent wide.
    multiplies
        Whether `activate` multiplies the entry with the number itself.
    error
        Nothing that `activate` gives is further from f(y), or y f(y), whatever y is, but for the
        last shift of the mantissa.
    least
        No f(y), or y f(y), is below this.
    rectifies
        Whether `activate` adds the entry to max(y, 0).

    Attributes
    ----------
    entries
        Integers of at most 17 bits, (4096,).
    """

    function: Callable[[float], float]
    step_exponent: int
    multiplies: bool
    error: float
    least: float
    rectifies: bool = False
    entries: IntArray = field(init=False)

    def __post_init__(self) -> None:
        middles = (np.arange(-TABLE_STEPS, TABLE_STEPS) + 0.5) / 2.0**self.step_exponent
        entries = round_real(
            [2.0**self.entry_exponent * self.function(v) for v in middles.tolist()],
            Rounding.NEAREST,
        )
        entries.flags.writeable = False
        object.__setattr__(self, "entries", entries)

    @property
    def entry_exponent(self) -> int:
        """Fraction bits of an entry."""
        return RECTIFIED_EXPONENT if self.rectifies else TABLE_EXPONENT

    def look_up(self, y: IntArray, exponent: int) -> IntArray:
        """Give the entries of mantissas, same shape.

            entries[min(max(floor(y 2**(step_exponent - exponent)), -2048), 2047)]

        Here -2048 is the first entry.
        """
        ends = np.clip(y, -2 * TABLE_STEPS, 2 * TABLE_STEPS)  # what is shifted to the left
        amount = exponent - self.step_exponent
        step = shift(y, amount, Rounding.FLOOR) if amount >= 0 else ends << min(-amount, 12)
        return entries(self.entries, np.clip(step, -TABLE_STEPS, TABLE_STEPS - 1) + TABLE_STEPS)

    def activate(self, y: IntArray, exponent: int, rounding: Rounding) -> IntArray:
        """Mantissas of the activation of y, of the same exponent.

        (y entry) >> 15,     or without `multiplies`     entry >> (15 - exponent)

        and, of one that `rectifies`, max(y, 0) more, with `entry_exponent` in the place of 15.
        """
        entry = self.look_up(y, exponent)
        if self.multiplies:
            return multiply_shift(y, entry, TABLE_EXPONENT, rounding)
        shifted = shift(entry, self.entry_exponent - exponent, rounding)
        return np.maximum(y, 0) + shifted if self.rectifies else shifted


def _sigmoid(v: float) -> float:
    return 1 / (1 + exp(-v))


def _normal(v: float) -> float:
    """Distribution function of the standard normal distribution."""
    return 0.5 * (1 + erf(v / sqrt(2)))


def _beyond_rectified(v: float) -> float:
    """Softplus(v) - max(v, 0)."""
    return log1p(exp(-abs(v)))


def _below_half(v: float) -> float:
    """What is added to max(v, 0): sigmoid(v) below zero, 1/2 from there on."""
    return _sigmoid(min(v, 0.0))


def _decayed(v: float) -> float:
    """(1 - exp(-v)) / v of |v|."""
    return -expm1(-abs(v)) / abs(v)


SIGMOID = Table(_sigmoid, 8, multiplies=False, error=5.04e-4, least=0)
"""From -8 to 8. Half a step where the slope is largest, 1/4, and half a unit of the entry."""
TANH = Table(tanh, 9, multiplies=False, error=9.92e-4, least=-1)
"""From -4 to 4: half a step where the slope is largest, 1."""
SILU = Table(_sigmoid, 7, multiplies=True, error=9.1e-4, least=-0.2785)
"""y sigmoid(y): y times a table of the sigmoid from -16 to 16, whose ends are 0 and 1."""
GELU = Table(_normal, 8, multiplies=True, error=4.94e-4, least=-0.17)
"""y Phi(y): y times a table of the normal distribution from -8 to 8, with the same ends."""

SOFTPLUS = Table(
    _beyond_rectified,
    7,
    multiplies=False,
    error=1.97e-3,
    least=0,
    rectifies=True,
)
"""log(1 + exp(y)) = max(y, 0) + log(1 + exp(-|y|)), the latter by a table from -16 to 16: half a
step where the slope is largest, 1/2, and half a unit. Of y < 0 within 0.4 % and half a unit."""
POSITIVE = Table(
    _below_half,
    8,
    multiplies=False,
    error=5.0e-4,
    least=0,
    rectifies=True,
)
"""y + 1/2 from zero on, sigmoid(y) below: max(y, 0) and a table from -8 on, exact from zero on.
Half a step where the slope is largest, 1/4, and half a unit."""
DECAY = Table(_decayed, 8, multiplies=True, error=7.1e-4, least=0)
"""1 - exp(-w), 0 <= w < 8: w times a table of (1 - exp(-w)) / w, so that slow decays are as precise
as fast ones."""

SIGMOID_INPUT_EXPONENT = 12
"""Fraction bits of what enters the sigmoid of a gate."""
DECAY_INPUT_EXPONENT = 20
"""Fraction bits of what an exponential is taken of."""
DECAY_EXPONENT = 23
"""Fraction bits of the exponential."""


def sigmoid(v: IntArray) -> IntArray:
    """Look the sigmoid of a gate up: mantissas of 12 fraction bits to mantissas of 15."""
    return SIGMOID.look_up(v, SIGMOID_INPUT_EXPONENT)


def decay(w: IntArray, rounding: Rounding) -> IntArray:
    """exp(-w) of mantissas of 20 fraction bits, limited to [0, 8): mantissas of 23 bits, below 1.

    min(2**23 - ((w T[w]) >> 12), 2**23 - 1),    T: `DECAY`
    """
    within = np.clip(w, 0, (8 << DECAY_INPUT_EXPONENT) - 1)
    entry = DECAY.look_up(within, DECAY_INPUT_EXPONENT)
    amount = DECAY_INPUT_EXPONENT + TABLE_EXPONENT - DECAY_EXPONENT
    one = 1 << DECAY_EXPONENT
    return np.minimum(one - multiply_shift(within, entry, amount, rounding), one - 1)
