"""The model: against sums worked by hand, and on operations counted in another way."""

import numpy as np
import pytest

from lava_ssm import loihi2
from lava_ssm.loihi2 import Connectivity, Description, Neuron, Population, Synapses
from lava_ssm.network import FixedLinear, FixedNetwork, FixedS4D, Linear, Network, ReLU
from tests.engine.plain import run as plain_run
from tests.networks import random_fixed_network


def two_populations() -> Description:
    """100 inputs, half active, to 2000 relays; those, all active, to 50 more."""
    return Description(
        "by hand",
        100,
        (
            Population("wide", "encoder", Neuron.RELAY, 2000, 1),
            Population("narrow", "decoder", Neuron.RELAY, 50, 2),
        ),
        (
            Synapses(None, "wide", Connectivity.SPARSE, np.full(100, 20.0), np.array(0.5)),
            Synapses("wide", "narrow", Connectivity.SPARSE, np.ones(2000), np.array(1.0)),
        ),
    )


def test_times_and_energies_are_those_worked_by_hand() -> None:
    net = two_populations()
    # wide: neurons 2000 x 1 pass x 4 ns = 8 us; synapses 1000 x 0.66 ns = 0.66 us; leaving
    # 2000 x 5 ns = 10 us. narrow: neurons 0.2 us, synapses 2000 x 0.66 = 1.32 us, arriving 10 us.
    # The floor is 3 us.
    falling = loihi2.estimate(net, schedule="fall_through")
    assert falling.step_times == pytest.approx((3e-6, 10e-6, 10e-6))
    assert falling.bottlenecks == ("floor", "wide: link", "narrow: link")
    assert falling.latency.value == falling.time_per_token.value == pytest.approx(23e-6)
    pipelined = loihi2.estimate(net, schedule="pipelined")
    assert pipelined.time_per_token.value == pytest.approx(10e-6)
    assert pipelined.latency.value == pytest.approx(30e-6)
    # 1000 + 2000 operations at 22 pJ, 2050 updates at 220 pJ
    dynamic = 3000 * 22e-12 + 2050 * 220e-12
    assert falling.dynamic_energy.value == pytest.approx(dynamic)
    assert falling.energy_per_token.value == pytest.approx(0.175 * 23e-6 + dynamic)
    assert pipelined.energy_per_token.value == pytest.approx(0.175 * 10e-6 + dynamic)
    assert pipelined.power.value == pytest.approx(0.175 + dynamic / 10e-6)
    assert pipelined.throughput.value == pytest.approx(100_000)
    edp = pipelined.energy_per_token.value * 30e-6
    assert pipelined.energy_delay_product.value == pytest.approx(edp)
    # 100 tokens: 99 at a step each, and the last one's 3
    assert pipelined.sample_latency(100).value == pytest.approx(1.02e-3)
    assert pipelined.sample_energy(100).value == pytest.approx(0.175 * 1.02e-3 + 100 * dynamic)


def test_each_resource_can_be_the_bottleneck() -> None:
    net = two_populations()
    constants = loihi2.CONSTANTS.with_values(t_message=3.0)
    assert loihi2.estimate(net, constants=constants).bottlenecks[1] == "wide: neurons"
    dense = Network((Linear(np.ones((64, 128))),))
    assert loihi2.estimate(dense).bottlenecks == ("stage0.neurons: synapses",) * 2


def test_cores_share_the_work() -> None:
    net = loihi2.ns4d(128, 64, 1)
    few = loihi2.map(net, strategy="spread", cores_per_layer=12)
    many = loihi2.map(net, strategy="spread", cores_per_layer=24)
    slow, fast = (loihi2.estimate(net, m).time_per_token.value for m in (few, many))
    assert fast == pytest.approx(slow / 2, rel=0.1)


