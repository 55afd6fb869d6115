"""Language models token by token in eager PyTorch, float32: what the engine is compared with."""

from collections.abc import Callable
from typing import Any

import torch
from language_models import Transformer
from torch import Tensor, nn

from lava_ssm.network import Network
from lava_ssm.nn import MLGRU, S5, Conv1d, MinGRU, Residual, SelectiveSSM, module
from lava_ssm.nn.activation import FUNCTIONS
from lava_ssm.nn.chain import parts_of

Step = Callable[[int], Tensor]
"""Takes the number of a token; gives logits (vocabulary,)."""
Part = Callable[[Tensor], Tensor]


def chain_step(network: Network) -> Step:
    """Of a float network, its weights as they are: nothing is rounded anew for each token."""
    model = module(network).eval()
    parts = [(part, _part(part)) for part in parts_of(model)]
    eye = torch.eye(network.d_input)

    @torch.no_grad()
    def step(number: int) -> Tensor:
        y, entered = eye[number], []
        for part, compute in parts:
            if isinstance(part, Residual):
                y = y + entered[-part.span]
                continue
            if hasattr(part, "kind"):
                entered.append(y)
            y = compute(y)
        return y

    return step


def _part(part: nn.Module) -> Part:
    """A token through a layer or an activation, the state kept."""
    with torch.no_grad():
        arrays: dict[str, Any] = part.arrays() if hasattr(part, "arrays") else {}
    if isinstance(part, MinGRU | MLGRU):
        return _gated(part, arrays)
    if isinstance(part, S5):
        return _s5(arrays, part.d_state)
    if isinstance(part, Conv1d):
        return _convolution(arrays)
    if isinstance(part, SelectiveSSM):
        state = [part.initial_state()]

        def selective(u: Tensor) -> Tensor:
            y, state[0] = part.step(u, state[0])
            return y

        return selective
    return part


def _gated(part: nn.Module, arrays: dict[str, Tensor]) -> Part:
    linear, h = nn.functional.linear, torch.zeros(arrays["weights"].shape[0])

    def min_gru(u: Tensor) -> Tensor:
        z = torch.sigmoid(linear(u, arrays["gate"], arrays["gate_bias"]))
        c = linear(u, arrays["weights"], arrays["bias"])
        h.lerp_(FUNCTIONS[part.activation](c), z)
        return h.clone()

    def mlgru(u: Tensor) -> Tensor:
        c = nn.functional.silu(linear(u, arrays["weights"], arrays["bias"]))
        f = torch.sigmoid(linear(u, arrays["forget"], arrays["forget_bias"]))
        h.copy_(torch.lerp(c, h, f))
        return torch.sigmoid(linear(u, arrays["gate"], arrays["gate_bias"])) * h

    return min_gru if isinstance(part, MinGRU) else mlgru


def _s5(arrays: dict[str, Tensor], d_state: int) -> Part:
    b, c, x = arrays["b"], arrays["c"], torch.zeros(d_state, dtype=torch.complex64)
    into = torch.stack([b.real, b.imag], 1).flatten(0, 1)  # (2 d_state, d_model)
    out = 2 * torch.stack([c.real, -c.imag], -1).flatten(1)  # (d_model, 2 d_state)

    def step(u: Tensor) -> Tensor:
        v = torch.view_as_complex((into @ u).view(-1, 2))
        if "drive_bias" in arrays:
            v = v + arrays["drive_bias"]
        x.mul_(arrays["a"]).add_(v)
        y = out @ torch.view_as_real(x).flatten() + arrays["d"] * u
        return y + arrays["bias"] if "bias" in arrays else y

    return step


def _convolution(arrays: dict[str, Tensor]) -> Part:
    weights = arrays["weights"][:, 0]  # of each channel alone
    line = torch.zeros(weights.shape)

    def step(u: Tensor) -> Tensor:
        line[:, :-1] = line[:, 1:].clone()
        line[:, -1] = u
        return (line * weights).sum(-1) + arrays["bias"]

    return step


class TransformerStep:
    """A Transformer with a cache of keys and values.

    Parameters
    ----------
    model
        Trained.
    most
        Tokens that the cache holds.

    Attributes
    ----------
    position
        Tokens taken so far: set back, the last ones are forgotten.
    """

    def __init__(self, model: Transformer, most: int = 1100) -> None:
        self.model, self.position = model.eval(), 0
        first: Any = model.layers[0]
        n_heads = first.self_attn.num_heads
        shape = len(model.layers), 2, n_heads, most, first.self_attn.head_dim
        self.cache = torch.zeros(shape)
        self.eye = torch.eye(model.d_input)

    @torch.no_grad()
    def __call__(self, number: int) -> Tensor:
        """Logits (vocabulary,) behind one more token."""
        y = self.model.embedded(self.eye[number : number + 1], self.position)[0]
        at = self.position
        for layer, cache in zip(self.model.layers, self.cache, strict=True):
            own: Any = layer
            attention = own.self_attn
            u = own.norm1(y)
            q, k, v = nn.functional.linear(
                u, attention.in_proj_weight, attention.in_proj_bias
            ).view(3, attention.num_heads, 1, -1)
            cache[0, :, at], cache[1, :, at] = k[:, 0], v[:, 0]
            read = nn.functional.scaled_dot_product_attention(
                q, cache[0, :, : at + 1], cache[1, :, : at + 1]
            )
            y = y + attention.out_proj(read.flatten())
            y = y + own.linear2(nn.functional.gelu(own.linear1(own.norm2(y))))
        self.position += 1
        return self.model.head(self.model.norm(y))


def public_mamba_step(model: Any) -> Step:
    """Mambapy's own step."""
    embedding, blocks, norm, head = model
    inner, length = blocks.config.d_inner, blocks.config.d_conv - 1
    caches = [[(None, torch.zeros(1, inner, length)) for _ in blocks.layers]]
    eye = torch.eye(model.d_input)

    @torch.no_grad()
    def step(number: int) -> Tensor:
        y, caches[0] = blocks.step(embedding(eye[number : number + 1]), caches[0])
        return head(norm(y))[0]

    return step


def public_min_gru_step(model: Any) -> Step:
    """The package's own step."""
    hiddens: list[Any] = [None]

    @torch.no_grad()
    def step(number: int) -> Tensor:
        token = torch.tensor([[number]])
        y, hiddens[0] = model.model(token, return_prev_hiddens=True, prev_hiddens=hiddens[0])
        return y[0, -1]

    return step
