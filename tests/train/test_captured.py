"""A training step that is recorded, on a GPU; without one there is nothing to record."""

import pytest
import torch

from lava_ssm.nn import NS4D, regularize
from lava_ssm.nn.convolution import convolve, impulse_response
from lava_ssm.nn.gpu import by_products
from lava_ssm.train import Recipe, Training

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU")


class Unrecorded(Training):
    capturable = False


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_a_recorded_training_learns_what_another_does(precision: str, dropout: float) -> None:
    x, y = torch.rand(50, 64, 1, generator=torch.Generator().manual_seed(0)), torch.arange(50) % 3
    recipe = Recipe(4, 16, schedule="cosine", precision=precision, join=(2, 1), ema=0.9)  # type: ignore[arg-type]
    states, losses = [], []
    for kind in (Training, Unrecorded):
        torch.manual_seed(0)
        model = NS4D(1, 16, 8, 2, 3, readout="mean")
        regularize(model, dropout, norm=True)
        run = kind(model.cuda(), x, y, recipe)
        losses.append([run.advance() for _ in range(run.steps)] and [e.loss for e in run.history])
        states.append(model.state_dict())
    assert losses[0] == pytest.approx(losses[1], rel=1e-3 if precision == "float32" else 3e-2)
    for name, value in states[0].items():
        near = 1e-3 if precision == "float32" else 5e-2
        torch.testing.assert_close(value, states[1][name], rtol=near, atol=near, msg=name)


def test_a_recorded_training_goes_on_as_it_would_have() -> None:
    x, y = torch.rand(50, 64, 1, generator=torch.Generator().manual_seed(0)), torch.arange(50) % 3
    recipe = Recipe(4, 16, schedule="cosine", ema=0.9)

    def begun() -> Training:
        torch.manual_seed(0)
        model = NS4D(1, 16, 8, 2, 3, readout="mean")
        regularize(model, norm=True)
        return Training(model.cuda(), x, y, recipe)

    whole, first, second = begun(), begun(), begun()
    for _ in range(whole.steps):
        whole.advance()
    for _ in range(7):
        first.advance()
    second.restore(first.state())
    while second.step < second.steps:
        second.advance()
    losses = [[epoch.loss for epoch in run.history] for run in (whole, second)]
    assert losses[1] == pytest.approx(losses[0], rel=1e-3)


def test_products_of_16_bits_are_near() -> None:
    torch.manual_seed(0)
    log_a = torch.complex(-torch.rand(8, 4) / 10, torch.randn(8, 4)).cuda()
    w = torch.randn(8, 4, dtype=torch.complex64, device="cuda")
    u = torch.randn(8, 3, 784, device="cuda")
    exact, near = convolve(u, log_a, w), convolve(u.bfloat16(), log_a, w)
    assert near.dtype is torch.bfloat16
    assert float((near - exact).norm() / exact.norm()) < 0.01
    k = impulse_response(log_a, w, 784)
    torch.testing.assert_close(
        by_products(u.double(), k.double()).float(), exact, atol=1e-3, rtol=0
    )
