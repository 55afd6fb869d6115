import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lava_ssm.numerics import FixedPointOverflow, Overflow, overflowing, to_bits

INT64 = st.integers(-(2**63), 2**63 - 1)
BITS = st.integers(1, 64)


@given(INT64, BITS)
def test_wrap_is_the_remainder_modulo_the_word(v: int, bits: int) -> None:
    wrapped = int(to_bits(v, bits, Overflow.WRAP))
    assert (wrapped - v) % 2**bits == 0
    assert -(2 ** (bits - 1)) <= wrapped < 2 ** (bits - 1)


@given(INT64, BITS)
def test_saturate_is_the_nearest_value_that_fits(v: int, bits: int) -> None:
    low, high = -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    assert int(to_bits(v, bits, Overflow.SATURATE)) == max(low, min(high, v))


@given(st.lists(INT64, min_size=1), BITS, st.sampled_from(Overflow))
def test_what_fits_is_left_alone_and_what_does_not_is_found(
    vs: list[int], bits: int, overflow: Overflow
) -> None:
    outside = [not -(2 ** (bits - 1)) <= v < 2 ** (bits - 1) for v in vs]
    assert overflowing(vs, bits).tolist() == outside
    if overflow is Overflow.RAISE and any(outside):
        with pytest.raises(FixedPointOverflow, match=f"{sum(outside)} of {len(vs)}"):
            to_bits(vs, bits, overflow)
    else:
        kept = to_bits(vs, bits, overflow)
        assert [int(k) for k, o in zip(kept, outside, strict=True) if not o] == [
            v for v, o in zip(vs, outside, strict=True) if not o
        ]


def test_the_error_says_what_overflowed_by_how_much() -> None:
    with pytest.raises(FixedPointOverflow, match=r"state: 1 of 2 .*\[-128, 127\].*-200"):
        to_bits([5, -200], 8, Overflow.RAISE, name="state")


@pytest.mark.parametrize("bits", [0, 65, 2.0])
def test_a_word_has_1_to_64_bits(bits: int) -> None:
    with pytest.raises(ValueError, match=r"\[1, 64\]"):
        to_bits(np.array([1]), bits, Overflow.WRAP)
