"""A network as the chip has it: layers of synapses, each with the neurons behind it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from lava_ssm.network.relu import ReLU

L = TypeVar("L")


@dataclass(frozen=True)
class Stage(Generic[L]):
    """An S4D or linear layer, and whether the neurons that receive its output rectify it."""

    layer: L
    relu: bool


def stages(layers: Sequence[object], kinds: tuple[type[L], ...]) -> tuple[Stage[L], ...]:
    """Group layers into stages, and check that they fit together.

    Parameters
    ----------
    layers
        In the order in which a token passes them.
    kinds
        Classes that a layer may have besides ReLU.

    Raises
    ------
    TypeError
        A layer of another class.
    ValueError
        No layer, a ReLU without a layer before it, or widths that differ.
    """
    if not isinstance(layers, Sequence):
        raise TypeError(f"layers must be a sequence of layers, got {type(layers).__name__}")
    grouped: list[Stage[L]] = []
    for i, layer in enumerate(layers):
        before = layers[i - 1] if i else None
        if isinstance(layer, ReLU):
            if before is None or isinstance(before, ReLU):
                names = " or ".join(k.__name__ for k in kinds)
                raise ValueError(f"layers[{i}]: a ReLU must follow a layer of kind {names}")
            grouped[-1] = Stage(grouped[-1].layer, relu=True)
        elif isinstance(layer, kinds):
            if grouped and grouped[-1].layer.d_output != layer.d_input:  # type: ignore[attr-defined]
                raise ValueError(
                    f"layers[{i}]: {type(layer).__name__} takes {layer.d_input} channels, "  # type: ignore[attr-defined]
                    f"the layer before it gives {grouped[-1].layer.d_output}"  # type: ignore[attr-defined]
                )
            grouped.append(Stage(layer, relu=False))
        else:
            names = ", ".join(k.__name__ for k in (*kinds, ReLU))
            raise TypeError(f"layers[{i}] must be one of {names}; got {type(layer).__name__}")
    if not grouped:
        raise ValueError("layers: a network has at least one layer")
    return tuple(grouped)
