"""What costs nothing at inference: norms that fold, dropout, averages, stages, a teacher."""

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.special import rel_entr, softmax
from torch import nn as torch_nn

from lava_ssm.nn import NS4D, S4D, S5, Chain, Gate, SparseS5, export, module, regularize
from lava_ssm.nn.regularized import Regularized
from lava_ssm.train import RandomAffine, Recipe, Training, checkpoint, evaluate
from tests.nn.test_ns4d import toy


def model(norm: bool = False, dropout: float = 0.0) -> NS4D:
    torch.manual_seed(0)
    made = NS4D(1, 8, 4, 2, 2, readout="mean", dt_min=0.05, dt_max=0.5)
    if norm or dropout:
        regularize(made, dropout, norm)
    return made


def others() -> Chain:
    """Layers with all that a norm is folded into: direct paths and biases."""
    torch.manual_seed(0)
    linear, s4d = torch_nn.Linear(3, 6), S4D(6, 4, direct=True, bias=True)
    s5, last = S5(6, 4), torch_nn.Linear(6, 2)
    return Chain([linear, torch_nn.ReLU(), s4d, torch_nn.ReLU(), s5, torch_nn.ReLU(), last])


@pytest.mark.parametrize("make", [model, others])
def test_the_network_of_a_model_with_norms_is_the_model_in_evaluation(make: object) -> None:
    net = model() if make is model else others()
    regularize(net, dropout=0.3, norm=True)
    x = torch.randn(16, 30, net.d_input)
    optimizer = torch.optim.Adam(net.parameters(), 0.05)
    for _ in range(10):  # statistics, weights and biases of norms are no longer what they were
        optimizer.zero_grad()
        (net(3 * x + 1) - 1).square().sum().backward()
        optimizer.step()
    norms = [m for m in net.modules() if isinstance(m, torch_nn.BatchNorm1d)]
    assert len(norms) == (4 if make is model else 3)
    assert all((n.bias != 0).all() and (n.running_mean != 0).any() for n in norms)
    with torch.no_grad():
        wanted = net.eval()(x).numpy()
        again = module(export(net))(x).numpy()
    found = export(net).run(x.double().numpy())
    found = found[:, -1] if make is model else found
    np.testing.assert_allclose(found, wanted, atol=1e-5 * np.abs(wanted).max())
    np.testing.assert_allclose(again, wanted, atol=1e-4 * np.abs(wanted).max())


def test_a_norm_in_training_has_the_statistics_of_the_batch() -> None:
    net = Chain([torch_nn.Linear(3, 4), torch_nn.ReLU(), torch_nn.Linear(4, 1)])
    regularize(net, norm=True)
    seen = []
    net.layers[1].register_forward_hook(lambda _module, given, _y: seen.append(given[0]))
    net(torch.randn(5, 20, 3))
    flat = seen[0].reshape(-1, 4)
    torch.testing.assert_close(flat.mean(0), torch.zeros(4), atol=1e-5, rtol=0)
    torch.testing.assert_close(flat.std(0, False), torch.ones(4), atol=1e-3, rtol=0)


@pytest.mark.parametrize("channels_first", [True, False])
def test_dropout_leaves_out_a_channel_at_all_tokens(channels_first: bool) -> None:
    torch.manual_seed(0)
    layer = S4D(200, 2) if channels_first else torch_nn.Linear(200, 200)
    regularized = Regularized(layer, dropout=0.25)
    x = torch.randn(4, 9, 200)
    u = x.permute(2, 0, 1) if channels_first else x
    with torch.no_grad():
        whole, y = layer(x), regularized.trained(u, channels_first)
        torch.testing.assert_close(regularized.eval()(x), whole)
    y = y.permute(1, 2, 0) if channels_first else y
    left_out = (y == 0).all(1)  # (batch, channels)
    assert 0.15 < left_out.float().mean() < 0.35
    assert not torch.equal(left_out[0], left_out[1])
    kept = ~left_out[:, None].expand_as(y)
    torch.testing.assert_close(y[kept], whole[kept] / 0.75)


