"""Layers in a row, and what follows them: a network that is trained."""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeAlias

import torch
from torch import Tensor, nn

from lava_ssm.network import Readout
from lava_ssm.nn.convolution import turned
from lava_ssm.nn.cpu import takes
from lava_ssm.nn.inputs import size
from lava_ssm.nn.layer import LayerModule, check_module, check_tokens
from lava_ssm.nn.linear import Linear
from lava_ssm.nn.zeros import Zeros
from lava_ssm.numerics import member, real_number

Respond: TypeAlias = Callable[[int, Tensor, bool], Tensor]
"""What part i makes of its inputs, which have channels first or last."""


class Residual(nn.Module):
    """y = u + what entered the last `span` layers; a `network.Residual` in a `Chain`.

    Parameters
    ----------
    span
        How many layers the path goes around, at least 1.
    """

    def __init__(self, span: int) -> None:
        super().__init__()
        self.span = size(span, "span")

    def extra_repr(self) -> str:
        """Describe the path in the text of a model."""
        return f"span={self.span}"


class Chain(nn.Module):
    """Layers in the order in which a token passes them, and a readout: a network that is trained.

    Parameters
    ----------
    layers
        By name, or one after the other: layers (`nn.S4D`, `nn.GLU`, `torch.nn.Linear`, ...), behind
        one of them a `Residual`, a `torch.nn.ReLU` or `GELU`, or both in this order; a
        `torch.nn.BatchNorm1d` in front of an `S5`; a `torch.nn.Dropout` anywhere; and a
        `torch.nn.Sequential` or `ModuleList` of them.
    readout
        "every" (each token's output), "last" (the last one's) or "mean" (over time).
    """

    def __init__(
        self,
        layers: Mapping[str, nn.Module] | Sequence[nn.Module],
        readout: str | Readout = Readout.EVERY_TOKEN,
    ) -> None:
        super().__init__()
        self.readout = member(Readout, readout, "readout")
        named = layers if isinstance(layers, Mapping) else {"layers": nn.Sequential(*layers)}
        for name, module in named.items():
            self.add_module(name, module)
        self._pruned = False

    def hold_zeros(self) -> None:
        """Let weights that are zero now stay zero while this model, or a copy, is trained."""
        self._pruned = True
        Zeros(self)

    def __setstate__(self, state: dict[str, object]) -> None:
        super().__setstate__(state)
        if self._pruned:  # hooks of parameters are not copied
            Zeros(self)

    @property
    def d_input(self) -> int:
        """Width of a token."""
        return next(iter(layers_of(parts_of(self)).values())).widths[0]

    @property
    def d_output(self) -> int:
        """Width of the output."""
        return list(layers_of(parts_of(self)).values())[-1].widths[1]

    def forward(self, x: Tensor) -> Tensor:
        """Logits of sequences, all tokens at once.

        Parameters
        ----------
        x
            Tokens, (batch, time, d_input) or (time, d_input).

        Returns
        -------
        Tensor
            (..., d_output), or, reading out every token, (..., time, d_output).
        """
        return read_out(self.outputs(x), self.readout)

    def outputs(self, x: Tensor) -> Tensor:
        """Output of each token of x (..., time, d_input), (..., time, d_output)."""
        parts = parts_of(self, training=True)
        check_tokens(x, next(iter(layers_of(parts).values())).widths[0], "x")
        if takes(x) and not any(isinstance(part, Residual) for part in parts):
            parts = _rectifying(parts)
        layers = layers_of(parts)

        def respond(i: int, u: Tensor, channels_first: bool) -> Tensor:
            return layers[i].trained(u, channels_first)

        y = flow(parts, x.reshape(-1, *x.shape[-2:]), respond)
        return y.reshape(*x.shape[:-1], y.shape[-1])


def parts_of(model: nn.Module, training: bool = False) -> list[nn.Module]:
    """Give the parts of nested modules in the order in which a token passes them.

    Layers (`LayerModule`), activations and `Residual`s; with `training` also what acts only then.
    Other modules are given as they are.
    """
    parts: list[nn.Module] = []
    for module in leaves(model):
        if isinstance(module, nn.Identity) or (isinstance(module, nn.Dropout) and not training):
            continue
        if isinstance(module, nn.Linear) and not isinstance(module, LayerModule):
            module = Linear.of(module)
        before = parts[-1] if parts else None
        if isinstance(before, nn.BatchNorm1d) and isinstance(module, LayerModule):
            parts[-1] = module.behind(before)
        else:
            parts.append(module)
    return parts


