"""Whole networks of the papers' widths in both schedules: the engine's integers at named steps."""

from collections.abc import Callable
from functools import lru_cache
from typing import Literal

import numpy as np
import pytest
import torch

from lava_ssm import compress, nn
from lava_ssm.network import FixedGate, FixedNetwork, FixedS5, Residual
from lava_ssm.proc import FusedSSMNetwork, SSMNetwork, source
from tests.proc.graphs import record

N_SAMPLES, TIME = 3, 200


def samples(d_input: int) -> np.ndarray:
    return np.random.default_rng(1).uniform(size=(N_SAMPLES, TIME, d_input))


def ns4d_large() -> FixedNetwork:
    torch.manual_seed(0)
    model = nn.NS4D(1, d_model=128, d_state=64, n_layers=4, d_output=10, readout="mean")
    return compress.quantize(nn.export(model), samples(1), compress.PAPER)


def s5() -> FixedNetwork:
    """With biases, gates and residual paths; the published k = 0.5."""
    torch.manual_seed(0)
    model = nn.SparseS5(257, d_model=96, d_state=64, n_layers=3, d_output=257, relu=True)
    for block in model.blocks:
        torch.nn.init.normal_(block.norm.bias)  # folded into the S5 layer's biases
    fixed = compress.quantize(
        nn.export(model.eval()), samples(257)[:1, :50], arithmetic=compress.W8A16
    )
    kinds = [type(layer) for layer in fixed.layers]
    assert all(kinds.count(kind) == 3 for kind in (FixedS5, FixedGate, Residual))
    assert all(layer.drive_bias.any() for layer in fixed.layers if isinstance(layer, FixedS5))
    return fixed


# with the synapses that a token crosses: encoder, layers, decoder
NETWORKS: dict[str, tuple[Callable[[], FixedNetwork], int]] = {
    "n-S4D large": (ns4d_large, 1 + 4 * (2 + 1) + 1),  # of a layer: to the states, sum; dense
    "S5": (s5, 1 + 3 * (2 + 1) + 1),  # of a block: B, C; gate
}


@lru_cache
def network_and_expected(name: str) -> tuple[FixedNetwork, np.ndarray]:
    fixed = NETWORKS[name][0]()
    outputs = fixed.run(samples(fixed.d_input), backend="reference")
    assert (outputs[:, TIME // 2] != outputs[:, -1]).any(axis=-1).all()
    return fixed, outputs.reshape(N_SAMPLES * TIME, fixed.d_output)


@pytest.mark.parametrize("which_runtime", ["in process"], indirect=True)
@pytest.mark.parametrize("kind", [SSMNetwork, FusedSSMNetwork])
@pytest.mark.parametrize("schedule", ["pipelined", "fall_through"])
@pytest.mark.parametrize("name", NETWORKS)
def test_samples_back_to_back_give_the_engines_integers_at_the_steps_named(
    name: str,
    schedule: Literal["pipelined", "fall_through"],
    kind: type[SSMNetwork] | type[FusedSSMNetwork],
) -> None:
    fixed, outputs = network_and_expected(name)
    net = kind(fixed, schedule=schedule, reset_every=TIME)
    steps = net.steps_for(len(outputs))
    sent = record(source(samples(fixed.d_input), net), net, steps, net.tag)  # (d_output, steps)

    latency = NETWORKS[name][1]
    period = {"pipelined": 1, "fall_through": latency + 1}[schedule]
    leaves = [1 + token * period + latency for token in range(len(outputs))]
    assert [net.step_of(token) for token in range(len(outputs))] == leaves
    expected = np.zeros_like(sent)
    expected[:, np.array(leaves) - 1] = outputs.T
    np.testing.assert_array_equal(sent, expected)
