"""Convolutions, norms and activations by table as Lava Processes."""

import numpy as np
import pytest
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg

from lava_ssm import proc
from lava_ssm.network import (
    Conv1d,
    FixedConv1d,
    FixedNetwork,
    LayerNorm,
    Linear,
    Network,
    Residual,
    RMSNorm,
    SiLU,
    Tanh,
    Taps,
)
from lava_ssm.numerics import Arithmetic
from lava_ssm.proc import DelayLine, FusedSSMNetwork, SSMNetwork
from tests.engine import plain
from tests.networks import random_chain, random_mantissas


@pytest.mark.parametrize("schedule", ["pipelined", "fall_through"])
@pytest.mark.parametrize("fused", [False, True])
@pytest.mark.parametrize("seed", range(3))
def test_graphs_give_the_integers_of_python(seed: int, fused: bool, schedule: str) -> None:
    rng = np.random.default_rng(seed)
    kinds = ("norm", "conv1d", "glu", "linear")
    net = random_chain(rng, 6, 3, Arithmetic(), kinds)
    x = random_mantissas(rng, net, (2, 4))
    wanted = [plain.run(net, sample.tolist()) for sample in x]
    found = proc.run(net, x, schedule=schedule, fused=fused)  # type: ignore[arg-type]
    assert found.tolist() == wanted


@pytest.mark.parametrize("fused", [False, True])
def test_graphs_of_real_numbers_give_what_the_network_does(fused: bool) -> None:
    rng = np.random.default_rng(0)
    net = Network(
        (
            Linear(rng.normal(size=(4, 2))),
            Conv1d(rng.normal(size=(4, 1, 3)), rng.normal(size=4), 4),
            SiLU(),
            LayerNorm(rng.normal(size=4), rng.normal(size=4)),
            Residual(2),
            Tanh(),
            RMSNorm(rng.normal(size=4)),
        )
    )
    assert net.latency == 1 + 2 + 5 + 3
    x = rng.normal(size=(2, 5, 2))
    np.testing.assert_allclose(proc.run(net, x, fused=fused), net.run(x), atol=1e-12)


@pytest.mark.parametrize("kind", [SSMNetwork, FusedSSMNetwork])
def test_earlier_messages_are_read_and_set(kind: type[SSMNetwork | FusedSSMNetwork]) -> None:
    net = FixedNetwork((FixedConv1d([[[1, 2, 3]]], exponent=0),), input_exponent=0)
    graph = kind(net, schedule="fall_through")
    source, sink = proc.source(np.array([[1], [5], [7]]), graph), proc.sink(graph, 3)
    source.s_out.connect(graph.a_in)
    graph.s_out.connect(sink.a_in)
    config = Loihi2SimCfg(select_tag="fixed_pt")
    try:
        graph.run(condition=RunSteps(graph.steps_for(2)), run_cfg=config)
        state = graph.layers[0].state
        assert state.get().tolist() == [[1, 5]]
        state.set([[0, 10]])
        with pytest.raises(ValueError, match="24 bits"):
            state.set([[0, 2**23]])
        graph.run(condition=RunSteps(graph.steps_for(3) - graph.steps_for(2)), run_cfg=config)
        found = sink.take()[-1]
    finally:
        graph.stop()
    assert found.tolist() == [2 * (2 * 10 + 3 * 7) >> 1]


def test_a_delay_line_takes_taps() -> None:
    assert DelayLine(Taps(2, 3), "fixed_pt").messages.shape == (4,)
    with pytest.raises(TypeError, match="neurons must be Taps"):
        DelayLine(3, "fixed_pt")  # type: ignore[arg-type]
