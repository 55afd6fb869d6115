"""Norms of each token over its channels."""

from typing import ClassVar

import numpy as np
import torch
from torch import Tensor, nn

from lava_ssm import network
from lava_ssm.network.norm import FloatNormalization
from lava_ssm.nn.inputs import size
from lava_ssm.nn.layer import Arrays, LayerModule
from lava_ssm.numerics import real_number


class RMSNorm(LayerModule):
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

    kind: ClassVar[type[FloatNormalization]] = network.RMSNorm

    def __init__(self, d_model: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size(d_model, "d_model")))
        self.bias = nn.Parameter(torch.zeros(d_model))
        self.eps = real_number(eps, "eps", "(0, inf)")

    @property
    def widths(self) -> tuple[int, int]:
        """See `LayerModule`."""
        return len(self.weight), len(self.weight)

    @classmethod
    def like(cls, layer: FloatNormalization) -> "RMSNorm":  # type: ignore[override]
        """See `LayerModule`."""
        return cls(layer.d_input, layer.eps)

    def parameters_of(self, layer: FloatNormalization) -> dict[str, np.ndarray]:  # type: ignore[override]
        """See `LayerModule`."""
        return {"weight": layer.weights, "bias": layer.bias}

    def arrays(self) -> Arrays:
        """See `LayerModule`."""
        return {"weights": self.weight, "bias": self.bias}

    def constants(self) -> dict[str, bool | float]:
        """See `LayerModule`."""
        return {"eps": self.eps}

    def response(self, u: Tensor, arrays: Arrays, channels_first: bool) -> Tensor:
        """See `LayerModule`."""
        channels = 0 if channels_first else -1
        if self.kind.centred:
            u = u - u.mean(channels, keepdim=True)
        scale = torch.rsqrt(u.square().mean(channels, keepdim=True) + self.eps)
        shape = (-1, 1, 1) if channels_first else (-1,)
        return u * scale * arrays["weights"].view(shape) + arrays["bias"].view(shape)

    def extra_repr(self) -> str:
        """Describe the layer in the text of a model."""
        return f"{len(self.weight)}, eps={self.eps:g}"


class LayerNorm(RMSNorm):
    """y = weight (u - mean) / sqrt(var + eps) + bias, as `torch.nn.LayerNorm`.

    (Ba, Kiros, Hinton, "Layer Normalization", arXiv 1607.06450.) See `RMSNorm`.
    """

    kind: ClassVar[type[FloatNormalization]] = network.LayerNorm