def test_several_chips_have_their_own_floor_and_static_power_each() -> None:
    net = loihi2.ns4d(512, 64, 6)
    mapping = loihi2.map(net, "kapoho-point")
    result = loihi2.estimate(net, mapping, "fall_through")
    assert result.n_chips == 2
    assert result.step_times[0] == pytest.approx(10e-6)
    assert result.static_power.value == pytest.approx(2 * 0.175)


def test_intervals_are_those_of_the_constants_ranges() -> None:
    net = two_populations()
    result = loihi2.estimate(net)
    # low: 2000 x 4 ns of neurons beside 2000 x 3 ns of messages; high: 2000 x 15 ns of messages
    assert (result.time_per_token.low, result.time_per_token.high) == pytest.approx((8e-6, 30e-6))
    assert result.throughput.low == pytest.approx(1 / 30e-6)
    assert result.latency.value in result.latency
    assert result.latency.high * 1.01 not in result.latency
    narrow = {n: loihi2.Constant(c.value, c.value, c.value, c.unit, c.known, c.source)
              for n, c in loihi2.CONSTANTS}  # fmt: skip
    fixed = loihi2.estimate(net, constants=loihi2.Constants(**narrow))
    assert fixed.energy_per_token.low == fixed.energy_per_token.high


def test_the_ndns_proxies_follow_their_definition() -> None:
    result = loihi2.estimate(two_populations())
    assert result.power_proxy(125) == pytest.approx((3000 + 10 * 2050) * 125)
    assert result.pdp_proxy(125, latency=0.032) == pytest.approx(23_500 * 125 * 0.032)
    assert result.pdp_proxy(125) == pytest.approx(23_500 * 125 * result.latency.value)
    with pytest.raises(ValueError, match=r"tokens_per_second must lie in \(0, inf\)"):
        result.power_proxy(0)


def test_operations_are_those_of_an_independent_count() -> None:
    rng = np.random.default_rng(5)
    net = random_fixed_network(rng, n_layers=1, d_model=4, d_state=2)
    layers = [la for la in net.layers if not isinstance(la, ReLU)]
    assert [type(la) for la in layers] == [FixedLinear, FixedS4D, FixedLinear, FixedLinear]
    x = rng.integers(-500, 500, (12, 2))
    x[::3, 0] = 0
    counted = loihi2.count(net, x)
    by_source = {s.source: s for s in counted.synapses}
    # by the implementation in Python's integers: outputs of the network cut off at each stage
    messages: dict[str | None, np.ndarray] = {None: x}
    cut: list = []
    names = iter(["stage0.neurons", "stage1.neurons", "stage2.neurons"])
    for i, layer in enumerate(net.layers):
        cut.append(layer)
        if not isinstance(layer, ReLU):
            relu = isinstance(net.layers[min(i + 1, len(net.layers) - 1)], ReLU)
            part = [*cut, ReLU()] if relu else cut
            name = next(names, None)
            if name:
                values = plain_run(FixedNetwork(tuple(part), input_exponent=8), x.tolist())
                messages[name] = np.array(values)
    for source, synapses in by_source.items():
        if source in messages:
            sent = messages[source] != 0
            assert synapses.messages == pytest.approx(sent.sum(axis=1).mean())
            operations = (sent * synapses.fan_out).sum(axis=1).mean()
            assert synapses.operations == pytest.approx(operations)


def test_state_messages_are_counted_from_the_states_of_the_chips_arithmetic() -> None:
    # one channel, one real state, c so small that the output is 0 until the state is large:
    # a = 1/2, b = 1, x = 64, 96, 112, 120, ..., out = 2 (x c >> 12) >> 6 with c = 2^10
    net = FixedNetwork((FixedS4D([[[2048, 0]]], [[[4096, 0]]], [[[1024, 0]]]),))
    x = np.full((8, 1), 90)
    counted = loihi2.count(net, x)
    state, sends = 0, 0
    for _ in range(8):
        state = (2048 * state >> 12) + 90 * 64
        sends += (2 * (1024 * state >> 12) >> 6) != 0
    assert counted.inputs_of("stage0.neurons")[0].messages == pytest.approx(sends / 8)
    quiet = loihi2.count(net, np.full((8, 1), 1))
    assert quiet.inputs_of("stage0.neurons")[0].messages == 0


