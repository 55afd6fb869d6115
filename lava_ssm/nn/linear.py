"""Linear maps of channels, alone and as gates."""

from types import new_class
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from lava_ssm import network
from lava_ssm.network import Activation
from lava_ssm.nn.activation import FUNCTIONS
from lava_ssm.nn.cpu import linear
from lava_ssm.nn.inputs import size
from lava_ssm.nn.layer import Arrays, LayerModule
from lava_ssm.numerics import member


class Linear(LayerModule, nn.Linear):
    """y = W u, or W u + b: a `torch.nn.Linear` that knows its description."""

    kind: ClassVar[type[network.FloatLayer]] = network.Linear
    names: ClassVar = {"weights": "weight", "bias": "bias"}
    matrices: ClassVar = {"weight": False}

    @property
    def widths(self) -> tuple[int, int]:
        return self.in_features, self.out_features

    @classmethod
    def of(cls, linear: nn.Linear) -> "Linear":
        """Give the same module as one of these: parameters, hooks and mode are shared."""
        # a parametrized module's weights are properties of a class of its own
        kind = new_class(cls.__name__, (cls, type(linear))) if is_parametrized(linear) else cls
        same: Linear = object.__new__(kind)
        same.__dict__ = linear.__dict__
        return same

    @classmethod
    def like(cls, layer: network.Linear) -> "Linear":  # type: ignore[override]
        return cls(layer.d_input, layer.d_output, layer.bias is not None)

    def scaled(self, arrays: Arrays, scale: Tensor, shift: Tensor) -> Arrays:
        bias = shift + scale * arrays["bias"] if "bias" in arrays else shift
        return {"weights": scale[:, None] * arrays["weights"], "bias": bias}

    def response(self, u: Tensor, arrays: Arrays, channels_first: bool) -> Tensor:
        return mapped(u, arrays["weights"], arrays.get("bias"), channels_first)


class Gate(Linear):
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
    scaled = LayerModule.scaled  # what it gives is no multiple of its weights

    def __init__(self, d_model: int) -> None:
        super().__init__(size(d_model, "d_model"), d_model)

    @classmethod
    def like(cls, layer: network.Gate) -> "Gate":  # type: ignore[override]
        return cls(layer.d_input)

    def response(self, u: Tensor, arrays: Arrays, channels_first: bool) -> Tensor:
        return u * torch.sigmoid(super().response(u, arrays, channels_first))


class Maps(LayerModule):
    """Linear maps of one input, which kinds of `network.maps` have: of each field a module."""

    modules_of: ClassVar[dict[str, str]] = {"weights": "value", "gate": "gate"}
    """By the field of its weights."""

    def __init__(self, d_input: int, d_output: int) -> None:
        super().__init__()
        widths = size(d_input, "d_input"), size(d_output, "d_output")
        for name in self.modules_of.values():
            setattr(self, name, nn.Linear(*widths))

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        of_biases = {_bias_of(field): f"{m}.bias" for field, m in cls.modules_of.items()}
        cls.names = {field: f"{m}.weight" for field, m in cls.modules_of.items()} | of_biases

    @property
    def widths(self) -> tuple[int, int]:
        return self.value.in_features, self.value.out_features

    @classmethod
    def like(cls, layer: network.FloatLayer) -> "Maps":
        return cls(layer.d_input, layer.d_output)

    def _mapped(self, u: Tensor, arrays: Arrays, channels_first: bool) -> list[Tensor]:
        """What each map gives of u, see `LayerModule.response`."""
        return [
            mapped(u, arrays[field], arrays[_bias_of(field)], channels_first)
            for field in self.modules_of
        ]


def _bias_of(field: str) -> str:
    return "bias" if field == "weights" else f"{field}_bias"


class ActivatedMaps(Maps):
    """Two maps, one of them with an activation.

    Parameters
    ----------
    d_input, d_output
        Channels.
    activation
        An `Activation` or its value.
    """

    default: ClassVar[Activation]

    def __init__(
        self, d_input: int, d_output: int, activation: Activation | str | None = None
    ) -> None:
        super().__init__(d_input, d_output)
        activation = self.default if activation is None else activation
        self.activation = member(Activation, activation, "activation")

    @classmethod
    def like(cls, layer: network.GLU | network.MinGRU) -> "ActivatedMaps":  # type: ignore[override]
        return cls(layer.d_input, layer.d_output, layer.activation)

    def constants(self) -> dict[str, Activation]:
        return {"activation": self.activation}


class GLU(ActivatedMaps):
    """y = (W u + b) * f(V u + c), element by element.

    (Dauphin, Fan, Auli, Grangier, "Language Modeling with Gated Convolutional Networks", ICML
    2017; other activations see `network.GLU`.)

    Parameters
    ----------
    d_input, d_output
        Channels.
    activation
        f, an `Activation` or its value; None: the sigmoid.

    Attributes
    ----------
    value, gate : torch.nn.Linear
        W, b and V, c.
    """

    kind = network.GLU
    default = Activation.SIGMOID

    def response(self, u: Tensor, arrays: Arrays, channels_first: bool) -> Tensor:
        value, gate = self._mapped(u, arrays, channels_first)
        return value * FUNCTIONS[self.activation](gate)


def mapped(u: Tensor, weights: Tensor, bias: Tensor | None, channels_first: bool) -> Tensor:
    """W u + b of u (d_input, batch, time) or (..., d_input)."""
    if not channels_first:
        return linear(u, weights, bias)
    y = (weights @ u.reshape(len(u), -1)).view(-1, *u.shape[1:])
    return y if bias is None else y + bias[:, None, None]
