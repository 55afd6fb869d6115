"""Neurons of gated and selective recurrences as a Lava Process."""

from lava.magma.core.process.ports.ports import InPort
from lava.magma.core.process.variable import Var
from numpy.typing import ArrayLike

from lava_ssm.network import GatedRecurrence, SelectiveRecurrence
from lava_ssm.numerics import CHIP, Arithmetic
from lava_ssm.proc import checks
from lava_ssm.proc.neuron import AbstractNeuron
from lava_ssm.proc.schedule import EVERY_STEP, Schedule


class GatedStates(AbstractNeuron):
    """Neurons with a real state each: of a MinGRU or an MLGRU, or of a selective layer.

        c = u_in + bias_u,    h' = c + sigmoid(a_in + bias) (h - c),    s_out = h'
        h' = exp(-rates a_in) h + u_in,    s_out = h'

    in fixed point as `lava_ssm.engine.reference.fixed.gated_recurrence` and `selective_recurrence`
    say. (Lava has `ProdNeuron` for products of two messages; that a neuron of the chip multiplies a
    message with its state is inferred.)

    Parameters
    ----------
    neurons
        The operation with its parameters.
    tag
        `floating_pt` or `fixed_pt`, as the parameters are.
    shift, u_shift
        Bits to shift `a_in` and `u_in` to the right, rounding down: what a synapse has left of its
        shift, one integer or one a neuron, at least 0.
    arithmetic
        Rules of fixed point.
    schedule
        The neurons' turns, `lava_ssm.proc.Schedule`; by default each time step.

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

    def __init__(
        self,
        neurons: GatedRecurrence | SelectiveRecurrence,
        tag: str,
        shift: ArrayLike = 0,
        u_shift: ArrayLike = 0,
        arithmetic: Arithmetic = CHIP,
        schedule: Schedule = EVERY_STEP,
        name: str | None = None,
    ) -> None:
        checks.instance(
            neurons,
            GatedRecurrence | SelectiveRecurrence,
            "neurons",
            "a GatedRecurrence or a SelectiveRecurrence",
        )
        shape = (neurons.n_neurons,)
        super().__init__(
            shape=shape,
            tag=tag,
            schedule=schedule,
            arithmetic=arithmetic,
            name=name,
            neurons=neurons,
            shift=checks.shifts(shift, shape),
            u_shift=checks.shifts(u_shift, shape, "u_shift"),
        )
        self.u_in = InPort(shape=shape)
        self.state = Var(shape=shape, init=0)
