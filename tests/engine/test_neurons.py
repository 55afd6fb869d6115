"""Prepared neurons equal the reference, in doubles and where doubles do not suffice."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_ssm.engine.neurons import DoubleNeurons, ReferenceNeurons, Relays, neurons
from lava_ssm.engine.overflows import Tally
from lava_ssm.engine.reference import fixed
from lava_ssm.network import FixedS4D
from lava_ssm.numerics import Arithmetic, FixedPointOverflow, Overflow, Rounding, shift


def random_layer(rng: np.random.Generator, param_bits: int, per_channel: bool) -> FixedS4D:
    high = 2 ** (param_bits - 1) - 1
    p = rng.integers(param_bits - 1, 32, 3) if per_channel else min(31, param_bits - 1)
    a = rng.integers(-0.7 * high, 0.7 * high, (3, 4, 2), endpoint=True)
    # often the ends of the range
    b, c = (rng.choice([-high - 1, high, *rng.integers(-high, high, 6)], (3, 4, 2)) for _ in "bc")
    return FixedS4D(a, b, c, p, rng.integers(0, 7, 3), param_bits)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    param_bits=st.integers(2, 24),
    state_bits=st.integers(2, 32),
    rounding=st.sampled_from(Rounding),
    overflow=st.sampled_from([Overflow.WRAP, Overflow.SATURATE]),
    per_channel=st.booleans(),
    size=st.integers(0, 31),
)
def test_prepared_neurons_equal_the_reference(
    seed: int,
    param_bits: int,
    state_bits: int,
    rounding: Rounding,
    overflow: Overflow,
    per_channel: bool,
    size: int,
) -> None:
    rng = np.random.default_rng(seed)
    layer = random_layer(rng, param_bits, per_channel)
    rules = Arithmetic(rounding, overflow, state_bits)
    prepared = neurons(layer, rules)
    assert isinstance(prepared, DoubleNeurons) is (param_bits + state_bits <= 50)
    low, high = -(2 ** (state_bits - 1)), 2 ** (state_bits - 1) - 1
    x = rng.choice([low, high, 0, -1, *rng.integers(low, high, 6)], (3, 4, 2))
    flat = np.moveaxis(x, -1, 0).reshape(2, -1)
    counted, expected = Tally(), Tally()
    for _ in range(4):
        u = rng.integers(-(2**size), 2**size, (3, 4))
        x, wanted = fixed.s4d_neurons(layer, rules, x, u, expected)
        flat, out = prepared.step(flat, u.ravel(), counted)
        np.testing.assert_array_equal(flat, np.moveaxis(x, -1, 0).reshape(2, -1))
        np.testing.assert_array_equal(out, wanted.ravel())
    assert counted == expected


@pytest.mark.parametrize("kind", [DoubleNeurons, ReferenceNeurons])
def test_prepared_neurons_raise_as_the_reference_does(kind: type) -> None:
    layer = FixedS4D([[[4000, 0]]], [[[4096, 0]]], [[[1, 0]]])
    prepared = kind(layer, Arithmetic(overflow=Overflow.RAISE))
    state = np.array([[8_000_000], [0]])
    with pytest.raises(FixedPointOverflow, match="state"):
        prepared.step(state, np.array([100_000]), Tally())


@settings(max_examples=100, deadline=None)
@given(
    u=st.lists(st.integers(-(2**31), 2**31 - 1), min_size=1, max_size=5),
    amount=st.integers(0, 40),
    spread=st.integers(0, 5),
    relu=st.booleans(),
    message_bits=st.integers(2, 32),
    overflow=st.sampled_from([Overflow.WRAP, Overflow.SATURATE]),
)
def test_relays_equal_a_shift_and_a_message(
    u: list[int], amount: int, spread: int, relu: bool, message_bits: int, overflow: Overflow
) -> None:
    rules = Arithmetic(overflow=overflow, message_bits=message_bits)
    amounts = amount + spread * np.arange(len(u))
    counted, expected = Tally(), Tally()
    sent = Relays(relu, amounts, rules).step(np.array(u, np.int32), counted)
    shifted = shift(u, amounts, Rounding.FLOOR)
    assert sent.tolist() == fixed.message(shifted, relu, rules, expected).tolist()
    assert counted == expected