def test_a_norm_that_cannot_be_folded_is_refused() -> None:
    with pytest.raises(TypeError, match="a norm behind Gate cannot be part of it"):
        regularize(SparseS5(1, 8, 4, 1, 2), norm=True)
    with pytest.raises(ValueError, match=r"dropout must lie in \[0, 1\), got 1"):
        regularize(model(), dropout=1.0)
    with pytest.raises(TypeError, match="model must be a Chain"):
        regularize(Gate(3))  # type: ignore[arg-type]


def test_a_regularized_model_is_relufied() -> None:
    net = SparseS5(1, 8, 4, 1, 2)
    regularize(net, dropout=0.1)
    net.relufy()
    assert [m.relu for m in net.modules() if isinstance(m, S5)] == [True]


def training(net: Chain | None = None, **changes: object) -> Training:
    x, y = toy()
    given = {"epochs": 3, "batch_size": 9, "seed": 5, **changes}
    return Training(net or model(), x, y, Recipe(**given))  # type: ignore[arg-type]


def test_the_average_follows_its_formula() -> None:
    run = training(ema=0.35)  # 0.1, 2/11, 3/12, 4/13 are below it, 5/14 and what follows are not
    (parameter, *_) = run.model.parameters()
    expected = None
    for k in range(run.steps - 1):
        run.advance()
        now = parameter.detach().double().clone()
        d = (1 + k) / (10 + k) if k < 4 else 0.35
        expected = now if expected is None else d * expected + (1 - d) * now
        (average, *_) = run.measured.parameters()
        torch.testing.assert_close(average.double(), expected, rtol=1e-6, atol=1e-7)
        assert not torch.equal(average, parameter) or run.step == 1
    run.advance()
    for one, other in zip(run.measured.parameters(), run.model.parameters(), strict=True):
        assert torch.equal(one, other)  # what is trained has it in the end


def test_statistics_of_norms_are_averaged_as_parameters_are() -> None:
    net = model()
    regularize(net, norm=True)
    run = training(net, ema=0.9)
    expected = None
    for k in range(run.steps - 1):
        run.advance()
        d = (1 + k) / (10 + k)  # 0.9 is reached at 80
        (now, *_) = (v.double() for k, v in run.bare.state_dict().items() if "running_mean" in k)
        expected = now.clone() if expected is None else d * expected + (1 - d) * now
        (average, *_) = (v for k, v in run.measured.state_dict().items() if "running_mean" in k)
        torch.testing.assert_close(average.double(), expected, rtol=1e-5, atol=1e-7)


def test_cosine_rates_rise_along_a_line_and_fall_to_zero() -> None:
    run = training(schedule="cosine", epochs=4, batch_size=8, warm_up=0.2, lr=1.0, ssm_lr=0.1)
    rates = []
    for _ in range(run.steps):
        rates.append([group["lr"] for group in run.adamw.param_groups])
        run.advance()
    expected = [(t + 1) / 4 for t in range(4)]
    expected += [(1 + math.cos(math.pi * t / 16)) / 2 for t in range(16)]
    np.testing.assert_allclose(rates, np.outer(expected, [0.1, 1.0]), rtol=1e-12)


def test_stages_take_as_long_as_they_cost() -> None:
    assert [Recipe(7, join=(4, 2, 1)).joined(e) for e in range(1, 8)] == [4, 4, 4, 4, 2, 2, 1]
    assert [Recipe(3, join=(9, 2, 1)).joined(e) for e in range(1, 4)] == [9, 2, 1]
    assert [Recipe(3, join=2).joined(e) for e in range(1, 4)] == [2, 2, 2]
    with pytest.raises(ValueError, match=r"join must have at most 2 stages.*\(4, 2, 1\)"):
        Recipe(2, join=(4, 2, 1))
    with pytest.raises(ValueError, match="join must be an integer"):
        Recipe(2, join=0)


