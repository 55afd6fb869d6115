"""The S5 model of the published system for streaming audio."""

from typing import Any

import torch
from torch import Tensor, nn

from lava_ssm.network import Readout
from lava_ssm.nn.evaluating import evaluating
from lava_ssm.nn.inputs import size
from lava_ssm.nn.s4d import Discretized, check_width
from lava_ssm.nn.s5 import S5
from lava_ssm.numerics import real_number

S5_SIZES: dict[str, dict[str, Any]] = {
    "s5-tiny": {"d_model": 32, "d_state": 16, "n_layers": 2, "blocks": 2},
    "s5-small": {"d_model": 96, "d_state": 64, "n_layers": 3, "blocks": 8},
    "s5-large": {"d_model": 192, "d_state": 128, "n_layers": 3, "blocks": 16},
}
"""Small and large are the published widths k = 1/2 and 1 of the denoisers (arXiv 2502.01330)."""


class S5Block(nn.Module):
    """One block of a `SparseS5`.

        u = norm(h),   z = act(S5(u)),   g = z sigmoid(W z + b),   h' = g + h

    act is a GELU; or, relufied, a ReLU, and h' = relu(g + h).
    """

    def __init__(self, s5: S5, dropout: float, relu: bool) -> None:
        super().__init__()
        self.norm = nn.BatchNorm1d(s5.d_model)
        self.s5 = s5
        self.gate = nn.Linear(s5.d_model, s5.d_model)
        self.dropout = nn.Dropout(dropout)
        self.relu = relu

    def normalized(self, h: Tensor) -> Tensor:
        """norm(h) of h (..., d_model)."""
        u: Tensor = self.norm(h.reshape(-1, h.shape[-1])).view(h.shape)
        return u

    def behind_states(self, y: Tensor, h: Tensor) -> Tensor:
        """What follows the S5 layer's output y, both (..., d_model)."""
        z = self.dropout(torch.relu(y) if self.relu else nn.functional.gelu(y))
        g = z * torch.sigmoid(self.gate(z))
        out = self.dropout(g) + h
        return torch.relu(out) if self.relu else out

    def forward(self, h: Tensor) -> Tensor:
        """Outputs of h (..., time, d_model); same shape."""
        return self.behind_states(self.s5(self.normalized(h)), h)


class SparseS5(nn.Module):
    """encoder -> n_layers x [norm -> S5 -> activation -> gate -> residual] -> decoder.

    (Pierro et al., "Accelerating Linear Recurrent Neural Networks for the Edge with Unstructured
    Sparsity", arXiv 2502.01330.) Dense models have GELUs; relufied ones (`relu`, or later
    `relufy()`) have ReLUs in their place, and more of them where a large linear map follows:
    behind the encoder, behind each residual path, and on the states.

    Parameters
    ----------
    d_input, d_model, d_state, n_layers, d_output
        Width of a token, channels, complex states of a layer, layers, width of the output.
    readout
        "every" (each token's output), "last" (the last one's) or "mean" (over time).
    relu
        Whether the model is relufied from the start.
    dropout
        Of activations and of the gate's output, in [0, 1).
    blocks, discretization, dt_min, dt_max
        Of each `S5` layer.

    Attributes
    ----------
    encoder, decoder : torch.nn.Linear
    blocks : torch.nn.ModuleList
        Of `S5Block`.
    """

    def __init__(
        self,
        d_input: int,
        d_model: int,
        d_state: int,
        n_layers: int,
        d_output: int,
        readout: str | Readout = "every",
        relu: bool = False,
        dropout: float = 0.0,
        blocks: int = 1,
        discretization: str = "zoh",
        dt_min: float = 1e-3,
        dt_max: float = 1e-1,
    ) -> None:
        super().__init__()
        d_input, d_model = size(d_input, "d_input"), size(d_model, "d_model")
        n_layers, d_output = size(n_layers, "n_layers"), size(d_output, "d_output")
        dropout = real_number(dropout, "dropout", "[0, 1)")
        self.readout = Readout(readout)
        self.relu = bool(relu)
        self.encoder = nn.Linear(d_input, d_model)
        self.blocks = nn.ModuleList(
            S5Block(
                S5(d_model, d_state, blocks, relu, discretization, dt_min, dt_max), dropout, relu
            )
            for _ in range(n_layers)
        )
        self.decoder = nn.Linear(d_model, d_output)

    @property
    def d_input(self) -> int:
        """Width of a token."""
        return self.encoder.in_features

    @property
    def d_output(self) -> int:
        """Width of the output."""
        return self.decoder.out_features

    def relufy(self) -> None:
        """Put ReLUs in place of the activations, and where large linear maps follow.

        The model computes something else afterwards: train on.
        """
        self.relu = True
        for block in self.blocks:
            block.relu = True
            block.s5.relu = True

    def outputs(self, x: Tensor) -> Tensor:
        """Output of each token of x (batch, time, d_input), (batch, time, d_output)."""
        check_width(x, self.d_input, "x")
        h = self._encoded(x)
        for block in self.blocks:
            h = block(h)
        y: Tensor = self.decoder(h)
        return y

    def forward(self, x: Tensor) -> Tensor:
        """Logits of sequences x (batch, time, d_input).

        Returns
        -------
        Tensor
            (batch, d_output), or, reading out every token, (batch, time, d_output).
        """
        y = self.outputs(x)
        match self.readout:
            case Readout.LAST_TOKEN:
                return y[..., -1, :]
            case Readout.MEAN_OVER_TIME:
                return y.mean(-2)
            case Readout.EVERY_TOKEN:
                return y

    @torch.no_grad()
    def recurrent(self, x: Tensor) -> Tensor:
        """Output of each token of x (..., time, d_input) by the recurrence, (..., time, d_output).

        What the layers give, before the readout, with the norms' running statistics.
        """
        check_width(x, self.d_input, "x")
        layers: list[S5] = [block.s5 for block in self.blocks]
        fixed: list[Discretized] = [s5.discretized() for s5 in layers]
        states = [s5.initial_state(*x.shape[:-2]) for s5 in layers]
        outputs = []
        with evaluating(self):
            for token in x.unbind(-2):  # (..., d_input)
                h = self._encoded(token)
                for i, block in enumerate(self.blocks):
                    y, states[i] = layers[i].step(block.normalized(h), states[i], fixed[i])
                    h = block.behind_states(y, h)
                outputs.append(self.decoder(h))
        return torch.stack(outputs, -2)

    def _encoded(self, x: Tensor) -> Tensor:
        h: Tensor = self.encoder(x)
        return torch.relu(h) if self.relu else h
