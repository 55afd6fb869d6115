"""The Lava graph computes the integers of the reference, at the steps it names."""

import numpy as np
import pytest
import torch
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.monitor.process import Monitor

import lava_ssm as ssm
from lava_ssm.engine import run
from lava_ssm.network import FixedLinear, FixedNetwork, Readout
from lava_ssm.numerics import Arithmetic, FixedPointOverflow, Overflow
from tests.engine import plain
from tests.networks import random_fixed_network, random_fixed_s4d, random_network
from tests.proc.graphs import graph_run, record, stopped

FIXED = Loihi2SimCfg(select_tag="fixed_pt")


@pytest.mark.parametrize("readout", Readout)
@pytest.mark.parametrize("period", [1, 3])
@pytest.mark.parametrize("per_channel", [False, True])
def test_fixed_graph_equals_the_reference(readout: Readout, period: int, per_channel: bool) -> None:
    rng = np.random.default_rng(period)
    net = random_fixed_network(rng, readout=readout, per_channel=per_channel)
    x = rng.integers(-3000, 3000, (3, 10, 2))  # samples back to back
    # the Processes call the engine: Python's integers do not
    expected = [plain.run(net, sample) for sample in x.tolist()]
    np.testing.assert_array_equal(graph_run(net, x, period=period), expected)


@pytest.mark.parametrize("which_runtime", ["in process"], indirect=True)
def test_images_streamed_back_to_back_equal_the_reference_on_every_token() -> None:
    torch.manual_seed(0)
    data = ssm.data.digits()
    model = ssm.nn.NS4D(1, 32, 16, 4, 10, readout="mean", dt_min=0.01, dt_max=0.5)
    fixed = ssm.quantize(ssm.nn.export(model), calibration=data.train.x[:50])
    images = data.test.x[:20]
    np.testing.assert_array_equal(ssm.proc.run(fixed, images), fixed.run(images))


def test_an_overflow_that_raises_ends_the_run_as_itself() -> None:
    net = FixedNetwork(
        (random_fixed_s4d(np.random.default_rng(0), 2, 2),),
        arithmetic=Arithmetic(overflow=Overflow.RAISE, state_bits=12),
    )
    with pytest.raises(FixedPointOverflow, match="state"):
        graph_run(net, np.full((5, 2), 25))


@pytest.mark.parametrize("overflow", [Overflow.WRAP, Overflow.SATURATE])
def test_graph_equals_the_reference_where_everything_overflows(overflow: Overflow) -> None:
    rng = np.random.default_rng(0)
    rules = Arithmetic(overflow=overflow, state_bits=10, message_bits=12)
    net = random_fixed_network(rng, readout=Readout.MEAN_OVER_TIME, arithmetic=rules)
    x = rng.integers(-2048, 2048, (2, 10, 2))
    expected = run(net, x)
    assert expected.overflows.total > 100
    np.testing.assert_array_equal(graph_run(net, x), expected.outputs)


@pytest.mark.parametrize("output_exponent", [30, 3, -20])
def test_synapse_shifts_left_and_right_and_wraps_as_the_reference(output_exponent: int) -> None:
    rng = np.random.default_rng(0)
    layer = FixedLinear(rng.integers(-128, 128, (3, 4)), [3, 5, 8], output_exponent)
    net = FixedNetwork((layer, random_fixed_s4d(rng, 3, 2)), input_exponent=3)
    x = rng.integers(-(2**23), 2**23, (20, 4))
    np.testing.assert_array_equal(graph_run(net, x), run(net, x).outputs)


@pytest.mark.parametrize("readout", Readout)
@pytest.mark.parametrize("period", [1, 3])
def test_fused_network_equals_the_graph_of_synapses_and_neurons(
    readout: Readout, period: int
) -> None:
    rng = np.random.default_rng(period)
    net = random_fixed_network(rng, readout=readout, per_channel=True)
    x = rng.integers(-3000, 3000, (3, 10, 2))
    np.testing.assert_array_equal(
        graph_run(net, x, period, ssm.proc.FusedSSMNetwork), graph_run(net, x, period)
    )


def test_a_network_of_one_s4d_layer_sums_over_its_states() -> None:
    rng = np.random.default_rng(0)
    net = FixedNetwork((random_fixed_s4d(rng, 3, 5),))
    x = rng.integers(-3000, 3000, (20, 3))
    np.testing.assert_array_equal(graph_run(net, x), net.run(x))


