"""What is computed otherwise on a CPU, beside the plain form in double precision."""

import copy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from lava_ssm.engine.compiled.fourier import plan
from lava_ssm.nn import NS4D, S4D, Chain, Residual, cpu, regularize
from lava_ssm.nn.convolution import convolve_tokens
from lava_ssm.nn.cpu import linear, takes


def plain(u: Tensor, log_a: Tensor, w: Tensor) -> Tensor:
    """Each output as a sum over all tokens before it, by all powers of all states."""
    time = u.shape[1]
    k = (w[..., None] * (log_a[..., None] * torch.arange(time)).exp()).real.sum(1)
    lags = torch.arange(time)[:, None] - torch.arange(time)
    matrices = torch.where(lags >= 0, k[:, lags.clamp(min=0)], torch.zeros(()).double())
    return torch.einsum("dts,bsd->btd", matrices, u)


def both(batch: int, time: int, channels: int) -> list[list[Tensor]]:
    """Outputs and gradients in single precision, then those of the plain form."""
    generator = torch.Generator().manual_seed(batch + time + channels)
    decay, phase, re, im = torch.rand(4, channels, 3, generator=generator)
    log_a, w = torch.complex(-0.1 * decay, 3 * phase), torch.complex(re, im) - 0.5
    u, dy = torch.randn(2, batch, time, channels, generator=generator)  # exact in either precision
    made = []
    for compute, to, complex_ in (
        (convolve_tokens, torch.float32, torch.complex64),
        (plain, torch.float64, torch.complex128),
    ):
        inputs = [u.to(to), log_a.to(complex_), w.to(complex_)]
        if compute is convolve_tokens:
            assert takes(inputs[0])
        inputs = [v.clone().requires_grad_() for v in inputs]
        y = compute(*inputs)
        y.backward(dy.to(y.dtype))
        made.append([y.detach(), *(v.grad for v in inputs if v.grad is not None)])
    return made


def check(single: list[Tensor], exact: list[Tensor], tolerance: float = 3e-6) -> None:
    assert len(single) == len(exact) == 4
    for name, one, other in zip(("y", "u", "log_a", "w"), single, exact, strict=True):
        assert one.shape == other.shape
        assert (one - other).abs().max() <= tolerance * other.abs().max(), name


# each number of blocks, either last stage, and stages of which one no longer is near
@pytest.mark.parametrize("time", [1, 2, 3, 7, 8, 17, 100, 113, 320, 500, 784, 1024])
def test_outputs_and_gradients_are_those_of_the_plain_form(time: int) -> None:
    check(*both(2, time, 3))


@pytest.mark.parametrize("channels", [1, 15, 16, 17, 33])
@pytest.mark.parametrize("batch", [1, 2, 5])
def test_channels_and_sequences_of_any_number(batch: int, channels: int) -> None:
    check(*both(batch, 23, channels))


@pytest.mark.parametrize("n_threads", [2, 3, 8])
@pytest.mark.parametrize(("batch", "channels"), [(7, 20), (1, 40)])
def test_threads_share_sequences_or_channels(n_threads: int, batch: int, channels: int) -> None:
    before = torch.get_num_threads()
    torch.set_num_threads(n_threads)
    try:
        check(*both(batch, 50, channels))
    finally:
        torch.set_num_threads(before)


def test_long_sequences() -> None:
    """Beside the convolution in double precision, which SciPy checks."""
    torch.manual_seed(0)
    log_a, w = torch.randn(2, 2, 3, dtype=torch.complex64)
    log_a, u = torch.complex(-log_a.real.abs() / 100, log_a.imag), torch.randn(1, 9000, 2)
    exact = convolve_tokens(u.double(), log_a.to(torch.complex128), w.to(torch.complex128))
    single = convolve_tokens(u, log_a, w)
    assert float((single - exact).abs().max() / exact.abs().max()) < 3e-6


@given(st.integers(1, 1 << 18))
@settings(max_examples=200, deadline=None)
def test_nothing_wraps_round(time: int) -> None:
    made = plan(time)
    assert made.blocks * made.size >= 2 * time - 1  # the support of a product of polynomials
    assert made.entered * made.size >= time
    assert made.size % made.near == 0


def test_sequences_do_not_mix() -> None:
    layer = S4D(5, 4)
    u = torch.randn(3, 40, 5)
    together = layer(u)
    for i in range(3):
        np.testing.assert_allclose(layer(u[i : i + 1])[0].detach(), together[i].detach(), atol=1e-5)


