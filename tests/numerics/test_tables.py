"""Functions by table, over all numbers that can enter."""

import math
from collections.abc import Callable
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.special import expit, ndtr

from lava_ssm.numerics import (
    DECAY,
    GELU,
    POSITIVE,
    SIGMOID,
    SILU,
    SOFTPLUS,
    TANH,
    Rounding,
    Table,
    decay,
)
from lava_ssm.numerics import sigmoid as of_a_gate


@pytest.mark.parametrize(
    ("table", "function"),
    [
        (SIGMOID, expit),
        (TANH, np.tanh),
        (SILU, lambda y: y * expit(y)),
        (GELU, lambda y: y * ndtr(y)),
        (SOFTPLUS, lambda y: np.logaddexp(0, y)),
        (POSITIVE, lambda y: np.where(y >= 0, y + 0.5, expit(y))),
    ],
    ids=["sigmoid", "tanh", "silu", "gelu", "softplus", "positive"],
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
    exact = table.look_up(y, 14) / 2**table.entry_exponent * (y / 2**14 if table.multiplies else 1)
    exact = exact + np.maximum(y, 0) / 2**14 if table.rectifies else exact
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


@pytest.mark.parametrize("rounding", Rounding)
def test_an_exponential_is_near_and_a_slow_one_is_so_relatively(rounding: Rounding) -> None:
    w = np.concatenate([np.arange(0, 8 << 20, 37), np.arange(4096)])
    lost = 1 - decay(w, rounding) / 2**23
    exact = -np.expm1(-w / 2**20)
    assert np.abs(lost - exact).max() <= DECAY.error + 2.0**-23
    assert (np.abs(lost - exact) <= 1.2e-3 * exact + 1.01 * 2.0**-23).all()
    assert 0 < lost.min() <= lost.max() < 1


def test_an_exponential_ends_where_its_table_does() -> None:
    ends = decay(np.array([-(2**40), -1, 0, (8 << 20) - 1, 8 << 20, 2**40]), Rounding.FLOOR)
    assert ends[:3].tolist() == [2**23 - 1] * 3
    assert ends[3:].tolist() == [ends[3]] * 3
    assert abs(ends[3] / 2**23 - math.exp(-8)) < DECAY.error
    assert decay(np.arange(1, 2049) * 4096 - 1, Rounding.NEAREST).min() >= 0  # ends of steps
