"""Neurons that add up a network's outputs over a sample."""

from typing import Any

from lava.magma.core.process.variable import Var

from lava_ssm.proc.relay.process import Relay


class Readout(Relay):
    """The readout of a mean over time: a relay that sends the running sum.

        total' = total + message,    s_out = total'      (with `mean`, total' / tokens)

    in fixed point with 32 bits. The total, a Var of the shape of the population, is zero at each
    sample's first token (`reset_every`), `tokens` are those of the sample so far. Other readouts
    are plain relays.

    Parameters
    ----------
    mean
        Whether, in floating point, the mean is sent, as float networks emit it.
    relay
        As of a `Relay`, which has the same ports and Vars besides.
    """

    def __init__(self, shape: tuple[int, ...], mean: bool = False, **relay: Any) -> None:
        super().__init__(shape, **relay)
        self.proc_params["mean"] = mean
        self.total = Var(shape=self.shape, init=0)