def _rectifying(parts: Sequence[nn.Module]) -> list[nn.Module]:
    """Let layers that are faster for it do what the ReLUs around them do."""
    result: list[nn.Module] = []
    rest = list(reversed(parts))
    while rest:
        part = rest.pop()
        before, after = bool(result) and _is_relu(result[-1]), bool(rest) and _is_relu(rest[-1])
        if isinstance(part, LayerModule) and not any(map(_is_hooked, part.modules())):
            for here in ((before, after), (before, False), (False, after)):
                twin = part.rectifying(*here) if any(here) else None
                if twin is not None:
                    part = twin
                    del result[len(result) - here[0] :], rest[len(rest) - here[1] :]
                    break
        result.append(part)
    return result


def _is_relu(part: nn.Module) -> bool:
    return type(part) is nn.ReLU and not _is_hooked(part)


def _is_hooked(module: nn.Module) -> bool:
    return bool(module._forward_hooks or module._forward_pre_hooks or module._backward_hooks)


def layers_of(parts: Sequence[nn.Module]) -> dict[int, LayerModule]:
    """Layers among the parts, by their places."""
    return {i: part for i, part in enumerate(parts) if isinstance(part, LayerModule)}


def leaves(module: nn.Module) -> Iterator[nn.Module]:
    """Give the modules of nested ones in the order in which a token passes them."""
    if isinstance(module, nn.Sequential | nn.ModuleList | Chain):
        for child in module._modules.values():  # `children` would leave out what comes twice
            assert child is not None
            yield from leaves(child)
    else:
        yield module


def flow(parts: Sequence[nn.Module], y: Tensor, respond: Respond) -> Tensor:
    """Pass sequences through the parts of a network, each turned round only where it must be.

    Parameters
    ----------
    parts
        See `parts_of`.
    y
        (batch, time, d_input).
    respond
        Gives the outputs of layer `parts[i]`.

    Returns
    -------
    Tensor
        (batch, time, d_output).
    """
    as_they_lie = takes(y)

    def layout(part: LayerModule) -> bool | None:
        return None if part.channels_first and as_they_lie else part.channels_first

    wanted = (layout(part) for part in parts if isinstance(part, LayerModule))
    first = bool(next((w for w in wanted if w is not None), False))
    y = y.permute(2, 0, 1) if first else y
    entered: list[tuple[Tensor, bool]] = []
    for i, part in enumerate(parts):
        if isinstance(part, Residual):
            if part.span > len(entered):
                raise ValueError(f"layer {i}: the path begins before the first layer: {part}")
            message, was_first = entered[-part.span]
            y = y + (message if was_first == first else _turned(message, was_first))
        elif isinstance(part, LayerModule):
            if layout(part) not in (None, first):
                y, first = _turned(y, first), not first
            entered.append((y, first))
            y = respond(i, y, first)
        else:
            y = part(y)
    return y.permute(1, 2, 0) if first else y


def _turned(y: Tensor, channels_first: bool) -> Tensor:
    """From (channels, batch, time) to (batch, time, channels), or back."""
    if channels_first:
        return turned(y.reshape(len(y), -1)).view(*y.shape[1:], len(y))
    return turned(y.reshape(-1, y.shape[-1])).view(y.shape[-1], *y.shape[:-1])


def read_out(y: Tensor, readout: Readout) -> Tensor:
    """Logits of what a network gives of each token, (..., time, d_output)."""
    match readout:
        case Readout.LAST_TOKEN:
            return y[..., -1, :]
        case Readout.MEAN_OVER_TIME:
            return y.mean(-2, dtype=torch.promote_types(y.dtype, torch.float32))
        case Readout.EVERY_TOKEN:
            return y


@torch.no_grad()
def stretch(model: nn.Module, factor: float) -> None:
    """Make the steps of all state space layers `factor` times as long, in place.

    A model that was trained with tokens that each stand for four sees the same of single ones when
    its steps are a quarter as long.

    Parameters
    ----------
    model
        Any module with `S4D` or `S5` layers.
    factor
        Above 0.

    Raises
    ------
    TypeError
        No module.
    ValueError
        The factor is not above 0.
    """
    check_module(model)
    factor = real_number(factor, "factor", "(0, inf)")
    for module in model.modules():
        log_dt = getattr(module, "log_dt", None)
        if isinstance(log_dt, nn.Parameter):
            log_dt.add_(math.log(factor))
