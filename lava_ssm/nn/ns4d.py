"""The n-S4D model: S4D layers made for a neuromorphic chip."""

from typing import Any

from torch import nn

from lava_ssm.network import Readout
from lava_ssm.nn.chain import Chain
from lava_ssm.nn.inputs import size
from lava_ssm.nn.s4d import S4D
from lava_ssm.numerics import one_of

SIZES: dict[str, dict[str, Any]] = {
    "ns4d-tiny": {"d_model": 32, "d_state": 16, "n_layers": 4},
    "ns4d-small": {"d_model": 64, "d_state": 32, "n_layers": 4},
    "ns4d-large": {"d_model": 128, "d_state": 64, "n_layers": 4},
}
"""Of n-S4D; small and large are the published sizes, of 67 and 265 thousand parameters."""


class NS4D(Chain):
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
        d_input, d_model = size(d_input, "d_input"), size(d_model, "d_model")
        n_layers, d_output = size(n_layers, "n_layers"), size(d_output, "d_output")
        one_of(relu, ("both", "s4d", "linear"), "relu")
        parts: list[nn.Module] = [nn.Linear(d_input, d_model, bias=False)]
        for _ in range(n_layers):
            parts.append(S4D(d_model, d_state, init, discretization, dt_min, dt_max))
            if relu != "linear":
                parts.append(nn.ReLU())
            parts.append(nn.Linear(d_model, d_model, bias=False))
            if relu != "s4d":
                parts.append(nn.ReLU())
        parts.append(nn.Linear(d_model, d_output, bias=False))
        super().__init__(parts, readout)
