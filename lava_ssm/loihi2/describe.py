"""The description of a network, derived from its layers."""

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm import network as networks
from lava_ssm.loihi2.description import (
    Connectivity,
    Description,
    Neuron,
    Population,
    Synapses,
)
from lava_ssm.network import (
    Affine,
    Bilinear,
    Copies,
    Filters,
    FixedNetwork,
    GatedRecurrence,
    InverseSqrt,
    Matrix,
    Network,
    Product,
    Recurrence,
    SelectiveRecurrence,
    Taps,
)
from lava_ssm.network.description import WEIGHT_BITS, mantissa_bits

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
    populations = network.lowered
    with_states = {p.stage for p in populations if p.neurons.state_shape is not None}
    begun = -1
    for p in populations:
        if p.stage > begun:
            begun = p.stage
            if begun in with_states:
                builder.begin_layer()
            elif 0 < begun == populations[-1].stage and begun - 1 not in with_states:
                builder.label = "decoder" if builder.n_layers else builder.label
        builder.step = p.step - 1
        target = builder.population(name_of(p), *_on_chip(p))
        # A square receives its number once.
        for c in {(c.source, c.synapse, c.delay): c for c in p.connections}.values():
            source = None if c.source is None else name_of(populations[c.source])
            source = builder.delayed(source, c.synapse.n_in, c.delay)
            if isinstance(c.synapse, Matrix):
                builder.matrix(source, target, c.synapse.weights)
            else:
                fan_out: ArrayLike = np.full(
                    c.synapse.n_in, max(1, c.synapse.n_out // c.synapse.n_in)
                )
                if isinstance(c.synapse, Copies):
                    fan_out = c.synapse.fan_out
                if c in p.inputs[1:] and isinstance(p.neurons, Affine):
                    fan_out = p.neurons.direct != 0
                builder.synapses(source, target, Connectivity.BLOCK, fan_out)
    return builder.built(name or type(network).__name__)


def name_of(population: networks.Population) -> str:
    """Give the name of a network's population in its description."""
    return f"stage{population.stage}.{population.name}"


def _on_chip(p: networks.Population) -> tuple[Neuron, int]:
    """What neurons of an operation are on the chip, and how many.

    Of public Lava only relays and states run on a chip; `ProdNeuron` and `InvSqrt` have public
    models of what a product and an inverse root give there. That one neuron multiplies its state
    by what a table has for an input is inferred: each part is public, together they are not.
    """
    n = p.neurons.n_neurons
    match p.neurons:
        case Filters():
            return (Neuron.COMPLEX_STATE if p.neurons.is_complex else Neuron.REAL_STATE), n
        case Recurrence():  # real and imaginary part in one
            return Neuron.COMPLEX_STATE, n // 2
        case Taps():
            return Neuron.TAP, n
        case GatedRecurrence():
            return Neuron.GATED_STATE, n
        case SelectiveRecurrence():
            return Neuron.SELECTIVE_STATE, n
        case Affine():
            return (Neuron.RELAY if p.activation.table is None else Neuron.TABLE), n
        case Product():
            return Neuron.GATE, n
        case Bilinear():
            return Neuron.PRODUCT, n
        case InverseSqrt():
            return Neuron.INVERSE_SQRT, n
    raise TypeError(f"{type(p.neurons).__name__} neurons have no description for the chip yet")


class Builder:
    """Builds a description along the way of a token.

    The last population, the `tip`, is what the next layer receives from (None: the input); it has
    `width` neurons, `step` time steps from the token's entry. `label` is that of the layer that is
    being built.
    """

    def __init__(self, d_input: int) -> None:
        self.d_input = d_input
        self.tip: str | None = None
        self.width = d_input
        self.step = 0
        self.label = "encoder"
        self.n_layers = 0
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
        weight_bits: int = WEIGHT_BITS,
    ) -> None:
        """Add synapses, with so many for each input."""
        fan, active = np.asarray(fan_out, float), np.asarray(activity, float)
        self._synapses.append(Synapses(source, target, connectivity, fan, active, weight_bits))

    def matrix(self, source: str | None, target: str, weights: np.ndarray) -> None:
        """Add the synapses of weights (d_output, d_input), stored as takes fewer bits."""
        there = weights != 0
        bits = mantissa_bits(weights) if weights.dtype.kind == "i" else WEIGHT_BITS
        if there.mean() >= STORED_DENSE:
            fan_out = np.full(weights.shape[1], weights.shape[0])
            self.synapses(source, target, Connectivity.DENSE, fan_out, weight_bits=bits)
        else:
            fan_out = there.sum(axis=0)
            self.synapses(source, target, Connectivity.SPARSE, fan_out, weight_bits=bits)

    def built(self, name: str) -> Description:
        """Give the description."""
        return Description(name, self.d_input, tuple(self._populations), tuple(self._synapses))
