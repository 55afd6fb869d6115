"""Neurons of gated and selective recurrences as a Lava Process."""

from typing import Any

from lava.magma.core.process.ports.ports import InPort
from lava.magma.core.process.variable import Var
from numpy.typing import ArrayLike

from lava_ssm.network import GatedRecurrence, SelectiveRecurrence
from lava_ssm.proc.neuron import OperationNeuron


class GatedStates(OperationNeuron):
    """Neurons with a real state each: of a MinGRU or an MLGRU, or of a selective layer.

        c = u_in + bias_u,    h' = c + sigmoid(a_in + bias) (h - c),    s_out = h'
        h' = exp(-rates a_in) h + u_in,    s_out = h'

    in fixed point as `lava_ssm.engine.reference.fixed.gated_recurrence` and `selective_recurrence`
    say. (Lava has `ProdNeuron` for products of two messages; that a neuron of the chip multiplies a
    message with its state is inferred.)

    Parameters as of `OperationNeuron`, with `shift` of `a_in` and `u_shift` of `u_in`.

    Attributes
    ----------
    a_in, u_in, s_out
        Ports of shape (n_neurons,): the gate's or the steps' sum, what enters, the
        state as a message.
    state
        Var of that shape: h.
    overflows
        Var of shape (1,): integers that overflowed so far.
    """

    operations = GatedRecurrence | SelectiveRecurrence
    wanted = "a GatedRecurrence or a SelectiveRecurrence"
    shifts = ("shift", "u_shift")

    def __init__(
        self,
        neurons: GatedRecurrence | SelectiveRecurrence,
        tag: str,
        shift: ArrayLike = 0,
        u_shift: ArrayLike = 0,
        **common: Any,
    ) -> None:
        super().__init__(neurons, tag, shift=shift, u_shift=u_shift, **common)
        self.u_in = InPort(shape=self.shape)
        self.state = Var(shape=self.shape, init=0)
