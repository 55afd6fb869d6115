"""The scan and what benchmarks/scan.py compares it with: values and gradients."""

import numpy as np
import pytest
import torch

from lava_ssm.nn.scan import gated_scan
from tests.benchmarks import load


def expected(
    a: np.ndarray, v: np.ndarray, grad: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """x, dL/da and dL/dv, token after token, for v and grad = dL/dx (batch, time, d_state).

    x_t = a x_{t-1} + v_t,  g_t = dL/dv_t = dL/dx_t + conj(a) g_{t+1},
    dL/da = sum_t conj(x_{t-1}) g_t
    """
    x, g = np.zeros_like(v), np.zeros_like(v)
    for t in range(v.shape[1]):
        x[:, t] = v[:, t] + (a * x[:, t - 1] if t else 0)
    for t in reversed(range(v.shape[1])):
        g[:, t] = grad[:, t] + (a.conj() * g[:, t + 1] if t + 1 < v.shape[1] else 0)
    return x, (x[:, :-1].conj() * g[:, 1:]).sum((0, 1)), g


@pytest.mark.parametrize("time", [1, 2, 3, 8, 37, 500])
@pytest.mark.parametrize("way", ["ours", "associative scan", "loop"])
def test_every_way_is_the_recurrence_with_its_gradient(
    way: str, time: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(0)
    a = np.linspace(0.5, 0.999, 5) * np.exp(1j * np.linspace(0, 3, 5))
    v, grad = rng.normal(size=(2, 2, time, 5)) + 1j * rng.normal(size=(2, 2, time, 5))
    given = [torch.from_numpy(w).requires_grad_() for w in (a, v)]
    x = load("scan", monkeypatch).WAYS[way](*given)
    gradients = torch.autograd.grad(x, given, torch.from_numpy(grad), materialize_grads=True)
    for found, other in zip((x, *gradients), expected(a, v, grad), strict=True):
        one = found.detach().numpy()
        np.testing.assert_allclose(one, other, rtol=1e-10, atol=1e-10 * np.abs(other).max())


@pytest.mark.parametrize("time", [1, 2, 3, 8, 37, 500])
def test_factors_of_each_token_are_taken_with_their_gradient(time: int) -> None:
    """x_t = f_t x_{t-1} + v_t, g_t = dL/dx_t + f_{t+1} g_{t+1}, dL/df_t = x_{t-1} g_t."""
    rng = np.random.default_rng(0)
    f = rng.uniform(0, 1, (2, 3, time, 5))
    v, grad = rng.normal(size=(2, 2, 3, time, 5))
    x, g, of_f = np.zeros((3, 2, 3, time, 5))
    for t in range(time):
        x[..., t, :] = v[..., t, :] + (f[..., t, :] * x[..., t - 1, :] if t else 0)
    for t in reversed(range(time)):
        later = f[..., t + 1, :] * g[..., t + 1, :] if t + 1 < time else 0
        g[..., t, :] = grad[..., t, :] + later
        of_f[..., t, :] = x[..., t - 1, :] * g[..., t, :] if t else 0
    given = [torch.from_numpy(w).requires_grad_() for w in (f, v)]
    found = gated_scan(*given)
    gradients = torch.autograd.grad(found, given, torch.from_numpy(grad))
    for one, other in zip((found, *gradients), (x, of_f, g), strict=True):
        np.testing.assert_allclose(one.detach().numpy(), other, rtol=1e-10, atol=1e-12)
