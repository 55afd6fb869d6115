"""Neurons that hold earlier messages, as a Lava Process."""

from typing import Any

from lava.magma.core.process.variable import Var

from lava_ssm.network import Taps
from lava_ssm.proc.neuron import OperationNeuron


class DelayLine(OperationNeuron):
    """Each channel's last messages: what a convolution along time has before its synapse.

        s_out = a_in of (length - 1 - k) tokens ago, k = 0 ... length - 1; 0 before the first

    Parameters as of `OperationNeuron`; `neurons`: how many channels and tokens.

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

    operations = Taps
    wanted = "Taps"

    def __init__(self, neurons: Taps, tag: str, **common: Any) -> None:
        super().__init__(neurons, tag, **common)
        self.messages = Var(shape=(neurons.d_model * (neurons.length - 1),), init=0)
