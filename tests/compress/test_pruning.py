"""Pruning: as many zeros as asked for, where magnitudes are small, on the cubic schedule."""

import copy

import numpy as np
import pytest
import torch
from torch import nn

from lava_ssm.compress import Pruner, sparsity_of
from lava_ssm.network import S5
from lava_ssm.nn import SparseS5, export


def model() -> SparseS5:
    torch.manual_seed(0)
    return SparseS5(20, 16, 8, 2, 12, relu=True)


@pytest.mark.parametrize("allocation", ["global", "tensor", "erk"])
def test_the_asked_share_is_zero_at_the_end(allocation: str) -> None:
    net = model()
    pruner = Pruner(net, 0.8, allocation, every=1)
    for step in range(1, 11):
        pruner.at(step / 10)
    assert sparsity_of(net) == pytest.approx(0.8, abs=0.002)
    exported = export(net)
    assert np.mean(exported.layers[0].weights == 0) > 0.3
    layers = [layer for layer in exported.layers if isinstance(layer, S5)]
    for s5, block in zip(layers, net.blocks, strict=True):
        # discretising mixes real and imaginary parts, yet leaves as many zeros of each
        zeros = float((block.s5.b == 0).float().mean())
        assert 0.3 < zeros < 1
        assert np.mean(s5.b.real == 0) == np.mean(s5.b.imag == 0) == pytest.approx(zeros)


def test_sparsity_follows_the_cubic_schedule() -> None:
    net = model()
    pruner = Pruner(net, 0.9, "tensor", end=0.5, every=1)
    for t, wanted in (
        (0.1, 0.9 * (1 - 0.8**3)),
        (0.25, 0.9 * (1 - 0.5**3)),
        (0.5, 0.9),
        (0.8, 0.9),
    ):
        pruner.at(t)
        assert sparsity_of(net) == pytest.approx(wanted, abs=0.002)


def test_the_smallest_go_and_each_tensor_gives_its_share() -> None:
    net = nn.Sequential(nn.Linear(10, 10, bias=False), nn.Linear(10, 10, bias=False))
    with torch.no_grad():
        net[0].weight.copy_(torch.arange(1.0, 101).view(10, 10))
        net[1].weight.copy_(torch.arange(101.0, 201).view(10, 10))
    one, other = copy.deepcopy(net), copy.deepcopy(net)
    Pruner(one, 0.45, "global", end=0).at(0)
    assert (one[0].weight.flatten() != 0).tolist() == [False] * 90 + [True] * 10
    assert (one[1].weight != 0).all()
    Pruner(other, 0.5, "tensor", end=0).at(0)
    assert (other[0].weight.flatten()[:50] == 0).all()
    assert (other[1].weight.flatten()[50:] == torch.arange(151.0, 201)).all()


def test_erk_densities_are_proportional_to_fan_in_and_fan_out() -> None:
    net = nn.Sequential(nn.Linear(100, 50), nn.Linear(50, 200))
    Pruner(net, 0.9, "erk", end=0).at(0)
    kept = [float((layer.weight != 0).sum()) for layer in net]
    # density ~ (n_in + n_out) / (n_in n_out), so weights kept ~ n_in + n_out
    assert kept[0] / kept[1] == pytest.approx(150 / 250, rel=0.01)
    assert sum(kept) == pytest.approx(0.1 * 15_000, abs=2)


def test_erk_gives_no_tensor_more_than_it_has() -> None:
    net = nn.Sequential(nn.Linear(2, 2), nn.Linear(100, 100))
    Pruner(net, 0.5, "erk", end=0).at(0)
    assert (net[0].weight != 0).all()
    assert sparsity_of(net) == pytest.approx(0.5, abs=1e-3)


