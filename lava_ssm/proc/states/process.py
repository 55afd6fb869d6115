"""Neurons with a state as a Lava Process."""

import math
from typing import Any

from lava.magma.core.process.variable import Var
from numpy.typing import ArrayLike

from lava_ssm.network import Filters, Recurrence
from lava_ssm.proc.neuron import OperationNeuron


class States(OperationNeuron):
    """Neurons with a complex state each: what an S4D or an S5 layer has between its synapses.

        Filters:     x' = a x + b a_in,        s_out = 2 Re(c x')
        Recurrence:  x' = a x + a_in + bias,   s_out = r(x')

    (see `lava_ssm.network.FixedS4D` and `FixedS5`; there is no time step of delay between input
    and output).

    Parameters as of `OperationNeuron`, with `shift` of `a_in`.

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

    operations = Filters | Recurrence
    wanted = "Filters or a Recurrence"
    shifts = ("shift",)

    def __init__(
        self, neurons: Filters | Recurrence, tag: str, shift: ArrayLike = 0, **common: Any
    ) -> None:
        super().__init__(neurons, tag, shift=shift, **common)
        n_states = math.prod(neurons.state_shape[:-1])
        self.state_re, self.state_im = (Var(shape=(n_states,), init=0) for _ in range(2))