@pytest.mark.parametrize("readout", Readout)
def test_float_graph_equals_the_float_reference(readout: Readout) -> None:
    rng = np.random.default_rng(0)
    net = random_network(rng, readout=readout)
    x = rng.normal(size=(2, 15, 2))
    np.testing.assert_allclose(graph_run(net, x), net.run(x), rtol=1e-12, atol=1e-12)


KINDS = pytest.mark.parametrize("kind", [ssm.proc.SSMNetwork, ssm.proc.FusedSSMNetwork])


@KINDS
@pytest.mark.parametrize("period", [1, 4])
def test_outputs_come_at_the_steps_that_are_named_and_zero_at_all_others(
    kind: type[ssm.proc.SSMNetwork], period: int
) -> None:
    rng = np.random.default_rng(0)
    fixed = random_fixed_network(rng, n_layers=1)
    net = kind(fixed, period=period)
    assert net.latency == 1 + 3 + 1
    x = rng.integers(1000, 3000, (6, 2))
    steps = net.steps_for(6) + 3 * period - 1
    source = ssm.proc.source(x, net, drain=net.latency + 3 * period)
    sent = record(source, net, steps, "fixed_pt")  # (d_output, steps)
    assert net.steps_for(6) == net.step_of(5) == 1 + 5 * period + net.latency
    expected = np.zeros_like(sent)
    padded = np.concatenate([x, np.zeros((2, 2), int)])  # the source is at its end
    for token, output in enumerate(fixed.run(padded)):
        expected[:, net.step_of(token) - 1] = output
    np.testing.assert_array_equal(sent, expected)
    np.testing.assert_array_equal(net.outputs(sent, 6), fixed.run(x))


@KINDS
def test_input_off_turn_is_ignored(kind: type[ssm.proc.SSMNetwork]) -> None:
    rng = np.random.default_rng(0)
    fixed = random_fixed_network(rng, n_layers=1)
    x = rng.integers(-3000, 3000, (5, 2))
    net = kind(fixed, period=3)
    noisy = rng.integers(-3000, 3000, (2, net.steps_for(5)))
    noisy[:, 0:13:3] = x.T
    sent = record(Source(data=noisy), net, net.steps_for(5), "fixed_pt")
    np.testing.assert_array_equal(net.outputs(sent, 5), fixed.run(x))


@KINDS
def test_a_buffer_with_one_column_a_step_is_as_good_a_source(
    kind: type[ssm.proc.SSMNetwork],
) -> None:
    rng = np.random.default_rng(0)
    fixed = random_fixed_network(rng, n_layers=1)
    x = rng.integers(-3000, 3000, (8, 2))
    net = kind(fixed)
    sent = record(Source(data=x.T), net, net.steps_for(8), "fixed_pt")
    np.testing.assert_array_equal(net.outputs(sent, 8), fixed.run(x))


def test_states_can_be_read_set_and_run_on() -> None:
    rng = np.random.default_rng(0)
    fixed = random_fixed_network(rng, n_layers=2)
    x = rng.integers(-3000, 3000, (12, 2))
    net = ssm.proc.SSMNetwork(fixed)
    source = ssm.proc.source(x, net)
    sink = Sink(shape=(4,), buffer=net.steps_for(12))
    source.s_out.connect(net.a_in)
    net.s_out.connect(sink.a_in)
    with stopped(net):
        # the first S4D layer works two steps behind the input: after step 9 it has seen 7 tokens
        net.run(condition=RunSteps(9), run_cfg=FIXED)
        stream = fixed.stream()
        stream.run(x[:7])
        state = net.layers[0].state.get()
        assert state.shape == (6, 3, 2)
        assert state.dtype == np.int64
        np.testing.assert_array_equal(state, stream.state[0])
        net.layers[0].state.set(state)  # what was read can be put back
        net.run(condition=RunSteps(net.steps_for(12) - 9), run_cfg=FIXED)
        np.testing.assert_array_equal(net.outputs(sink.data.get(), 12), fixed.run(x))
        net.layers[1].state.set(np.zeros((6, 3, 2), int))
        assert not net.layers[1].state.get().any()
        for wrong, error, text in [
            (np.zeros(3, int), ValueError, r"\(6, 3, 2\)"),
            (np.full((6, 3, 2), 0.7), TypeError, "state must be integers"),
            (np.full((6, 3, 2), 2**23), ValueError, r"state: .*\[-8388608, 8388607\]"),
        ]:
            with pytest.raises(error, match=text):
                net.layers[1].state.set(wrong)


