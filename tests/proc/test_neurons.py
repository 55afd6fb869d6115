"""The neuron Processes by themselves, beside upstream's."""

import numpy as np
import pytest
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.s4d.process import S4d as UpstreamS4d

from lava_ssm.network import Affine, Filters, FixedS4D, Readout
from lava_ssm.proc import S4D, Output, Relay, States
from lava_ssm.proc.schedule import Schedule
from tests.networks import random_fixed_s4d
from tests.proc.graphs import record, stopped


def test_float_neurons_equal_upstreams_side_by_side() -> None:
    rng = np.random.default_rng(0)
    size, steps = (3, 4), 200
    a = rng.uniform(0.5, 0.99, size) * np.exp(1j * rng.uniform(-np.pi, np.pi, size))
    b, c = (rng.normal(size=size) + 1j * rng.normal(size=size) for _ in range(2))
    flat = [np.ravel(v) for v in (a, b, c)]
    ours, upstream = States(Filters(a, b, c), "floating_pt"), UpstreamS4d((12,), *flat)
    source = Source(data=rng.normal(size=(12, steps)))
    sinks = [Sink(shape=(12,), buffer=steps) for _ in range(2)]
    for process, sink in zip((ours, upstream), sinks, strict=True):
        source.s_out.connect(process.a_in)
        process.s_out.connect(sink.a_in)
    with stopped(source):
        source.run(condition=RunSteps(steps), run_cfg=Loihi2SimCfg(select_tag="floating_pt"))
        mine, theirs = (sink.data.get() for sink in sinks)
    assert np.abs(theirs).max() > 1
    np.testing.assert_allclose(mine, theirs, rtol=0, atol=1e-6)


def test_fixed_neurons_give_the_chips_outputs() -> None:
    # the run on Loihi 2 of tests/engine/test_reference.py, as a Process
    sigma = [0, 1280, 896, 3776, 1984, 2432, 3200, 3072, 832, 1152, 64, 1344]
    act = [0, -128, -192, -576, -768, -960, -1216, -1472, -1536, -1536, -1472, -1536]
    layer = FixedS4D([[[3909, 0]]], [[[-264, 0]]], [[[3282, 0]]])
    neuron = S4D(layer)
    source = Source(data=np.array(sigma)[np.newaxis] // 64)
    assert (record(source, neuron, 12, "fixed_pt")[0] * 64).tolist() == act


def test_neurons_hold_their_state_off_turn_and_reset_at_a_sample() -> None:
    neurons = random_fixed_s4d(np.random.default_rng(0), 1, 3).lowered()[0].neurons
    x = np.random.default_rng(1).integers(-3000, 3000, (3, 14))
    sent = record(
        Source(data=x),
        States(neurons, "fixed_pt", schedule=Schedule(3, 2, reset_every=2)),
        14,
        "fixed_pt",
    )  # turns: steps 3, 6, 9, 12; samples begin at steps 3 and 9
    pairs = [
        record(Source(data=x[:, [i, i + 3]]), States(neurons, "fixed_pt"), 2, "fixed_pt")
        for i in (2, 8)
    ]
    expected = np.zeros((3, 14))
    expected[:, [2, 5]], expected[:, [8, 11]] = pairs
    np.testing.assert_array_equal(sent, expected)


def test_relay_shifts_rectifies_and_fits_messages() -> None:
    u = np.array([[-5, 7, 2**23], [-8, 9, -(2**24)]])  # (neurons, steps)
    source = Source(data=u)
    sent = record(source, Relay(shape=(2,), relu=True, shift=[0, 1]), 3, "fixed_pt")
    assert sent.tolist() == [[0, 7, -(2**23)], [0, 4, 0]]  # 2^23 wraps at 24 bits
    sent = record(Source(data=-u), Relay(shape=(2,)), 2, "fixed_pt")
    assert sent.tolist() == [[5, -7], [8, -9]]


def test_readout_sums_since_the_samples_first_token() -> None:
    tokens, each = np.arange(1, 7)[np.newaxis], Schedule(reset_every=3)
    mean = {"readout": Readout.MEAN_OVER_TIME, "schedule": each}
    sent = record(Source(data=tokens), Output(Affine(1), "fixed_pt", **mean), 6, "fixed_pt")
    assert sent.tolist() == [[1, 3, 6, 4, 9, 15]]
    floats = Source(data=tokens / 2)
    sent = record(floats, Output(Affine(1), "floating_pt", **mean), 6, "floating_pt")
    assert sent.tolist() == [[0.5, 0.75, 1, 2, 2.25, 2.5]]


def test_populations_of_any_shape_send_what_flat_ones_do() -> None:
    u = np.random.default_rng(2).integers(-(2**24), 2**24, (2, 3, 5))  # (neurons, steps)
    shift = np.arange(6).reshape(2, 3)
    sent = record(Source(data=u), Relay(shape=(2, 3), relu=True, shift=shift), 5, "fixed_pt")
    flat = Relay(shape=(6,), relu=True, shift=shift.ravel())
    expected = record(Source(data=u.reshape(6, 5)), flat, 5, "fixed_pt")
    np.testing.assert_array_equal(sent, expected.reshape(2, 3, 5))


def test_a_float_layer_under_the_fixed_tag_is_refused() -> None:
    one = np.full((1, 1), 0.5 + 0j)
    neuron = States(Filters(one, one, one), "floating_pt", name="mine")
    source = Source(data=np.ones((1, 1)))
    source.s_out.connect(neuron.a_in)
    with pytest.raises(ValueError, match="select_tag: States 'mine' needs 'floating_pt'"):
        source.run(condition=RunSteps(1), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
    assert source.runtime is None


def test_bad_parameters_are_named() -> None:
    with pytest.raises(TypeError, match="neurons must be Filters or a Recurrence"):
        States(np.ones(3), "fixed_pt")
    with pytest.raises(TypeError, match="arithmetic must be an Arithmetic"):
        Relay(shape=(2,), arithmetic=3)
    with pytest.raises(ValueError, match="shape must have integers of at least 1"):
        Relay(shape=(0,))
    with pytest.raises(ValueError, match="shift"):
        Relay(shape=(2,), shift=-1)
    with pytest.raises(ValueError, match="offset must be an integer of at least 0"):
        Relay(shape=(2,), schedule=Schedule(offset=-1))


def test_turns_of_a_schedule() -> None:
    schedule = Schedule(period=3, offset=2, reset_every=2)
    turns = {step: schedule.token_at(step) for step in range(1, 10)}
    assert {step: token for step, token in turns.items() if token is not None} == {3: 0, 6: 1, 9: 2}
    assert [schedule.step_of(token) for token in range(3)] == [3, 6, 9]
    assert [schedule.starts_sample(token) for token in range(3)] == [True, False, True]
    assert not Schedule().starts_sample(0)
