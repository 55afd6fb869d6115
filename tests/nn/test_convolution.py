"""Convolution, beside SciPy's."""

import numpy as np
import pytest
import scipy.signal
import torch

from lava_ssm.nn.convolution import convolve, impulse_response
from lava_ssm.nn.gpu import by_products


def system(dtype: torch.dtype = torch.complex128) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    decay, phase, re, im = torch.rand(4, 3, 5, generator=generator, dtype=torch.float64)
    return torch.complex(-0.2 * decay, 3 * phase).to(dtype), torch.complex(re, im).to(dtype)


def expected(u: np.ndarray, log_a: np.ndarray, w: np.ndarray) -> np.ndarray:
    time = u.shape[-1]
    k = (w[..., np.newaxis] * np.exp(log_a[..., np.newaxis] * np.arange(time))).real.sum(1)
    return scipy.signal.fftconvolve(u, k[:, np.newaxis], axes=-1)[..., :time]


@pytest.mark.parametrize("time", [1, 7, 112, 113, 131, 192, 784, 1024])
def test_convolution_equals_scipys(time: int) -> None:
    log_a, w = system()
    u = torch.randn(3, 2, time, dtype=torch.float64)
    found = convolve(u, log_a, w)
    assert found.is_contiguous()
    np.testing.assert_allclose(found, expected(u.numpy(), log_a.numpy(), w.numpy()), atol=1e-10)


@pytest.mark.parametrize("time", [5, 113, 130])
def test_gradients_are_right(time: int) -> None:
    log_a, w = (v[:1, :2].clone().requires_grad_() for v in system())
    u = torch.randn(1, 2, time, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(convolve, (u, log_a, w))


def test_gradients_in_single_precision_keep_their_digits() -> None:
    log_a, w = system()
    u = torch.randn(3, 2, 784, dtype=torch.float64)
    wanted = torch.randn(3, 2, 784, dtype=torch.float64)
    found = []
    for real, kind in ((torch.float64, torch.complex128), (torch.float32, torch.complex64)):
        inputs = [u.to(real), log_a.to(kind), w.to(kind)]
        inputs = [v.clone().requires_grad_() for v in inputs]
        (convolve(*inputs) * wanted.to(real)).sum().backward()
        found.append([v.grad for v in inputs])
    for exact, single in zip(*found, strict=True):
        assert float((exact - single).abs().max() / exact.abs().max()) < 1e-4


def test_products_of_half_precision_stay_near() -> None:
    log_a, w = system(torch.complex64)
    u = torch.randn(3, 2, 784)
    with torch.autocast("cpu", torch.bfloat16):
        found = convolve(u, log_a, w)
    exact = convolve(u, log_a, w)
    assert found.dtype is torch.bfloat16
    assert float((found - exact).norm() / exact.norm()) < 0.01


@pytest.mark.parametrize("time", [1, 9, 256, 257, 784])
def test_matrix_products_convolve_as_transforms_do(time: int) -> None:
    log_a, w = system()
    k = impulse_response(log_a, w, time).requires_grad_()
    u = torch.randn(3, 2, time, dtype=torch.float64, requires_grad=True)
    y, wanted = by_products(u, k), torch.randn(3, 2, time, dtype=torch.float64)
    np.testing.assert_allclose(
        y.detach(), expected(u.detach().numpy(), log_a.numpy(), w.numpy()), atol=1e-10
    )
    by_transforms = convolve(u, log_a, w.requires_grad_())
    du, dw = torch.autograd.grad(by_transforms, (u, w), wanted)
    found_du, dk = torch.autograd.grad(y, (u, k), wanted)
    found_dw = torch.autograd.grad(impulse_response(log_a, w, time), w, dk)[0]
    torch.testing.assert_close(found_du, du)
    torch.testing.assert_close(found_dw, dw)


@pytest.mark.parametrize("length", [1, 2, 5, 37, 100])
def test_gradients_of_a_response_are_those_of_all_powers(length: int) -> None:
    log_a, w = system()
    g = torch.randn(3, length, dtype=torch.float64)
    found = []
    for respond in (
        lambda log_a, w: impulse_response(log_a, w, length),
        lambda log_a, w: (w[..., None] * (log_a[..., None] * torch.arange(length)).exp()).real.sum(
            1
        ),
    ):
        inputs = [v.clone().requires_grad_() for v in (log_a, w)]
        k = respond(*inputs)
        (k * g).sum().backward()
        found.append([k.detach(), *(v.grad for v in inputs)])
    for one, other in zip(*found, strict=True):
        torch.testing.assert_close(one, other, atol=1e-10, rtol=1e-10)
