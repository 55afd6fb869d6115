"""The description of a network, derived from its layers."""

from functools import singledispatchmethod
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm.loihi2.description import (
    Connectivity,
    Description,
    Neuron,
    Population,
    Synapses,
)
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
)

_WITH_STATES = (S4D, FixedS4D, S5, FixedS5)
"""Layers with which a new one of the network's layers begins: those before are the encoder."""
STORED_DENSE = 0.8
"""From this share of weights that are not zero on, storing the zeros too takes fewer bits."""


def describe(network: Network | FixedNetwork | Description, name: str = "") -> Description:
    """Describe a network to the chip.

    Every message is taken to be sent; `count` puts in what real tokens cause.

    Parameters
    ----------
    network
        Float or fixed: the description is the same but for weights that quantisation made zero.
        A description is given back.
    name
        For tables; default: the network's class.

    Raises
    ------
    TypeError
        Not a network, or one with a layer that has no description yet.
    """
    if isinstance(network, Description):
        return network
    if not isinstance(network, Network | FixedNetwork):
        raise TypeError(
            f"network must be a Network, a FixedNetwork or a Description, got "
            f"{type(network).__name__}"
        )
    builder = Builder(network.d_input)
    stages: tuple[Any, ...] = network.stages
    for i, stage in enumerate(stages):
        if isinstance(stage.layer, _WITH_STATES):
            builder.begin_layer()
        elif 0 < i == len(stages) - 1 and not isinstance(stages[i - 1].layer, _WITH_STATES):
            builder.label = "decoder" if builder.n_layers else builder.label
        builder.add(stage.layer, i)
        if stage.residual is not None:
            builder.add_residual(stage.residual)
    return builder.built(name or type(network).__name__)


