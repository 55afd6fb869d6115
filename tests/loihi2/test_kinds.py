"""Convolutions, norms and activations by table on the chip's map."""

import numpy as np
import pytest

from lava_ssm import loihi2
from lava_ssm.compress import quantize
from lava_ssm.loihi2.description import Neuron
from lava_ssm.network import (
    GELU,
    MLGRU,
    Conv1d,
    LayerNorm,
    Linear,
    MinGRU,
    Network,
    RMSNorm,
    SelectiveSSM,
)


def test_a_layer_norm_is_five_populations() -> None:
    network = loihi2.describe(Network((LayerNorm(np.ones(8)),)))
    kinds = [(p.kind, p.n_neurons, p.step) for p in network.populations if p.repeats is None]
    assert kinds == [
        (Neuron.RELAY, 1, 1),
        (Neuron.RELAY, 8, 2),
        (Neuron.PRODUCT, 8, 3),
        (Neuron.INVERSE_SQRT, 1, 4),
        (Neuron.PRODUCT, 8, 5),
    ]
    delays = [p for p in network.populations if p.repeats is not None]
    # channels wait a step for their mean, and two for the root
    assert [p.n_neurons for p in delays] == [8, 8, 8]
    assert network.n_synapses == 8 + (8 + 8 + 8) + 8 + 8 + (8 + 8 + 8 + 8)


def test_a_convolution_is_taps_and_a_sparse_matrix() -> None:
    weights = np.ones((8, 1, 4))
    network = loihi2.describe(Network((Conv1d(weights, None, 8), GELU())))
    taps, neurons = network.populations
    assert (taps.kind, taps.n_neurons, taps.step) == (Neuron.TAP, 32, 1)
    assert (neurons.kind, neurons.n_neurons, neurons.step) == (Neuron.TABLE, 8, 2)
    assert network.operations == 32 + 32


def test_gated_recurrences_are_states_with_two_inputs() -> None:
    ones = np.ones((8, 4))
    network = loihi2.describe(Network((MinGRU(ones, ones), MLGRU(*[np.ones((3, 8))] * 3))))
    kinds = [(p.kind, p.n_neurons, p.step) for p in network.populations if p.repeats is None]
    assert kinds == [
        (Neuron.GATED_STATE, 8, 1),
        (Neuron.RELAY, 8, 2),
        (Neuron.TABLE, 3, 3),
        (Neuron.GATED_STATE, 3, 4),
        (Neuron.GATE, 3, 5),
    ]
    # the MLGRU's gates wait a step and two steps for the candidates and the states
    assert [p.n_neurons for p in network.populations if p.repeats is not None] == [8, 8]
    assert loihi2.CONSTANTS.passes(Neuron.GATED_STATE).known == "inferred"


def test_a_selective_layer_is_products_around_its_states() -> None:
    ones = [np.ones(shape) for shape in ((2, 8), (8, 2), (4, 8), (4, 8))]
    net = Network((SelectiveSSM(-np.ones((8, 4)), *ones, gated=True),))
    network = loihi2.describe(net)
    kinds = [(p.kind, p.n_neurons, p.step) for p in network.populations if p.repeats is None]
    assert kinds == [
        (Neuron.RELAY, 8, 1),
        (Neuron.RELAY, 2, 2),
        (Neuron.TABLE, 8, 3),
        (Neuron.RELAY, 4, 2),
        (Neuron.RELAY, 4, 2),
        (Neuron.PRODUCT, 8, 4),
        (Neuron.PRODUCT, 32, 5),
        (Neuron.SELECTIVE_STATE, 32, 6),
        (Neuron.PRODUCT, 32, 7),
        (Neuron.RELAY, 8, 8),
        (Neuron.PRODUCT, 8, 9),
    ]
    fan_out = {s.target: s.fan_out.tolist() for s in network.synapses if s.source == "stage0.b"}
    assert fan_out == {"stage0.b, 1 later": [1] * 4}  # b waits two steps for the steps' product
    onto = {s.source: s.fan_out.tolist() for s in network.synapses if s.target == "stage0.drives"}
    assert onto == {"stage0.scaled": [4] * 8, "stage0.b, 2 later": [8] * 4}
    assert loihi2.CONSTANTS.passes(Neuron.SELECTIVE_STATE).known == "inferred"
    estimate = loihi2.estimate(loihi2.count(net, np.ones((1, 3, 16))))
    assert estimate.latency.value > 0


def test_time_and_energy_of_all_of_them() -> None:
    rng = np.random.default_rng(0)
    net = Network(
        (
            Linear(rng.normal(size=(8, 2))),
            Conv1d(rng.normal(size=(8, 1, 4)), groups=8),
            GELU(),
            RMSNorm(np.ones(8)),
            LayerNorm(np.ones(8)),
        )
    )
    fixed = quantize(net, rng.normal(size=(2, 20, 2)))
    counted = loihi2.count(fixed, rng.normal(size=(1, 5, 2)))
    estimate = loihi2.estimate(counted)
    assert estimate.steps == net.latency + 1 == 1 + 2 + 3 + 5 + 1
    assert estimate.latency.low < estimate.latency.value < estimate.latency.high


@pytest.mark.parametrize("layer", [LayerNorm(np.ones(2)), Conv1d(np.ones((2, 2, 3)))])
def test_what_no_public_process_computes_is_not_lowered(layer: LayerNorm | Conv1d) -> None:
    pytest.importorskip("lava")
    fixed = quantize(Network((layer,)), np.random.default_rng(0).normal(size=(2, 9, 2)))
    with pytest.raises(TypeError, match=f"no public Process.*{type(fixed.layers[0]).__name__}"):
        loihi2.lower(fixed)
    gelu = quantize(Network((Linear(np.eye(2)), GELU())), np.ones((2, 9, 2)))
    with pytest.raises(loihi2.LoweringError, match="the table of a gelu"):
        loihi2.lower(gelu)
