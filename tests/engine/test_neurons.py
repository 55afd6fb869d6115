"""Populations of neurons, as Lava's models step them, equal the reference."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_ssm.engine.compiled import OutputNeurons, Relays, RunningSum, StateNeurons
from lava_ssm.engine.overflows import Tally
from lava_ssm.engine.reference import fixed
from lava_ssm.network import (
    Activation,
    Affine,
    Bilinear,
    FixedS4D,
    InverseSqrt,
    Product,
    Recurrence,
)
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
    rules = Arithmetic(rounding, overflow, state_bits)
    neurons = random_layer(rng, param_bits, per_channel).lowered()[0].neurons
    prepared = StateNeurons(neurons, rules)
    low, high = -(2 ** (state_bits - 1)), 2 ** (state_bits - 1) - 1
    x = rng.choice([low, high, 0, -1, *rng.integers(low, high, 6)], (3, 4, 2))
    re, im = (x[..., i].astype(np.int32).ravel() for i in (0, 1))
    counted, expected = Tally(), Tally()
    for _ in range(4):
        u = rng.integers(-(2**size), 2**size, (3, 4))
        x, wanted = fixed.step(neurons, rules, x, u.reshape(-1), expected)
        out = prepared.step(re, im, u.astype(np.int32).ravel(), counted)
        np.testing.assert_array_equal(np.stack([re, im], -1).reshape(3, 4, 2), x)
        np.testing.assert_array_equal(out, wanted.astype(np.int32).ravel())
    assert counted == expected


def test_state_neurons_raise_as_the_reference_does_and_keep_their_state() -> None:
    layer = FixedS4D([[[4000, 0]]], [[[4096, 0]]], [[[1, 0]]])
    prepared = StateNeurons(layer.lowered()[0].neurons, Arithmetic(overflow=Overflow.RAISE))
    re, im = np.array([8_000_000], np.int32), np.zeros(1, np.int32)
    with pytest.raises(FixedPointOverflow, match="state"):
        prepared.step(re, im, np.array([100_000], np.int32), Tally())
    assert (re[0], im[0]) == (8_000_000, 0)


@settings(max_examples=50, deadline=None)
@given(
    sums=st.lists(st.integers(-(2**31), 2**31 - 1), min_size=3, max_size=3),
    messages=st.lists(st.integers(-(2**31), 2**31 - 1), min_size=3, max_size=3),
    overflow=st.sampled_from([Overflow.WRAP, Overflow.SATURATE]),
)
def test_running_sums_equal_the_reference(
    sums: list[int], messages: list[int], overflow: Overflow
) -> None:
    rules = Arithmetic(overflow=overflow)
    total, y = np.array(sums, np.int32), np.array(messages, np.int32)
    counted, expected = Tally(), Tally()
    RunningSum(rules).step(total, y, counted)
    wanted = fixed.running_sum(np.array(sums), np.array(messages), rules, expected)
    assert total.tolist() == wanted.tolist()
    assert counted == expected


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
    activation = Activation.RELU if relu else Activation.NONE
    assert sent.tolist() == fixed.message(shifted, activation, rules, expected).tolist()
    assert counted == expected


def random_operation(rng: np.random.Generator, n: int) -> Any:
    bias, direct = (rng.integers(-(2**bits), 2**bits, n) for bits in (23, 15))
    shift = int(rng.integers(0, 24))
    match rng.integers(4):
        case 0:
            given = (direct if rng.random() < 0.7 else None, shift)
            return Affine(n, *given, bias if rng.random() < 0.7 else None)
        case 1:
            return Product(bias, bias if rng.random() < 0.5 else None, shift)
        case 2:
            limit = int(rng.choice([0, 2**20, 2**31 - 1])) or None
            return Bilinear(n, shift, limit, direct, int(rng.integers(-8, 24)), bias)
    return InverseSqrt(int(rng.integers(1, 2**24)), int(rng.integers(-5, 24)), n)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    activation=st.sampled_from(Activation),
    exponent=st.integers(-5, 20),
    residual_shift=st.integers(-20, 40),
    message_bits=st.integers(2, 32),
    rounding=st.sampled_from(Rounding),
    overflow=st.sampled_from([Overflow.WRAP, Overflow.SATURATE]),
)
def test_neurons_without_a_state_equal_the_reference(
    seed: int,
    activation: Activation,
    exponent: int,
    residual_shift: int,
    message_bits: int,
    rounding: Rounding,
    overflow: Overflow,
) -> None:
    rng = np.random.default_rng(seed)
    neurons = random_operation(rng, 5)
    rules = Arithmetic(rounding, overflow, message_bits=message_bits)
    amounts = rng.integers(0, 40, (2, 5)) * (rng.random((2, 1)) < 0.5)
    prepared = OutputNeurons(neurons, rules, *amounts, residual_shift, activation, exponent)
    counted, expected = Tally(), Tally()
    for bits in (31, 23, 9, 4):
        ends = [-(2**bits), 2**bits - 1, 0]
        a, u, r = rng.choice([*ends, *rng.integers(ends[0], ends[1], 9)], (3, 5))
        shifted = (shift(x, n, Rounding.FLOOR) for x, n in zip((a, u), amounts, strict=True))
        y = fixed.output(neurons, rules, *shifted, expected)
        y = fixed.residual(y, r, residual_shift)
        y = fixed.message(y, activation, rules, expected, exponent)
        sent = prepared.step(*(x.astype(np.int32) for x in (a, u, r)), counted)
        assert sent.tolist() == y.tolist()
    assert counted == expected


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    bits=st.tuples(st.integers(2, 32), st.integers(2, 32)),
    rounding=st.sampled_from(Rounding),
    overflow=st.sampled_from([Overflow.WRAP, Overflow.SATURATE]),
    relu=st.booleans(),
)
def test_recurrences_equal_the_reference(
    seed: int, bits: tuple[int, int], rounding: Rounding, overflow: Overflow, relu: bool
) -> None:
    rng = np.random.default_rng(seed)
    rules = Arithmetic(rounding, overflow, *bits)
    high = 2**15 - 1
    a = rng.choice([-high, high, *rng.integers(-high, high, 4)], (3, 2))
    bias, state_shift = rng.integers(-(2**20), 2**20, (3, 2)), int(rng.integers(0, 20))
    neurons = Recurrence(a, bias, relu, int(rng.integers(15, 20)), state_shift)
    prepared = StateNeurons(neurons, rules)
    top = 2 ** (bits[0] - 1)
    x = rng.choice([-top, top - 1, 0, -1], (3, 2))
    re, im = (x[..., i].astype(np.int32) for i in (0, 1))
    counted, expected = Tally(), Tally()
    for n in (31, 20, 8, 3):
        u = rng.integers(-(2**n), 2**n, 6)
        x, wanted = fixed.step(neurons, rules, x, u, expected)
        out = prepared.step(re, im, u.astype(np.int32), counted)
        assert np.stack([re, im], -1).tolist() == x.tolist()
        assert out.tolist() == wanted.tolist()
    assert counted == expected
