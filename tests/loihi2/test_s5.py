"""S5 layers, gates and residual paths: their description is that of the published S5."""

import numpy as np
import pytest

from lava_ssm import engine, loihi2
from lava_ssm.loihi2 import Connectivity, Neuron
from lava_ssm.network import (
    S5,
    FixedGate,
    FixedLinear,
    FixedNetwork,
    FixedS5,
    Gate,
    Linear,
    Network,
    ReLU,
    Residual,
)
from tests.networks import random_fixed_s5_network


def published_form(d_model: int, d_state: int, n_blocks: int, width: int) -> Network:
    """An S5 as the paper has it, with dense matrices."""
    rng = np.random.default_rng(0)

    def matrix(*shape: int) -> np.ndarray:
        return rng.uniform(0.1, 1, shape)

    layers: list = [Linear(matrix(d_model, width)), ReLU()]
    for _ in range(n_blocks):
        b = matrix(d_state, d_model) + 1j * matrix(d_state, d_model)
        c = matrix(d_model, d_state) + 1j * matrix(d_model, d_state)
        a = 0.5 * np.exp(1j * rng.uniform(0, 3, d_state))
        layers += [S5(a, b, c, matrix(d_model), relu=True), ReLU()]
        layers += [Gate(matrix(d_model, d_model)), Residual(2), ReLU()]
    layers.append(Linear(matrix(width, d_model)))
    return Network(tuple(layers))


def test_a_network_of_the_papers_form_is_described_as_the_paper() -> None:
    ours = loihi2.describe(published_form(12, 8, 3, 5))
    paper = loihi2.s5(12, 8, 3, d_input=5, d_output=5, density=1.0, activity=1.0)
    assert ours.latency == paper.latency == 11
    assert (ours.operations, ours.messages, ours.updates) == (
        paper.operations,
        paper.messages,
        paper.updates,
    )
    shape = [(p.kind, p.n_neurons, p.step) for p in ours.populations]
    assert sorted(shape, key=str) == sorted(
        ((p.kind, p.n_neurons, p.step) for p in paper.populations), key=str
    )
    assert ours.layers == ("encoder", "layer 0", "layer 1", "layer 2", "decoder")
    assert loihi2.map(ours).n_cores == loihi2.map(paper).n_cores


def test_latency_is_the_networks() -> None:
    net = random_fixed_s5_network(np.random.default_rng(1))
    assert loihi2.describe(net).latency == net.latency


def test_zeros_of_pruned_matrices_cost_nothing() -> None:
    b = np.zeros((3, 4, 2), int)
    b[0, 1] = [5, 0]
    b[2, 1] = [5, 5]
    layer = FixedS5(np.full((3, 2), 100), b, np.ones((4, 3, 2), int))
    description = loihi2.describe(FixedNetwork((layer,)))
    into = description.inputs_of("stage0.states")[0]
    assert into.connectivity is Connectivity.SPARSE
    np.testing.assert_array_equal(into.fan_out, [0, 3, 0, 0])
    out_of = description.outputs_of("stage0.states")[0]
    assert (out_of.n_in, out_of.n_synapses) == (6, 24)
    assert description["stage0.states"].kind is Neuron.COMPLEX_STATE


def test_messages_of_states_and_of_delayed_paths_are_counted() -> None:
    rng = np.random.default_rng(2)
    net = random_fixed_s5_network(rng)
    x = rng.integers(-50, 50, (3, 15, net.d_input))
    seen: dict[tuple[int, str], list[np.ndarray]] = {}

    def probe(population: int, what: str, v: np.ndarray) -> None:
        if what == "sent":
            p = net.lowered[population]
            seen.setdefault((p.stage, p.name), []).append(v != 0)

    engine.run(net, x, probe=probe)
    counted = loihi2.count(net, x)
    for s in counted.synapses:
        origin = (s.source or "input").split(",")[0]
        if origin == "input":
            expected = (x != 0).reshape(-1, net.d_input).mean(axis=0)
        else:
            stage, what = origin.removeprefix("stage").split(".")
            values = seen[int(stage), what]
            expected = np.concatenate([v.reshape(-1, v.shape[-1]) for v in values]).mean(axis=0)
        np.testing.assert_allclose(s.activity, expected, err_msg=s.name)
    gates = [s for s in net.stages if isinstance(s.layer, FixedGate)]
    assert any(s.residual is not None for s in gates)
    assert isinstance(net.stages[0].layer, FixedLinear)


def test_what_the_chip_has_no_public_neuron_for_is_not_lowered() -> None:
    net = random_fixed_s5_network(np.random.default_rng(1))
    with pytest.raises(loihi2.LoweringError, match=r"stage 0: .* no bias"):
        loihi2.lower(net)
    plain = FixedLinear(np.ones((2, 2), int))
    s5 = FixedS5(np.full((3, 2), 9), np.ones((3, 2, 2), int), np.ones((2, 3, 2), int))
    with pytest.raises(TypeError, match="no public Process of lava-loihi computes a FixedS5"):
        loihi2.lower(FixedNetwork((plain, s5)))
    with pytest.raises(loihi2.LoweringError, match="residual path"):
        loihi2.lower(FixedNetwork((plain, plain, Residual(1))))