def test_a_gradient_that_is_not_in_one_piece() -> None:
    layer, u = S4D(3, 4), torch.randn(2, 9, 3)
    weights = torch.randn(2, 3)
    (layer(u).sum(1) * weights).sum().backward()  # expanded over time
    found = {name: p.grad.clone() for name, p in layer.named_parameters() if p.grad is not None}
    twin = S4D(3, 4).double()
    twin.load_state_dict(layer.state_dict())
    (twin(u.double()).sum(1) * weights).sum().backward()
    for name, p in twin.named_parameters():
        np.testing.assert_allclose(found[name], p.grad, rtol=1e-3, atol=1e-4)


def test_half_precision_without_casting_is_computed_in_single_precision() -> None:
    torch.manual_seed(0)
    for make in (lambda: S4D(16, 4), lambda: S4D(16, 4, direct=True)):
        layer, u = make(), torch.randn(2, 9, 16).bfloat16()
        model = nn.Sequential(layer, nn.Linear(16, 3))
        y = model(u)
        assert y.dtype is torch.float32
        torch.testing.assert_close(y, model(u.float()), rtol=0, atol=0)


def test_double_precision_takes_single_precision() -> None:
    layer, u = S4D(16, 4), torch.randn(2, 9, 16)
    found = copy.deepcopy(layer).double()(u)
    torch.testing.assert_close(found.float(), layer(u), rtol=1e-4, atol=1e-4)


def test_gradients_within_casting() -> None:
    layer, u = S4D(16, 4), torch.randn(2, 9, 16)
    grads = []
    for inside in (False, True):
        layer.zero_grad()
        with torch.autocast("cpu", torch.bfloat16):
            loss = layer(u).float().square().sum()
            if inside:
                loss.backward()
        if not inside:
            loss.backward()
        grads.append([p.grad for p in layer.parameters()])
    for found, wanted in zip(*grads, strict=True):
        torch.testing.assert_close(found, wanted, rtol=0, atol=0)


def test_half_precision_comes_and_goes() -> None:
    layer, u = S4D(3, 4), torch.randn(2, 9, 3)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(u.bfloat16().requires_grad_())
    y.float().sum().backward()
    assert y.dtype is torch.bfloat16
    exact = layer(u)
    assert float((y - exact).norm() / exact.norm()) < 0.02


