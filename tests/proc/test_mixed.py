"""Networks of any layers in the Lava graph: the integers of the engine."""

import numpy as np
import pytest

from lava_ssm import loihi2
from lava_ssm.loihi2 import Connectivity, Neuron
from lava_ssm.network import Activation, Readout
from lava_ssm.numerics import Arithmetic
from lava_ssm.proc import run
from tests.engine.test_mixed import fixed_chain, float_chain


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("schedule", ["pipelined", "fall_through"])
def test_graphs_of_any_layers_give_the_engines_integers(schedule: str, fused: bool) -> None:
    kinds, activations = set(), set()
    for seed in (3, 8, 13, 15, 26):
        rng = np.random.default_rng(seed)
        net = fixed_chain(rng, 4, list(Readout)[seed % 3], Arithmetic())
        kinds |= {type(stage.layer).__name__ for stage in net.stages}
        activations |= {p.activation for p in net.lowered if p.name == "gates"}
        top = min(2000, net.input_format.max_mantissa)
        x = rng.integers(-top, top + 1, (2, 6, 4))
        found = run(net, x, schedule=schedule, fused=fused)  # type: ignore[arg-type]
        np.testing.assert_array_equal(found, net.run(x, backend="reference"))
    assert kinds >= {"FixedS4D", "FixedS5", "FixedGate", "FixedLinear", "FixedGLU"}
    assert activations - {Activation.NONE, Activation.RELU}  # by table


def test_graphs_of_any_float_layers_give_the_engines_values() -> None:
    for seed in range(4):
        rng = np.random.default_rng(seed)
        net = float_chain(rng, 4)
        x = rng.normal(size=(6, 4))
        np.testing.assert_allclose(run(net, x), net.run(x), rtol=1e-9, atol=1e-9)


def test_any_network_is_described_to_the_chip_with_its_latency() -> None:
    kinds = set()
    for seed in range(15):
        net = fixed_chain(np.random.default_rng(seed), 4, Readout.EVERY_TOKEN, Arithmetic())
        description = loihi2.describe(net)
        assert description.latency == net.latency
        for i, stage in enumerate(net.stages):
            if (f := getattr(stage.layer, "activation", None)) is not None:  # a GLU
                kinds.add(description[f"stage{i}.neurons"].kind)
            if f is Activation.SIGMOID:  # two matrices onto one population
                into = description.inputs_of(f"stage{i}.neurons")
                assert [s.connectivity for s in into[:2]] == [Connectivity.DENSE] * 2
        loihi2.map(description)
    assert kinds == {Neuron.GATE, Neuron.PRODUCT}
