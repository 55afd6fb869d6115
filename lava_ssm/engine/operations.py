"""How many multiply-adds a token takes, where zeros are skipped."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm.engine.stream import run
from lava_ssm.engine.tokens import as_sequences
from lava_ssm.network import (
    Connection,
    Filters,
    FixedNetwork,
    GatedRecurrence,
    Matrix,
    Network,
    Neurons,
    Population,
    Recurrence,
    SelectiveRecurrence,
)

Array = np.ndarray


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
    an S4D state are two each), of a gated state one, of a selective one three; one an element of
    the direct path d and of a product of two messages. Biases, residual additions and rectifiers
    are none.

    Parameters
    ----------
    x
        Data, (..., time, d_input).

    Raises
    ------
    TypeError, ValueError
        Not a network, a wrong shape, nothing, or values out of range (see `engine.run`).
    """
    inputs = as_sequences(network, x)
    populations = network.lowered
    read = {c.source for p in populations for c in p.inputs if not c.synapse.sums}
    on: dict[int | None, Array] = {None: _on(inputs)}

    def probe(population: int, what: str, values: Array) -> None:
        if what == "sent" and population in read:
            on[population] = _on(values)

    run(network, inputs, probe=probe)
    names, dense, effective, activity = [], [], [], []
    for i, stage in enumerate(network.stages):
        own = [p for p in populations if p.stage == i]
        maps = [
            (c.synapse.weights, on[c.source])
            for p in own
            for c in p.inputs
            if isinstance(c.synapse, Matrix)
        ]
        states = sum(_of_states(p.neurons) for p in own)
        products = [(p.neurons.n_neurons, p.inputs[1]) for p in own if _has_product(p)]
        names.append(type(stage.layer).__name__)
        dense.append(sum(w.size for w, _ in maps) + sum(n for n, _ in products) + states)
        effective.append(
            sum(float(v @ np.count_nonzero(w, axis=0)) for w, v in maps)
            + sum(n * _share(c, on) for n, c in products)
            + float(states)
        )
        fed = [v for _, v in maps] or [on[own[0].inputs[0].source]]
        activity.append(float(np.concatenate(fed).mean()))
    return Operations(tuple(names), tuple(dense), tuple(effective), tuple(activity))


def _on(v: Array) -> Array:
    """Share of tokens at which each channel is not zero."""
    return np.asarray((v != 0).reshape(-1, v.shape[-1]).mean(axis=0))


def _share(c: Connection, on: dict[int | None, Array]) -> float:
    """Share of what a connection hands to its neurons that is not zero; sums hardly ever are."""
    return 1.0 if isinstance(c.synapse, Matrix) else float(on[c.source].mean())


def _has_product(p: Population) -> bool:
    """Whether neurons multiply their second input, not a state."""
    return len(p.inputs) > 1 and p.neurons.state_shape is None


def _of_states(neurons: Neurons) -> int:
    """Multiply-adds of the states of a population a token."""
    match neurons:
        case Filters():
            return 8 * neurons.n_neurons
        case Recurrence():
            return 2 * neurons.n_neurons
        case GatedRecurrence():
            return neurons.n_neurons
        case SelectiveRecurrence():  # by the rate, by what the table has, by the decay
            return 3 * neurons.n_neurons
    return 0
