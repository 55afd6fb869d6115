"""Weights on a grid of few bits: trained, exported, and taken as they are by all that follows."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from lava_ssm import compress, loihi2, nn
from lava_ssm.network import FixedLinear, FixedNetwork, Linear, Network, load
from lava_ssm.network.description import matrix_nbytes

RNG = np.random.default_rng(0)
ONE_HOT = np.eye(11)[RNG.integers(0, 11, (6, 48))]


def language_model(bits: int = 2) -> nn.MatMulFreeLM:
    torch.manual_seed(0)
    return nn.MatMulFreeLM(11, 16, 2, bits=bits)


def block_matrices(net: Network | FixedNetwork) -> list[np.ndarray]:
    """Weights of the blocks: all matrices but embedding and head."""
    names = ("weights", "forget", "gate")
    layers = net.layers[1:-1]
    found = [getattr(layer, name, None) for layer in layers for name in names]
    return [m for m in found if m is not None and m.ndim == 2]


def test_weights_are_rounded_by_their_mean_magnitude() -> None:
    # mean |w| = 0.5: the step is 1/2, and a weight of a quarter of it or less is zero
    w = torch.tensor([[0.2, -0.3, 0.9, -0.6]])
    assert nn.FewBits()(w).tolist() == [[0.0, -0.5, 0.5, -0.5]]
    # of 0.44 mean |w| = 0.22 the nearest power of two is 1/4
    assert nn.FewBits(4)(w).tolist() == [[0.25, -0.25, 1.0, -0.5]]


def test_gradients_pass_as_if_nothing_was_rounded() -> None:
    w = torch.randn(3, 4, requires_grad=True)
    factors = torch.randn(3, 4)
    (nn.FewBits()(w) * factors).sum().backward()
    assert w.grad is not None
    assert torch.equal(w.grad, factors)


@pytest.mark.parametrize("bits", [2, 4])
def test_a_model_is_exported_with_few_values(bits: int) -> None:
    matrices = block_matrices(nn.export(language_model(bits)))
    assert len(matrices) == 2 * (3 + 1 + 2 + 1)
    for weights in matrices:
        mantissas = weights / np.abs(weights[weights != 0]).min()
        assert np.array_equal(mantissas, np.rint(mantissas))
        assert np.abs(mantissas).max() <= 2 ** (bits - 1) - 1


@pytest.mark.parametrize("bits", [2, 4])
def test_what_was_exported_can_be_given_back_exactly(bits: int) -> None:
    net = nn.export(language_model(bits))
    assert nn.export(nn.module(net)) == net
    torch.manual_seed(1)
    other = nn.MatMulFreeLM(11, 16, 2, bits=bits)
    assert nn.export(other) != net
    nn.assign(other, net)
    assert nn.export(other) == net


@pytest.mark.parametrize("bits", [2, 4])
def test_quantisation_leaves_weights_on_their_grid(bits: int) -> None:
    net = nn.export(language_model(bits))
    fixed = compress.quantize(net, ONE_HOT, input_range=1)
    for real, mantissas in zip(block_matrices(net), block_matrices(fixed), strict=True):
        assert np.abs(mantissas).max() <= 2 ** (bits - 1) - 1
        step = np.abs(real).max() / np.abs(mantissas).max()
        assert np.array_equal(mantissas * step, real)
    assert block_matrices(fixed.dequantize())[0] == pytest.approx(block_matrices(net)[0], abs=0)


def test_rows_on_grids_of_their_own_have_exponents_of_their_own() -> None:
    weights = np.array([[1.0, -1.0, 0.0], [0.25, 0.25, -0.25], [0.0, 0.0, 0.0]])
    fixed = compress.quantize(Network((Linear(weights),)), RNG.normal(size=(4, 20, 3)))
    (layer,) = fixed.layers
    assert isinstance(layer, FixedLinear)
    assert layer.weights.tolist() == [[1, -1, 0], [1, 1, -1], [0, 0, 0]]
    assert np.broadcast_to(layer.exponent, 3).tolist() == [0, 2, 2]


def test_fine_tuning_begins_with_the_quantised_network_and_stays_on_the_grid() -> None:
    model = language_model()
    behind = [p.detach().clone() for n, p in model.named_parameters() if "original" in n]
    fixed = compress.quantize(nn.export(model), ONE_HOT, input_range=1)
    tuned = compress.FixedModel(model, fixed, "fitted", n_threads=1)
    assert tuned.network() == fixed
    # what is behind the weights is no more rounded than it was
    now = [p for n, p in model.named_parameters() if "original" in n]
    assert all(torch.equal(a, b) for a, b in zip(behind, now, strict=True))
    adam = torch.optim.Adam(tuned.parameters(), 1e-2)
    x = torch.from_numpy(ONE_HOT).float()
    losses = []
    for _ in range(5):
        logits = tuned(x[:, :-1])
        loss = torch.nn.functional.cross_entropy(logits.mT, x[:, 1:].argmax(-1))
        adam.zero_grad()
        loss.backward()
        adam.step()
        losses.append(float(loss))
    assert losses[-1] < losses[0]
    assert any(not np.array_equal(a, b) for a, b in _pairs(fixed, tuned.network()))
    assert all(np.abs(m).max() == 1 for m in block_matrices(tuned.network()))


def _pairs(a: FixedNetwork, b: FixedNetwork) -> list[tuple[np.ndarray, np.ndarray]]:
    return list(zip(block_matrices(a), block_matrices(b), strict=True))


def test_few_bits_take_few_bytes_in_memory_in_files_and_on_the_chip(tmp_path: Path) -> None:
    def network(most: int) -> FixedNetwork:
        weights = np.random.default_rng(0).choice([-most, most], (128, 128))
        return FixedNetwork((FixedLinear(weights, 3, 0),))

    sizes, words = [], []
    for most in (1, 5, 100):
        fixed = network(most)
        path = tmp_path / f"{most}.safetensors"
        fixed.save(path)
        assert load(path) == fixed
        sizes.append((fixed.nbytes, os.path.getsize(path) // 2**10))
        words.append(sum(core.tables.synapse_words for core in loihi2.map(fixed).cores))
    assert sizes == [(128**2 // 4, 4), (128**2 // 2, 8), (128**2, 16)]
    # a synapse takes 16 bits with a weight of 8, in words of 64
    assert words == [128 * 128 * bits // 64 for bits in (10, 12, 16)]


def test_matrices_of_odd_sizes_are_packed_and_come_back(tmp_path: Path) -> None:
    for low, high in ((-1, 1), (-2, 1), (-8, 7), (-8, 8)):
        for shape in ((1, 1), (3, 5), (7, 2)):
            weights = RNG.integers(low, high + 1, shape)
            fixed = FixedNetwork((FixedLinear(weights, 3, 0),))
            fixed.save(tmp_path / "net")
            assert load(tmp_path / "net") == fixed


def test_bytes_of_a_matrix_count_what_is_stored() -> None:
    assert matrix_nbytes(np.array([[1, -1, 0, 1, 1]])) == 2
    assert matrix_nbytes(np.array([[1, -1, 0, 1, 7]])) == 3
    assert matrix_nbytes(np.array([[1, -1, 0, 1, 8]])) == 5


def test_other_widths_are_refused() -> None:
    with pytest.raises(ValueError, match="bits must be 2 or 4, got 3"):
        nn.few_bits(torch.nn.Linear(2, 2), 3)
    linear = torch.nn.Linear(2, 2)
    nn.few_bits(linear)
    with pytest.raises(ValueError, match="parametrised already"):
        nn.few_bits(linear, 4)
