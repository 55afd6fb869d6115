"""Networks of any layers in the Lava graph: the integers of the engine."""

import numpy as np
import pytest

from lava_ssm import loihi2
from lava_ssm.loihi2 import Connectivity, Neuron
from lava_ssm.network import Readout
from lava_ssm.numerics import Arithmetic
from lava_ssm.proc import run
from tests.engine.test_mixed import fixed_chain, float_chain


@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("schedule", ["pipelined", "fall_through"])
def test_graphs_of_any_layers_give_the_engines_integers(schedule: str, fused: bool) -> None:
    kinds = set()
    for seed in range(6):
        rng = np.random.default_rng(seed)
        net = fixed_chain(rng, 4, list(Readout)[seed % 3], Arithmetic())
        kinds |= {type(stage.layer).__name__ for stage in net.stages}
        top = min(2000, net.input_format.max_mantissa)
        x = rng.integers(-top, top + 1, (2, 6, 4))
        found = run(net, x, schedule=schedule, fused=fused)  # type: ignore[arg-type]
        np.testing.assert_array_equal(found, net.run(x, backend="reference"))
    assert kinds == {"FixedS4D", "FixedS5", "FixedGate", "FixedLinear", "FixedGLU"}


def test_graphs_of_any_float_layers_give_the_engines_values() -> None:
    for seed in range(4):
        rng = np.random.default_rng(seed)
        net = float_chain(rng, 4)
        x = rng.normal(size=(6, 4))
        np.testing.assert_allclose(run(net, x), net.run(x), rtol=1e-9, atol=1e-9)


def test_any_network_is_described_to_the_chip_with_its_latency() -> None:
    gates = 0
    for seed in range(20):
        net = fixed_chain(np.random.default_rng(seed), 4, Readout.EVERY_TOKEN, Arithmetic())
        description = loihi2.describe(net)
        assert description.latency == net.latency
        for i, stage in enumerate(net.stages):
            if type(stage.layer).__name__ == "FixedGLU":  # two matrices onto one population
                into = description.inputs_of(f"stage{i}.neurons")
                assert description[f"stage{i}.neurons"].kind is Neuron.GATE
                assert [s.connectivity for s in into[:2]] == [Connectivity.DENSE] * 2
                gates += 1
        loihi2.map(description)
    assert gates > 0
