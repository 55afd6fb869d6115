"""Neurons that add up a network's outputs over a sample."""

from typing import Any

from lava.magma.core.process.variable import Var

from lava_ssm.proc.relay.process import Relay


class Readout(Relay):
    """The readout of a mean over time: a relay that sends the running sum or mean.

        total' = total + message,    s_out = total'               (fixed point, 32 bits)
                                     s_out = total' / tokens      (floating point)

    where `tokens` are those of the sample so far. The total is zero at each sample's first token
    (`reset_every`).
    Other readouts are plain relays.

    Parameters
    ----------
    shape, relu, shift, arithmetic, tag, period, offset, reset_every
        As of a `Relay`.

    Attributes
    ----------
    a_in, s_out
        Ports of that shape.
    total
        Var of that shape: the running sum.
    overflows
        Var of shape (1,): integers that left their words so far.
    """

    def __init__(self, shape: tuple[int, ...], **relay: Any) -> None:
        super().__init__(shape, **relay)
        self.total = Var(shape=self.shape, init=0)
