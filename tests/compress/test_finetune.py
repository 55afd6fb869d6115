"""Fine-tuning: the forward pass is the fixed network, the backward pass the float one's."""

import numpy as np
import pytest
import torch

from lava_ssm.compress import PAPER, FixedModel, Formats, Pruner, quantize
from lava_ssm.engine import run
from lava_ssm.network import FixedLinear, FixedNetwork, FixedS4D, Readout
from lava_ssm.nn import NS4D, export
from lava_ssm.train import Recipe, Training
from tests.nn.test_ns4d import toy


def model_and_data(readout: str = "mean") -> tuple[NS4D, torch.Tensor, torch.Tensor]:
    torch.manual_seed(0)
    model = NS4D(1, 8, 4, 2, 2, readout=readout, dt_min=0.05, dt_max=0.5)
    x, y = toy()
    with torch.no_grad():  # larger than at the start, so that the classes differ
        model.layers[-1].weight *= 10
    return model, x, y


@pytest.mark.parametrize("readout", ["mean", "last", "every"])
@pytest.mark.parametrize("formats", [Formats(search=False), PAPER])
def test_logits_are_those_of_the_fixed_network(readout: str, formats: Formats) -> None:
    model, x, _ = model_and_data(readout)
    tuned = FixedModel(model, quantize(export(model), x, formats))
    fixed = tuned.network()
    values = fixed.to_float(run(fixed, x.double().numpy(), backend="reference").outputs)
    wanted = values if fixed.readout is Readout.EVERY_TOKEN else values[:, -1]
    for logits in (tuned(x), torch.no_grad()(tuned)(x)):
        np.testing.assert_array_equal(logits.detach(), wanted.astype(np.float32))


def test_training_starts_with_the_quantised_network() -> None:
    model, x, _ = model_and_data()
    fixed = quantize(export(model), x)
    assert FixedModel(model, fixed).network() == fixed


def test_after_training_every_token_has_the_integers_of_the_network_that_is_saved(
    tmp_path: object,
) -> None:
    model, x, y = model_and_data()
    tuned = FixedModel(model, quantize(export(model), x))
    training = Training(tuned, x, y, Recipe(epochs=4, batch_size=10, lr=1e-3, ssm_lr=1e-3))
    for _ in range(training.steps):
        training.advance()
    fixed = tuned.network()
    assert fixed != tuned.start
    fixed.save(f"{tmp_path}/fixed.safetensors")
    from lava_ssm import load

    again = load(f"{tmp_path}/fixed.safetensors")
    assert isinstance(again, FixedNetwork)
    integers = again.run(x.double().numpy(), backend="reference")
    np.testing.assert_array_equal(integers, fixed.run(x.double().numpy()))
    logits = torch.no_grad()(tuned)(x)
    np.testing.assert_array_equal(logits, again.to_float(integers)[:, -1].astype(np.float32))


def test_gradients_are_those_of_the_float_system_with_the_rounded_parameters() -> None:
    model, x, y = model_and_data()
    fixed = quantize(export(model), x, Formats(search=False))
    tuned = FixedModel(model.double(), fixed)
    x = x.double()
    nn = torch.nn.functional
    logits = tuned(x)
    grad_of_loss = torch.autograd.grad(nn.cross_entropy(logits, y), logits, retain_graph=True)[0]
    nn.cross_entropy(logits, y).backward()
    # the same system by its recurrence, written out, from the mantissas' values
    u, leaves = x, []
    for layer in fixed.layers:
        match layer:
            case FixedLinear():
                w = torch.tensor(layer.dequantize().weights, requires_grad=True)
                leaves.append(w)
                u = u @ w.T
            case FixedS4D():
                value = layer.dequantize()
                a, b, c = (torch.tensor(v, requires_grad=True) for v in (value.a, value.b, value.c))
                state, outputs = torch.zeros(len(x), *a.shape, dtype=a.dtype), []
                for token in u.unbind(1):
                    state = a * state + b * token[..., None]
                    outputs.append(2 * (c * state).real.sum(-1))
                u = torch.stack(outputs, 1)
            case _:
                u = torch.relu(u)
    (u.mean(1) * grad_of_loss).sum().backward()
    found = [m.weight.grad for m in model.layers if isinstance(m, torch.nn.Linear)]
    for mine, wanted in zip(found, leaves, strict=True):
        torch.testing.assert_close(mine, wanted.grad, rtol=1e-6, atol=1e-10)
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())


def test_fine_tuning_repairs_what_coarse_formats_broke() -> None:
    model, x, y = model_and_data("last")
    training = Training(model, x, y, Recipe(epochs=25, batch_size=10))
    for _ in range(training.steps):
        training.advance()
    fixed = quantize(export(model), x, Formats(param_exponent=5, param_bits=8, compensate=False))
    tuned = FixedModel(model, fixed)

    def loss() -> float:
        with torch.no_grad():
            return float(torch.nn.functional.cross_entropy(tuned(x), y))

    before = loss()
    training = Training(tuned, x, y, Recipe(epochs=20, batch_size=10, lr=2e-3, ssm_lr=2e-3))
    for _ in range(training.steps):
        training.advance()
    assert loss() < 0.8 * before


