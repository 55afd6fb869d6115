"""A network as the chip has it: layers of synapses, each with the neurons behind it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from lava_ssm.network.activation import Activation, Elementwise
from lava_ssm.network.description import Description
from lava_ssm.network.layer import Layer, kinds_of
from lava_ssm.network.residual import Residual
from lava_ssm.numerics import instance

L = TypeVar("L", bound=Layer, covariant=True)


@dataclass(frozen=True)
class Stage(Generic[L]):
    """A layer of synapses, and what the neurons do that receive its output.

    Parameters
    ----------
    layer
        Of synapses, float or fixed.
    activation
        What the neurons do before they send.
    residual
        Number of the stage whose input the neurons add before that; None: none.
    """

    layer: L
    activation: Activation = Activation.NONE
    residual: int | None = None


def stages(layers: Sequence[object], kind: type[L]) -> tuple[Stage[L], ...]:
    """Group layers into stages, and check that they fit together.

    Parameters
    ----------
    layers
        In the order in which a token passes them.
    kind
        What layers of synapses are: float or fixed.

    Raises
    ------
    TypeError
        A layer of another class.
    ValueError
        No layer, an activation or Residual without a layer before it, or widths that differ.
    """
    instance(layers, Sequence, "layers", "a sequence of layers")
    grouped: list[Stage[L]] = []
    for i, layer in enumerate(layers):
        before = layers[i - 1] if i else None
        if isinstance(layer, Elementwise):
            if before is None or isinstance(before, Elementwise):
                raise ValueError(
                    f"layers[{i}]: a {type(layer).__name__} must follow a layer of kind "
                    f"{_names(kind, ' or ')}"
                )
            grouped[-1] = replace(grouped[-1], activation=layer.activation)
        elif isinstance(layer, Residual):
            if before is None or isinstance(before, Elementwise | Residual):
                raise ValueError(
                    f"layers[{i}]: a Residual must follow a layer of kind {_names(kind, ' or ')}"
                )
            grouped[-1] = replace(grouped[-1], residual=_entry(grouped, layer, i))
        elif isinstance(layer, kind):
            if grouped and grouped[-1].layer.d_output != layer.d_input:
                raise ValueError(
                    f"layers[{i}]: {type(layer).__name__} takes {layer.d_input} channels, "
                    f"the layer before it gives {grouped[-1].layer.d_output}"
                )
            grouped.append(Stage(layer))
        else:
            raise TypeError(
                f"layers[{i}] must be one of {_names(kind, ', ')}, {_names(Elementwise, ', ')}, "
                f"Residual; got {type(layer).__name__}"
            )
    if not grouped:
        raise ValueError("layers: a network has at least one layer")
    return tuple(grouped)


def _names(kind: type[Description], separator: str) -> str:
    return separator.join(dict.fromkeys(each.__name__ for each in kinds_of(kind)))


def _entry(grouped: Sequence[Stage[Layer]], residual: Residual, i: int) -> int:
    """Give the number of the stage at which the path around the last stages begins."""
    first = len(grouped) - residual.span
    if first < 0:
        raise ValueError(
            f"layers[{i}]: span {residual.span} goes around more than the {len(grouped)} layers "
            "before it"
        )
    width, wanted = grouped[first].layer.d_input, grouped[-1].layer.d_output
    if width != wanted:
        raise ValueError(
            f"layers[{i}]: the path begins with {width} channels and ends with {wanted}"
        )
    return first
