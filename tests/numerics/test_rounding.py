"""Shifts and roundings against Python's own integers and fractions."""

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lava_ssm.numerics import Rounding, multiply_shift, round_real, shift

INT64 = st.integers(-(2**63), 2**63 - 1)
EXACT = {
    Rounding.TOWARD_ZERO: lambda q: int(q),
    Rounding.FLOOR: lambda q: q.numerator // q.denominator,
    Rounding.NEAREST: lambda q: round(q),  # Python rounds ties to even
}


@given(INT64, st.integers(0, 100), st.sampled_from(Rounding))
def test_right_shift_is_the_rounded_quotient(v: int, n: int, rounding: Rounding) -> None:
    assert int(shift(v, n, rounding)) == EXACT[rounding](Fraction(v, 2**n))


@given(st.lists(INT64, min_size=1, max_size=8), st.data(), st.sampled_from(Rounding))
def test_every_element_has_its_own_shift(vs: list[int], data: st.DataObject, r: Rounding) -> None:
    ns = data.draw(st.lists(st.integers(0, 70), min_size=len(vs), max_size=len(vs)))
    expected = [EXACT[r](Fraction(v, 2**n)) for v, n in zip(vs, ns, strict=True)]
    assert shift(np.array(vs), np.array(ns), r).tolist() == expected


@given(INT64, st.integers(1, 200), st.sampled_from(Rounding))
def test_left_shift_is_exact_or_an_error(v: int, n: int, rounding: Rounding) -> None:
    if -(2**63) <= v * 2**n < 2**63:
        assert int(shift(v, -n, rounding)) == v * 2**n
    else:
        with pytest.raises(OverflowError, match="leaves 64 bits"):
            shift(v, -n, rounding)


@given(INT64, INT64, st.integers(0, 70), st.sampled_from(Rounding))
def test_product_is_exact_before_its_shift(a: int, b: int, n: int, rounding: Rounding) -> None:
    if -(2**63) <= a * b < 2**63:
        assert int(multiply_shift(a, b, n, rounding)) == EXACT[rounding](Fraction(a * b, 2**n))
    else:
        with pytest.raises(OverflowError, match="product"):
            multiply_shift(a, b, n, rounding)


def test_large_operands_that_do_not_meet_are_allowed() -> None:
    product = multiply_shift([2**40, 1], [1, 2**40], 0, Rounding.FLOOR)
    assert product.tolist() == [2**40, 2**40]


@given(st.floats(-(2.0**62), 2.0**62), st.sampled_from(Rounding))
def test_reals_round_as_fractions_do(value: float, rounding: Rounding) -> None:
    assert int(round_real(value, rounding)) == EXACT[rounding](Fraction(value))


def test_nearest_takes_the_even_of_two_equally_near() -> None:
    assert shift([1, 3, -1, -3, 5], 1, Rounding.NEAREST).tolist() == [0, 2, 0, -2, 2]
    assert round_real([0.5, 1.5, -0.5, -1.5]).tolist() == [0, 2, 0, -2]


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_a_value_that_is_not_finite_has_no_integer(bad: float) -> None:
    with pytest.raises(ValueError, match="finite"):
        round_real([0.0, bad])


def test_real_numbers_cannot_be_shifted() -> None:
    with pytest.raises(TypeError, match="must be integers"):
        shift([1.5], 1, Rounding.FLOOR)
