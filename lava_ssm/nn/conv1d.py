"""Causal convolutions along time."""

from typing import ClassVar

from torch import Tensor, nn

from lava_ssm import network
from lava_ssm.nn.inputs import size
from lava_ssm.nn.layer import Arrays, LayerModule


class Conv1d(LayerModule):
    """y_t = sum_k W_k u_(t - length + 1 + k) + b: a causal `torch.nn.Conv1d`, channels last.

    Parameters
    ----------
    d_input, d_output
        Channels.
    length
        Tokens that it reaches over.
    bias
        Whether there is one.
    groups
        Of channels; d_input of them are a depthwise convolution.

    Attributes
    ----------
    weight : (d_output, d_input / groups, length)
    bias : (d_output,) or None
    """

    kind = network.Conv1d
    names: ClassVar = {"weights": "weight", "bias": "bias"}
    matrices: ClassVar = {"weight": False}

    def __init__(
        self, d_input: int, d_output: int, length: int, bias: bool = True, groups: int = 1
    ) -> None:
        super().__init__()
        d_input, d_output = size(d_input, "d_input"), size(d_output, "d_output")
        made = nn.Conv1d(d_input, d_output, size(length, "length"), groups=groups, bias=bias)
        self.weight, self.bias, self.groups = made.weight, made.bias, made.groups

    @property
    def widths(self) -> tuple[int, int]:
        return self.weight.shape[1] * self.groups, self.weight.shape[0]

    @classmethod
    def like(cls, layer: network.Conv1d) -> "Conv1d":  # type: ignore[override]
        bias = layer.bias is not None
        return cls(layer.d_input, layer.d_output, layer.length, bias, layer.groups)

    def constants(self) -> dict[str, int]:
        return {"groups": self.groups}

    def response(self, u: Tensor, arrays: Arrays, channels_first: bool) -> Tensor:
        if channels_first:
            return self._along_time(u.transpose(0, 1), arrays).transpose(0, 1)
        flat = u.reshape(-1, *u.shape[-2:]).transpose(1, 2)  # (batch, channels, time)
        y = self._along_time(flat, arrays).transpose(1, 2)
        return y.reshape(*u.shape[:-1], y.shape[-1])

    def _along_time(self, u: Tensor, arrays: Arrays) -> Tensor:
        padded = nn.functional.pad(u, (arrays["weights"].shape[2] - 1, 0))
        weights, bias = arrays["weights"], arrays.get("bias")
        return nn.functional.conv1d(padded, weights, bias, **self.constants())

    def extra_repr(self) -> str:
        """Describe the layer in the text of a model."""
        d_input, d_output = self.widths
        return f"{d_input}, {d_output}, length={self.weight.shape[2]}, groups={self.groups}"
