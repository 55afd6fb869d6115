"""The n-S4D model: S4D layers made for a neuromorphic chip."""

from typing import Any, cast

import torch
from torch import Tensor, nn

from lava_ssm.network import Readout
from lava_ssm.nn.inputs import size
from lava_ssm.nn.s4d import S4D, Discretized, check_width

SIZES: dict[str, dict[str, Any]] = {
    "ns4d-tiny": {"d_model": 32, "d_state": 16, "n_layers": 4},
    "ns4d-small": {"d_model": 64, "d_state": 32, "n_layers": 4},
    "ns4d-large": {"d_model": 128, "d_state": 64, "n_layers": 4},
}
"""Of n-S4D; small and large are the published sizes, of 67 and 265 thousand parameters."""


class NS4D(nn.Module):
    """encoder -> n_layers x [S4D -> ReLU -> Linear -> ReLU] -> decoder; nothing else.

    No bias, no normalisation, no residual path: every operation maps to a synapse or a neuron
    (Meyer et al., "A Diagonal Structured State Space Model on Loihi 2 for Efficient Streaming
    Sequence Processing", arXiv 2409.15022).

    Parameters
    ----------
    d_input, d_model, d_state, n_layers, d_output
        Width of a token, channels, complex states of a channel, layers, width of the output.
    readout
        "last" (the output at the last token), "mean" (over time) or "every".
    relu
        Where a block rectifies: "both" (after the S4D and after the linear map), "s4d" or
        "linear".
    init, discretization, dt_min, dt_max
        Of each `S4D` layer.

    Attributes
    ----------
    layers : torch.nn.Sequential
        Encoder, blocks and decoder in the order in which a token passes them.
    """

    def __init__(
        self,
        d_input: int,
        d_model: int,
        d_state: int,
        n_layers: int,
        d_output: int,
        readout: str | Readout = "last",
        relu: str = "both",
        init: str = "lin",
        discretization: str = "zoh",
        dt_min: float = 1e-3,
        dt_max: float = 1e-1,
    ) -> None:
        super().__init__()
        d_input, d_model = size(d_input, "d_input"), size(d_model, "d_model")
        n_layers, d_output = size(n_layers, "n_layers"), size(d_output, "d_output")
        if relu not in ("both", "s4d", "linear"):
            raise ValueError(f"relu must be 'both', 's4d' or 'linear', got {relu!r}")
        self.readout = Readout(readout)
        parts: list[nn.Module] = [nn.Linear(d_input, d_model, bias=False)]
        for _ in range(n_layers):
            parts.append(S4D(d_model, d_state, init, discretization, dt_min, dt_max))
            if relu != "linear":
                parts.append(nn.ReLU())
            parts.append(nn.Linear(d_model, d_model, bias=False))
            if relu != "s4d":
                parts.append(nn.ReLU())
        parts.append(nn.Linear(d_model, d_output, bias=False))
        self.layers = nn.Sequential(*parts)

    @property
    def d_input(self) -> int:
        """Width of a token."""
        return cast(nn.Linear, self.layers[0]).in_features

    @property
    def d_output(self) -> int:
        """Width of the output."""
        return cast(nn.Linear, self.layers[-1]).out_features

    def forward(self, x: Tensor) -> Tensor:
        """Logits of sequences, by convolution.

        Parameters
        ----------
        x
            Tokens, (batch, time, d_input) or (time, d_input).

        Returns
        -------
        Tensor
            (..., d_output), or, reading out every token, (..., time, d_output).
        """
        check_width(x, self.d_input, "x")
        if x.ndim < 2 or x.shape[-2] < 1:
            raise ValueError(f"x must have shape (..., time, {self.d_input}), got {tuple(x.shape)}")
        y = self._channels_first(x.reshape(-1, *x.shape[-2:]).permute(2, 0, 1))
        y = y.permute(1, 2, 0).reshape(*x.shape[:-1], self.d_output)  # (..., time, d_output)
        match self.readout:
            case Readout.LAST_TOKEN:
                return y[..., -1, :]
            case Readout.MEAN_OVER_TIME:
                return y.mean(-2, dtype=torch.promote_types(y.dtype, torch.float32))
            case Readout.EVERY_TOKEN:
                return y

    def _channels_first(self, y: Tensor) -> Tensor:
        """Pass y (channels, batch, time) through the layers: no layer has to turn it round."""
        for layer in self.layers:
            match layer:
                case nn.Linear(bias=None):
                    mixed = layer.weight @ y.reshape(len(y), -1)
                    y = mixed.view(-1, *y.shape[1:])
                case S4D():
                    y = layer.convolve(y)
                case nn.ReLU():
                    y = layer(y)
                case _:
                    y = layer(y.permute(1, 2, 0)).permute(2, 0, 1)
        return y

    @torch.no_grad()
    def recurrent(self, x: Tensor) -> Tensor:
        """Output of each token of x (..., time, d_input) by the recurrence, (..., time, d_output).

        What the layers give, before the readout.
        """
        check_width(x, self.d_input, "x")
        fixed: dict[int, Discretized] = {}
        states: dict[int, Tensor] = {}
        for i, layer in enumerate(self.layers):
            if isinstance(layer, S4D):
                fixed[i] = layer.discretized()
                states[i] = layer.initial_state(*x.shape[:-2])
        outputs = []
        for token in x.unbind(-2):  # (..., d_input)
            y = token
            for i, layer in enumerate(self.layers):
                if isinstance(layer, S4D):
                    y, states[i] = layer.step(y, states[i], fixed[i])
                else:
                    y = layer(y)
            outputs.append(y)
        return torch.stack(outputs, -2)
