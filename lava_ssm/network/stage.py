"""A network as the chip has it: layers of synapses, each with the neurons behind it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from lava_ssm.network.gelu import GELU
from lava_ssm.network.relu import ReLU
from lava_ssm.network.residual import Residual

L = TypeVar("L")


@dataclass(frozen=True)
class Stage(Generic[L]):
    """A layer of synapses, and what the neurons do that receive its output.

    Parameters
    ----------
    layer
        S4D, S5, Linear or Gate, or its fixed form.
    relu
        Whether the neurons rectify.
    residual
        Number of the stage whose input the neurons add before that; None: none.
    gelu
        Whether they apply a GELU instead of a ReLU.
    """

    layer: L
    relu: bool
    residual: int | None = None
    gelu: bool = False


def stages(layers: Sequence[object], kinds: tuple[type[L], ...]) -> tuple[Stage[L], ...]:
    """Group layers into stages, and check that they fit together.

    Parameters
    ----------
    layers
        In the order in which a token passes them.
    kinds
        Classes that a layer of synapses may have.

    Raises
    ------
    TypeError
        A layer of another class.
    ValueError
        No layer, a ReLU, GELU or Residual without a layer before it, or widths that differ.
    """
    if not isinstance(layers, Sequence):
        raise TypeError(f"layers must be a sequence of layers, got {type(layers).__name__}")
    grouped: list[Stage[L]] = []
    for i, layer in enumerate(layers):
        before = layers[i - 1] if i else None
        if isinstance(layer, ReLU | GELU):
            if before is None or isinstance(before, ReLU | GELU):
                raise ValueError(
                    f"layers[{i}]: a {type(layer).__name__} must follow a layer of kind "
                    f"{_names(kinds, ' or ')}"
                )
            is_relu = isinstance(layer, ReLU)
            grouped[-1] = replace(grouped[-1], relu=is_relu, gelu=not is_relu)
        elif isinstance(layer, Residual):
            if before is None or isinstance(before, ReLU | GELU | Residual):
                raise ValueError(
                    f"layers[{i}]: a Residual must follow a layer of kind {_names(kinds, ' or ')}"
                )
            grouped[-1] = replace(grouped[-1], residual=_entry(grouped, layer, i))
        elif isinstance(layer, kinds):
            if grouped and grouped[-1].layer.d_output != layer.d_input:  # type: ignore[attr-defined]
                raise ValueError(
                    f"layers[{i}]: {type(layer).__name__} takes {layer.d_input} channels, "  # type: ignore[attr-defined]
                    f"the layer before it gives {grouped[-1].layer.d_output}"  # type: ignore[attr-defined]
                )
            grouped.append(Stage(layer, relu=False))
        else:
            raise TypeError(
                f"layers[{i}] must be one of {_names(kinds, ', ')}, ReLU, GELU (float only), "
                f"Residual; got {type(layer).__name__}"
            )
    if not grouped:
        raise ValueError("layers: a network has at least one layer")
    return tuple(grouped)


def _names(kinds: Sequence[type], separator: str) -> str:
    return separator.join(kind.__name__ for kind in kinds)


def _entry(grouped: Sequence[Stage[L]], residual: Residual, i: int) -> int:
    """Give the number of the stage at which the path around the last stages begins."""
    first = len(grouped) - residual.span
    if first < 0:
        raise ValueError(
            f"layers[{i}]: span {residual.span} goes around more than the {len(grouped)} layers "
            "before it"
        )
    width, wanted = grouped[first].layer.d_input, grouped[-1].layer.d_output  # type: ignore[attr-defined]
    if width != wanted:
        raise ValueError(
            f"layers[{i}]: the path begins with {width} channels and ends with {wanted}"
        )
    return first
