"""Hybrid chains, of networks and spiking neurons, as NIR graphs and back."""

from pathlib import Path

import numpy as np
import pytest

from lava_ssm.exchange import ExchangeError, from_nir, to_nir
from lava_ssm.network import LIF, S4D, FixedDense, FixedLIF, Linear, Network, Part, ReLU, Scale
from tests.networks import random_fixed_network

nir = pytest.importorskip("nir")

MEANS = Network((Linear(np.ones((2, 1))), S4D(*(np.full((2, 1), v) for v in (0.9, 0.1, 0.5)))))
CHAINS: dict[str, tuple[Part, ...]] = {
    "fixed": (
        FixedDense([[2]], num_message_bits=24),
        FixedLIF(1, 4095, 0, 1000),
        FixedDense([[2], [-4]], weight_exp=5),
        random_fixed_network(np.random.default_rng(0)),
        FixedDense(60 * np.eye(4, dtype=int) - 20, -8, 24),
        FixedLIF(4, 4095, 200, 2**13, [1, -4096, 4095, 0], [0, 7, 3, 1]),
        FixedLIF(4, 300, 20, 131071, -7, 2),
        FixedLIF(4, 300, 0, 9),  # none of NIR's own
    ),
    "float": (
        LIF(1, 0.5, 0.25, 2.0, 0.125),
        MEANS,
        LIF(2, 1.0, 0.5, 1.5, [0.5, -1.0]),
        LIF(2, 1.0, 0.0, 3.0),
        LIF(2, 0.0, 0.5, 3.0),  # none of NIR's own
        Network((Linear([[1.0, -1.0]]), ReLU())),
    ),
}


@pytest.mark.parametrize("kind", CHAINS)
def test_chains_come_back_equal(kind: str, tmp_path: Path) -> None:
    parts = CHAINS[kind]
    assert from_nir(to_nir(parts)) == parts
    nir.write(tmp_path / "chain.nir", to_nir(parts))
    assert from_nir(tmp_path / "chain.nir", dt=0.1) == parts


def test_every_decay_of_integers_comes_back() -> None:
    for d in range(1, 4096):
        part = FixedLIF(1, d - 1, d, 7, 4095 - d, d % 8)
        assert from_nir(to_nir([part])) == (part,)


def test_spiking_neurons_and_synapses_are_nirs_own() -> None:
    nodes = to_nir(CHAINS["fixed"]).nodes
    names = [type(node).__name__ for node in nodes.values()]
    assert names[1:-2] == ["Linear", "IF", "Linear", "NIRGraph", "Linear", "LIF", "CubaLIF"]
    # (W s) 2^5; v <- v - v 200/4096 + input + bias, the bias 2^7 in units of 2^6 a message
    assert nodes["part_2"].weight.tolist() == [[64.0], [-128.0]]
    assert nodes["part_5"].tau == pytest.approx(4096 / 200)
    assert nodes["part_5"].v_leak[1] * 200 / 4096 == pytest.approx(-4096 * 2**7 / 2**6)
    assert nodes["part_6"].tau_syn == pytest.approx(4096 / 301)


def test_a_graph_of_another_program_becomes_a_chain() -> None:
    ones = np.ones(2)
    graph = nir.NIRGraph.from_list(
        nir.Affine(np.ones((2, 1)), ones),
        nir.CubaLIF(0.02 * ones, 0.1 * ones, 5 * ones, 3 * ones, 2 * ones, w_in=4.0),
        nir.Linear(np.ones((1, 2))),
        nir.Scale(np.array([3.0])),
    )
    first, neurons, last = from_nir(graph, dt=0.01)  # type: ignore[misc]
    assert first == Network((Linear(np.ones((2, 1)), ones),))
    assert last == Network((Linear([[1.0, 1.0]]), Scale([3.0])))
    # Euler: I <- 0.5 I + 0.5 * 4 S; v <- 0.9 v + 0.1 (3 + 5 I): a spike at once adds 1 of voltage
    spikes = np.array([0, 1, 0, 0, 1, 1, 1, 0, 0, 0, 1, 0])
    i, v, u, w = 0.0, 0.0, 0.0, 0.0
    for s in spikes:
        i = 0.5 * i + 2 * s
        v = 0.9 * v + 0.1 * (3 + 5 * i)
        u = (1 - neurons.du) * u + s
        w = (1 - neurons.dv) * w + u + neurons.bias[0]
        assert w / neurons.vth == pytest.approx(v / 2)
        v, w = (0.0, 0.0) if v > 2 else (v, w)


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("v_reset", [1.0, 1.0], "lif: v_reset must be 0"),
        ("tau", [1.0, 2.0], "lif: tau: neurons of one LIF share it"),
        ("tau", [0.5, 0.5], "lif: tau: 0.5 is less than a step, dt = 1: give `from_nir` dt"),
        ("r", [1.0, -1.0], "lif: r, w_in: must be above 0"),
        ("v_threshold", [1.0, 2.0], "lif: v_threshold: neurons of one LIF share it"),
    ],
)
def test_neurons_that_lava_has_not_are_refused_with_their_name(
    field: str, value: list[float], said: str
) -> None:
    values = {name: np.ones(2) for name in ("tau", "r", "v_leak", "v_threshold")}
    graph = nir.NIRGraph.from_list(nir.LIF(**{**values, field: np.array(value)}))
    with pytest.raises(ExchangeError, match=said):
        from_nir(graph)


@pytest.mark.parametrize(
    ("parts", "error", "said"),
    [
        ([], ValueError, "parts must be at least one"),
        ([MEANS, 3], TypeError, r"parts\[1\] must be a network.*, got 3"),
        ([MEANS, FixedLIF(2)], TypeError, r"parts\[1\] is a FixedLIF, parts\[0\] a Network"),
        ([MEANS, LIF(3)], ValueError, r"parts\[1\] takes 3 channels, parts\[0\] sends 2"),
    ],
)
def test_what_is_no_chain_is_refused(parts: list[Part], error: type, said: str) -> None:
    with pytest.raises(error, match=said):
        to_nir(parts)
