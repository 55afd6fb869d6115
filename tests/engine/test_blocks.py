"""The compiled engine on S5 networks: the reference's integers, and its counts."""

import copy
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_ssm import engine
from lava_ssm.engine.compiled import block_program
from lava_ssm.network import FixedLinear, FixedNetwork, Readout, ReLU, Residual
from lava_ssm.numerics import Arithmetic, FixedPointOverflow, Overflow, Rounding
from tests.networks import random_fixed_s4d, random_fixed_s5_network, random_s5_network


@settings(max_examples=80, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    n_layers=st.integers(0, 3),
    per_channel=st.booleans(),
    readout=st.sampled_from(Readout),
    rounding=st.sampled_from(Rounding),
    overflow=st.sampled_from([Overflow.WRAP, Overflow.SATURATE]),
    bits=st.sampled_from([(12, 12), (24, 16), (24, 24), (32, 32)]),
    density=st.sampled_from([1.0, 0.3, 0.1]),
    sparse_to=st.sampled_from([0.05, 1.0]),
    size=st.integers(1, 23),
)
def test_integers_and_counts_are_those_of_the_reference(
    seed: int,
    n_layers: int,
    per_channel: bool,
    readout: Readout,
    rounding: Rounding,
    overflow: Overflow,
    bits: tuple[int, int],
    density: float,
    sparse_to: float,
    size: int,
) -> None:
    rng = np.random.default_rng(seed)
    net = random_fixed_s5_network(
        rng,
        n_layers,
        d_model=7,
        d_state=5,
        readout=readout,
        per_channel=per_channel,
        arithmetic=Arithmetic(rounding, overflow, *bits),
        density=density,
    )
    top = min(2**size, net.input_format.max_mantissa)
    x = rng.integers(-top, top + 1, (2, 9, net.d_input))
    wanted = engine.run(net, x, backend="reference")
    with pytest.MonkeyPatch.context() as patch:  # which matrices the kernel takes by their places
        patch.setattr(block_program, "SPARSE_IN_CACHE", sparse_to)
        found = engine.run(net, x, backend="compiled", n_threads=2)
    np.testing.assert_array_equal(found.outputs, wanted.outputs)
    for a, b in zip(found.state, wanted.state, strict=True):
        np.testing.assert_array_equal(a, b)
    assert found.overflows == wanted.overflows


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    exponents=st.lists(st.integers(-40, 40), min_size=3, max_size=3),
    output_exponent=st.integers(-40, 40),
    sparse=st.booleans(),
)
def test_synapses_shift_and_wrap_as_the_reference(
    seed: int, exponents: list[int], output_exponent: int, sparse: bool
) -> None:
    rng = np.random.default_rng(seed)
    weights = rng.integers(-128, 128, (3, 60)) * (rng.random((3, 60)) < (0.03 if sparse else 1))
    layer = FixedLinear(weights, exponents, output_exponent, rng.integers(-9, 9, 3))
    net = FixedNetwork((layer,), input_exponent=3)
    x = rng.integers(-(2**23), 2**23, (4, 60))
    wanted = engine.run(net, x, backend="reference")
    found = engine.run(net, x, backend="compiled")
    np.testing.assert_array_equal(found.outputs, wanted.outputs)
    assert found.overflows == wanted.overflows


def test_a_stream_cut_anywhere_and_set_anew_gives_the_same_integers() -> None:
    rng = np.random.default_rng(0)
    net = random_fixed_s5_network(rng, readout=Readout.MEAN_OVER_TIME, density=0.2)
    x = rng.integers(-3000, 3000, (30, net.d_input))
    whole = engine.run(net, x, reset_every=7, backend="reference").outputs
    stream = net.stream(reset_every=7)
    pieces = [stream.run(x[:5]), np.array([stream.step(token) for token in x[5:12]])]
    kept = stream.state
    pieces.append(stream.run(x[12:]))
    np.testing.assert_array_equal(np.concatenate(pieces), whole)
    again = random_fixed_s5_network(np.random.default_rng(0), density=0.2).stream()
    again.state = kept
    for a, b in zip(again.state, kept, strict=True):
        np.testing.assert_array_equal(a, b)


def test_what_it_does_not_know_runs_on_the_reference() -> None:
    rng = np.random.default_rng(1)
    mixed = FixedNetwork((random_fixed_s4d(rng, 4, 3), Residual(1), ReLU()))
    float_net = random_s5_network(rng)
    for net, width in ((mixed, 4), (float_net, 5)):
        x = rng.integers(-9, 9, (3, width))
        assert engine.run(net, x).outputs.shape[0] == 3
        with pytest.raises(ValueError, match="backend: 'compiled' knows chains"):
            engine.run(net, x, backend="compiled")
    rules = Arithmetic(overflow=Overflow.RAISE, state_bits=8)
    raising = random_fixed_s5_network(rng, arithmetic=rules)
    with pytest.raises(FixedPointOverflow, match="state"):
        engine.run(raising, rng.integers(-9000, 9000, (20, 5)))


def test_copies_of_a_stream_go_on_from_its_state() -> None:
    net = random_fixed_s5_network(np.random.default_rng(9))
    x = np.random.default_rng(10).integers(-3000, 3000, (10, 5))
    stream = net.stream()
    stream.run(x[:4])
    again, other = copy.deepcopy(stream), pickle.loads(pickle.dumps(stream))
    expected = net.run(x)[4:]
    for one in (stream, again, other):
        np.testing.assert_array_equal(one.run(x[4:]), expected)
