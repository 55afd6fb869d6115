"""Fixed-point formats, and the way between reals and mantissas."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm.numerics.arrays import IntArray, RealArray, integers, reals
from lava_ssm.numerics.overflow import Overflow, to_bits, word_range
from lava_ssm.numerics.rounding import ROUNDED, Rounding, round_real
from lava_ssm.numerics.scalars import integer


@dataclass(frozen=True)
class Format:
    """A signed fixed-point format: value = mantissa * 2**-exponent.

    Parameters
    ----------
    bits
        Width of the mantissa, the sign included, 1 to 64.
    exponent
        Number of fraction bits: any integer, also negative or beyond `bits`.
    """

    bits: int
    exponent: int

    def __post_init__(self) -> None:
        object.__setattr__(self, "bits", integer(self.bits, "bits", 1, 64))
        object.__setattr__(self, "exponent", integer(self.exponent, "exponent"))

    @property
    def min_mantissa(self) -> int:
        """Smallest mantissa."""
        return word_range(self.bits)[0]

    @property
    def max_mantissa(self) -> int:
        """Largest mantissa."""
        return word_range(self.bits)[1]

    @property
    def min(self) -> float:
        """Smallest value."""
        return float(np.ldexp(float(self.min_mantissa), -self.exponent))

    @property
    def max(self) -> float:
        """Largest value."""
        return float(np.ldexp(float(self.max_mantissa), -self.exponent))

    def __str__(self) -> str:
        return f"{self.bits} bits, exponent {self.exponent}: [{self.min:g}, {self.max:g}]"


def quantize(
    values: ArrayLike,
    bits: int,
    exponent: ArrayLike,
    rounding: Rounding = Rounding.NEAREST,
    overflow: Overflow = Overflow.RAISE,
    name: str = "value",
) -> IntArray:
    """Mantissas of real values: `values * 2**exponent`, rounded, brought to `bits`.

    Parameters
    ----------
    values
        Real numbers, any shape.
    bits
        Width of a mantissa, the sign included.
    exponent
        Integers, broadcast against `values`.
    rounding, overflow
        The rules; by default the nearest mantissa, and an error for a value out of range.
    name
        What the values are, for the text of an error.

    Raises
    ------
    ValueError
        A value is not finite.
    OverflowError
        A value does not fit 64 bits, or (`FixedPointOverflow`) not `bits` and overflow is RAISE.
    """
    with np.errstate(over="ignore"):  # refused below, or saturated
        scaled = np.ldexp(reals(values, name), _power(integers(exponent, "exponent")))
    low, high = word_range(bits)
    # mostly all fit, as two passes over the numbers tell; of many, each pass and array takes time
    if rounding in ROUNDED and scaled.size:
        whole = ROUNDED[rounding](scaled, out=scaled if scaled.ndim else None)
        if low <= whole.min() and whole.max() <= high:
            return np.asarray(whole).astype(np.int64)
    if overflow is Overflow.SATURATE:  # also what lies beyond int64
        scaled = np.clip(scaled, float(low), float(high))
    elif not np.isfinite(scaled).all():
        raise OverflowError(f"{name}: a value times 2**exponent is beyond any mantissa")
    return to_bits(round_real(scaled, rounding), bits, overflow, name)


def dequantize(mantissas: ArrayLike, exponent: ArrayLike) -> RealArray:
    """Real values of mantissas: `mantissas * 2**-exponent` in float64 (exact below 2**53)."""
    power = _power(-integers(exponent, "exponent"))
    return np.ldexp(integers(mantissas).astype(np.float64), power)


def _power(exponent: IntArray) -> np.ndarray:
    """Exponents as `ldexp` takes them; 10,000 is beyond any float64 already."""
    return np.clip(exponent, -10_000, 10_000).astype(np.int32)


def fitting_exponent(magnitude: ArrayLike, bits: int) -> IntArray:
    """Largest exponent at which reals up to `magnitude` round to mantissas of `bits` bits.

    The exponent of magnitude 0 is 0. Same shape as `magnitude`.
    """
    size = np.abs(reals(magnitude, "magnitude"))
    fraction, power = np.frexp(size)  # size = fraction * 2**power, 1/2 <= fraction < 1
    rounds_up = np.rint(np.ldexp(fraction, bits - 1)) > word_range(bits)[1]
    return np.where(size == 0, 0, bits - 1 - power.astype(np.int64) - rounds_up)
