"""Fine-tuning of any network: each kind of layer and all of them mixed, beside the engine."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from lava_ssm.compress import (
    PAPER,
    W8A16,
    FixedModel,
    Formats,
    Pruner,
    quantize,
    signal_to_error,
    sparsity_of,
)
from lava_ssm.compress.finetune import _ratios
from lava_ssm.compress.kinds import kind_of
from lava_ssm.engine import run
from lava_ssm.network import GLU, FixedGLU, FixedNetwork, FixedS4D, FixedS5, Network, Readout
from lava_ssm.nn import export, module
from lava_ssm.numerics import CHIP
from lava_ssm.train import Recipe, Training
from tests.compress.test_equalise import uneven
from tests.nn.test_module import mixed, networks, s4d

FIXED = [name for name in networks() if name not in ("mean", "dense S5")]  # without GELUs


def data(net: Network) -> torch.Tensor:
    return torch.randn(12, 25, net.d_input, generator=torch.Generator().manual_seed(0))


def prepared(
    net: Network, formats: Formats | None = None, scales: str = "frozen", rules: object = CHIP
) -> tuple[FixedModel, FixedNetwork, torch.Tensor]:
    x = data(net)
    chosen = Formats(search=False) if formats is None else formats
    model = module(net)
    fixed = quantize(export(model), x.double().numpy(), chosen, arithmetic=rules)  # type: ignore[arg-type]
    return FixedModel(model, fixed, scales), fixed, x  # type: ignore[arg-type]


@pytest.mark.parametrize("name", FIXED)
@pytest.mark.parametrize("rules", [CHIP, W8A16])
def test_training_begins_with_the_fixed_network_itself(name: str, rules: object) -> None:
    tuned, fixed, _ = prepared(networks()[name], rules=rules)
    assert tuned.network() == fixed


@pytest.mark.parametrize("name", FIXED)
@pytest.mark.parametrize("scales", ["frozen", "fitted"])
def test_each_forward_pass_of_a_training_is_the_engines_to_the_last_integer(
    name: str, scales: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    net = replace(networks()[name], readout=Readout.MEAN_OVER_TIME)
    tuned, _, x = prepared(net, scales=scales)
    ran: list[tuple[FixedNetwork, np.ndarray, np.ndarray]] = []

    def recorded(fixed: FixedNetwork, tokens: np.ndarray, **options: object) -> object:
        done = run(fixed, tokens, **options)
        ran.append((fixed, tokens, done.outputs))
        return done

    monkeypatch.setattr("lava_ssm.compress.finetune.engine.run", recorded)
    labels = torch.arange(12) % net.d_output
    recipe = Recipe(epochs=2, batch_size=6, lr=3e-3, ssm_lr=1e-3)
    training = Training(tuned, x, labels, recipe)
    for _ in range(training.steps):
        training.advance()
    logits = torch.no_grad()(tuned)(x)
    monkeypatch.undo()
    assert len(ran) == 5
    assert ran[0][0] != ran[3][0]  # it has learned
    for fixed, tokens, integers in ran:
        np.testing.assert_array_equal(integers, run(fixed, tokens, backend="reference").outputs)
    values = tuned.network().to_float(ran[-1][2])[:, -1]
    np.testing.assert_array_equal(logits, values.astype(np.float32))


@pytest.mark.parametrize("name", FIXED)
def test_gradients_are_near_those_of_the_float_model(name: str) -> None:
    net = networks()[name]
    tuned, _, x = prepared(net)
    plain = module(export(tuned.model))
    # the start of a step of the same size: the float model has the values of linear maps
    direction = torch.randn_like(plain(x))
    (tuned(x) * direction).sum().backward()
    (plain(x) * direction).sum().backward()
    ends = []
    for (key, p), other in zip(tuned.model.named_parameters(), plain.parameters(), strict=True):
        assert p.grad is not None, key
        assert p.grad.isfinite().all(), key
        ends.append((p.grad.flatten(), other.grad.flatten()))  # type: ignore[union-attr]
        # rounded parameters, rectified states near zero: alike, not equal
        alike = torch.nn.functional.cosine_similarity(*ends[-1], dim=0)
        assert alike > 0.8 or other.grad.abs().max() < 1e-3, (key, alike)  # type: ignore[union-attr]


def test_a_trained_parameter_is_what_the_fixed_network_has() -> None:
    tuned, fixed, _ = prepared(mixed())
    with torch.no_grad():
        for p in tuned.model.parameters():
            p.add_(0.02 * p)
    real, now = export(tuned.model), tuned.network()
    for one, other, old in zip(
        real.layers, now.dequantize().layers, fixed.dequantize().layers, strict=True
    ):
        if isinstance(one, GLU):
            for name in ("weights", "gate", "bias", "gate_bias"):
                wanted, value = getattr(one, name), getattr(other, name)
                step = 2 ** np.ceil(np.log2(np.abs(wanted).max())) / 100
                assert np.abs(value - wanted).max() < step
                assert (value != getattr(old, name)).any()


def test_what_is_beyond_a_format_saturates_at_its_end() -> None:
    tuned, _, _ = prepared(mixed())
    with torch.no_grad():
        for name, p in tuned.model.named_parameters():
            if not name.endswith(("log_dt", "a_re", "a_im")):
                p.mul_(3e4)
    layers = tuned.network().layers
    glu = next(layer for layer in layers if isinstance(layer, FixedGLU))
    s4d = next(layer for layer in layers if isinstance(layer, FixedS4D))
    s5 = next(layer for layer in layers if isinstance(layer, FixedS5))
    assert np.isin(glu.weights, [-128, 127]).mean() > 0.9
    assert np.isin(glu.gate, [-128, 127]).mean() > 0.9
    assert np.isin(s4d.d, [-(2**15), 2**15 - 1]).mean() > 0.9
    assert np.isin(s4d.c, [-(2**15), 2**15 - 1]).mean() > 0.9
    assert np.isin(s5.c, [-127, 127]).mean() > 0.9
    # 24 bits: nearly all of a bias of 30,000 times the size
    assert np.abs(s4d.bias).max() in (2**23 - 1, 2**23)  # type: ignore[arg-type]


def test_pruning_and_fine_tuning_of_a_mixed_network() -> None:
    net = mixed(3, Readout.MEAN_OVER_TIME)
    model, x = module(net), data(net)
    pruner = Pruner(model, 0.6, end=0)
    pruner.at(0)
    assert {name.rpartition(".")[2] for name in pruner.masks} == {"weight", "b", "c"}
    assert {"layers.4.value.weight", "layers.4.gate.weight", "layers.8.weight"} < set(pruner.masks)
    assert sparsity_of(model) == pytest.approx(0.6, abs=0.01)
    real = export(model)
    fixed = quantize(real, x.double().numpy(), Formats(search=False))
    tuned = FixedModel(model, fixed)
    recipe = Recipe(epochs=2, batch_size=6, lr=3e-3, ssm_lr=1e-3)
    training = Training(tuned, x, torch.arange(12) % net.d_output, recipe)
    for _ in range(training.steps):
        training.advance()
    assert sparsity_of(model) >= 0.59
    for one, now in zip(real.layers, tuned.network().layers, strict=True):
        if isinstance(one, GLU):
            assert isinstance(now, FixedGLU)
            assert not now.weights[one.weights == 0].any()
            assert not now.gate[one.gate == 0].any()


def test_the_papers_formats_can_be_fitted() -> None:
    tuned, fixed, x = prepared(networks()["n-S4D"], PAPER, "fitted")
    assert tuned(x).isfinite().all()
    with torch.no_grad():
        tuned.model.layers[0].weight *= 4  # type: ignore[index, operator]
    assert tuned.network().layers[0].exponent == fixed.layers[0].exponent - 2  # type: ignore[union-attr]


def test_scales_of_states_are_seen_to_the_last_bit() -> None:
    """A complex quotient of numbers that differ by a power of two need not be one."""
    rng = np.random.default_rng(0)
    layer = s4d(rng, 40)
    k = np.exp2(rng.integers(-9, 10, layer.a.shape))
    ratios = _ratios(layer, kind_of(layer).scaled(layer, k))
    np.testing.assert_array_equal(ratios["b"], k)
    np.testing.assert_array_equal(ratios["c"], 1 / k)
    assert all((by == 1).all() for name, by in ratios.items() if name not in "bc")


def test_the_float_model_stays_itself_where_channels_were_scaled() -> None:
    net, x = uneven(spread=5)
    model = module(net)
    tuned = FixedModel(model, quantize(net, x))
    wanted = net.run(x)
    assert signal_to_error(wanted, export(tuned.model).run(x)) > 30
    assert signal_to_error(wanted, tuned(torch.from_numpy(x).float()).detach().numpy()) > 30


def test_weights_of_few_bits_stay_so() -> None:
    formats = Formats(weight_bits=4)
    frozen, fixed, _ = prepared(networks()["mixed"], formats)
    assert frozen.network() == fixed
    tuned, *_ = prepared(networks()["mixed"], formats, "fitted")
    with torch.no_grad():
        for p in tuned.model.parameters():
            p.mul_(1.7)
    for layer in tuned.network().layers:
        for name in ("weights", "gate", "b", "c"):
            if hasattr(layer, name) and not hasattr(layer, "param_bits"):
                assert -8 <= getattr(layer, name).min() <= getattr(layer, name).max() < 8


@pytest.mark.parametrize("name", FIXED)
def test_a_model_on_a_gpu_has_the_engines_integers(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Here the CPU stands for it, whose tensors go the same way."""
    tuned, _, x = prepared(networks()[name], rules=W8A16)
    x[0, 3] = 1e3  # beyond the format
    direction = torch.randn_like(tuned(x))
    wanted, n = tuned(x), tuned.overflows
    (wanted * direction).sum().backward()
    gradients = [p.grad for p in tuned.parameters()]
    monkeypatch.setattr("lava_ssm.compress.finetune.has_kernels", lambda x: True)
    monkeypatch.delattr("lava_ssm.compress.finetune.engine.run")
    tuned.zero_grad()
    tuned.overflows = 0
    found = tuned(x)
    (found * direction).sum().backward()
    assert found.equal(wanted)
    assert 2 * tuned.overflows == n
    for p, grad in zip(tuned.parameters(), gradients, strict=True):
        assert grad is not None
        assert p.grad is not None
        assert p.grad.equal(grad)