def test_a_monitor_sees_the_states_of_every_step() -> None:
    rng = np.random.default_rng(0)
    fixed = random_fixed_network(rng, n_layers=1)
    x = rng.integers(-3000, 3000, (10, 2))
    net = ssm.proc.SSMNetwork(fixed)
    source, monitor = ssm.proc.source(x, net), Monitor()
    source.s_out.connect(net.a_in)
    monitor.probe(net.layers[0].state_im, 12)
    with stopped(net):
        net.run(condition=RunSteps(12), run_cfg=FIXED)
        ((seen,),) = (list(data.values()) for data in monitor.get_data().values())
    stream = fixed.stream()
    for token, row in zip(x, seen[2:], strict=True):  # two synapses before the states
        stream.step(token)
        np.testing.assert_array_equal(row, stream.state[0][..., 1].ravel())
    assert not seen[:2].any()


def test_graph_counts_the_overflows_of_its_neurons() -> None:
    rng = np.random.default_rng(0)
    fixed = random_fixed_network(rng, arithmetic=Arithmetic(state_bits=10, message_bits=20))
    x = rng.integers(-400, 400, (12, 2))
    net = ssm.proc.SSMNetwork(fixed)
    source = ssm.proc.source(x, net)
    source.s_out.connect(net.a_in)
    with stopped(net):
        net.run(condition=RunSteps(net.steps_for(12)), run_cfg=FIXED)
        counted = net.count_overflows()
    # while the last token passes, the first layers take the zeros that follow it
    stream = fixed.stream()
    stream.run(x)
    at_least = stream.overflows.total
    stream.run(np.zeros((net.latency, 2), int))
    assert 0 < at_least <= counted <= stream.overflows.total


def test_two_graphs_of_one_network_are_independent() -> None:
    rng = np.random.default_rng(0)
    fixed = random_fixed_network(rng, n_layers=1)
    x = rng.integers(-3000, 3000, (2, 6, 2))
    first, second = graph_run(fixed, x[0]), graph_run(fixed, x[1])
    np.testing.assert_array_equal(np.stack([first, second]), fixed.run(x))


@KINDS
@pytest.mark.parametrize(("period", "reset_every"), [(1, None), (1, 4), (3, None), (4, 2)])
def test_two_networks_in_series(
    kind: type[ssm.proc.SSMNetwork], period: int, reset_every: int | None
) -> None:
    rng = np.random.default_rng(0)
    first = random_fixed_network(rng, n_layers=1, d_output=3)
    second = random_fixed_network(rng, n_layers=1, d_input=3)
    x = rng.integers(-3000, 3000, (8, 2))
    ahead = ssm.proc.SSMNetwork(first, period=period, reset_every=reset_every)
    behind = kind(second, period=period, offset=ahead.latency, reset_every=reset_every)
    steps = behind.steps_for(8)
    drain = ahead.latency + behind.latency
    source, sink = ssm.proc.source(x, ahead, drain), Sink(shape=(4,), buffer=steps)
    source.s_out.connect(ahead.a_in)
    ahead.s_out.connect(behind.a_in)
    behind.s_out.connect(sink.a_in)
    with stopped(source):
        source.run(condition=RunSteps(steps), run_cfg=FIXED)
        found = behind.outputs(sink.data.get(), 8)
    between = run(first, x, reset_every).outputs
    np.testing.assert_array_equal(found, run(second, between, reset_every).outputs)


@KINDS
def test_a_source_waits_for_a_network_that_starts_late(kind: type[ssm.proc.SSMNetwork]) -> None:
    rng = np.random.default_rng(0)
    fixed = random_fixed_network(rng, n_layers=1)
    x = rng.integers(-3000, 3000, (6, 2))
    net = kind(fixed, period=2, offset=3, reset_every=3)
    assert net.step_of(0) == 1 + 3 + net.latency
    sent = record(ssm.proc.source(x, net), net, net.steps_for(6), "fixed_pt")
    np.testing.assert_array_equal(net.outputs(sent, 6), run(fixed, x, 3).outputs)


@KINDS
@pytest.mark.parametrize("tag", ["floating_pt", "fixed", None])
def test_a_tag_that_cannot_run_the_network_is_refused_before_the_runtime(
    kind: type[ssm.proc.SSMNetwork], tag: str | None
) -> None:
    net = kind(random_fixed_network(np.random.default_rng(0)))
    with pytest.raises(ValueError, match="select_tag must be 'fixed_pt' for a FixedNetwork, got"):
        net.run(condition=RunSteps(1), run_cfg=Loihi2SimCfg(select_tag=tag))
    assert net.runtime is None


