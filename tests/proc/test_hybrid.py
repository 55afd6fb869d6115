"""Hybrid chains: Processes described, and made of descriptions."""

from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from lava.proc.lif.process import LIF
from lava.utils.weightutils import SignMode

from lava_ssm import network, runtime
from lava_ssm.network import FixedDense, FixedLIF, FixedNetwork, Linear, Network
from lava_ssm.proc import FusedSSMNetwork, SSMNetwork, chain, parts
from tests.networks import random_fixed_network

STEPS = 60


def small() -> FixedNetwork:
    return random_fixed_network(np.random.default_rng(3), n_layers=1, d_input=1, d_output=2)


def sensing() -> list[AbstractProcess]:
    """Neurons before and behind a network, of Lava's own Processes."""
    net = small()
    processes = [
        Dense(weights=np.array([[3]]), num_message_bits=24, sign_mode=SignMode.MIXED),
        LIF(shape=(1,), du=4095, dv=0, vth=100),
        Dense(weights=np.array([[2]]), weight_exp=net.input_exponent - 1),
        SSMNetwork(net),
        Dense(weights=np.array([[61, -7], [5, 9], [-3, 3]]), weight_exp=-6, num_message_bits=24),
        LIF(shape=(3,), du=2000, dv=200, vth=60, bias_mant=np.array([9, 5, 7]), bias_exp=6),
    ]
    return connected(processes)


def connected(processes: list[AbstractProcess]) -> list[AbstractProcess]:
    for a, b in pairwise(processes):
        (a.a_out if isinstance(a, Dense) else a.s_out).connect(
            b.s_in if isinstance(b, Dense) else b.a_in
        )
    return processes


def spikes(processes: Sequence[AbstractProcess]) -> np.ndarray:
    data = np.random.default_rng(0).integers(0, 80, (1, STEPS))
    source, sink = Source(data=data), Sink(shape=(3,), buffer=STEPS)
    source.s_out.connect(processes[0].s_in)
    processes[-1].s_out.connect(sink.a_in)
    with runtime.in_process():
        processes[0].run(condition=RunSteps(STEPS), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
    result: np.ndarray = sink.data.get()
    processes[0].stop()
    return result


def test_a_graph_through_nir_spikes_as_before(tmp_path: Path) -> None:
    nir = pytest.importorskip("nir")
    from lava_ssm.exchange import from_nir, to_nir

    processes = sensing()
    before = spikes(processes)
    nir.write(tmp_path / "graph.nir", to_nir(parts(*processes)))  # after a run too
    # a network of a chain begins with the first token; before it, the one above gets zeros, of
    # which a network without biases makes zeros
    after = spikes(chain(from_nir(tmp_path / "graph.nir")))  # type: ignore[arg-type]
    assert before.any(axis=1).all()
    assert np.array_equal(before, after)


def test_processes_are_described_as_their_models_take_them() -> None:
    dense, lif, _, net, mixed, last = parts(*sensing())
    # a mode of both signs rounds weights down to even ones
    assert dense == FixedDense([[2]], 0, 24)
    assert mixed == FixedDense([[60, -8], [4, 8], [-4, 2]], -6, 24)
    assert (lif, net) == (FixedLIF(1, 4095, 0, 100), small())
    assert last == FixedLIF(3, 2000, 200, 60, [9, 5, 7], 6)


def test_in_floats_a_dense_is_a_network() -> None:
    one = Network((Linear([[2.0]]),))
    processes = connected(
        [
            LIF(shape=(1,), du=0.5, dv=0.1, vth=1.5, bias_mant=0.2),
            Dense(weights=np.array([[0.3]])),
            SSMNetwork(one),
        ]
    )
    described = parts(*processes)
    assert described == (network.LIF(1, 0.5, 0.1, 1.5, 0.2), Network((Linear([[0.3]]),)), one)
    again = parts(*chain(described))
    assert again == described


def test_what_no_description_says_is_refused() -> None:
    net = small()
    lif = {"shape": (1,), "du": 4095}
    for processes, error, said in (
        ([LIF(**lif)], TypeError, "at least one must be an SSMNetwork"),
        ([LIF(**lif, v=3), SSMNetwork(net)], ValueError, r"processes\[0\]: v must be zero"),
        ([SSMNetwork(net, period=2)], ValueError, r"processes\[0\]: a chain takes a token a step"),
        ([FusedSSMNetwork(net, batch_size=2)], ValueError, "of one stream"),
        (
            [Dense(weights=np.array([[2.0]])), SSMNetwork(Network((Linear([[1.0]]),)))],
            ValueError,
            r"processes\[0\]: num_message_bits must not be 0",
        ),
    ):
        with pytest.raises(error, match=said):
            parts(*connected(processes))
    with pytest.raises(ValueError, match=r"processes\[1\] must be connected"):
        parts(LIF(**lif), SSMNetwork(net))
    with pytest.raises(TypeError, match=r"processes\[1\] must be a Dense, LIF"):
        parts(SSMNetwork(net), Source(data=np.ones((1, 1))))
