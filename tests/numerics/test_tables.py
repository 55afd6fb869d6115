"""Functions by table, over all numbers that can enter."""

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, ndtr

from lava_ssm.numerics import GELU, SIGMOID, SILU, TANH, Rounding, Table
from lava_ssm.numerics import sigmoid as of_a_gate


@pytest.mark.parametrize(
    ("table", "function"),
    [
        (SIGMOID, expit),
        (TANH, np.tanh),
        (SILU, lambda y: y * expit(y)),
        (GELU, lambda y: y * ndtr(y)),
    ],
    ids=["sigmoid", "tanh", "silu", "gelu"],
)
def test_no_activation_is_further_from_its_function_than_is_stated(
    table: Table, function: Callable[[np.ndarray], np.ndarray]
) -> None:
    """All of 14 fraction bits from -64 to 64, far beyond the ends, and the largest words."""
    y = np.arange(-(64 << 14), 64 << 14)
    y = np.concatenate([y, [-(1 << 31), (1 << 31) - 1]])
    wanted = function(y / 2**14)
    found = table.activate(y, 14, Rounding.NEAREST) / 2**14
    assert np.abs(found - wanted).max() <= table.error + 0.5 / 2**14
    exact = table.look_up(y, 14) / 2**15 * (y / 2**14 if table.multiplies else 1)
    assert table.least <= wanted.min() <= table.least + 1e-4
    assert 0.9 * table.error < np.abs(exact - wanted).max() <= table.error


@given(y=st.integers(-(2**62), 2**62), exponent=st.integers(-1000, 1000))
def test_a_table_is_looked_up_at_any_exponent(y: int, exponent: int) -> None:
    step = math.floor(Fraction(y) * Fraction(2) ** (SILU.step_exponent - exponent))
    wanted = SILU.entries[max(-2048, min(2047, step)) + 2048]
    assert SILU.look_up(np.array([y]), exponent).tolist() == [wanted]


def test_the_gate_has_twelve_fraction_bits() -> None:
    """v >> 4, as the rules of the arithmetic have it."""
    v = np.arange(-40_000, 40_000)
    steps = np.clip(v >> 4, -2048, 2047)
    wanted = np.rint(2**15 / (1 + np.exp(-(steps + 0.5) / 256)))
    np.testing.assert_array_equal(of_a_gate(v), wanted)


def test_entries_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        GELU.entries[0] = 1
