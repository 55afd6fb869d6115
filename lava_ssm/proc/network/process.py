"""A whole network as one hierarchical Lava Process."""

import math
from dataclasses import dataclass

import numpy as np
from lava.magma.core.process.variable import Var
from numpy.typing import ArrayLike

from lava_ssm.engine import checked_state
from lava_ssm.network import FixedNetwork, Network, Population
from lava_ssm.proc.abstract_network import AbstractNetwork
from lava_ssm.proc.schedule import ScheduleName
from lava_ssm.proc.var_value import var_value

STATE_VARS = ("state_re", "state_im")
"""Of neurons with a state."""


@dataclass(frozen=True)
class LayerState:
    """The state of a layer in a graph, as one array; the Vars `re` and `im` hold it, flat.

    `shape` is (d_model, d_state) of an S4D layer, (d_state,) of an S5; `bits` the width of a
    mantissa, None in a float network.
    """

    re: Var
    im: Var
    shape: tuple[int, ...]
    bits: int | None

    def get(self) -> np.ndarray:
        """Read the state, (*shape, 2): real, imaginary; mantissas in a fixed network."""
        parts = [np.reshape(var_value(var), self.shape) for var in (self.re, self.im)]
        return np.stack(parts, axis=-1).astype(np.float64 if self.bits is None else np.int64)

    def set(self, state: ArrayLike) -> None:
        """Write the state, (*shape, 2), between two runs (`lava_ssm.engine.checked_state`)."""
        x = checked_state(state, (*self.shape, 2), self.bits)
        self.re.set(x[..., 0].ravel())
        self.im.set(x[..., 1].ravel())


@dataclass(frozen=True)
class LayerVars:
    """What can be read of a layer with states while its graph exists.

    `state` is one array; a Monitor takes the Vars that hold it, flat: `state_re`, `state_im`.
    """

    state: LayerState
    state_re: Var
    state_im: Var


class SSMNetwork(AbstractNetwork):
    """A network on Lava: stock `Dense` and `Sparse` synapses, our neurons between them.

    Each synapse takes one time step, as on the chip: a linear layer and a gate one, an S4D layer
    two (its expansion to the states and its reduction to the channels), an S5 layer two (its
    matrices B and C). What goes around them, on a residual path, to a gate's product or to d u of
    an S5 layer, goes through as many synapses of ones, so that tokens meet.

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
        For each S4D and S5 layer, in order, its Vars: `layers[0].state.get()`.
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
        bits = network.arithmetic.state_bits if isinstance(network, FixedNetwork) else None
        layers = []
        for p in network.lowered:
            self._add_var(p, "overflows", 1)
            if (shape := p.neurons.state_shape) is not None:
                re, im = (self._add_var(p, name, math.prod(shape[:-1])) for name in STATE_VARS)
                layers.append(LayerVars(LayerState(re, im, shape[:-1], bits), re, im))
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
