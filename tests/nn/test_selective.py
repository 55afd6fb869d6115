"""Selective layers and Mamba's block in torch."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from lava_ssm.nn import Mamba, SelectiveSSM, assign, export, mamba_block, module
from lava_ssm.nn.chain import Chain

torch.set_num_threads(1)


def double(length: int, width: int) -> Tensor:
    return torch.randn(
        2, length, width, dtype=torch.double, generator=torch.Generator().manual_seed(0)
    )


@pytest.mark.parametrize("gated", [False, True])
@pytest.mark.parametrize("length", [1, 63, 64, 65, 200])
def test_a_scan_in_chunks_is_the_recurrence(length: int, gated: bool) -> None:
    layer = SelectiveSSM(5, 3, gated=gated).double()
    u = double(length, layer.widths[0]).requires_grad_()
    y, state, steps = layer(u), layer.initial_state(2), []
    for token in u.unbind(1):
        given, state = layer.step(token, state)
        steps.append(given)
    wanted = torch.stack(steps, 1)
    torch.testing.assert_close(y, wanted)
    values = [u, *layer.parameters()]
    direction = torch.randn_like(y)
    for mine, other in zip(
        torch.autograd.grad((y * direction).sum(), values),
        torch.autograd.grad((wanted * direction).sum(), values),
        strict=True,
    ):
        torch.testing.assert_close(mine, other)


def test_steps_that_are_long_are_stable() -> None:
    layer = SelectiveSSM(4, 3)
    with torch.no_grad():
        layer.dt_proj.bias += 100  # decays are zero in float32
    u = torch.randn(1, 300, 4, requires_grad=True)
    y = layer(u)
    y.sum().backward()
    assert y.isfinite().all()
    assert u.grad is not None
    assert u.grad.isfinite().all()


def published(block: nn.Sequential, u: Tensor) -> Tensor:
    """Mamba's block as arXiv 2312.00752 has it, token by token."""
    norm, in_proj, conv, _, ssm, out_proj, _ = block
    x, z = functional.linear(
        u / torch.sqrt((u**2).mean(-1, keepdim=True) + 1e-5) * norm.weight + norm.bias,
        in_proj.weight,
    ).chunk(2, dim=-1)
    length = conv.weight.shape[-1]
    padded = torch.cat([torch.zeros_like(x[:, : length - 1]), x], 1)
    x = sum(padded[:, k : k + x.shape[1]] * conv.weight[:, 0, k] for k in range(length)) + conv.bias
    x = x / (1 + torch.exp(-x))
    n = ssm.A_log.shape[1]
    delta, b, c = (x @ ssm.x_proj.weight.T).split([ssm.dt_proj.in_features, n, n], -1)
    delta = torch.log(1 + torch.exp(delta @ ssm.dt_proj.weight.T + ssm.dt_proj.bias))
    a = -torch.exp(ssm.A_log)
    h, y = torch.zeros(len(u), *a.shape, dtype=u.dtype), []
    for t in range(u.shape[1]):
        a_bar = torch.exp(delta[:, t, :, None] * a)
        b_bar = delta[:, t, :, None] * b[:, t, None]
        h = a_bar * h + b_bar * x[:, t, :, None]
        y.append((h * c[:, t, None]).sum(-1) + ssm.D * x[:, t])
    return u + (torch.stack(y, 1) * z / (1 + torch.exp(-z))) @ out_proj.weight.T


def test_a_block_is_the_published_one() -> None:
    torch.manual_seed(0)
    block = mamba_block(6, d_state=4).double()
    with torch.no_grad():
        for p in block.parameters():
            p += 0.1 * torch.randn_like(p)
    u = double(30, 6)
    torch.testing.assert_close(Chain([block])(u), published(block, u))


def test_a_block_is_that_of_another_package() -> None:
    mambapy = pytest.importorskip("mambapy.mamba")
    torch.manual_seed(0)
    config = mambapy.MambaConfig(d_model=8, n_layers=1, d_state=4, use_cuda=False)
    other = mambapy.ResidualBlock(config).double()
    block = mamba_block(8, d_state=4, rank=config.dt_rank, eps=config.rms_norm_eps).double()
    norm, in_proj, conv, _, ssm, out_proj, _ = block
    mixer = other.mixer
    with torch.no_grad():
        norm.weight.copy_(other.norm.weight)
        norm.bias.zero_()
        in_proj.weight.copy_(mixer.in_proj.weight)
        conv.weight.copy_(mixer.conv1d.weight)
        conv.bias.copy_(mixer.conv1d.bias)
        ssm.x_proj.weight.copy_(mixer.x_proj.weight)
        ssm.dt_proj.weight.copy_(mixer.dt_proj.weight)
        ssm.dt_proj.bias.copy_(mixer.dt_proj.bias)
        ssm.A_log.copy_(mixer.A_log)
        ssm.D.copy_(mixer.D)
        out_proj.weight.copy_(mixer.out_proj.weight)
    u = double(40, 8)
    torch.testing.assert_close(Chain([block])(u), other(u))


def test_a_model_is_exported_and_made_again() -> None:
    model = Mamba(3, 2, 8, 2, d_state=4).double()
    x = double(70, 3)
    y = model(x).detach()
    net = export(model)
    np.testing.assert_allclose(net.run(x.numpy()), y, atol=1e-12)
    torch.testing.assert_close(module(net).double()(x), y, atol=1e-6, rtol=1e-5)
    other = Mamba(3, 2, 8, 2, d_state=4).double()
    assign(other, net)
    torch.testing.assert_close(other(x), y)


def test_a_convolution_that_does_not_pass_the_gate_is_refused() -> None:
    model = Mamba(2, 2, 4, 1)
    net = export(model)
    changed = module(net)
    with torch.no_grad():
        changed.get_parameter("layers.3.weight").add_(0.1)
    with pytest.raises(ValueError, match=r"layer 3: .*half that is to pass"):
        assign(model, export(changed))