def test_weights_that_leave_their_format_saturate_or_take_their_scale_along() -> None:
    for scales in ("frozen", "fitted"):
        model, x, _ = model_and_data()
        fixed = quantize(export(model), x, Formats(search=False))
        tuned = FixedModel(model, fixed, scales)
        with torch.no_grad():
            model.layers[0].weight *= 3
        first = tuned.network().layers[0]
        assert isinstance(first, FixedLinear)
        value = first.dequantize().weights
        wanted = model.layers[0].weight.detach().numpy()
        close = np.abs(value - wanted).max() < 0.01 * np.abs(wanted).max()
        assert close == (scales == "fitted")


def test_what_does_not_belong_together_is_refused() -> None:
    model, x, _ = model_and_data()
    fixed = quantize(export(model), x, Formats(search=False))
    with pytest.raises(ValueError, match="not those of the model"):
        FixedModel(NS4D(1, 8, 4, 1, 2, readout="mean"), fixed)
    with pytest.raises(ValueError, match="not those of the model"):
        FixedModel(NS4D(1, 8, 4, 2, 2, readout="last"), fixed)
    with pytest.raises(TypeError, match="fixed must be a FixedNetwork"):
        FixedModel(model, export(model))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="one of frozen, fitted"):
        FixedModel(model, fixed, "learned")  # type: ignore[arg-type]


@pytest.mark.parametrize("formats", [Formats(search=False), PAPER])
def test_pruned_weights_stay_zero(formats: Formats) -> None:
    model, x, y = model_and_data()
    Pruner(model, 0.7, end=0).at(0)
    linear = [m for m in model.layers if isinstance(m, torch.nn.Linear)]
    zeros = [m.weight.detach() == 0 for m in linear]
    tuned = FixedModel(model, quantize(export(model), x, formats))
    training = Training(tuned, x, y, Recipe(epochs=2, batch_size=10, lr=1e-3, ssm_lr=1e-3))
    for _ in range(training.steps):
        training.advance()
    mantissas = [la.weights for la in tuned.network().layers if isinstance(la, FixedLinear)]
    for layer, zero, integers in zip(linear, zeros, mantissas, strict=True):
        assert not layer.weight[zero].any()
        assert not integers[zero.numpy()].any()
    assert sum(int(zero.sum()) for zero in zeros) > 0


def test_input_beyond_its_format_is_limited_to_it() -> None:
    model, x, _ = model_and_data()
    fixed = quantize(export(model), x, Formats(search=False))
    tuned = FixedModel(model, fixed)
    limited = (100 * x).clamp(fixed.input_format.min, fixed.input_format.max)
    torch.testing.assert_close(tuned(100 * x), tuned(limited), rtol=0, atol=0)


def test_states_that_forget_at_once_do_not_spoil_gradients() -> None:
    torch.manual_seed(0)
    model = NS4D(1, 8, 32, 2, 2, readout="mean", init="real", dt_min=0.5, dt_max=0.5)
    x, y = toy()
    fixed = quantize(export(model), x, PAPER)
    assert any((layer.a == 0).all(-1).any() for layer in fixed.layers if hasattr(layer, "a"))
    tuned = FixedModel(model, fixed)
    torch.nn.functional.cross_entropy(tuned(x), y).backward()
    for name, p in model.named_parameters():
        assert torch.isfinite(p.grad).all(), name


def test_fitted_scales_of_s4d_follow_the_parameters() -> None:
    model, x, _ = model_and_data()
    fixed = quantize(export(model), x)
    with torch.no_grad():
        model.layers[1].c *= 5  # more than a format of before holds
    values = {}
    for scales in ("frozen", "fitted"):
        tuned = FixedModel(model, fixed, scales).network().layers[1]
        values[scales] = tuned.dequantize().c / (export(model).layers[1].c / 5)
    wanted = fixed.dequantize().layers[1].c / (export(model).layers[1].c / 5) * 5
    np.testing.assert_allclose(values["fitted"], wanted, rtol=1e-2)
    assert np.abs(values["frozen"] - wanted).max() > 0.1


def test_every_integer_of_a_forward_pass_is_that_of_the_fixed_network(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model, x, y = model_and_data()
    tuned = FixedModel(model, quantize(export(model), x))
    training = Training(tuned, x, y, Recipe(epochs=2, batch_size=10, lr=1e-3, ssm_lr=1e-3))
    seen: list[tuple[FixedNetwork, np.ndarray, np.ndarray]] = []

    def recorded(net: FixedNetwork, tokens: np.ndarray, **options: object) -> object:
        done = run(net, tokens, **options)
        seen.append((net, tokens, done.outputs))
        return done

    monkeypatch.setattr("lava_ssm.compress.finetune.engine.run", recorded)
    for _ in range(training.steps):
        training.advance()
    monkeypatch.undo()
    assert len(seen) == training.steps
    assert len({net.layers[0].weights.tobytes() for net, _, _ in seen}) > 1  # it has learned
    for net, tokens, integers in seen:
        assert integers.dtype.kind == "i"
        np.testing.assert_array_equal(integers, net.run(tokens, backend="reference"))
