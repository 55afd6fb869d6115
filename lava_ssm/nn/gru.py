"""Gated linear recurrences: trained by a scan over time, run as recurrences."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from lava_ssm import network
from lava_ssm.network import Activation
from lava_ssm.nn.inputs import size
from lava_ssm.nn.layer import Arrays, LayerModule
from lava_ssm.nn.linear import GLU, mapped
from lava_ssm.nn.scan import gated_scan


class MinGRU(GLU):
    """h' = (1 - z) h + z c,  z = sigmoid(V u + b_z),  c = W u + b;  y = h'.

    Gates depend on the token alone, so training takes all tokens at once. (Feng et al., "Were RNNs
    All We Needed?", arXiv 2410.01201.)

    Parameters
    ----------
    d_input, d_output
        Channels; there is a state an output channel.

    Attributes
    ----------
    value, gate : torch.nn.Linear
        W, b and V, b_z.
    """

    kind = network.MinGRU
    channels_first = False

    @classmethod
    def like(cls, layer: network.MinGRU) -> "MinGRU":  # type: ignore[override]
        return cls(layer.d_input, layer.d_output)

    def constants(self) -> dict[str, Activation]:
        return {}

    def response(self, u: Tensor, arrays: Arrays, channels_first: bool) -> Tensor:
        z = mapped(u, arrays["gate"], arrays["gate_bias"], channels_first)
        c = mapped(u, arrays["weights"], arrays["bias"], channels_first)
        return gated_scan(torch.sigmoid(-z), torch.sigmoid(z) * c)


class MLGRU(LayerModule):
    """h' = f h + (1 - f) c,  y = sigmoid(V u + b_g) h'.

        f = sigmoid(F u + b_f),  c = silu(W u + b)

    (Zhu et al., "Scalable MatMul-free Language Modeling", arXiv 2406.02528; its
    output map is a `torch.nn.Linear` behind this.)

    Parameters
    ----------
    d_input, d_output
        Channels; there is a state an output channel.

    Attributes
    ----------
    value, forget, gate : torch.nn.Linear
        W, b, F, b_f and V, b_g.
    """

    kind = network.MLGRU
    names: ClassVar = {
        "weights": "value.weight",
        "bias": "value.bias",
        "forget": "forget.weight",
        "forget_bias": "forget.bias",
        "gate": "gate.weight",
        "gate_bias": "gate.bias",
    }
    channels_first = False

    def __init__(self, d_input: int, d_output: int) -> None:
        super().__init__()
        widths = size(d_input, "d_input"), size(d_output, "d_output")
        self.value, self.forget, self.gate = (nn.Linear(*widths) for _ in range(3))

    @property
    def widths(self) -> tuple[int, int]:
        return self.value.in_features, self.value.out_features

    @classmethod
    def like(cls, layer: network.MLGRU) -> "MLGRU":  # type: ignore[override]
        return cls(layer.d_input, layer.d_output)

    def response(self, u: Tensor, arrays: Arrays, channels_first: bool) -> Tensor:
        c = nn.functional.silu(mapped(u, arrays["weights"], arrays["bias"], channels_first))
        f = mapped(u, arrays["forget"], arrays["forget_bias"], channels_first)
        g = mapped(u, arrays["gate"], arrays["gate_bias"], channels_first)
        return torch.sigmoid(g) * gated_scan(torch.sigmoid(f), torch.sigmoid(-f) * c)
