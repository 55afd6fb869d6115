"""Batch norm by reductions, beside PyTorch's own."""

import pytest
import torch
from torch import nn

from lava_ssm.nn.batch_norm import normed


@pytest.mark.parametrize("kind", [torch.float64, torch.float32, torch.bfloat16])
def test_it_is_pytorchs(kind: torch.dtype) -> None:
    torch.manual_seed(0)
    parameters = torch.promote_types(kind, torch.float32)
    ours, theirs = (nn.BatchNorm1d(5, dtype=parameters) for _ in range(2))
    with torch.no_grad():
        for norm in (ours, theirs):
            norm.weight.copy_(torch.arange(5) - 1.5)
            norm.bias.copy_(torch.arange(5) / 3)
    y = (torch.randn(5, 400, dtype=parameters) * 3 + 2).to(kind)
    grad = torch.randn(5, 400, dtype=parameters).to(kind)
    found = []
    for norm, exact in ((ours, False), (theirs, True)):
        u = (y.to(parameters) if exact else y).clone().requires_grad_()
        z = norm(u[None])[0] if exact else normed(u, norm)
        z.backward(grad.to(z.dtype))
        assert u.grad is not None
        found.append([z, u.grad, *(p.grad for p in norm.parameters()), *norm.buffers()])
    near = {torch.float64: 1e-10, torch.float32: 1e-4, torch.bfloat16: 2e-2}[kind]
    assert found[0][0].dtype is kind
    for mine, wanted in zip(*found, strict=True):
        scale = float(wanted.abs().max())
        torch.testing.assert_close(
            mine.to(wanted.dtype), wanted, rtol=0, atol=near * scale, check_dtype=False
        )
