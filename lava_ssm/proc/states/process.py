"""Neurons with a state as a Lava Process."""

import math

from lava.magma.core.process.variable import Var
from numpy.typing import ArrayLike

from lava_ssm.network import Filters, Recurrence
from lava_ssm.numerics import CHIP, Arithmetic
from lava_ssm.proc import checks
from lava_ssm.proc.neuron import AbstractNeuron
from lava_ssm.proc.schedule import EVERY_STEP, Schedule


class States(AbstractNeuron):
    """Neurons with a complex state each: what an S4D or an S5 layer has between its synapses.

        Filters:     x' = a x + b a_in,        s_out = 2 Re(c x')
        Recurrence:  x' = a x + a_in + bias,   s_out = r(x')

    (see `lava_ssm.network.FixedS4D` and `FixedS5`; there is no time step of delay between input
    and output).

    Parameters
    ----------
    neurons
        The operation with its parameters.
    tag
        `floating_pt` or `fixed_pt`, as the parameters are.
    shift
        Bits to shift the input to the right, rounding down: what the synapse has left of its
        shift, one integer or one a neuron, at least 0.
    arithmetic
        Rules of fixed point.
    schedule
        The neurons' turns, `lava_ssm.proc.Schedule`; by default each time step.

    Attributes
    ----------
    a_in, s_out
        Ports of shape (n_neurons,): of `Filters` channel by channel, of a `Recurrence` real parts,
        then imaginary ones.
    state_re, state_im
        Vars, one entry a state. (Lava carries no imaginary parts, hence two.)
    overflows
        Var of shape (1,): integers that overflowed so far.
    """

    def __init__(
        self,
        neurons: Filters | Recurrence,
        tag: str,
        shift: ArrayLike = 0,
        arithmetic: Arithmetic = CHIP,
        schedule: Schedule = EVERY_STEP,
        name: str | None = None,
    ) -> None:
        checks.instance(neurons, Filters | Recurrence, "neurons", "Filters or a Recurrence")
        shape = (neurons.n_neurons,)
        super().__init__(
            shape=shape,
            tag=tag,
            schedule=schedule,
            arithmetic=arithmetic,
            name=name,
            neurons=neurons,
            shift=checks.shifts(shift, shape),
        )
        n_states = math.prod(neurons.state_shape[:-1])
        self.state_re, self.state_im = (Var(shape=(n_states,), init=0) for _ in range(2))
