"""A whole network as one Lava Process that is not a graph inside."""

import math
from dataclasses import dataclass
from types import EllipsisType

import numpy as np
from lava.magma.core.process.variable import Var
from numpy.typing import ArrayLike

from lava_ssm.engine import checked_state
from lava_ssm.network import FixedNetwork, Network, check_network
from lava_ssm.numerics import check_memory, integer
from lava_ssm.proc.abstract_network import AbstractNetwork
from lava_ssm.proc.schedule import ScheduleName
from lava_ssm.proc.var_value import var_value


@dataclass(frozen=True)
class FusedState:
    """The state of a layer: a part of the Process's Var `state`, (*batch, states of all layers, 2).

    `first` is the layer's first of `n_states`, each of `width` numbers: 2 of complex ones, 1 of
    real ones and messages; `shape` is (*batch, *state shape), see `Network.state_shapes`; `bits`
    the width of a mantissa, None in a float network.
    """

    var: Var
    first: int
    shape: tuple[int, ...]
    n_states: int
    width: int
    bits: int | None

    @property
    def _place(self) -> tuple[EllipsisType, slice, slice]:
        return ..., slice(self.first, self.first + self.n_states), slice(self.width)

    def get(self) -> np.ndarray:
        """Read the state."""
        part = var_value(self.var)[self._place].reshape(self.shape)
        return part.astype(np.float64 if self.bits is None else np.int64)

    def set(self, state: ArrayLike) -> None:
        """Write the state, of that shape, between two runs (`lava_ssm.engine.checked_state`)."""
        x = checked_state(state, self.shape, self.bits)
        whole = var_value(self.var)
        whole[self._place] = x.reshape(whole[self._place].shape)
        self.var.set(whole)


@dataclass(frozen=True)
class FusedLayer:
    """What can be read of a layer with states while its Process exists: `state`, as one array."""

    state: FusedState


class FusedSSMNetwork(AbstractNetwork):
    """A network on Lava as one Process: ports, steps and integers of `SSMNetwork`.

    Inside works the compiled engine, so that a token takes a hundredth of the time. What happens
    between layers cannot be probed, nor taken elsewhere: that is what `SSMNetwork` is for.

    Parameters
    ----------
    network, schedule, period, offset, reset_every
        See `SSMNetwork`.
    batch_size
        Streams that run side by side: the ports' first axis. None: one, without that axis.
    n_threads
        Threads that the streams are shared out among; the results do not depend on it. None: one
        for each core. With two or more, two share the neurons of a single stream, see
        `engine.Stream`.

    Attributes
    ----------
    a_in, s_out
        Ports of shape (d_input,) and (d_output,), with a batch (batch_size, ...): messages,
        mantissas in fixed point. The output is zero on steps that carry no token's output.
    state
        Var, (states of all layers, 2), with a batch (batch_size, ...): real, imaginary; of real
        states and of messages these and 0.
    layers
        For each layer with a state, in order, its part of it: `layers[0].state.get()`. A token is
        in all layers by the end of the step in which it enters.
    latency
        Steps from a token's entry to its output.

    Raises
    ------
    TypeError, ValueError
        Not a network, a period, reset_every, batch_size or n_threads that is not a positive
        integer, an unknown schedule, or a schedule and a period.
    MemoryError
        There is no memory for the states of such a batch.
    """

    def __init__(
        self,
        network: Network | FixedNetwork,
        schedule: ScheduleName | None = None,
        period: int | None = None,
        offset: int = 0,
        reset_every: int | None = None,
        batch_size: int | None = None,
        n_threads: int | None = None,
        name: str | None = None,
    ) -> None:
        check_network(network)
        batch = () if batch_size is None else (integer(batch_size, "batch_size", 1),)
        if n_threads is not None:
            n_threads = integer(n_threads, "n_threads", 1)
        check_memory(
            8 * math.prod(batch) * (network.d_input + network.d_output),
            f"batch_size: a token of {batch_size} streams",
        )
        # loads the kernels here, before processes that need them are forked
        network.stream(batch, n_threads=n_threads)
        super().__init__(
            network, schedule, period, offset, reset_every, batch, name, n_threads=n_threads
        )
        widths = [neurons.n_parts for neurons in network.states]
        sizes = [math.prod(s) // w for s, w in zip(network.state_shapes, widths, strict=True)]
        self.state = Var(shape=(*batch, max(1, sum(sizes)), 2), init=0)
        self.layers = tuple(
            FusedLayer(FusedState(self.state, sum(sizes[:i]), (*batch, *shape), size, width, bits))
            for i, (shape, size, width, bits) in enumerate(
                zip(network.state_shapes, sizes, widths, network.state_bits, strict=True)
            )
        )
        self.overflows = Var(shape=(1,), init=0)

    def count_overflows(self) -> int:
        """Integers that overflowed so far, those of synapses among them."""
        return int(var_value(self.overflows)[0])
