"""Graphs of S5 networks: the reference's integers on every token, whichever runtime."""

from typing import Any

import numpy as np
import pytest
import torch
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.sparse.process import Sparse

import lava_ssm as ssm
from lava_ssm.compress import W8A16, quantize
from lava_ssm.engine import run
from lava_ssm.network import (
    FixedLinear,
    FixedNetwork,
    FixedS5,
    Network,
    Readout,
    ReLU,
    Residual,
)
from lava_ssm.nn import SparseS5, export
from lava_ssm.numerics import Arithmetic, Overflow, Rounding
from lava_ssm.proc import FusedSSMNetwork, SSMNetwork
from tests.networks import (
    random_fixed_linear,
    random_fixed_s4d,
    random_fixed_s5,
    random_fixed_s5_network,
    random_network,
    random_s5_network,
)
from tests.proc.graphs import graph_run, joined, stopped

FIXED = Loihi2SimCfg(select_tag="fixed_pt")


@pytest.mark.parametrize("kind", [SSMNetwork, FusedSSMNetwork])
@pytest.mark.parametrize("period", [1, 9])
@pytest.mark.parametrize(("readout", "density"), [*zip(Readout, (1.0, 0.3, 1.0), strict=True)])
def test_graph_equals_the_reference_on_every_token(
    kind: Any, period: int, readout: Readout, density: float
) -> None:
    rng = np.random.default_rng(0)
    net = random_fixed_s5_network(rng, readout=readout, per_channel=True, density=density)
    assert net.latency == 1 + 2 * (2 + 1) + 1
    x = rng.integers(-3000, 3000, (2, 8, 5))  # samples back to back
    np.testing.assert_array_equal(graph_run(net, x, period, kind), net.run(x))


@pytest.mark.parametrize("which_runtime", ["in process"], indirect=True)
@pytest.mark.parametrize("seed", range(6))
def test_graphs_of_all_kinds_equal_the_reference(seed: int) -> None:
    rng = np.random.default_rng(seed)
    overflow = [Overflow.WRAP, Overflow.SATURATE][seed % 2]
    bits = [(24, 24), (24, 16), (12, 10)][seed % 3]
    rules = Arithmetic(list(Rounding)[seed % 3], overflow, *bits)
    net = random_fixed_s5_network(
        rng, n_layers=seed % 3, per_channel=seed < 3, arithmetic=rules, density=[1, 0.4][seed % 2]
    )
    top = min(4000, net.input_format.max_mantissa)
    x = rng.integers(-top, top, (30, 5))
    expected = run(net, x)
    np.testing.assert_array_equal(graph_run(net, x), expected.outputs)
    assert expected.overflows.total > 0 or bits[1] > 10


