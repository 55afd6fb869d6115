"""Fine-tuning S5 models in integers: the engine forward, the float system backward."""

import copy

import numpy as np
import pytest
import torch

from lava_ssm import compress, engine
from lava_ssm.compress import FixedModel, Formats, quantize
from lava_ssm.network import S5, FixedNetwork, Gate, Linear
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
    layers = trained.network().dequantize().layers
    assert {type(layer) for layer in layers} >= {S5, Gate, Linear}


def test_other_models_are_refused() -> None:
    model, x = model_and_data()
    fixed = fixed_of(model, x)
    with pytest.raises(ValueError, match="its layers or its readout are not those of the model"):
        FixedModel(SparseS5(3, 12, 8, 1, 4, "mean", relu=True), fixed)
    with pytest.raises(ValueError, match="its layers or its readout are not those of the model"):
        FixedModel(SparseS5(3, 12, 8, 2, 4, "mean"), fixed)  # not relufied
