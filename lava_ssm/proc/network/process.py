"""A whole network as one hierarchical Lava Process."""

import math
from dataclasses import dataclass

import numpy as np
from lava.magma.core.process.variable import Var
from numpy.typing import ArrayLike

from lava_ssm.engine import checked_state
from lava_ssm.network import FixedNetwork, Network, Neurons, Population, Stateful
from lava_ssm.proc.abstract_network import AbstractNetwork
from lava_ssm.proc.schedule import ScheduleName
from lava_ssm.proc.var_value import var_value


def state_vars(neurons: Neurons) -> tuple[str, ...]:
    """Give the names of the Vars that hold the state of neurons of an operation."""
    if not isinstance(neurons, Stateful):
        return ()
    if neurons.holds_messages:
        return ("messages",)
    return ("state",) if neurons.n_parts == 1 else ("state_re", "state_im")


@dataclass(frozen=True)
class LayerState:
    """The state of a layer in a graph, as one array; the Vars `parts` hold it, flat.

    These are real and imaginary parts, real states, or messages; `shape` is one of
    `Network.state_shapes`; `bits` the width of a mantissa, None in a float network.
    """

    parts: tuple[Var, ...]
    shape: tuple[int, ...]
    bits: int | None

    def get(self) -> np.ndarray:
        """Read the state, mantissas in a fixed network."""
        parts = [var_value(var) for var in self.parts]
        state: np.ndarray = np.stack(parts, axis=-1).reshape(self.shape)
        return state.astype(np.float64 if self.bits is None else np.int64)

    def set(self, state: ArrayLike) -> None:
        """Write the state, of that shape, between two runs (`lava_ssm.engine.checked_state`)."""
        x = checked_state(state, self.shape, self.bits).reshape(-1, len(self.parts))
        for i, var in enumerate(self.parts):
            var.set(x[:, i])


@dataclass(frozen=True)
class LayerVars:
    """What can be read of a layer with states while its graph exists.

    `state` is one array; a Monitor takes the Vars that hold it, flat: `state_re`, `state_im`.
    """

    state: LayerState

    @property
    def state_re(self) -> Var:
        """The Var that holds the real parts, real states or messages, flat: for a Monitor."""
        return self.state.parts[0]

    @property
    def state_im(self) -> Var:
        """The Var that holds the imaginary parts."""
        _, im = self.state.parts
        return im


class SSMNetwork(AbstractNetwork):
    """A network on Lava: stock `Dense` and `Sparse` synapses, our neurons between them.

    Each synapse takes one time step, as on the chip: a linear layer and a gate one, an S4D layer
    two (its expansion to the states and its reduction to the channels), an S5 layer two (its
    matrices B and C), a convolution two, a norm three or five. What goes around them, on a residual
    path, to a gate's product or to d u of an S5 layer, goes through as many synapses of ones, so
    that tokens meet.

    Parameters
    ----------
    network
        A fixed network runs under the tag `fixed_pt`, a float one under `floating_pt`.
    schedule
        "pipelined", the default: a token enters each step, and every layer works on another one.
        "fall_through": a token enters when the one before it has left.
    period
        Instead of a schedule, time steps from one token's entry to the next one's.
    offset
        Time steps before the first token enters: behind another network, that one's
        `offset + latency`.
    reset_every
        Tokens of a sample, in a stream of samples back to back: states and running sums are zero
        at each sample's first token. None: never.

    Attributes
    ----------
    a_in, s_out
        Ports of shape (d_input,) and (d_output,): messages, mantissas in fixed point. The output
        is zero on steps that carry no token's output.
    layers
        For each layer with a state, in order, its Vars: `layers[0].state.get()`.
    latency
        Steps from a token's entry to its output.

    Raises
    ------
    TypeError, ValueError
        Not a network, a period or reset_every that is not a positive integer, an unknown schedule,
        or a schedule and a period.
    """

    def __init__(
        self,
        network: Network | FixedNetwork,
        schedule: ScheduleName | None = None,
        period: int | None = None,
        offset: int = 0,
        reset_every: int | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__(network, schedule, period, offset, reset_every, batch=(), name=name)
        layers = []
        bits = iter(network.state_bits)
        for p in network.lowered:
            self._add_var(p, "overflows", 1)
            if isinstance(p.neurons, Stateful):
                shape, names = p.neurons.state_shape, state_vars(p.neurons)
                size = math.prod(shape) // len(names)
                parts = tuple(self._add_var(p, name, size) for name in names)
                layers.append(LayerVars(LayerState(parts, shape, next(bits))))
        self.layers = tuple(layers)

    def var_of(self, population: Population, name: str) -> Var:
        """Give the Var that stands for one of a population's neurons."""
        var: Var = getattr(self, f"stage{population.stage}_{population.name}_{name}")
        return var

    def _add_var(self, population: Population, name: str, size: int) -> Var:
        var = Var(shape=(size,), init=0)
        setattr(self, f"stage{population.stage}_{population.name}_{name}", var)
        return var

    def count_overflows(self) -> int:
        """Integers that overflowed in neurons so far (stock synapses do not count theirs)."""
        counts = (self.var_of(p, "overflows") for p in self.network.lowered)
        return sum(int(var_value(var)[0]) for var in counts)
