"""What a kind of layer of `lava_ssm.network` is in PyTorch: one contract for every direction.

A module's parameters are what is trained, its `arrays` the fields of its description, made of them
in a way that gradients pass, and its `response` computes with such fields. Training is
`response(u, arrays())`; an export is the arrays in double precision; fine-tuning in integers is the
response with rounded values in their place.
"""

import copy
from collections.abc import Iterator
from dataclasses import fields
from typing import ClassVar, TypeAlias, TypeVar

import numpy as np
import torch
from torch import Tensor, nn

from lava_ssm import network

Arrays: TypeAlias = dict[str, Tensor]
"""Fields of a description by name; those that it does not have are left out."""
M = TypeVar("M", bound=nn.Module)


class LayerModule(nn.Module):
    """The PyTorch counterpart of a kind of layer: a line in `lava_ssm.nn.kinds`.

    Attributes
    ----------
    kind
        The class of its descriptions.
    channels_first
        Whether `response` takes (channels, batch, time), with which it is faster; if not, it takes
        (..., time, channels). None: either.
    continuous
        Whether its parameters are those of a system in continuous time, of which the description
        has one of many discretisations, with states of any scale.
    matrices
        Parameters that a `Pruner` prunes, and whether they are pairs of a real and an imaginary
        part that are pruned together; beside those of a `torch.nn.Linear` in it.
    slow
        Parameters that learn at a lower rate and do not decay.
    """

    kind: ClassVar[type[network.FloatLayer]]
    channels_first: ClassVar[bool | None] = None
    continuous: ClassVar[bool] = False
    matrices: ClassVar[dict[str, bool]] = {}
    slow: ClassVar[frozenset[str]] = frozenset()

    @property
    def widths(self) -> tuple[int, int]:
        """Number of input and output channels."""
        raise NotImplementedError

    @property
    def module(self) -> nn.Module:
        """What has the parameters, and stands in a model."""
        return self

    @classmethod
    def like(cls, layer: network.FloatLayer) -> "LayerModule":
        """Make a module that can have the parameters of a description."""
        raise NotImplementedError

    def parameters_of(self, layer: network.FloatLayer) -> dict[str, np.ndarray]:
        """Give the values of this module's parameters, by name, with which it is the layer.

        Raises
        ------
        ValueError
            There are none.
        """
        raise NotImplementedError

    def arrays(self) -> Arrays:
        """Give the fields of the description, differentiable."""
        raise NotImplementedError

    def constants(self) -> dict[str, bool]:
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

    def normalized(self, arrays: Arrays, scale: Tensor, shift: Tensor) -> Arrays:
        """Give the fields of the layer of which the input is `scale * u + shift` rather than u.

        Raises
        ------
        TypeError
            They have no place for it.
        """
        raise TypeError(f"a norm in front of {type(self).__name__} cannot be part of it")

    def scaled(self, arrays: Arrays, scale: Tensor, shift: Tensor) -> Arrays:
        """Give the fields of the layer that gives `scale * y + shift` rather than y.

        Raises
        ------
        TypeError
            They have no place for it.
        """
        raise TypeError(f"a norm behind {type(self).__name__} cannot be part of it")

    def initial_state(self, *batch: int) -> Tensor | None:
        """Zero state of a batch; None: the layer has none."""
        return None

    def step(
        self, u: Tensor, state: Tensor | None, arrays: Arrays | None = None
    ) -> tuple[Tensor, Tensor | None]:
        """Take one token by the recurrence.

        Parameters
        ----------
        u
            (..., d_input).
        state
            From `initial_state` or an earlier step.
        arrays
            What `arrays()` gave, where many steps are taken with the same parameters.

        Returns
        -------
        tuple
            The output (..., d_output) and the new state.
        """
        return self.response(u, self.arrays() if arrays is None else arrays, False), None

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
    def describe(self) -> network.FloatLayer:
        """Describe the layer, in double precision.

        Raises
        ------
        ValueError
            Parameters that are not finite, an unstable state.
        """
        arrays = _exact(self).arrays()
        names = {field.name for field in fields(self.kind)}
        known = {name: np.asarray(v) for name, v in arrays.items() if name in names}
        return self.kind(**known, **self.constants())


def _exact(module: M) -> M:
    """Give the module with parameters in double precision; a deep copy takes ten times as long."""
    twin = copy.copy(module)
    for name in ("_parameters", "_buffers"):
        tensors = getattr(module, name).items()
        twin.__dict__[name] = {key: v if v is None else v.cpu().double() for key, v in tensors}
    twin.__dict__["_modules"] = {key: v and _exact(v) for key, v in module._modules.items()}
    return twin


def matrices_of(model: nn.Module) -> Iterator[tuple[str, Tensor, bool]]:
    """Name and weights of a model's matrices, and whether their last axis is of complex pairs."""
    for name, module in model.named_modules():
        prefix = f"{name}." if name else ""
        plain = {"weight": False} if isinstance(module, nn.Linear) else {}
        own = module.matrices if isinstance(module, LayerModule) else plain
        for key, paired in own.items():
            yield f"{prefix}{key}", module.get_parameter(key), paired


def check_tokens(u: Tensor, width: int, name: str = "u") -> None:
    """Refuse what is no tensor (..., time, width) with a token."""
    check_width(u, width, name)
    if u.ndim < 2 or u.shape[-2] < 1:
        raise ValueError(f"{name} must have shape (..., time, {width}), got {tuple(u.shape)}")


def check_width(u: Tensor, width: int, name: str) -> None:
    """Refuse what is no tensor that ends in `width` channels."""
    if not isinstance(u, Tensor):
        raise TypeError(f"{name} must be a tensor, got {type(u).__name__}")
    if u.ndim == 0 or u.shape[-1] != width:
        raise ValueError(f"{name} must have shape (..., {width}), got {tuple(u.shape)}")