@pytest.mark.parametrize("kind", [SSMNetwork, FusedSSMNetwork])
@pytest.mark.parametrize("relu", [True, False])
def test_float_graph_equals_the_float_reference(relu: bool, kind: Any) -> None:
    rng = np.random.default_rng(0)
    net = random_s5_network(rng, relu=relu, readout=Readout.MEAN_OVER_TIME)
    x = rng.normal(size=(2, 8, 5))
    found = graph_run(net, x, kind=kind)
    np.testing.assert_allclose(found, net.run(x), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("which_runtime", ["in process"], indirect=True)
def test_paths_go_around_any_layers_and_begin_anywhere() -> None:
    rng = np.random.default_rng(1)
    layers = (
        random_fixed_s4d(rng, 4, 3),
        Residual(1),
        ReLU(),
        random_fixed_linear(rng, 4, 4),
        Residual(2),  # from the network's input, around both
        random_fixed_s5(rng, 4, 3, 8, 7),
        Residual(3),
        FixedLinear(rng.integers(-99, 99, (4, 4)), 9, 8),
        Residual(2),  # from the same message as the one before
    )
    net = FixedNetwork(layers, input_exponent=8)
    x = rng.integers(-3000, 3000, (15, 4))
    np.testing.assert_array_equal(graph_run(net, x), run(net, x).outputs)
    float_net = random_network(rng, n_layers=1)
    s4d = Network((float_net.layers[1], Residual(1)))
    u = rng.normal(size=(9, 6))
    np.testing.assert_allclose(graph_run(s4d, u), s4d.run(u), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("which_runtime", ["in process"], indirect=True)
def test_sparse_matrices_become_sparse_synapses() -> None:
    rng = np.random.default_rng(2)
    net = random_fixed_s5_network(rng, 1, d_model=12, d_state=8, density=0.2)
    graph = ssm.proc.SSMNetwork(net)
    source = ssm.proc.source(rng.integers(-9, 9, (3, 5)), graph)
    source.s_out.connect(graph.a_in)
    with stopped(graph):
        graph.run(condition=RunSteps(2), run_cfg=FIXED)
        parts = graph.model_class(graph).__dict__.values()
    assert sum(isinstance(part, Sparse) for part in parts) >= 4


def test_states_can_be_read_and_set() -> None:
    rng = np.random.default_rng(3)
    net = random_fixed_s5_network(rng, n_layers=1)
    x = rng.integers(-3000, 3000, (12, 5))
    graph = ssm.proc.SSMNetwork(net)
    source = ssm.proc.source(x, graph)
    source.s_out.connect(graph.a_in)
    with stopped(graph):
        # the states work two steps behind the input: after step 9 they have seen 7 tokens
        graph.run(condition=RunSteps(9), run_cfg=FIXED)
        stream = net.stream()
        stream.run(x[:7])
        state = graph.layers[0].state.get()
        assert state.shape == (3, 2)
        np.testing.assert_array_equal(state, stream.state[0])
        graph.layers[0].state.set(state + 1)
        np.testing.assert_array_equal(graph.layers[0].state.get(), state + 1)
        with pytest.raises(ValueError, match=r"\(3, 2\)"):
            graph.layers[0].state.set(np.zeros((3, 3, 2), int))


def test_bad_neurons_are_named() -> None:
    layer = FixedS5(np.zeros((2, 2), int), np.ones((2, 3, 2), int), np.ones((3, 2, 2), int))
    states, neurons = (p.neurons for p in layer.lowered())
    with pytest.raises(TypeError, match="neurons must be Filters or a Recurrence, got Affine"):
        ssm.proc.States(neurons, "fixed_pt")
    with pytest.raises(ValueError, match=r"shift must be .* shape \(4,\)"):
        ssm.proc.S5(layer, shift=[1, 2])
    assert ssm.proc.S5(layer).a_in.shape == (4,)
    with pytest.raises(TypeError, match="layer must be an S5 or a FixedS5, got FixedLinear"):
        ssm.proc.S5(FixedLinear([[1]]))
    with pytest.raises(TypeError, match="layer must be an S4D or a FixedS4D, got FixedS5"):
        ssm.proc.S4D(layer)
    with pytest.raises(TypeError, match=r"neurons must be an Affine, a Product, .* got Recurrence"):
        ssm.proc.Output(states, "fixed_pt")
    with pytest.raises(ValueError, match="shift must be an integer of at least 0"):
        ssm.proc.Output(neurons, "fixed_pt", shift=-1)
    with pytest.raises(TypeError, match="arithmetic must be an Arithmetic"):
        ssm.proc.Output(neurons, "fixed_pt", arithmetic="chip")


@pytest.mark.parametrize("schedule", ["pipelined", "fall_through"])
def test_both_graphs_send_each_token_at_the_same_step(schedule: Any) -> None:
    net = random_fixed_s5_network(np.random.default_rng(4), n_layers=1)
    x = np.random.default_rng(5).integers(-3000, 3000, (6, 5))
    expected = net.run(x)
    for kind in (SSMNetwork, FusedSSMNetwork):
        graph = kind(net, schedule=schedule)
        assert graph.latency == 1 + 2 + 1 + 1
        first, second = graph.step_of(0), graph.step_of(1)
        assert first == 1 + graph.latency
        assert second - first == (1 if schedule == "pipelined" else graph.latency + 1)
        with joined(graph, x, 6) as sink:
            graph.run(RunSteps(graph.steps_for(6)), FIXED)
            np.testing.assert_array_equal(sink.take(), expected)


@pytest.mark.parametrize("batch_size", [None, 3])
def test_the_state_of_a_fused_network_can_be_read_and_set(batch_size: int | None) -> None:
    batch = () if batch_size is None else (batch_size,)
    net = random_fixed_s5_network(np.random.default_rng(6))
    x = np.random.default_rng(7).integers(-3000, 3000, (*batch, 10, 5))
    graph = FusedSSMNetwork(net, batch_size=batch_size)
    assert len(graph.layers) == 2
    with joined(graph, x, 10) as sink:
        graph.run(RunSteps(4), FIXED)
        stream = net.stream(batch)
        stream.run(x[..., :4, :])
        for layer, expected in zip(graph.layers, stream.state, strict=True):
            np.testing.assert_array_equal(layer.state.get(), expected)
        changed = stream.state[1] // 3
        graph.layers[1].state.set(changed)
        graph.run(RunSteps(graph.steps_for(10) - 4), FIXED)
        stream.state = (stream.state[0], changed)
        expected = np.concatenate([net.run(x[..., :4, :]), stream.run(x[..., 4:, :])], axis=-2)
        np.testing.assert_array_equal(sink.take(), expected)


def speech_like(tokens: int) -> np.ndarray:
    """A voice of harmonics that rises, falls and pauses, in noise, 16 kHz."""
    rng = np.random.default_rng(8)
    t = np.arange(128 * tokens) / 16000
    pitch = 2 * np.pi * np.cumsum(120 + 30 * np.sin(2 * np.pi * 0.7 * t)) / 16000
    voice = sum(np.sin(n * pitch) / n for n in range(1, 20))
    voice = voice * np.clip(np.sin(2 * np.pi * 3 * t), 0, None)
    return 0.05 * voice + 0.01 * rng.normal(size=t.shape)


@pytest.mark.parametrize("which_runtime", ["in process"], indirect=True)
@pytest.mark.parametrize("kind", [SSMNetwork, FusedSSMNetwork])
def test_a_denoiser_gives_the_engines_integers_on_500_tokens_of_noisy_speech(kind: Any) -> None:
    torch.manual_seed(0)
    size = np.abs(ssm.audio.analyse(speech_like(497)))
    assert size.shape == (500, 257)
    model = SparseS5(257, 32, 16, 3, 257, relu=True, blocks=2)
    model(torch.from_numpy(size).float()[None])  # the norms see it
    fixed = quantize(export(model), size, arithmetic=W8A16)
    expected = fixed.run(size, backend="reference")
    assert np.ptp(expected) > 1000
    np.testing.assert_array_equal(graph_run(fixed, size, kind=kind), expected)
    np.testing.assert_array_equal(fixed.run(size), expected)