def test_steps_of_layers_are_as_long_as_the_tokens(monkeypatch: pytest.MonkeyPatch) -> None:
    still = {"lr": 1e-12, "ssm_lr": 1e-12, "weight_decay": 0.0, "ema": 0.5}
    run = training(epochs=7, join=(4, 2, 1), **still)
    lengths: list[int] = []
    outputs = run.outputs
    monkeypatch.setattr(run, "outputs", lambda x: (lengths.append(x.shape[1]), outputs(x))[1])
    before = run.model.layers[1].log_dt.detach().clone()
    while run.step < run.steps:
        run.advance()
        factor = {1: 0.0, 2: math.log(2), 4: math.log(4)}[4 // run.join]
        for net in (run.bare, run.measured):
            torch.testing.assert_close(net.layers[1].log_dt, before - factor, rtol=0, atol=1e-5)
    assert lengths == [3] * 20 + [6] * 10 + [12] * 5
    with pytest.raises(ValueError, match="tokens must divide the sequences' 12 tokens, got 5"):
        training(join=5)


def test_the_loss_with_a_teacher_is_the_formula() -> None:
    (x, y), teacher = toy(), NS4D(1, 4, 2, 1, 2, readout="last", dt_min=0.05, dt_max=0.5)
    recipe = Recipe(1, batch_size=len(x), distillation=0.25, temperature=3.0)
    net = model()
    run = Training(net, x, y, recipe, teacher=teacher, teacher_join=2)
    with torch.no_grad():
        logits = net(x).double().numpy()
        taught = teacher(x.reshape(len(x), -1, 2, 1).mean(2)).double().numpy()
    own = -np.log(softmax(logits, 1))[np.arange(len(y)), y].mean()
    kl = rel_entr(softmax(taught / 3, 1), softmax(logits / 3, 1)).sum(1).mean()
    assert run.advance().loss == pytest.approx(0.75 * own + 0.25 * 9 * kl, rel=1e-5)
    assert all(p.grad is None for p in teacher.parameters())
    assert teacher.training


def test_a_teacher_and_its_weight_belong_together() -> None:
    x, y = toy()
    with pytest.raises(ValueError, match="teacher: there must be one if and only if"):
        training(distillation=0.5)
    with pytest.raises(ValueError, match="teacher: there must be one if and only if"):
        Training(model(), x, y, Recipe(1), teacher=model())
    other = NS4D(1, 4, 2, 1, 3, readout="last")
    with pytest.raises(ValueError, match="teacher must have the model's 2 classes"):
        Training(model(), x, y, Recipe(1, distillation=0.5), teacher=other)


def everything() -> Training:
    x, y = toy()
    teacher, net = model(), model(norm=True, dropout=0.2)
    recipe = Recipe(
        7,
        batch_size=9,
        label_smoothing=0.1,
        schedule="cosine",
        ema=0.7,
        join=(4, 2, 1),
        distillation=0.3,
    )
    moved = RandomAffine((4, 3), turn=10, shift=0.5)
    return Training(net, x, y, recipe, moved, teacher=teacher)


@pytest.mark.parametrize("leave_after", [1, 19, 20, 22, 34])
def test_a_training_with_everything_is_taken_up_to_the_last_bit(
    leave_after: int, tmp_path: Path
) -> None:
    torch.manual_seed(1)
    whole = everything()
    while whole.step < whole.steps:
        whole.advance()
    first = everything()
    for _ in range(leave_after):
        first.advance()
    checkpoint.write(tmp_path / "state", first.state())
    torch.manual_seed(99)  # what others draw is nothing to us
    second = everything()
    second.restore(checkpoint.read(tmp_path / "state"))
    assert second.join == first.join
    while second.step < second.steps:
        second.advance()
    assert second.history == whole.history
    for name, value in whole.model.state_dict().items():
        assert torch.equal(second.model.state_dict()[name], value), name
    x, y = toy()
    assert evaluate(second.model, x, y) == evaluate(whole.model, x, y)