@pytest.mark.parametrize("channels", [1, 16, 33])
@pytest.mark.parametrize("before", [False, True])
@pytest.mark.parametrize("after", [False, True])
def test_half_precision_is_single_precision_rounded(
    channels: int, before: bool, after: bool
) -> None:
    torch.manual_seed(channels)
    k = torch.randn(channels, 21)
    u, dy = torch.randn(2, 3, 21, channels).bfloat16()
    u[0, 3, 0], u[1, 2, 0] = torch.nan, torch.inf
    made = []
    for kind in (torch.bfloat16, torch.float32):
        inputs = [v.clone().requires_grad_() for v in (u.to(kind), k)]
        y = cpu.convolve_tokens(*inputs, before, after)
        assert y.dtype is kind
        y.backward(dy.to(kind))
        made.append([y, inputs[0].grad, inputs[1].grad])
    (y, du, dk), exact = made
    for found, wanted in ((y, exact[0]), (du, exact[1])):
        torch.testing.assert_close(found, wanted.bfloat16(), rtol=0, atol=0, equal_nan=True)
    torch.testing.assert_close(dk, exact[2], rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize(("batch", "time"), [(16, 256), (20, 210), (1, 4096), (40, 101)])
@pytest.mark.parametrize("has_bias", [False, True])
def test_large_linear_maps(batch: int, time: int, has_bias: bool) -> None:
    torch.manual_seed(0)
    made = []
    u, w, b, dy = (
        torch.randn(*shape, dtype=torch.float64)
        for shape in ((batch, time, 48), (96, 48), (96,), (batch, time, 96))
    )
    for kind in (torch.float32, torch.float64):
        inputs = [v.to(kind).requires_grad_() for v in ((u, w, b) if has_bias else (u, w))]
        y = linear(*inputs, *([] if has_bias else [None]))
        y.backward(dy.to(kind))
        made.append([y, *(v.grad for v in inputs)])
    for single, exact in zip(*made, strict=True):
        assert single.is_contiguous()
        assert float((single - exact).abs().max() / exact.abs().max()) < 1e-5


CHAINS = {
    "published": lambda: NS4D(2, 20, 4, 2, 3),
    "ReLU before alone": lambda: NS4D(2, 20, 4, 2, 3, relu="linear"),
    "ReLU behind alone": lambda: NS4D(2, 20, 4, 2, 3, relu="s4d"),
    "side by side": lambda: Chain(
        [nn.Linear(2, 20), nn.ReLU(), S4D(20, 4), nn.ReLU(), S4D(20, 4), S4D(20, 4), nn.ReLU()]
    ),
    "bias": lambda: Chain(
        [nn.Linear(2, 20), nn.ReLU(), S4D(20, 4, bias=True), nn.ReLU(), nn.Linear(20, 3), nn.ReLU()]
    ),
    "direct": lambda: Chain(
        [nn.Linear(2, 20), nn.ReLU(), S4D(20, 4, direct=True), nn.ReLU(), nn.Linear(20, 3)]
    ),
    "residual": lambda: Chain(
        [nn.Linear(2, 20), nn.ReLU(), S4D(20, 4), Residual(1), nn.ReLU(), S4D(20, 4), nn.ReLU()]
    ),
}


@pytest.mark.parametrize("norm", [False, True])
@pytest.mark.parametrize("name", CHAINS)
def test_chains_go_as_in_double_precision(name: str, norm: bool) -> None:
    """There each ReLU is PyTorch's, and nothing is done at once."""
    torch.manual_seed(0)
    model = CHAINS[name]()
    for layer in model.modules():
        if isinstance(layer, S4D) and layer.bias is not None:
            nn.init.normal_(layer.bias)  # of 0, as it begins, ReLU has no gradient
    if norm:
        regularize(model, norm=True)
    twin = copy.deepcopy(model).double()
    x = torch.randn(5, 37, 2)
    for training in (True, False):
        found = []
        for each, inputs in ((model, x), (twin, x.double())):
            each.train(training)
            each.zero_grad()
            y = each(inputs)
            y.square().sum().backward()
            found.append([y.detach(), *(p.grad for p in each.parameters() if p.grad is not None)])
        for single, exact in zip(*found, strict=True):
            if exact.abs().max() > 1e-9:  # a bias in front of a norm has no gradient
                assert (single - exact).abs().max() <= 1e-3 * exact.abs().max()


def test_what_is_no_number_stays_so() -> None:
    model = NS4D(1, 4, 4, 1, 2)
    x = torch.randn(3, 9, 1)
    x[0, 4] = torch.nan
    assert model(x).isnan()[0].all()


def test_hooks_see_what_they_saw() -> None:
    model, seen = NS4D(2, 8, 4, 1, 3), []
    layer, relu = model.layers[1], model.layers[2]
    expected = model(torch.ones(2, 5, 2))
    layer.register_forward_hook(lambda module, inputs, y: seen.append(y.detach()))
    relu.register_forward_hook(lambda module, inputs, y: seen.append(y.detach()))
    torch.testing.assert_close(model(torch.ones(2, 5, 2)), expected)
    linear_, rectified = seen
    assert (linear_ < 0).any()
    assert torch.equal(rectified, linear_.relu())


def test_a_layer_of_ones_own_is_asked_as_it_is() -> None:
    class Doubled(S4D):
        def response(self, u: Tensor, arrays: dict[str, Tensor], channels_first: bool) -> Tensor:
            return 2 * super().response(u, arrays, channels_first)

    torch.manual_seed(0)
    model = Chain([nn.Linear(2, 4), nn.ReLU(), S4D(4, 4), nn.ReLU(), nn.Linear(4, 3)])
    twin = copy.deepcopy(model)
    twin.layers[2].__class__ = Doubled
    x = torch.randn(2, 6, 2)
    inner = [chain.layers[2](chain.layers[0](x).relu()).relu() for chain in (model, twin)]
    torch.testing.assert_close(inner[1], 2 * inner[0])
    torch.testing.assert_close(twin(x), twin.layers[4](inner[1]))


def test_training_goes_as_in_double_precision() -> None:
    torch.manual_seed(0)
    model = NS4D(2, 32, 4, 2, 3, readout="mean")
    twin = NS4D(2, 32, 4, 2, 3, readout="mean").double()
    twin.load_state_dict(model.state_dict())
    x, labels = torch.randn(9, 61, 2), torch.arange(9) % 3
    losses = []
    for each, inputs in ((model, x), (twin, x.double())):
        adamw = torch.optim.AdamW(each.parameters(), 1e-3)
        for _ in range(8):
            loss = nn.functional.cross_entropy(each(inputs), labels)
            adamw.zero_grad()
            loss.backward()
            adamw.step()
            losses.append(float(loss))
    np.testing.assert_allclose(losses[:8], losses[8:], rtol=1e-4)
    assert losses[7] < losses[0]