def test_zeros_are_not_sent_and_cost_nothing() -> None:
    rng = np.random.default_rng(3)
    net = random_fixed_network(rng, n_layers=2)
    x = rng.integers(-500, 500, (20, 2))
    busy, idle = loihi2.count(net, x), loihi2.count(net, 0 * x)
    assert idle.operations == idle.messages == 0
    assert 0 < busy.operations <= loihi2.describe(net).operations
    assert loihi2.estimate(idle).dynamic_energy.value < loihi2.estimate(busy).dynamic_energy.value


def test_bad_input_is_refused() -> None:
    net = random_fixed_network(np.random.default_rng(0))
    other = loihi2.map(loihi2.ns4d(16, 8, 1))
    with pytest.raises(ValueError, match="mapping is that of 'n-S4D, H=16, N=8, 1 layers'"):
        loihi2.estimate(net, other)
    with pytest.raises(ValueError, match="schedule must be one of fall_through, pipelined"):
        loihi2.estimate(net, schedule="sideways")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"t_syn must lie in \[0.5, 1\] ns/operation, got 2"):
        loihi2.CONSTANTS.with_values(t_syn=2)
    with pytest.raises(ValueError, match="no constant 't_sun'"):
        loihi2.CONSTANTS.with_values(t_sun=1)
    with pytest.raises(ValueError, match="must lie in its range"):
        loihi2.Constant(3.0, 0.0, 2.0, "ns", "assumed", "nowhere")
    with pytest.raises(ValueError, match="finite"):
        loihi2.Constant(float("nan"), 0.0, 2.0, "ns", "assumed", "nowhere")
    with pytest.raises(ValueError, match="x must have shape"):
        loihi2.count(net, np.zeros((0, 2), int))
    with pytest.raises(TypeError, match="must be a Network"):
        loihi2.count(loihi2.ns4d(), np.zeros((3, 3)))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="n_tokens must be an integer of at least 1"):
        loihi2.estimate(net).sample_energy(0)


def test_every_constant_says_where_it_is_from_and_every_result_that_it_is_a_model() -> None:
    for name, constant in loihi2.CONSTANTS:
        assert constant.source, name
        assert constant.unit, name
        assert constant.low <= constant.value <= constant.high, name
    result = loihi2.estimate(two_populations())
    assert "modelled, not measured" in " ".join(str(result).split())
    assert result.to_json()["kind"] == "model"


def test_delay_lines_send_what_they_repeat() -> None:
    builder = loihi2.Builder(4)
    first = builder.population("first", Neuron.RELAY, 4)
    builder.synapses(None, first, Connectivity.DENSE, np.full(4, 4))
    second = builder.population("second", Neuron.RELAY, 4)
    builder.synapses(first, second, Connectivity.DENSE, np.full(4, 4))
    last = builder.population("last", Neuron.RELAY, 4)
    builder.synapses(second, last, Connectivity.DENSE, np.full(4, 4))
    builder.synapses(builder.delayed(None, 4, 2), last, Connectivity.BLOCK, np.ones(4))
    builder.synapses(builder.delayed(first, 4, 1), last, Connectivity.BLOCK, np.ones(4))
    net = builder.built("with paths around")
    assert net["input, 2 later"].step == net["first, 1 later"].step == 2
    assert net.latency == 3
    share = np.array([0.0, 0.25, 0.5, 1.0])
    counted = net.with_activity({None: share, "first": 0.5})
    by_name = {s.name: s.activity for s in counted.synapses}
    for name in ("input -> input, 1 later", "input, 2 later -> last"):
        np.testing.assert_array_equal(by_name[name], share)
    np.testing.assert_array_equal(by_name["first, 1 later -> last"], 0.5)
    np.testing.assert_array_equal(by_name["second -> last"], 1.0)
