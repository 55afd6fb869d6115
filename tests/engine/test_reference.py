"""The reference engine against Python integers, the chip's outputs and another simulator's."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_ssm.engine import run
from lava_ssm.engine.overflows import Tally
from lava_ssm.engine.reference import fixed
from lava_ssm.network import FixedLinear, FixedNetwork, FixedS4D
from lava_ssm.numerics import Arithmetic, FixedPointOverflow, Overflow, Rounding
from tests.engine import plain
from tests.networks import random_network

# A run of one real-valued state on a Loihi 2 chip, inside a sigma-delta neuron that holds its
# signal in 6 more fraction bits: sigma = 64 u, act = 64 out.
SIGMA = [0, 1280, 896, 3776, 1984, 2432, 3200, 3072, 832, 1152, 64, 1344]
ACT = [0, -128, -192, -576, -768, -960, -1216, -1472, -1536, -1536, -1472, -1536]


def test_real_state_equals_the_chip() -> None:
    neuron = FixedS4D(a=[[[3909, 0]]], b=[[[-264, 0]]], c=[[[3282, 0]]])
    u = np.array(SIGMA)[:, np.newaxis] // 64
    assert (FixedNetwork((neuron,)).run(u)[:, 0] * 64).tolist() == ACT


@pytest.mark.parametrize("rounding", [Rounding.FLOOR, Rounding.NEAREST])
def test_no_other_rounding_equals_the_chip(rounding: Rounding) -> None:
    neuron = FixedS4D(a=[[[3909, 0]]], b=[[[-264, 0]]], c=[[[3282, 0]]])
    net = FixedNetwork((neuron,), arithmetic=Arithmetic(rounding=rounding))
    assert (net.run(np.array(SIGMA)[:, np.newaxis] // 64)[:, 0] * 64).tolist() != ACT


def test_recurrence_equals_another_simulator_step_by_step() -> None:
    # 8 states of an S5 layer, 200 steps, by the fixed-point simulator of IntelLabs/SparseRNNs
    # (commit b623aea): parameters with 15 fraction bits, states and drive with 14, FLOOR.
    golden = np.load(Path(__file__).parent / "s5_recurrence.npz")
    a, drive, expected = (
        np.stack([golden[f"{name}_re"], golden[f"{name}_im"]], axis=-1).astype(np.int64)
        for name in ("A", "Bu", "x")
    )
    x = np.zeros((8, 2), np.int64)
    for t in range(200):
        p, rules = np.array(15), Arithmetic(Rounding.FLOOR)
        x = fixed.diagonal_step(a, p, rules, x, drive[t], Tally())
        np.testing.assert_array_equal(x, expected[t])


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    exponents=st.lists(st.integers(-40, 40), min_size=3, max_size=3),
    output_exponent=st.none() | st.integers(-40, 40),
)
def test_synapse_shifts_and_wraps_as_32_bit_words_do(
    seed: int, exponents: list[int], output_exponent: int | None
) -> None:
    rng = np.random.default_rng(seed)
    layer = FixedLinear(rng.integers(-128, 128, (3, 5)), exponents, output_exponent)
    net = FixedNetwork((layer,), input_exponent=3)
    x = rng.integers(-(2**23), 2**23, (4, 5))
    assert run(net, x).outputs.tolist() == plain.run(net, x.tolist())


def test_zero_imaginary_parts_make_real_states() -> None:
    rng = np.random.default_rng(0)
    real = np.zeros((3, 2, 5, 2), np.int64)
    real[..., 0] = rng.integers(-4000, 4000, (3, 2, 5))
    result = run(FixedNetwork((FixedS4D(*real),)), rng.integers(-1000, 1000, (50, 2)))
    assert not result.state[0][..., 1].any()
    assert result.state[0][..., 0].any()


def test_overflows_are_counted_where_they_happen() -> None:
    # x' = x/2 + u: the state tends to 2 u, so u = 2^16 << 6 = 2^22 leaves 24 bits at its limit
    neuron = FixedS4D(a=[[[2048, 0]]], b=[[[4096, 0]]], c=[[[1, 0]]])
    net = FixedNetwork((neuron,))
    quiet = run(net, np.full((20, 1), 2**16 - 1))
    assert quiet.overflows.total == 0
    loud = run(net, np.full((20, 1), 2**17 - 1))
    name, tally = loud.overflows.stages[0]
    assert name == "FixedS4D"
    assert tally["state"] >= 1
    assert tally["input"] == tally["message"] == 0
    assert "state" in str(loud.overflows)


def test_raise_finds_the_overflow_and_leaves_the_stream_as_it_was() -> None:
    neuron = FixedS4D(a=[[[4000, 0]]], b=[[[4096, 0]]], c=[[[1, 0]]])
    stream = FixedNetwork((neuron,), arithmetic=Arithmetic(overflow=Overflow.RAISE)).stream()
    stream.step([100_000])
    before = stream.state[0]
    with pytest.raises(FixedPointOverflow, match="state"):
        stream.step([131_000])
    np.testing.assert_array_equal(stream.state[0], before)
    assert stream.n_tokens == 1


def test_saturation_and_wrapping_differ_on_overflow() -> None:
    neuron = FixedS4D(a=[[[4000, 0]]], b=[[[4096, 0]]], c=[[[4096, 0]]])
    x = np.full((3, 1), 2**16)
    wrapped = run(FixedNetwork((neuron,)), x)
    saturated = run(FixedNetwork((neuron,), arithmetic=Arithmetic(overflow=Overflow.SATURATE)), x)
    assert wrapped.state[0][0, 0, 0] < 0
    assert saturated.state[0][0, 0, 0] == 2**23 - 1


def test_float_network_follows_the_recurrence() -> None:
    rng = np.random.default_rng(1)
    net = random_network(rng, n_layers=1)
    x = rng.normal(size=(30, 2))
    encoder, s4d, _, linear, _, decoder = net.layers
    state, expected = np.zeros(s4d.a.shape, complex), []
    for token in x:
        u = encoder.weights @ token
        state = s4d.a * state + s4d.b * u[:, np.newaxis]
        y = np.maximum(2 * (s4d.c * state).real.sum(1), 0)
        expected.append(decoder.weights @ np.maximum(linear.weights @ y, 0))
    np.testing.assert_allclose(net.run(x), expected, rtol=1e-12, atol=1e-12)
