"""Models on another device than the CPU."""

import numpy as np
import pytest
import torch

from lava_ssm import nn
from lava_ssm.nn import device_array, integers
from lava_ssm.numerics import Overflow
from tests.networks import KINDS, random_chain, random_float_chain


@pytest.mark.parametrize("kind", KINDS)
def test_every_layer_is_trained_where_its_parameters_are(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """PyTorch refuses to mix tensors of "meta", which have no numbers, with those of the CPU."""
    monkeypatch.setattr(torch, "meta", torch.cpu, raising=False)  # checkpoints ask for it
    network = random_float_chain(np.random.default_rng(0), [kind])
    model = nn.module(network).to("meta")
    x = torch.empty(3, 20, network.d_input, device="meta")
    model(x).sum().backward()
    assert {p.grad.device.type for p in model.parameters() if p.grad is not None} == {"meta"}


def test_a_regularised_model_is_trained_where_its_parameters_are() -> None:
    model = nn.NS4D(d_input=1, d_model=4, d_state=4, n_layers=2, d_output=3, readout="mean")
    nn.regularize(model, 0.1, True)
    model.to("meta").train()
    y = model(torch.empty(5, 20, 1, device="meta"))
    y.sum().backward()
    assert y.device.type == "meta"


@pytest.mark.parametrize("kind", KINDS)
def test_integers_are_computed_where_the_tokens_are(
    kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of "meta" there are no truths or numbers to ask for: they are made up."""
    monkeypatch.setattr(device_array.TensorArray, "__bool__", lambda x: False)
    monkeypatch.setattr(device_array.TensorArray, "all", lambda x: True)
    monkeypatch.setattr(device_array.TensorArray, "__int__", lambda x: 1)
    monkeypatch.setitem(device_array._FUNCTIONS, np.count_nonzero, lambda x: 1)
    for seed in range(8):
        network = random_chain(np.random.default_rng(seed), 8, 3, kinds=[kind])
        x = torch.empty(3, 5, network.d_input, device="meta", dtype=torch.int64)
        if network.arithmetic.overflow is not Overflow.RAISE:
            outputs, _ = integers.run(network, x)
            assert outputs.device.type == "meta"