class Builder:
    """Builds a description along the way of a token.

    `add` knows each kind of layer; one with branches names the sources of its synapses itself.

    Attributes
    ----------
    tip
        Name of the last population, None at the input: what the next layer receives from.
    width
        How many neurons that has.
    step
        Its time steps from the token's entry.
    label
        Of the layer that is being built.
    """

    def __init__(self, d_input: int) -> None:
        self.d_input = d_input
        self.tip: str | None = None
        self.width = d_input
        self.step = 0
        self.label = "encoder"
        self.n_layers = 0
        self._entered: list[tuple[str | None, int, int]] = []  # of each stage: tip, width, step
        self._populations: list[Population] = []
        self._steps: dict[str | None, int] = {None: 0}
        self._synapses: list[Synapses] = []

    def begin_layer(self) -> None:
        """Call what follows the next layer."""
        self.label = f"layer {self.n_layers}"
        self.n_layers += 1

    def population(self, name: str, kind: Neuron, n_neurons: int) -> str:
        """Add neurons a step behind the tip; they are the new tip."""
        self.step += 1
        self._put(Population(name, self.label, kind, n_neurons, self.step))
        self.tip, self.width = name, n_neurons
        return name

    def delayed(self, source: str | None, width: int, steps: int) -> str | None:
        """Give a source whose messages come `steps` steps later: a chain of relays, shared.

        For what goes around layers, such as a residual path. Relays belong to the layer that is
        being built.
        """
        first = source or "input"
        for k in range(1, steps + 1):
            name = f"{first}, {k} later"
            if name not in self._steps:
                step = self._steps[source] + 1
                repeated = source or "input"
                self._put(Population(name, self.label, Neuron.RELAY, width, step, repeated))
                self.synapses(source, name, Connectivity.BLOCK, np.ones(width))
            source = name
        return source

    def _put(self, population: Population) -> None:
        self._populations.append(population)
        self._steps[population.name] = population.step

    def synapses(
        self,
        source: str | None,
        target: str,
        connectivity: Connectivity,
        fan_out: ArrayLike,
        activity: ArrayLike = 1.0,
    ) -> None:
        """Add synapses, with so many for each input."""
        fan, active = np.asarray(fan_out, float), np.asarray(activity, float)
        self._synapses.append(Synapses(source, target, connectivity, fan, active))

    @singledispatchmethod
    def add(self, layer: object, i: int) -> None:
        """Add stage number `i`: its synapses and the neurons behind them."""
        raise TypeError(f"stage {i}: a {type(layer).__name__} has no description for the chip yet")

    @add.register(Linear)
    @add.register(FixedLinear)
    def _add_linear(self, layer: Linear | FixedLinear, i: int) -> None:
        source = self._enter()
        target = self.population(f"stage{i}.neurons", Neuron.RELAY, layer.d_output)
        self.matrix(source, target, layer.weights)

    @add.register(S4D)
    @add.register(FixedS4D)
    def _add_s4d(self, layer: S4D | FixedS4D, i: int) -> None:
        size, source = layer.d_model * layer.d_state, self._enter()
        kind = Neuron.COMPLEX_STATE if _is_complex(layer) else Neuron.REAL_STATE
        states = self.population(f"stage{i}.states", kind, size)
        fan_out = np.full(layer.d_model, layer.d_state)
        self.synapses(source, states, Connectivity.BLOCK, fan_out)
        sums = self.population(f"stage{i}.neurons", Neuron.RELAY, layer.d_model)
        self.synapses(states, sums, Connectivity.BLOCK, np.ones(size))

    @add.register(S5)
    @add.register(FixedS5)
    def _add_s5(self, layer: S5 | FixedS5, i: int) -> None:
        source = self._enter()
        states = self.population(f"stage{i}.states", Neuron.COMPLEX_STATE, layer.d_state)
        self.matrix(source, states, _real_parts(layer.b, axis=0))
        neurons = self.population(f"stage{i}.neurons", Neuron.RELAY, layer.d_model)
        self.matrix(states, neurons, _real_parts(layer.c, axis=1))
        direct = self.delayed(source, layer.d_model, 1)
        self.synapses(direct, neurons, Connectivity.BLOCK, layer.d != 0)

    @add.register(Gate)
    @add.register(FixedGate)
    def _add_gate(self, layer: Gate | FixedGate, i: int) -> None:
        source = self._enter()
        gates = self.population(f"stage{i}.neurons", Neuron.GATE, layer.d_output)
        self.matrix(source, gates, layer.weights)
        self.synapses(source, gates, Connectivity.BLOCK, np.ones(layer.d_input))

    def add_residual(self, stage: int) -> None:
        """Add a path from what stage number `stage` receives to the tip."""
        source, width, step = self._entered[stage]
        assert self.tip is not None
        late = self.delayed(source, width, self.step - step - 1)
        self.synapses(late, self.tip, Connectivity.BLOCK, np.ones(width))

    def matrix(self, source: str | None, target: str, weights: np.ndarray) -> None:
        """Add the synapses of weights (d_output, d_input), stored as takes fewer bits."""
        there = weights != 0
        if there.mean() >= STORED_DENSE:
            fan_out = np.full(weights.shape[1], weights.shape[0])
            self.synapses(source, target, Connectivity.DENSE, fan_out)
        else:
            self.synapses(source, target, Connectivity.SPARSE, there.sum(axis=0))

    def _enter(self) -> str | None:
        self._entered.append((self.tip, self.width, self.step))
        return self.tip

    def built(self, name: str) -> Description:
        """Give the description."""
        return Description(name, self.d_input, tuple(self._populations), tuple(self._synapses))


def _real_parts(values: np.ndarray, axis: int) -> np.ndarray:
    """A complex matrix, or pairs of mantissas, as a real one: real parts, then imaginary ones."""
    pairs = np.stack([values.real, values.imag], -1) if np.iscomplexobj(values) else values
    return np.concatenate([pairs[..., 0], pairs[..., 1]], axis=axis)


def _is_complex(layer: S4D | FixedS4D) -> bool:
    if isinstance(layer, S4D):
        return any(np.iscomplex(v).any() for v in (layer.a, layer.b, layer.c))
    return any(v[..., 1].any() for v in (layer.a, layer.b, layer.c))
