from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lava_ssm.numerics import (
    Arithmetic,
    FixedPointOverflow,
    Format,
    Overflow,
    Rounding,
    dequantize,
    fitting_exponent,
    quantize,
    shift,
    to_bits,
)

REAL = st.floats(-1e6, 1e6)


@given(REAL, st.integers(-60, 60))
def test_quantised_value_is_the_nearest_multiple_of_the_resolution(x: float, e: int) -> None:
    scaled = Fraction(x) * Fraction(2) ** e
    if abs(scaled) < 2**62:
        assert int(quantize(x, 64, e)) == round(scaled)


@given(st.integers(-(2**52), 2**52), st.integers(-200, 200))
def test_dequantised_value_is_exact(mantissa: int, e: int) -> None:
    assert Fraction(float(dequantize(mantissa, e))) == Fraction(mantissa) / Fraction(2) ** e


@given(st.integers(-(2**31), 2**31), st.integers(-80, 80))
def test_a_mantissa_survives_the_way_to_its_value_and_back(mantissa: int, e: int) -> None:
    assert int(quantize(dequantize(mantissa, e), 34, e)) == mantissa


@given(st.floats(1e-30, 1e30), st.integers(2, 32))
def test_fitting_exponent_is_the_largest_that_fits(magnitude: float, bits: int) -> None:
    e = int(fitting_exponent(magnitude, bits))
    quantize([magnitude, -magnitude], bits, e)
    with pytest.raises(FixedPointOverflow):
        quantize(magnitude, bits, e + 1)


def test_exponents_may_differ_along_an_axis() -> None:
    mantissas = quantize([[1.0, 1.0], [1.0, 1.0]], 24, [[3], [-1]])
    assert mantissas.tolist() == [[8, 8], [0, 0]]  # a half rounds to the even zero
    assert dequantize(mantissas, [[3], [-1]]).tolist() == [[1, 1], [0, 0]]


def test_saturation_takes_the_end_of_the_range_even_beyond_int64() -> None:
    assert quantize([1e30, -1e30], 8, 4, overflow=Overflow.SATURATE).tolist() == [127, -128]


def test_range_of_a_format() -> None:
    byte = Format(bits=8, exponent=-2)
    assert (byte.min, byte.max) == (-512.0, 508.0)


def test_an_arithmetic_checks_its_rules() -> None:
    with pytest.raises(TypeError, match="rounding"):
        Arithmetic(rounding="floor")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="state_bits"):
        Arithmetic(state_bits=40)


def test_the_default_arithmetic_is_the_chips() -> None:
    chip = Arithmetic()
    assert chip == Arithmetic(Rounding.TOWARD_ZERO, Overflow.WRAP, state_bits=24, message_bits=24)


def test_exponents_beyond_any_float_underflow_or_are_refused() -> None:
    assert dequantize(5, 2**40) == 0
    with pytest.raises(OverflowError, match="beyond any mantissa"):
        quantize(1.0, 8, 2**32)
    assert quantize(1.0, 8, -(2**32)) == 0


def test_small_integer_types_are_as_good_as_any() -> None:
    assert Format(8, np.uint8(5)).max == 127 / 32
    assert Format(np.int8(8), np.int8(-3)).max == 127 * 8


@pytest.mark.parametrize("wrong", ["floor", None, 1])
def test_rules_are_members_of_their_enumeration(wrong: object) -> None:
    with pytest.raises(TypeError, match="rounding must be a Rounding"):
        quantize(1.5, 8, 0, rounding=wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="rounding must be a Rounding"):
        shift(1, 1, wrong)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="overflow must be an Overflow"):
        to_bits(300, 8, wrong)  # type: ignore[arg-type]


def test_durations_are_no_integers() -> None:
    with pytest.raises(TypeError, match="must be integers"):
        dequantize(np.array([1], "timedelta64[s]"), 0)


def test_complex_numbers_have_no_mantissa() -> None:
    with pytest.raises(TypeError, match="real numbers"):
        quantize(np.array([1j]), 8, 0)