@pytest.mark.parametrize("tag", ["floating_pt", "fixed"])
def test_a_wrong_tag_is_refused_too_when_another_process_starts_the_graph(tag: str) -> None:
    net = ssm.proc.SSMNetwork(random_fixed_network(np.random.default_rng(0)))
    source = ssm.proc.source([[1, 2]], net)
    source.s_out.connect(net.a_in)
    with pytest.raises((ValueError, AssertionError), match="tag"):
        source.run(condition=RunSteps(1), run_cfg=Loihi2SimCfg(select_tag=tag))
    assert source.runtime is None


@pytest.mark.parametrize(
    ("x", "error", "text"),
    [
        (np.zeros((5, 3)), ValueError, r"\(\.\.\., 2\)"),
        (np.zeros((1, 2, 5, 2)), ValueError, r"\(samples, time, 2\)"),
        (np.zeros((0, 2)), ValueError, "got shape"),
        (np.array([[np.nan, 0]]), ValueError, "finite"),
        (np.array([[1e9, 0]]), ValueError, "input values must lie in"),
        (np.array([[2**23, 0]]), ValueError, "input mantissas must lie in"),
        (np.zeros((2, 5, 2)), ValueError, "samples have 5 tokens.*every 4 tokens"),
    ],
)
def test_bad_tokens_never_reach_a_graph(x: np.ndarray, error: type[Exception], text: str) -> None:
    net = ssm.proc.SSMNetwork(random_fixed_network(np.random.default_rng(0)), reset_every=4)
    with pytest.raises(error, match=text):
        ssm.proc.source(x, net)


@KINDS
def test_schedules_are_periods_by_name(kind: type[ssm.proc.SSMNetwork]) -> None:
    fixed = random_fixed_network(np.random.default_rng(0), n_layers=2)
    x = np.random.default_rng(1).integers(-3000, 3000, (2, 5, 2))
    for schedule, period in (("pipelined", 1), ("fall_through", 1 + 2 * 3 + 1 + 1), (None, 1)):
        net = kind(fixed, schedule=schedule)
        assert net.period == period
        assert net.step_of(3) == 1 + 3 * period + net.latency
        fused = kind is ssm.proc.FusedSSMNetwork
        np.testing.assert_array_equal(
            ssm.proc.run(fixed, x, schedule=schedule, fused=fused), fixed.run(x)
        )
    with pytest.raises(ValueError, match=r"schedule must be one of pipelined, fall_.*'x'"):
        kind(fixed, schedule="x")
    with pytest.raises(ValueError, match="give one of them, got 'pipelined' and 2"):
        kind(fixed, schedule="pipelined", period=2)


@KINDS
def test_bad_schedules_and_counts_are_named(kind: type[ssm.proc.SSMNetwork]) -> None:
    fixed = random_fixed_network(np.random.default_rng(0))
    with pytest.raises(ValueError, match="period must be an integer of at least 1, got 0"):
        kind(fixed, period=0)
    with pytest.raises(ValueError, match="reset_every must be an integer of at least 1"):
        kind(fixed, reset_every=2.5)
    with pytest.raises(TypeError, match="network must be a Network or a FixedNetwork"):
        kind(fixed.layers[0])
    net = kind(fixed)
    with pytest.raises(ValueError, match="n_tokens"):
        net.steps_for(0)
    with pytest.raises(ValueError, match="token must be"):
        net.step_of(-1)
    with pytest.raises(ValueError, match="3 tokens need 11 steps, 10 were recorded"):
        net.outputs(np.zeros((4, 10)), 3)
    with pytest.raises(ValueError, match=r"\(4, steps\)"):
        net.outputs(np.zeros((3, 50)), 3)


@pytest.mark.parametrize("kind", [ssm.proc.SSMNetwork, ssm.proc.FusedSSMNetwork])
def test_a_process_shows_its_layers_and_its_schedule(kind: type) -> None:
    network = random_fixed_network(np.random.default_rng(0))
    text = " ".join(repr(kind(network, period=3, name="mine")).split())
    assert f"{kind.__name__} 'mine' of a FixedNetwork (fixed_pt), a token every 3 steps" in text
    assert text.count("FixedS4D") == 2
    assert "array(" not in text
