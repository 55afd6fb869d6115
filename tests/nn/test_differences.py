"""Differences of tokens beside the tokens."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn as torch_nn

from lava_ssm import compress
from lava_ssm.network import FixedConv1d
from lava_ssm.nn import Chain, Conv1d, differences, export, regularize
from lava_ssm.train import Recipe, Training


def slow(channels: int = 2) -> np.ndarray:
    """Sequences whose differences are much smaller than they are; no two channels alike."""
    rng, t = np.random.default_rng(0), np.arange(200) / 20
    phase = rng.uniform(0, 6, (10, 1, channels))
    return np.sin(t[:, None] + phase) * 3.0 ** np.arange(channels) + 1e-4 * rng.normal(
        size=(10, 200, channels)
    )


@pytest.mark.parametrize("order", [0, 1, 3, 8])
def test_differences_are_those_of_numpy_at_powers_of_two(order: int) -> None:
    x = slow()
    layer = differences(x, order)
    y = layer(torch.from_numpy(x).float()).numpy().reshape(10, 200, 2, order + 1)
    padded = np.concatenate([np.zeros((10, order, 2)), x], 1)  # zeros before the first token
    for k in range(order + 1):
        wanted = np.diff(padded, k, axis=1)[:, order - k :]
        scale = 2.0 ** -np.round(np.log2(np.diff(x, k, axis=1).std((0, 1))))
        size = np.abs(x).max((0, 1)) * scale * 2**k
        np.testing.assert_allclose(y[..., k] / size, wanted * scale / size, atol=1e-6)
        std = y[:, order:, :, k].std((0, 1))
        assert ((std > 0.7) & (std < 1.42)).all()


def test_weights_of_8_bits_are_the_differences() -> None:
    x = slow()
    net = export(Chain([differences(x, 8), torch_nn.Linear(18, 3)]))
    layer = compress.quantize(net, x).layers[0]
    assert isinstance(layer, FixedConv1d)
    of_present = layer.weights[..., -1:]
    assert (np.log2(of_present) % 1 == 0).all()
    # (1 - 1/z)^k by the binomial theorem, the present token's last
    wanted = [[(-1) ** j * math.comb(k, j) for j in range(8, -1, -1)] for k in range(9)]
    np.testing.assert_array_equal(layer.weights[:, 0], of_present[:, 0] * (wanted + wanted))


def test_a_channel_that_never_changes_has_differences_of_0() -> None:
    layer = differences(np.full((3, 9, 1), 5.0), 2)
    y = layer(torch.full((1, 9, 1), 5.0))
    assert torch.equal(y[0, 2:, 1:], torch.zeros(7, 2))


def test_differences_are_not_trained() -> None:
    x = slow(1)
    model = Chain([differences(x, 2), torch_nn.Linear(3, 4), torch_nn.ReLU()], "mean")
    regularize(model, dropout=0.1, norm=True)
    first = model.layers[0]
    assert isinstance(first, Conv1d)
    before = first.weight.clone()
    training = Training(model, x, np.arange(10) % 4, Recipe(3, batch_size=5, ema=0.9))
    while training.step < training.steps:
        training.advance()
    assert torch.equal(first.weight, before)


@pytest.mark.parametrize(
    ("x", "order", "text"),
    [
        (np.zeros((2, 3)), 1, r"x must have shape \(samples, time, d_input\), got \(2, 3\)"),
        (np.zeros((2, 3, 1)), 3, r"order must be an integer in \[0, 2\], got 3"),
        (np.zeros((2, 30, 1)), 9, r"order must be an integer in \[0, 8\], got 9"),
        (np.full((2, 3, 1), np.nan), 1, "x must be finite"),
    ],
)
def test_what_has_no_differences_is_refused(x: Any, order: int, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        differences(x, order)
