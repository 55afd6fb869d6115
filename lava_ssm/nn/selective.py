"""Selective state space layers: trained by a scan over time, run as recurrences."""

import math

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from lava_ssm import network
from lava_ssm.nn.inputs import size
from lava_ssm.nn.layer import Arrays, LayerModule
from lava_ssm.nn.scan import gated_scan

_CHUNK = {"cpu": 64}
_LONG_CHUNK = 256
"""Tokens of which all states are in memory at once; on a GPU more, as each chunk starts kernels."""
_STEPS = 1e-3, 0.1
"""Between which steps begin, evenly in their logarithms."""


class SelectiveSSM(LayerModule):
    """h' = exp(D a) h + D x B,    y = C h' + d x.

        D = softplus(W_d r + bias),    r, B, C: parts of W_x x,    a = -exp(A_log)

    Steps, inputs and outputs depend on the token alone, so training takes all tokens of a chunk at
    once, by a scan; states are computed anew for the gradient, and memory is that of a chunk. (Gu,
    Dao, "Mamba: Linear-Time Sequence Modeling with Selective State Spaces", arXiv 2312.00752;
    names of parameters and how they begin are those of its public code.)

    Parameters
    ----------
    d_model
        Channels with states.
    d_state
        States of each.
    rank
        Of the map to the steps; None: a sixteenth of the channels, rounded up.
    gated
        Whether the input has `d_model` channels more, a gate that multiplies the output.

    Attributes
    ----------
    x_proj : torch.nn.Linear
        W_x, (rank + 2 d_state, d_model).
    dt_proj : torch.nn.Linear
        W_d and its bias, (d_model, rank) and (d_model,).
    A_log : (d_model, d_state)
    D : (d_model,)
        d.
    """

    kind = network.SelectiveSSM
    channels_first = False
    slow = frozenset(("A_log",))

    def __init__(
        self, d_model: int, d_state: int = 16, rank: int | None = None, gated: bool = False
    ) -> None:
        super().__init__()
        self.d_model, n = size(d_model, "d_model"), size(d_state, "d_state")
        self.gated = bool(gated)
        rank = math.ceil(d_model / 16) if rank is None else size(rank, "rank")
        self.x_proj = nn.Linear(d_model, rank + 2 * n, bias=False)
        self.dt_proj = nn.Linear(rank, d_model)
        nn.init.uniform_(self.dt_proj.weight, -(rank**-0.5), rank**-0.5)
        least, most = map(math.log, _STEPS)
        dt = torch.exp(least + (most - least) * torch.rand(d_model))
        with torch.no_grad():
            self.dt_proj.bias.copy_(dt + torch.log(-torch.expm1(-dt)))  # softplus gives dt of it
        rates = torch.arange(1, n + 1, dtype=dt.dtype).repeat(d_model, 1)
        self.A_log, self.D = nn.Parameter(rates.log()), nn.Parameter(torch.ones(d_model))

    @property
    def widths(self) -> tuple[int, int]:
        return self.d_model * (1 + self.gated), self.d_model

    @classmethod
    def like(cls, layer: network.SelectiveSSM) -> "SelectiveSSM":  # type: ignore[override]
        return cls(layer.d_model, layer.d_state, len(layer.down), layer.gated)

    def parameters_of(self, layer: network.SelectiveSSM) -> dict[str, np.ndarray]:  # type: ignore[override]
        return {
            "x_proj.weight": np.concatenate([layer.down, layer.b, layer.c]),
            "dt_proj.weight": layer.up,
            "dt_proj.bias": layer.bias,
            "A_log": np.log(-layer.a),
            "D": layer.d,
        }

    def arrays(self) -> Arrays:
        n = self.A_log.shape[1]
        rank = self.dt_proj.in_features
        down, b, c = self.x_proj.weight.split([rank, n, n])
        return {
            "a": -self.A_log.exp(),
            "down": down,
            "up": self.dt_proj.weight,
            "b": b,
            "c": c,
            "d": self.D,
            "bias": self.dt_proj.bias,
        }

    def constants(self) -> dict[str, bool]:
        return {"gated": self.gated}

    def response(self, u: Tensor, arrays: Arrays, channels_first: bool) -> Tensor:
        x = u[..., : self.d_model]
        step, b, c = _selected(x, arrays)
        flat = [v.reshape(-1, *v.shape[-2:]) for v in (step, x, b, c)]  # (batch, time, ...)
        a, pieces = arrays["a"], []
        h = x.new_zeros(len(flat[0]), *a.shape)
        chunk = _CHUNK.get(x.device.type, _LONG_CHUNK)
        for first in range(0, x.shape[-2], chunk):
            part = [v[:, first : first + chunk] for v in flat]
            y, h = checkpoint(_scanned, h, a, *part, use_reentrant=False, preserve_rng_state=False)
            pieces.append(y)
        return self._given(torch.cat(pieces, 1).view_as(x), x, u, arrays)

    def initial_state(self, *batch: int) -> Tensor:
        """Give the state before the first token, (*batch, d_model, d_state): zeros."""
        return self.A_log.new_zeros(*batch, *self.A_log.shape)

    def step(self, u: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        """Give the output of one token (..., d_input), and the state behind it."""
        arrays, x = self.arrays(), u[..., : self.d_model]
        step, b, c = _selected(x, arrays)
        state = torch.exp(step[..., None] * arrays["a"]) * state
        state = state + (step * x)[..., None] * b[..., None, :]
        return self._given((state @ c[..., None])[..., 0], x, u, arrays), state

    def _given(self, y: Tensor, x: Tensor, u: Tensor, arrays: Arrays) -> Tensor:
        y = y + arrays["d"] * x
        return y * u[..., self.d_model :] if self.gated else y

    def extra_repr(self) -> str:
        """Describe the layer in the text of a model."""
        return f"{self.d_model}, d_state={self.A_log.shape[1]}, gated={self.gated}"


def _selected(x: Tensor, arrays: Arrays) -> tuple[Tensor, Tensor, Tensor]:
    """Steps (..., d_model), B and C (..., d_state) of tokens x (..., d_model)."""
    r, b, c = (nn.functional.linear(x, arrays[name]) for name in ("down", "b", "c"))
    step = nn.functional.softplus(nn.functional.linear(r, arrays["up"], arrays["bias"]))
    return step, b, c


def _scanned(
    h: Tensor, a: Tensor, step: Tensor, x: Tensor, b: Tensor, c: Tensor
) -> tuple[Tensor, Tensor]:
    """Outputs of a chunk (batch, time, d_model), and the state (batch, d_model, d_state) behind it.

    Of a state that enters it.
    """
    decay = torch.exp(step[..., None] * a)  # (batch, time, d_model, d_state)
    drive = (step * x)[..., None] * b[:, :, None]
    drive = torch.cat([drive[:, :1] + decay[:, :1] * h[:, None], drive[:, 1:]], 1)
    states = gated_scan(decay.flatten(-2), drive.flatten(-2)).view_as(drive)
    return torch.einsum("btdn,btn->btd", states, c), states[:, -1]
