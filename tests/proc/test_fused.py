"""A network as one Process: batches, state, threads, errors."""

from typing import Any

import numpy as np
import pytest
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg

import lava_ssm as ssm
from lava_ssm.engine import run
from lava_ssm.network import FixedNetwork, Readout
from lava_ssm.numerics import Arithmetic, FixedPointOverflow, Overflow
from lava_ssm.proc import FusedSSMNetwork, SSMNetwork
from lava_ssm.runtime import GraphStopped
from tests.networks import random_fixed_network, random_fixed_s4d, random_network
from tests.proc.graphs import graph_run, joined

FIXED = Loihi2SimCfg(select_tag="fixed_pt")
FLOATING = Loihi2SimCfg(select_tag="floating_pt")


def a_network(seed: int = 0, readout: Readout = Readout.EVERY_TOKEN) -> FixedNetwork:
    return random_fixed_network(np.random.default_rng(seed), readout=readout, per_channel=True)


def some_tokens(*shape: int, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(-3000, 3000, (*shape, 2))


@pytest.mark.parametrize("readout", Readout)
def test_a_float_network_gives_what_the_engine_gives(readout: Readout) -> None:
    net = random_network(np.random.default_rng(0), readout=readout)
    x = np.random.default_rng(1).normal(size=(2, 9, 2))
    found = graph_run(net, x, 2, FusedSSMNetwork)
    np.testing.assert_allclose(found, net.run(x, backend="reference"), rtol=1e-11)


@pytest.mark.parametrize("reset_every", [None, 4])
@pytest.mark.parametrize("n_threads", [1, 3, None])
def test_a_batch_of_streams_equals_each_of_them(
    reset_every: int | None, n_threads: int | None
) -> None:
    fixed, x = a_network(readout=Readout.MEAN_OVER_TIME), some_tokens(5, 12)
    net = FusedSSMNetwork(
        fixed, period=2, reset_every=reset_every, batch_size=5, n_threads=n_threads
    )
    with joined(net, x, 12) as sink:
        net.run(RunSteps(net.steps_for(12)), FIXED)
        found = sink.take()
    assert found.shape == (5, 12, 4)
    np.testing.assert_array_equal(found, run(fixed, x, reset_every, "reference").outputs)


def test_a_float_batch_runs_too() -> None:
    network, x = random_network(np.random.default_rng(0)), some_tokens(3, 6) / 1000
    net = FusedSSMNetwork(network, batch_size=3)
    with joined(net, x, 6) as sink:
        net.run(RunSteps(net.steps_for(6)), FLOATING)
        np.testing.assert_allclose(sink.take(), network.run(x), rtol=1e-12)


def test_threads_before_and_in_the_graph_do_not_disturb_each_other() -> None:
    """A batch on threads here, then in the graph, which may be a process forked from this one."""
    fixed, x = a_network(), some_tokens(6, 20)
    expected = fixed.run(x, n_threads=2)
    net = FusedSSMNetwork(fixed, batch_size=6, n_threads=2)
    with joined(net, x, 20) as sink:
        net.run(RunSteps(net.steps_for(20)), FIXED)
        np.testing.assert_array_equal(sink.take(), expected)
    np.testing.assert_array_equal(fixed.run(x, n_threads=2), expected)


@pytest.mark.parametrize("batch_size", [None, 3])
def test_state_can_be_read_set_and_run_on(batch_size: int | None) -> None:
    batch = () if batch_size is None else (batch_size,)
    fixed, x = a_network(), some_tokens(*batch, 12)
    net = FusedSSMNetwork(fixed, batch_size=batch_size)
    with joined(net, x, 12) as sink:
        net.run(RunSteps(5), FIXED)
        stream = fixed.stream(batch)
        stream.run(x[..., :5, :])
        for layer, expected in zip(net.layers, stream.state, strict=True):
            state = layer.state.get()
            assert state.dtype == np.int64
            np.testing.assert_array_equal(state, expected)
        changed = stream.state[1] // 3
        net.layers[1].state.set(changed)
        net.run(RunSteps(net.steps_for(12) - 5), FIXED)
        stream.state = (stream.state[0], changed)
        expected = np.concatenate([fixed.run(x[..., :5, :]), stream.run(x[..., 5:, :])], axis=-2)
        np.testing.assert_array_equal(sink.take(), expected)
        with pytest.raises(ValueError, match="state must have shape"):
            net.layers[0].state.set(np.zeros(3, int))
        with pytest.raises(ValueError, match="state: mantissas must lie in"):
            net.layers[0].state.set(np.full((*batch, 6, 3, 2), 2**23))


@pytest.mark.parametrize(
    ("kind", "options", "batch"),
    [(FusedSSMNetwork, {}, ()), (FusedSSMNetwork, {"batch_size": 3}, (3,)), (SSMNetwork, {}, ())],
)
def test_before_the_first_run_the_state_is_zero(
    kind: Any, options: dict[str, int], batch: tuple[int, ...]
) -> None:
    net = kind(a_network(), **options)
    for layer in net.layers:
        np.testing.assert_array_equal(layer.state.get(), np.zeros((*batch, 6, 3, 2), int))
    assert net.count_overflows() == 0
    with pytest.raises(ValueError, match="without Runtime"):
        net.layers[0].state.set(np.ones((*batch, 6, 3, 2), int))


def test_the_state_of_another_layer_is_left_alone_when_one_is_set() -> None:
    fixed, x = a_network(), some_tokens(8)
    net = FusedSSMNetwork(fixed)
    with joined(net, x, 8):
        net.run(RunSteps(8), FIXED)
        kept = net.layers[1].state.get()
        net.layers[0].state.set(np.zeros((6, 3, 2), int))
        net.layers[0].state.set(np.ones((6, 3, 2), int))
        np.testing.assert_array_equal(net.layers[1].state.get(), kept)
        assert (net.layers[0].state.get() == 1).all()


def test_overflows_are_counted_as_the_engine_counts_them() -> None:
    rules = Arithmetic(state_bits=10, message_bits=20)
    fixed = random_fixed_network(np.random.default_rng(0), arithmetic=rules)
    x = np.random.default_rng(1).integers(-400, 400, (12, 2))
    net = FusedSSMNetwork(fixed)
    with joined(net, x, 12):
        net.run(RunSteps(12), FIXED)
        assert net.count_overflows() == run(fixed, x).overflows.total > 0


def test_an_overflow_that_raises_ends_the_run_as_itself() -> None:
    rules = Arithmetic(overflow=Overflow.RAISE, state_bits=12)
    fixed = FixedNetwork((random_fixed_s4d(np.random.default_rng(0), 2, 2),), arithmetic=rules)
    with pytest.raises(FixedPointOverflow, match="state"):
        graph_run(fixed, np.full((5, 2), 25), 1, FusedSSMNetwork)


def test_a_token_beyond_the_input_format_ends_the_run_and_says_so() -> None:
    fixed = FixedNetwork((random_fixed_s4d(np.random.default_rng(0), 2, 2),))  # 18 bits
    behind = FusedSSMNetwork(fixed, offset=1, name="the second")
    ahead = FusedSSMNetwork(random_fixed_network(np.random.default_rng(0), 0, d_output=2))
    ahead.s_out.connect(behind.a_in)
    with joined(ahead, np.full((9, 2), 2**22), 9), pytest.raises(ValueError, match="mantissas"):
        ahead.run(RunSteps(9), FIXED)


def test_a_second_run_after_stop_says_that_the_graph_was_stopped() -> None:
    fixed, x = a_network(), some_tokens(6)
    net = FusedSSMNetwork(fixed)
    with joined(net, x, 12) as sink:
        net.run(RunSteps(net.steps_for(6)), FIXED)
        np.testing.assert_array_equal(sink.take(), fixed.run(x))
        net.stop()
        with pytest.raises(GraphStopped, match="Build its Processes anew"):
            net.run(RunSteps(1), FIXED)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"batch_size": 0}, "batch_size must be an integer of at least 1, got 0"),
        ({"batch_size": 2.5}, "batch_size must be an integer of at least 1, got 2.5"),
        ({"n_threads": 0}, "n_threads must be an integer of at least 1, got 0"),
    ],
)
def test_bad_sizes_are_named(options: dict[str, int], text: str) -> None:
    with pytest.raises(ValueError, match=text):
        FusedSSMNetwork(a_network(), **options)


def test_a_batch_of_another_size_is_refused_before_the_graph() -> None:
    net = FusedSSMNetwork(a_network(), batch_size=4)
    with pytest.raises(ValueError, match=r"x must have shape \(4, time, 2\), batch_size first"):
        ssm.proc.source(some_tokens(3, 10), net)
    with pytest.raises(ValueError, match=r"\(4, time, 2\)"):
        ssm.proc.source(some_tokens(10), net)
