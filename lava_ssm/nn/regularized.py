"""What helps a network learn and is gone from its description: norms, and channels left out."""

import copy
from collections.abc import Mapping

import numpy as np
from torch import Tensor, nn

from lava_ssm.network import FloatLayer
from lava_ssm.nn import gpu
from lava_ssm.nn.chain import Chain, leaves
from lava_ssm.nn.layer import Arrays, LayerModule, folded
from lava_ssm.nn.linear import Linear
from lava_ssm.numerics import instance, real_number


class Regularized(LayerModule):
    """A layer, behind it a batch norm and dropout of channels: in a description a layer alone.

    There the norm is folded into the layer, with its running statistics. Dropout leaves channels
    out at all tokens of a sequence (Tompson et al., "Efficient Object Localization Using
    Convolutional Networks", arXiv 1411.4280, section 3.2).

    Parameters
    ----------
    layer
        A `LayerModule` or `torch.nn.Linear`.
    dropout
        Share of the channels that are left out in training, in [0, 1).
    norm
        Whether there is a norm.

    Raises
    ------
    TypeError
        The layer has no place for a norm.
    ValueError
        A share outside its range.
    """

    def __init__(self, layer: nn.Module, dropout: float = 0.0, norm: bool = False) -> None:
        super().__init__()
        self.layer = Linear.of(layer) if not isinstance(layer, LayerModule) else layer  # type: ignore[arg-type]
        self.dropout = real_number(dropout, "dropout", "[0, 1)")
        self.norm = nn.BatchNorm1d(self.layer.widths[1]) if norm else None
        self.arrays()  # refused now

    @property
    def kind(self) -> type[FloatLayer]:  # type: ignore[override]
        """See `LayerModule`."""
        return self.layer.kind

    @property
    def channels_first(self) -> bool | None:  # type: ignore[override]
        """See `LayerModule`."""
        return self.layer.channels_first

    @property
    def continuous(self) -> bool:  # type: ignore[override]
        """See `LayerModule`: a norm scales what the layer gives."""
        return self.layer.continuous or self.norm is not None

    @property
    def widths(self) -> tuple[int, int]:
        return self.layer.widths

    def parameters_of(self, layer: FloatLayer) -> dict[str, np.ndarray]:
        if self.norm is not None:
            raise ValueError("the model has a norm, which is part of a layer in the network")
        values = self.layer.parameters_of(layer)
        return {f"layer.{name}": value for name, value in values.items()}

    def arrays(self) -> Arrays:
        arrays = self.layer.arrays()
        if self.norm is None:
            return arrays
        return self.layer.scaled(arrays, *folded(self.norm, next(self.layer.parameters())))

    def constants(self) -> Mapping[str, object]:
        return self.layer.constants()

    def response(self, u: Tensor, arrays: Arrays, channels_first: bool) -> Tensor:
        return self.layer.response(u, arrays, channels_first)

    def rectifying(self, before: bool, after: bool) -> "Regularized | None":
        layer = None if after else self.layer.rectifying(before, False)
        return None if layer is None else self._with(layer)

    def behind(self, norm: nn.BatchNorm1d) -> "Regularized":
        return self._with(self.layer.behind(norm))

    def _with(self, layer: LayerModule) -> "Regularized":
        twin = copy.copy(self)
        twin.__dict__["_modules"] = {**self._modules, "layer": layer}
        return twin

    def forward(self, u: Tensor) -> Tensor:
        if not self.channels_first:
            return self.trained(u, False)
        first = u.reshape(-1, *u.shape[-2:]).permute(2, 0, 1)
        return self.trained(first, True).permute(1, 2, 0).view(u.shape)

    def trained(self, u: Tensor, channels_first: bool) -> Tensor:
        """See `LayerModule`; in training with the statistics of the batch."""
        if not self.training:
            return self.response(u, self.arrays(), channels_first)
        y = self.layer.trained(u, channels_first)
        return _behind(y, self.norm, self.dropout, channels_first)

    def extra_repr(self) -> str:
        """Describe the layer in the text of a model."""
        return f"dropout={self.dropout}"


def _behind(y: Tensor, norm: nn.BatchNorm1d | None, dropout: float, channels_first: bool) -> Tensor:
    """What a norm and dropout make of a layer's outputs, in training."""
    if norm is not None and channels_first:
        y = gpu.normed(y, norm)
    elif norm is not None:
        y = norm(y.reshape(-1, y.shape[-1])).view(y.shape)
    if dropout > 0:
        shape = (*y.shape[:-1], 1) if channels_first else (*y.shape[:-2], 1, y.shape[-1])
        y = y * nn.functional.dropout(y.new_ones(shape), dropout)
    return y


def regularize(model: Chain, dropout: float = 0.0, norm: bool = False) -> None:
    """Put norms and dropout behind the layers of a model that something else follows, in place.

    That is, behind all but the last one and those directly followed by another layer. None of them
    is in what `export` gives: dropout acts in training alone, norms are folded.

    Parameters
    ----------
    model
        Any model of layers in a row.
    dropout
        Share of channels that are left out of a sequence in training, in [0, 1).
    norm
        Whether there are batch norms.

    Raises
    ------
    TypeError
        No `Chain`; or there is a layer that a norm cannot be folded into.
    ValueError
        A share outside its range.
    """
    instance(model, Chain, "model", "a Chain, such as an NS4D")
    silent = nn.Identity | nn.Dropout | nn.BatchNorm1d
    parts = [part for part in leaves(model) if not isinstance(part, silent)]
    layers = [isinstance(part, LayerModule | nn.Linear) for part in parts]
    made = {
        id(part): Regularized(part, dropout, norm)
        for part, layer, before_layer in zip(parts, layers, layers[1:], strict=False)
        if layer and not before_layer
    }
    for module in list(model.modules()):
        if not isinstance(module, Regularized):
            for name, child in module.named_children():
                if id(child) in made:
                    setattr(module, name, made[id(child)])
