"""Scales of channels, and norms of each token over them."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from lava_ssm import network
from lava_ssm.network.norm import FloatNormalization
from lava_ssm.nn.inputs import size
from lava_ssm.nn.layer import Arrays, LayerModule
from lava_ssm.numerics import real_number


class Scale(LayerModule):
    """y = weight u + bias, channel by channel.

    Parameters
    ----------
    d_model
        Channels.

    Attributes
    ----------
    weight, bias : (d_model,)
    """

    kind: ClassVar[type[network.FloatLayer]] = network.Scale
    names: ClassVar = {"weights": "weight", "bias": "bias"}

    def __init__(self, d_model: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size(d_model, "d_model")))
        self.bias = nn.Parameter(torch.zeros(d_model))

    @property
    def widths(self) -> tuple[int, int]:
        return len(self.weight), len(self.weight)

    @classmethod
    def like(cls, layer: network.FloatLayer) -> "Scale":
        return cls(layer.d_input)

    def response(self, u: Tensor, arrays: Arrays, channels_first: bool) -> Tensor:
        shape = (-1, 1, 1) if channels_first else (-1,)
        return u * arrays["weights"].view(shape) + arrays["bias"].view(shape)

    def extra_repr(self) -> str:
        """Describe the layer in the text of a model."""
        return str(len(self.weight))


class RMSNorm(Scale):
    """y = weight u / sqrt(mean(u^2) + eps) + bias.

    (Zhang, Sennrich, "Root Mean Square Layer Normalization", NeurIPS 2019.)

    Parameters
    ----------
    d_model
        Channels.
    eps
        Above 0.

    Attributes
    ----------
    weight, bias : (d_model,)
    """

    kind: ClassVar[type[network.FloatLayer]] = network.RMSNorm
    centred: ClassVar[bool] = False

    def __init__(self, d_model: int, eps: float = 1e-5) -> None:
        super().__init__(d_model)
        self.eps = real_number(eps, "eps", "(0, inf)")

    @classmethod
    def like(cls, layer: FloatNormalization) -> "RMSNorm":  # type: ignore[override]
        return cls(layer.d_input, layer.eps)

    def constants(self) -> dict[str, float]:
        return {"eps": self.eps}

    def response(self, u: Tensor, arrays: Arrays, channels_first: bool) -> Tensor:
        channels = 0 if channels_first else -1
        if self.centred:
            u = u - u.mean(channels, keepdim=True)
        scale = torch.rsqrt(u.square().mean(channels, keepdim=True) + self.eps)
        return super().response(u * scale, arrays, channels_first)

    def extra_repr(self) -> str:
        """Describe the layer in the text of a model."""
        return f"{len(self.weight)}, eps={self.eps:g}"


class LayerNorm(RMSNorm):
    """y = weight (u - mean) / sqrt(var + eps) + bias, as `torch.nn.LayerNorm`.

    (Ba, Kiros, Hinton, "Layer Normalization", arXiv 1607.06450.) See `RMSNorm`.
    """

    kind = network.LayerNorm
    centred = True
