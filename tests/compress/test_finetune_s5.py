"""Fine-tuning S5 models in integers: the engine forward, the float system backward."""

import copy

import numpy as np
import pytest
import torch

from lava_ssm import compress, engine
from lava_ssm.compress import FixedModel, Formats, Pruner, quantize, sparsity_of
from lava_ssm.network import S5, FixedGate, FixedLinear, FixedNetwork, FixedS5, Gate, Linear
from lava_ssm.nn import SparseS5, export


def model_and_data(readout: str = "mean", seed: int = 0) -> tuple[SparseS5, torch.Tensor]:
    torch.manual_seed(seed)
    model = SparseS5(3, 12, 8, 2, 4, readout, relu=True)
    x = torch.randn(16, 40, 3)
    model(x)  # the norms see data
    return model.eval(), x


def fixed_of(model: SparseS5, x: torch.Tensor, **formats: bool) -> FixedNetwork:
    return quantize(
        export(model), x.double().numpy(), Formats(**formats), arithmetic=compress.W8A16
    )


def assert_equal_layers(found: FixedNetwork, expected: FixedNetwork) -> None:
    for one, other in zip(found.layers, expected.layers, strict=True):
        assert type(one) is type(other)
        for name in getattr(one, "__dataclass_fields__", {}):
            np.testing.assert_array_equal(getattr(one, name), getattr(other, name), err_msg=name)


@pytest.mark.parametrize("per_channel", [True, False])
def test_training_begins_with_the_fixed_network_itself(per_channel: bool) -> None:
    model, x = model_and_data()
    fixed = fixed_of(model, x, per_channel=per_channel)
    assert_equal_layers(FixedModel(model, fixed).network(), fixed)


@pytest.mark.parametrize("readout", ["mean", "last", "every"])
def test_the_forward_pass_is_the_engines(readout: str) -> None:
    model, x = model_and_data(readout)
    fixed = fixed_of(model, x)
    trained = FixedModel(model, fixed)
    values = fixed.to_float(engine.run(fixed, x.double().numpy()).outputs)
    expected = values if readout == "every" else values[:, -1]
    np.testing.assert_allclose(trained(x).detach().numpy(), expected, rtol=1e-6)


def test_the_gradient_is_that_of_the_float_system() -> None:
    model, x = model_and_data()
    plain = copy.deepcopy(model)
    trained = FixedModel(model, fixed_of(model, x))
    direction = torch.randn(16, 4)
    (trained(x) * direction).sum().backward()
    (plain(x) * direction).sum().backward()
    named = dict(plain.named_parameters())
    for name, p in model.named_parameters():
        assert p.grad is not None, name
        a, b = p.grad.flatten(), named[name].grad.flatten()
        # rounded parameters and rectified states near zero: alike, not equal
        assert torch.nn.functional.cosine_similarity(a, b, dim=0) > 0.9, name


def test_fine_tuning_lessens_the_loss_of_what_runs_on_the_chip() -> None:
    model, x = model_and_data(seed=1)
    labels = (x[..., 0].mean(1) > 0).long()
    trained = FixedModel(model, fixed_of(model, x, per_channel=False))
    adamw = torch.optim.AdamW(trained.parameters(), 3e-3)
    losses = []
    for _ in range(60):
        loss = torch.nn.functional.cross_entropy(trained(x), labels)
        adamw.zero_grad()
        loss.backward()
        adamw.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
    after = trained.network()
    np.testing.assert_allclose(
        after.to_float(after.run(x.double().numpy()))[:, -1], trained(x).detach(), rtol=1e-6
    )


def test_what_is_beyond_a_format_saturates() -> None:
    model, x = model_and_data()
    trained = FixedModel(model, fixed_of(model, x))
    with torch.no_grad():
        for name, p in model.named_parameters():
            if not name.endswith(("log_dt", "a_re", "a_im")):
                p.mul_(1000)
    layers = trained.network().layers
    linears = [model.encoder, *(block.gate for block in model.blocks), model.decoder]
    fixed = [layer for layer in layers if isinstance(layer, FixedLinear | FixedGate)]
    for real, layer in zip(linears, fixed, strict=True):
        values = real.weight.detach().numpy() * np.exp2(np.reshape(layer.exponent, (-1, 1)))
        beyond = np.abs(values) >= 128  # 8 bits
        assert beyond.mean() > 0.9
        ends = np.where(values > 0, 127, -128)
        np.testing.assert_array_equal(layer.weights[beyond], ends[beyond])
    for layer in layers:
        if isinstance(layer, FixedS5):
            assert np.abs(layer.a).max() < 2**layer.param_exponent  # the only ones not touched
            assert np.isin(layer.c, [-127, 127]).mean() > 0.9  # -128 has no negative
            assert np.isin(layer.d, [-(2**15), 2**15 - 1]).mean() > 0.9


