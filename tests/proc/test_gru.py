"""Gated linear and selective recurrences as Lava Processes."""

import numpy as np
import pytest
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg

from lava_ssm import proc
from lava_ssm.network import (
    MLGRU,
    FixedMinGRU,
    FixedNetwork,
    GatedRecurrence,
    Linear,
    MinGRU,
    Network,
    Residual,
    SelectiveRecurrence,
    SelectiveSSM,
)
from lava_ssm.numerics import Arithmetic, Overflow
from lava_ssm.proc import FusedSSMNetwork, GatedStates, SSMNetwork
from tests.engine import plain
from tests.networks import random_chain, random_mantissas

SCHEDULES = pytest.mark.parametrize("schedule", ["pipelined", "fall_through"])
FUSED = pytest.mark.parametrize("fused", [False, True])


@SCHEDULES
@FUSED
@pytest.mark.parametrize("kind", ["gru", "selective"])
@pytest.mark.parametrize("seed", range(4))
def test_graphs_give_the_integers_of_python(
    seed: int, kind: str, fused: bool, schedule: str
) -> None:
    rng = np.random.default_rng(seed)
    rules = Arithmetic(overflow=Overflow.SATURATE if seed % 2 else Overflow.WRAP)
    net = random_chain(rng, 6, 3, rules, (kind, kind, "linear"))
    x = random_mantissas(rng, net, (2, 4))
    wanted = [plain.run(net, sample.tolist()) for sample in x]
    found = proc.run(net, x, schedule=schedule, fused=fused)  # type: ignore[arg-type]
    assert found.tolist() == wanted


@SCHEDULES
@FUSED
def test_graphs_of_real_numbers_give_what_the_network_does(fused: bool, schedule: str) -> None:
    rng = np.random.default_rng(0)
    w, b = rng.normal(size=(5, 4, 4)), rng.normal(size=(5, 4))
    net = Network(
        (
            Linear(rng.normal(size=(4, 2))),
            MinGRU(*w[:2], *b[:2]),
            MLGRU(*w[2:], *b[2:]),
            Residual(2),
            SelectiveSSM(
                -rng.uniform(0.1, 3, (2, 3)),
                rng.normal(size=(2, 2)),
                rng.normal(size=(2, 2)),
                *rng.normal(size=(2, 3, 2)),
                *rng.normal(size=(2, 2)),
                gated=True,
            ),
        )
    )
    assert net.latency == 1 + 2 + 3 + 9
    x = rng.normal(size=(2, 5, 2))
    found = proc.run(net, x, schedule=schedule, fused=fused)  # type: ignore[arg-type]
    np.testing.assert_allclose(found, net.run(x), atol=1e-12)


@pytest.mark.parametrize("kind", [SSMNetwork, FusedSSMNetwork])
def test_states_are_read_and_set(kind: type[SSMNetwork | FusedSSMNetwork]) -> None:
    net = FixedNetwork((FixedMinGRU([[1]], [[0]], 0, 0, state_exponent=1, output_exponent=1),))
    graph = kind(net, schedule="fall_through")
    source, sink = proc.source(np.array([[100], [0]]), graph), proc.sink(graph, 2)
    source.s_out.connect(graph.a_in)
    graph.s_out.connect(sink.a_in)
    config = Loihi2SimCfg(select_tag="fixed_pt")
    try:
        graph.run(condition=RunSteps(graph.steps_for(1)), run_cfg=config)
        state = graph.layers[0].state
        assert state.get().tolist() == [100]  # 200 - trunc(16400 * 200 / 32768)
        state.set([1000])
        with pytest.raises(ValueError, match="24 bits"):
            state.set([2**23])
        graph.run(condition=RunSteps(graph.steps_for(2) - graph.steps_for(1)), run_cfg=config)
        found = sink.take()[-1]
    finally:
        graph.stop()
    assert found.tolist() == [500]  # trunc(16400 * 1000 / 32768)


def test_gated_states_take_a_gated_recurrence() -> None:
    assert GatedStates(GatedRecurrence(np.zeros(3, int)), "fixed_pt").state.shape == (3,)
    assert GatedStates(SelectiveRecurrence(np.ones(2, int)), "fixed_pt").state.shape == (2,)
    with pytest.raises(TypeError, match="neurons must be a GatedRecurrence"):
        GatedStates(3, "fixed_pt")  # type: ignore[arg-type]
