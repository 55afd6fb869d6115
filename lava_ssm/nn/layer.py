"""What a kind of layer of `lava_ssm.network` is in PyTorch: one contract for every direction."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from operator import attrgetter
from typing import ClassVar, TypeAlias, TypeVar

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.utils.parametrize import is_parametrized

from lava_ssm.network import FloatLayer
from lava_ssm.numerics import instance

Arrays: TypeAlias = dict[str, Tensor]
"""Fields of a description by name; those that it does not have are left out."""
M = TypeVar("M", bound=nn.Module)


class LayerModule(nn.Module):
    """The PyTorch counterpart of a kind of layer.

    Its parameters are what is trained, its `arrays` the fields of its description, made of them in
    a way that gradients pass, and its `response` computes with such fields.

    Attributes
    ----------
    kind
        The class of its descriptions; a subclass that names one is what `nn.module` makes of it.
    names
        Fields of descriptions that are parameters, and which.
    channels_first
        Whether `response` takes (channels, batch, time), with which it is faster; if not, it takes
        (..., time, channels). None: either.
    continuous
        Whether it is a system in continuous time, of which the description has a discretisation.
    matrices
        Parameters that a `Pruner` prunes, and whether their last axis is of a real and an imaginary
        part that are pruned together; beside those of the `torch.nn.Linear` in it.
    slow
        Parameters that learn at a lower rate and do not decay.
    """

    kind: ClassVar[type[FloatLayer]]
    names: ClassVar[dict[str, str]]
    channels_first: ClassVar[bool | None] = None
    continuous: ClassVar[bool] = False
    matrices: ClassVar[dict[str, bool]] = {}
    slow: ClassVar[frozenset[str]] = frozenset()
    d_model: int

    def __init_subclass__(cls) -> None:
        if isinstance(kind := vars(cls).get("kind"), type):  # not a property, as of what wraps one
            MODULES[kind] = cls

    @property
    def widths(self) -> tuple[int, int]:
        """Number of input and output channels."""
        return self.d_model, self.d_model

    @classmethod
    def like(cls, layer: FloatLayer) -> "LayerModule":
        """Make a module that can have the parameters of a description."""
        raise NotImplementedError

    def parameters_of(self, layer: FloatLayer) -> dict[str, np.ndarray]:
        """Give the values of this module's parameters, by name, with which it is the layer.

        Raises
        ------
        ValueError
            There are none.
        """
        values = {name: getattr(layer, field) for field, name in self.names.items()}
        return {name: value for name, value in values.items() if value is not None}

    def arrays(self) -> Arrays:
        """Give the fields of the description, differentiable."""
        values = {field: attrgetter(name)(self) for field, name in self.names.items()}
        return {field: value for field, value in values.items() if value is not None}

    def constants(self) -> Mapping[str, object]:
        """Give the fields that are not trained."""
        return {}

    def response(self, u: Tensor, arrays: Arrays, channels_first: bool) -> Tensor:
        """Give the outputs of u from the zero state, with these fields.

        Parameters
        ----------
        u
            Inputs, (d_input, batch, time) or (..., time, d_input).
        """
        raise NotImplementedError

    def scaled(self, arrays: Arrays, scale: Tensor, shift: Tensor) -> Arrays:
        """Give the fields of the layer that gives `scale * y + shift` rather than y.

        Raises
        ------
        TypeError
            They have no place for it.
        """
        raise TypeError(f"a norm behind {type(self).__name__} cannot be part of it")

    def rectifying(self, before: bool, after: bool) -> "LayerModule | None":
        """Give the layer with a ReLU before it, behind it, or both, if it is faster for them."""
        return None

    def behind(self, norm: nn.BatchNorm1d) -> "LayerModule":
        """Give the layer with a norm in front of it, which its description has in it.

        Raises
        ------
        TypeError
            The description has no place for it.
        """
        kind = type(self).__name__
        raise TypeError(f"model: a norm must be in front of an S5, there is one in front of {kind}")

    def forward(self, u: Tensor) -> Tensor:
        """Outputs of u (..., time, d_input), (..., time, d_output)."""
        return self.response(u, self.arrays(), False)

    def trained(self, u: Tensor, channels_first: bool) -> Tensor:
        """Give the outputs of u, see `response`, as they are while the layer is trained."""
        if channels_first:
            return self.response(u, self.arrays(), True)
        y: Tensor = self(u)
        return y

    @torch.no_grad()
    def describe(self) -> FloatLayer:
        """Describe the layer, in double precision.

        Raises
        ------
        ValueError
            Parameters that are not finite, an unstable state.
        """
        arrays, names = _exact(self).arrays(), {field.name for field in fields(self.kind)}
        known = {name: np.asarray(v) for name, v in arrays.items() if name in names}
        return self.kind(**known, **self.constants())


MODULES: dict[type[FloatLayer], type[LayerModule]] = {}
"""Of each kind of layer what it is in torch."""


def _exact(module: M) -> M:
    """Give the module with parameters in double precision; a deep copy takes ten times as long."""
    twin = module.__new__(type(module))  # parametrized modules refuse to be copied
    twin.__dict__ = {**module.__dict__}
    for name in ("_parameters", "_buffers"):
        tensors = getattr(module, name).items()
        twin.__dict__[name] = {key: v if v is None else v.cpu().double() for key, v in tensors}
    twin.__dict__["_modules"] = {key: v and _exact(v) for key, v in module._modules.items()}
    return twin


def folded(norm: nn.BatchNorm1d, like: Tensor) -> tuple[Tensor, Tensor]:
    """Give the scale and the shift of each channel that a norm is with its running statistics."""
    if norm.running_mean is None or norm.running_var is None or not norm.affine:
        raise TypeError("a norm without running statistics or weights has no description")
    own = norm.running_mean, norm.running_var, norm.weight, norm.bias
    mean, var, weight, bias = (values.to(like) for values in own)
    scale = weight / torch.sqrt(var + norm.eps)
    return scale, bias - mean * scale


def matrices_of(model: nn.Module) -> Iterator[tuple[str, Tensor, bool]]:
    """Name and weights of a model's matrices, and whether their last axis is of complex pairs."""
    for name, module in model.named_modules():
        plain = {"weight": False} if isinstance(module, nn.Linear) else {}
        own = module.matrices if isinstance(module, LayerModule) else plain
        for key, paired in own.items():
            # of weights on a grid what is behind them: that is trained, and pruned
            behind = f"parametrizations.{key}.original" if is_parametrized(module, key) else key
            yield f"{name}.{key}".removeprefix("."), module.get_parameter(behind), paired


def check_module(model: object) -> None:
    """Raise a TypeError for what is no torch module."""
    instance(model, nn.Module, "model", "a torch.nn.Module")


def check_tokens(u: Tensor, width: int, name: str = "u") -> None:
    """Refuse what is no tensor (..., time, width) of floats with a token."""
    instance(u, Tensor, name, "a tensor")
    if not u.is_floating_point():
        raise TypeError(f"{name} must be a tensor of floats, got {u.dtype}")
    if u.ndim < 2 or u.shape[-1] != width or u.shape[-2] < 1:
        raise ValueError(
            f"{name} must have shape (..., time, {width}), with a token at least, got "
            f"{tuple(u.shape)}"
        )
