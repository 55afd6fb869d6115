"""S4D between slayer's blocks: trained as one torch module, run as one Lava graph."""

import contextlib
import io
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch
from lava.lib.dl import netx, slayer
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from torch import nn

from lava_ssm import network, proc, quantize, runtime
from lava_ssm.nn import S4D, export
from lava_ssm.train import optimizer

TIME = 40


class SpikingThenStates(nn.Module):
    """slayer's spiking dense block -> S4D -> slayer's dense synapse."""

    def __init__(self) -> None:
        super().__init__()
        neuron = {"threshold": 1.0, "current_decay": 0.5, "voltage_decay": 0.2}
        self.spiking = slayer.block.cuba.Dense(neuron, 3, 16, weight_scale=2)
        self.states = S4D(16, 4, dt_min=0.02, dt_max=0.2)
        self.dense = slayer.synapse.Dense(16, 2)

    def spikes(self, x: torch.Tensor) -> torch.Tensor:
        """Spikes (batch, 16, time) of x (batch, 3, time)."""
        return self.spiking(x)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Mean over time of the outputs, (batch, 2)."""
        y = self.states(self.spikes(x).mT).mT  # slayer has time last, we have channels last
        return self.dense(y).mean(-1)


def task() -> tuple[torch.Tensor, torch.Tensor]:
    """Spike trains that are dense first and sparse then, or the reverse: only memory can tell."""
    generator = torch.Generator().manual_seed(0)
    y = torch.arange(64) % 2
    early = torch.where(y == 0, 0.8, 0.2)[:, None, None]
    rate = torch.cat([early.expand(-1, 3, TIME // 2), 1 - early.expand(-1, 3, TIME // 2)], -1)
    return (torch.rand(64, 3, TIME, generator=generator) < rate).float(), y


@pytest.fixture(scope="module")
def trained() -> tuple[SpikingThenStates, list[float]]:
    torch.manual_seed(1)
    model = SpikingThenStates()
    x, y = task()
    adamw = optimizer(model, lr=1e-2, ssm_lr=1e-2)
    losses = []
    for _ in range(80):
        loss = nn.functional.cross_entropy(model(x), y)
        adamw.zero_grad()
        loss.backward()
        adamw.step()
        losses.append(loss.item())
    return model, losses


def test_slayer_blocks_and_s4d_learn_together(
    trained: tuple[SpikingThenStates, list[float]],
) -> None:
    model, losses = trained
    x, y = task()
    assert losses[-1] < 0.2 < 0.5 < losses[0]
    assert float((model(x).argmax(-1) == y).float().mean()) > 0.95
    moved = [p.grad is not None and bool(p.grad.any()) for p in model.spiking.parameters()]
    assert any(moved)  # through S4D, to slayer's block


def fixed_part(model: SpikingThenStates, spikes: np.ndarray) -> network.FixedNetwork:
    """S4D and slayer's dense synapse as one fixed network, which takes spikes: zero or one."""
    relay = network.Linear(np.eye(16))  # gives spikes fraction bits
    (states,) = export(model.states).layers
    dense = model.dense.weight.detach().reshape(2, 16).double().numpy()
    floating = network.Network((relay, states, network.Linear(dense)))
    fixed = quantize(floating, spikes)
    return network.FixedNetwork(fixed.layers, fixed.readout, input_exponent=0, input_bits=2)


def test_slayers_block_and_our_processes_run_in_one_graph(
    trained: tuple[SpikingThenStates, list[float]], tmp_path: Path
) -> None:
    model, _ = trained
    x, _ = task()
    with torch.no_grad():
        spikes = model.spikes(x).mT.numpy().astype(int)  # (batch, time, 16)
    assert 0.02 < spikes.mean() < 0.9
    fixed = fixed_part(model, spikes.astype(float))
    path = tmp_path / "spiking.net"
    with h5py.File(path, "w") as file:
        model.spiking.export_hdf5(file.create_group("layer/0"))

    sample, steps = 5, TIME + 12
    tokens = np.zeros((3, steps))
    tokens[:, :TIME] = x[sample]
    with runtime.in_process(), contextlib.redirect_stdout(io.StringIO()):
        block = netx.hdf5.Network(net_config=str(path))
        net = proc.SSMNetwork(fixed)
        source = Source(data=tokens.astype(int))
        sink, seen = Sink(shape=(2,), buffer=steps), Sink(shape=(16,), buffer=steps)
        source.s_out.connect(block.inp)
        block.out.connect(net.a_in)
        block.out.connect(seen.a_in)
        net.s_out.connect(sink.a_in)
        net.run(condition=RunSteps(steps), run_cfg=Loihi2SimCfg(select_tag="fixed_pt"))
        from_lava, spiked = sink.data.get().T, seen.data.get().T.astype(int)
        net.stop()

    late = int(np.flatnonzero(spiked.any(1))[0] - np.flatnonzero(spikes[sample].any(1))[0])
    np.testing.assert_array_equal(spiked[late : late + TIME], spikes[sample])
    outputs = fixed.run(spiked)  # zeros before and after leave the states at rest, or decaying
    np.testing.assert_array_equal(from_lava[net.latency :], outputs[: steps - net.latency])
    # and they are what the torch module computes
    values = fixed.to_float(outputs)[late : late + TIME].mean(0)
    with torch.no_grad():
        wanted = model(x[sample : sample + 1])[0].numpy()
    np.testing.assert_allclose(values, wanted, atol=0.02 * np.abs(wanted).max())