def test_masks_hold_through_training_once_they_are_final() -> None:
    net = model()
    pruner = Pruner(net, 0.7, end=0.3, every=2)
    adamw = torch.optim.AdamW(net.parameters(), lr=0.01)
    zeros = None
    for step in range(1, 21):
        net(torch.randn(4, 10, 20)).square().mean().backward()
        adamw.step()
        adamw.zero_grad()
        pruner.at(step / 20)
        if step >= 6:
            now = {n: w == 0 for n, w in net.named_parameters() if n in pruner.masks}
            zeros = now if zeros is None else zeros
            assert all((now[n] == zeros[n]).all() for n in now)
    assert sparsity_of(net) == pytest.approx(0.7, abs=0.003)


def test_a_weight_can_come_back_while_masks_are_chosen() -> None:
    net = nn.Sequential(nn.Linear(4, 1, bias=False))
    pruner = Pruner(net, 0.5, "tensor", end=1.0, every=1)
    with torch.no_grad():
        net[0].weight.copy_(torch.tensor([[1.0, 2, 3, 4]]))
        pruner.at(0.99)
        assert net[0].weight[0].tolist() == [0, 0, 3, 4]
        net[0].weight[0, 0] = 9.0
        pruner.at(0.995)
    assert net[0].weight[0].tolist() == [9, 0, 0, 4]


def test_pruning_goes_on_from_a_checkpoint() -> None:
    one, other = model(), model()
    first, second = Pruner(one, 0.8), Pruner(other, 0.8)
    for step in range(1, 30):
        first.at(step / 40)
    other.load_state_dict(one.state_dict())
    second.load_state_dict(first.state_dict())
    for step in range(30, 41):
        first.at(step / 40)
        second.at(step / 40)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), other.parameters(), strict=True))


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"sparsity": 1.0}, r"sparsity must lie in \(0, 1\), got 1.0"),
        ({"sparsity": 0.5, "allocation": "random"}, "allocation must be one of"),
        ({"sparsity": 0.5, "end": 2}, r"end must lie in \[0, 1\]"),
        ({"sparsity": 0.5, "every": 0}, r"every must be an integer in \[1, 2147483647\]"),
        ({"sparsity": 0.9999}, "leaves none of the 320 weights of encoder.weight"),
    ],
)
def test_impossible_parameters_are_named(given: dict, text: str) -> None:
    with pytest.raises(ValueError, match=text):
        Pruner(model(), **{"allocation": "tensor", **given})
    with pytest.raises(ValueError, match="no layer with a matrix"):
        Pruner(nn.ReLU(), 0.5)


def test_one_shot_pruning_that_would_empty_a_tensor_is_refused_at_once() -> None:
    net = uneven()
    # the other tensor's 25 are half of all: with the 25 smallest gone none of these is left
    with pytest.raises(ValueError, match=r"no weight of 0\.weight: from 0\.5 on"):
        Pruner(net, 0.6, "global", end=0)
    Pruner(net, 0.49, "global", end=0).at(0)
    assert (net[0].weight != 0).any()


def test_gradual_pruning_warns_and_refuses_when_the_tensor_is_empty() -> None:
    with pytest.warns(UserWarning, match=r"no weight of 0\.weight: from 0\.5 on"):
        pruner = Pruner(uneven(), 0.6, "global", end=0.5)
    with pytest.raises(ValueError, match=r"globally, leaves no weight of 0\.weight"):
        pruner.at(0.5)


def test_weights_that_grow_in_time_are_pruned_without_an_error() -> None:
    net = uneven()
    with pytest.warns(UserWarning, match="of the weights as they are now"):
        pruner = Pruner(net, 0.6, "global", end=0.5)
    with torch.no_grad():
        net[0].weight.mul_(1e6)
    pruner.at(0.5)
    assert sparsity_of(net) == 0.6


def uneven() -> nn.Sequential:
    """All weights of the first layer are smaller than those of the second."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(5, 5), nn.Linear(5, 5))
    with torch.no_grad():
        net[0].weight.mul_(1e-6)
    return net
