"""How many multiply-adds a token takes, where zeros are skipped."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lava_ssm.engine.stream import run
from lava_ssm.engine.tokens import as_sequences
from lava_ssm.network import (
    S4D,
    S5,
    FixedGate,
    FixedLinear,
    FixedNetwork,
    FixedS4D,
    FixedS5,
    Gate,
    Linear,
    Network,
    Stage,
)

Array = NDArray[Any]


@dataclass(frozen=True)
class Operations:
    """Multiply-adds of a network a token, stage by stage.

    Parameters
    ----------
    names
        Of the stages' layers.
    dense
        If nothing is skipped.
    effective
        If products with a weight or with an activation of zero are: on the average of the data.
    activity
        Share of the activations that enter each stage's synapses that are not zero, in [0, 1].
    """

    names: tuple[str, ...]
    dense: tuple[int, ...]
    effective: tuple[float, ...]
    activity: tuple[float, ...]

    @property
    def total(self) -> float:
        """Effective ones of all stages."""
        return sum(self.effective)


def operations(network: Network | FixedNetwork, x: ArrayLike) -> Operations:
    """Count multiply-adds a token on data.

    Of a linear map one for each weight; of a diagonal state four for a times x (those of b and c of
    an S4D state are two each); one an element of the direct path d and of a gate's product. Biases,
    residual additions and rectifiers are none.

    Parameters
    ----------
    x
        Data, (..., time, d_input).

    Raises
    ------
    TypeError, ValueError
        Not a network, a wrong shape, nothing, or values out of range (see `engine.run`).
    """
    seen: dict[tuple[int, str], Array] = {}

    def probe(stage: int, what: str, values: Array) -> None:
        if what in ("message", "sent"):
            seen[stage, what] = values

    inputs: Array = as_sequences(network, x)
    run(network, inputs, probe=probe)
    names, dense, effective, activity = [], [], [], []
    stages: tuple[Stage[Any], ...] = network.stages
    for i, stage in enumerate(stages):
        u = inputs if i == 0 else seen[i - 1, "message"]
        maps, elements, states = _parts(stage.layer, u, seen.get((i, "sent")))
        names.append(type(stage.layer).__name__)
        dense.append(sum(w.size for w, _ in maps) + elements + states)
        on = (u != 0).reshape(-1, u.shape[-1]).mean(axis=0)  # (d_input,)
        products = sum(float(_on(v) @ np.count_nonzero(w, axis=0)) for w, v in maps)
        effective.append(products + elements * float(on.mean()) + states)
        fed = [_on(v) for _, v in maps] or [on]
        activity.append(float(np.concatenate(fed).mean()))
    return Operations(tuple(names), tuple(dense), tuple(effective), tuple(activity))


def _on(v: Array) -> Array:
    """Share of tokens at which each channel is not zero."""
    return np.asarray((v != 0).reshape(-1, v.shape[-1]).mean(axis=0))


def _parts(layer: Any, u: Array, sent: Array | None) -> tuple[list[tuple[Array, Array]], int, int]:
    """Real matrices with what they are multiplied with; products an element; those of states."""
    match layer:
        case Linear() | FixedLinear():
            return [(layer.weights, u)], 0, 0
        case Gate() | FixedGate():
            return [(layer.weights, u)], layer.d_output, 0
        case S5() | FixedS5():
            assert sent is not None
            if isinstance(layer, S5):
                b = np.concatenate([layer.b.real, layer.b.imag])
                c = np.concatenate([layer.c.real, layer.c.imag], axis=1)
            else:
                b, c = layer.weights_in, layer.weights_out
            return [(b, u), (c, sent)], layer.d_model, 4 * layer.d_state
        case S4D() | FixedS4D():
            return [], 0, 8 * layer.d_model * layer.d_state
    raise TypeError(f"no count for a {type(layer).__name__}")
