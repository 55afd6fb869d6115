"""What counts as an integer, a real number and a yes or no."""

from enum import IntEnum
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from lava_ssm.numerics import Arithmetic, Format, flag, integer, real_number


class Member(IntEnum):
    TWO = 2


@pytest.mark.parametrize("given", [2, np.int8(2), np.uint64(2), Member.TWO])
def test_integers_of_any_kind_become_an_int(given: Any) -> None:
    value = integer(given, "n", 1)
    assert value == 2
    assert type(value) is int


@pytest.mark.parametrize(
    "given", [True, np.True_, 2.0, np.float64(2), "2", None, np.array([2]), np.timedelta64(2), 0]
)
def test_what_is_no_such_integer_is_refused(given: Any) -> None:
    with pytest.raises(ValueError, match="n must be an integer of at least 1, got "):
        integer(given, "n", 1)


def test_an_integer_beyond_64_bits_is_refused_however_long() -> None:
    with pytest.raises(ValueError, match=r"n must be an integer of at least 1 below 2\*\*63"):
        integer(10**30, "n", 1)
    with pytest.raises(ValueError, match=r"n must be an integer in \[0, 31\], got "):
        integer(10**5000, "n", 0, 31)


def test_what_is_no_real_number_is_refused() -> None:
    assert real_number(Fraction(1, 2), "rate", 0, 1) == real_number(np.float16(0.5), "rate") == 0.5
    for wrong in (True, "0.5", None, 1j, np.nan, np.inf, 10**400, np.array(0.5)):
        with pytest.raises(ValueError, match="rate must be a number of at least 0, got"):
            real_number(wrong, "rate", 0)
    with pytest.raises(ValueError, match=r"rate must lie in \[0, 1\], got 1.5"):
        real_number(1.5, "rate", 0, 1)


def test_only_true_and_false_are_flags() -> None:
    assert flag(np.True_, "relu") is True
    for wrong in (1, 0, "no", None):
        with pytest.raises(TypeError, match="relu must be True or False, got"):
            flag(wrong, "relu")


@pytest.mark.parametrize("given", [True, 10**30, 1.5])
def test_formats_and_rules_take_integers_alone(given: Any) -> None:
    with pytest.raises(ValueError, match="exponent must be an integer"):
        Format(8, given)
    with pytest.raises(ValueError, match="bits must be an integer"):
        Format(given, 0)
    with pytest.raises(ValueError, match="message_bits must be an integer"):
        Arithmetic(message_bits=given)


def test_the_extremes_of_a_format_never_leave_float64_with_an_error() -> None:
    assert Format(8, 2**63 - 1).max == 0.0
    with np.errstate(over="ignore"):
        assert Format(8, -(2**62)).max == np.inf
