"""Neurons that hold earlier messages, as a Lava Process."""

from lava.magma.core.process.variable import Var

from lava_ssm.network import Taps
from lava_ssm.numerics import CHIP, Arithmetic
from lava_ssm.proc import checks
from lava_ssm.proc.neuron import AbstractNeuron
from lava_ssm.proc.schedule import EVERY_STEP, Schedule


class DelayLine(AbstractNeuron):
    """Each channel's last messages: what a convolution along time has before its synapse.

        s_out = a_in of (length - 1 - k) tokens ago, k = 0 ... length - 1; 0 before the first

    Parameters
    ----------
    neurons
        How many channels and tokens.
    tag
        `floating_pt` or `fixed_pt`.
    arithmetic
        Rules of fixed point.
    schedule
        The neurons' turns, `lava_ssm.proc.Schedule`; by default each time step.

    Attributes
    ----------
    a_in, s_out
        Ports of shape (d_model * length,), channel by channel; the neurons of a channel receive the
        same.
    messages
        Var, earlier messages, channel by channel, oldest first: (d_model * (length - 1),).
    overflows
        Var of shape (1,): zero.
    """

    def __init__(
        self,
        neurons: Taps,
        tag: str,
        arithmetic: Arithmetic = CHIP,
        schedule: Schedule = EVERY_STEP,
        name: str | None = None,
    ) -> None:
        checks.instance(neurons, Taps, "neurons", "Taps")
        super().__init__(
            shape=(neurons.n_neurons,),
            tag=tag,
            schedule=schedule,
            arithmetic=arithmetic,
            name=name,
            neurons=neurons,
        )
        self.messages = Var(shape=(neurons.d_model * (neurons.length - 1),), init=0)