def test_other_models_are_refused() -> None:
    model, x = model_and_data()
    fixed = fixed_of(model, x)
    with pytest.raises(ValueError, match="its layers or its readout are not those of the model"):
        FixedModel(SparseS5(3, 12, 8, 1, 4, "mean", relu=True), fixed)
    with pytest.raises(ValueError, match="its layers or its readout are not those of the model"):
        FixedModel(SparseS5(3, 12, 8, 2, 4, "mean"), fixed)  # not relufied


def pruned_model_and_data() -> tuple[SparseS5, torch.Tensor]:
    model, x = model_and_data()
    Pruner(model, 0.8, end=0).at(0)
    return model, x


def steps(
    trained: FixedModel, x: torch.Tensor, n: int = 5, adamw: torch.optim.Optimizer | None = None
) -> None:
    labels = (x[..., 0].mean(1) > 0).long()
    if adamw is None:
        adamw = torch.optim.AdamW(trained.parameters(), 3e-3, weight_decay=0.1)
    for _ in range(n):
        adamw.zero_grad()
        torch.nn.functional.cross_entropy(trained(x), labels).backward()
        adamw.step()


def weights(model: SparseS5) -> dict[str, torch.Tensor]:
    return {
        name: p.detach().clone()
        for name, p in model.named_parameters()
        if name.endswith(("weight", "s5.b", "s5.c")) and "norm" not in name
    }


@pytest.mark.parametrize("scales", ["frozen", "fitted"])
def test_pruned_weights_stay_zero(scales: str) -> None:
    model, x = pruned_model_and_data()
    before, network = weights(model), export(model)
    trained = FixedModel(model, fixed_of(model, x), scales)
    steps(trained, x)
    for name, now in weights(model).items():
        zero = before[name] == 0
        assert zero.any(), name
        assert not now[zero].any(), name
        assert (now[~zero] != before[name][~zero]).any(), name
    fixed = trained.network()
    for layer, real in zip(fixed.layers, network.layers, strict=True):
        match layer, real:
            case (FixedLinear(), Linear()) | (FixedGate(), Gate()):
                assert not layer.weights[real.weights == 0].any()
            case FixedS5(), S5():
                assert not layer.b[real.b == 0].any()
                assert not layer.c[..., 0][real.c.real == 0].any()
                assert not layer.c[..., 1][real.c.imag == 0].any()
                assert (real.c.real == 0).mean() > 0.5
    assert sparsity_of(model) >= 0.8 - 0.002


def test_an_optimiser_that_has_moved_them_before_moves_pruned_weights_no_more() -> None:
    model, x = model_and_data()
    adamw = torch.optim.AdamW(model.parameters(), 3e-3)
    labels = (x[..., 0].mean(1) > 0).long()
    torch.nn.functional.cross_entropy(model(x), labels).backward()
    adamw.step()  # now it has moments
    Pruner(model, 0.8, end=0).at(0)
    network = export(model)
    trained = FixedModel(model, fixed_of(model, x))
    steps(trained, x, 1, adamw)
    fixed = trained.network()
    for layer, real in zip(fixed.layers, network.layers, strict=True):
        if isinstance(layer, FixedLinear | FixedGate):
            assert not layer.weights[real.weights == 0].any()
    assert sparsity_of(model) >= 0.8 - 0.002


def test_what_rounding_alone_made_zero_may_grow() -> None:
    model, x = model_and_data()
    with torch.no_grad():
        model.encoder.weight[:, 0] *= 1e-6
    trained = FixedModel(model, fixed_of(model, x, per_channel=False))
    assert not model.encoder.weight[:, 0].any()
    steps(trained, x)
    assert model.encoder.weight[:, 0].any()


def test_two_forward_passes_can_be_trained_by_at_once() -> None:
    model, x = pruned_model_and_data()
    trained = FixedModel(model, fixed_of(model, x))
    (trained(x[:8]).sum() + trained(x[8:]).sum()).backward()
    assert model.encoder.weight.grad is not None


def test_input_beyond_its_format_is_limited_to_it() -> None:
    model, x = model_and_data()
    fixed = fixed_of(model, x)
    trained = FixedModel(model, fixed)
    loud = 100 * x
    limited = loud.clamp(fixed.input_format.min, fixed.input_format.max)
    assert (loud != limited).any()
    loud.requires_grad_()
    found = trained(loud)
    torch.testing.assert_close(found, trained(limited), rtol=0, atol=0)
    found.sum().backward()  # type: ignore[no-untyped-call]
    assert loud.grad is not None
    assert not loud.grad[loud.detach() != limited].any()
    x[0, 0, 0] = torch.inf
    with pytest.raises(ValueError, match="x must be finite"):
        trained(x)
