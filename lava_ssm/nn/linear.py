"""Linear maps of channels, alone and as gates."""

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from lava_ssm import network
from lava_ssm.nn.inputs import size
from lava_ssm.nn.layer import Arrays, LayerModule


class Linear(LayerModule):
    """y = W u, or W u + b: a `torch.nn.Linear` among the layers of a network."""

    kind = network.Linear

    def __init__(self, linear: nn.Linear) -> None:
        super().__init__()
        self.linear = linear

    @property
    def widths(self) -> tuple[int, int]:
        """See `LayerModule`."""
        return self.linear.in_features, self.linear.out_features

    @property
    def module(self) -> nn.Module:
        """See `LayerModule`."""
        return self.linear

    @classmethod
    def like(cls, layer: network.Linear) -> "Linear":  # type: ignore[override]
        """See `LayerModule`."""
        return cls(nn.Linear(layer.d_input, layer.d_output, layer.bias is not None))

    def parameters_of(self, layer: network.Linear) -> dict[str, np.ndarray]:  # type: ignore[override]
        """See `LayerModule`."""
        values = {"weight": layer.weights}
        return values if layer.bias is None else {**values, "bias": layer.bias}

    def arrays(self) -> Arrays:
        """See `LayerModule`."""
        bias: Tensor | None = self.linear.bias
        weights = {"weights": self.linear.weight}
        return weights if bias is None else {**weights, "bias": bias}

    def scaled(self, arrays: Arrays, scale: Tensor, shift: Tensor) -> Arrays:
        """See `LayerModule`."""
        bias = shift + scale * arrays["bias"] if "bias" in arrays else shift
        return {"weights": scale[:, None] * arrays["weights"], "bias": bias}

    def response(self, u: Tensor, arrays: Arrays, channels_first: bool) -> Tensor:
        """See `LayerModule`."""
        return mapped(u, arrays["weights"], arrays.get("bias"), channels_first)

    def forward(self, u: Tensor) -> Tensor:
        """See `LayerModule`."""
        y: Tensor = self.linear(u)
        return y


class Gate(LayerModule, nn.Linear):
    """y = u * sigmoid(W u + b), element by element: half of a gated linear unit.

    Parameters
    ----------
    d_model
        Channels.

    Attributes
    ----------
    weight : (d_model, d_model)
    bias : (d_model,)
    """

    kind = network.Gate
    matrices: ClassVar = {"weight": False}

    def __init__(self, d_model: int) -> None:
        super().__init__(size(d_model, "d_model"), d_model)

    @property
    def widths(self) -> tuple[int, int]:
        """See `LayerModule`."""
        return self.in_features, self.out_features

    @classmethod
    def like(cls, layer: network.Gate) -> "Gate":  # type: ignore[override]
        """See `LayerModule`."""
        return cls(layer.d_input)

    def parameters_of(self, layer: network.Gate) -> dict[str, np.ndarray]:  # type: ignore[override]
        """See `LayerModule`."""
        return {"weight": layer.weights, "bias": layer.bias}

    def arrays(self) -> Arrays:
        """See `LayerModule`."""
        return {"weights": self.weight, "bias": self.bias}

    def response(self, u: Tensor, arrays: Arrays, channels_first: bool) -> Tensor:
        """See `LayerModule`."""
        return u * torch.sigmoid(mapped(u, arrays["weights"], arrays["bias"], channels_first))


class GLU(LayerModule):
    """y = (W u + b) * sigmoid(V u + c), element by element.

    (Dauphin, Fan, Auli, Grangier, "Language Modeling with Gated Convolutional Networks", ICML
    2017, section 2.)

    Parameters
    ----------
    d_input, d_output
        Channels.

    Attributes
    ----------
    value, gate : torch.nn.Linear
        W, b and V, c.
    """

    kind = network.GLU

    def __init__(self, d_input: int, d_output: int) -> None:
        super().__init__()
        d_input, d_output = size(d_input, "d_input"), size(d_output, "d_output")
        self.value, self.gate = nn.Linear(d_input, d_output), nn.Linear(d_input, d_output)

    @property
    def widths(self) -> tuple[int, int]:
        """See `LayerModule`."""
        return self.value.in_features, self.value.out_features

    @classmethod
    def like(cls, layer: network.GLU) -> "GLU":  # type: ignore[override]
        """See `LayerModule`."""
        return cls(layer.d_input, layer.d_output)

    def parameters_of(self, layer: network.GLU) -> dict[str, np.ndarray]:  # type: ignore[override]
        """See `LayerModule`."""
        value = {"value.weight": layer.weights, "value.bias": layer.bias}
        return {**value, "gate.weight": layer.gate, "gate.bias": layer.gate_bias}

    def arrays(self) -> Arrays:
        """See `LayerModule`."""
        value = {"weights": self.value.weight, "bias": self.value.bias}
        return {**value, "gate": self.gate.weight, "gate_bias": self.gate.bias}

    def response(self, u: Tensor, arrays: Arrays, channels_first: bool) -> Tensor:
        """See `LayerModule`."""
        gate = mapped(u, arrays["gate"], arrays["gate_bias"], channels_first)
        return mapped(u, arrays["weights"], arrays["bias"], channels_first) * torch.sigmoid(gate)


def mapped(u: Tensor, weights: Tensor, bias: Tensor | None, channels_first: bool) -> Tensor:
    """W u + b of u (d_input, batch, time) or (..., d_input)."""
    if not channels_first:
        return nn.functional.linear(u, weights, bias)
    y = (weights @ u.reshape(len(u), -1)).view(-1, *u.shape[1:])
    return y if bias is None else y + bias[:, None, None]
