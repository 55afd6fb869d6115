"""The state neurons of an S4D layer as a Lava Process."""

from lava.magma.core.process.variable import Var

from lava_ssm import network
from lava_ssm.numerics import CHIP, Arithmetic
from lava_ssm.proc import checks
from lava_ssm.proc.neuron import FIXED, FLOATING, AbstractNeuron


class S4D(AbstractNeuron):
    """One neuron for each state of an S4D layer; no reduction over a channel's states.

        x' = a x + b u,    s_out = 2 Re(c x')

    (the equations of `lava_ssm.network.S4D` and, in fixed point, `FixedS4D`; there is no time
    step of delay between input and output).

    Parameters
    ----------
    layer
        A float layer runs under the tag `floating_pt`, a fixed one under `fixed_pt`.
    arithmetic
        Rules of a fixed layer.
    period, offset, reset_every
        The neurons' turns, see `lava_ssm.proc.schedule.Schedule`.

    Attributes
    ----------
    a_in, s_out
        Ports of shape (d_model * d_state,), channel by channel.
    state_re, state_im
        Vars of that shape. (Lava carries no imaginary parts, hence two.)
    overflows
        Var of shape (1,): integers that left their words so far.
    """

    def __init__(
        self,
        layer: network.S4D | network.FixedS4D,
        arithmetic: Arithmetic = CHIP,
        period: int = 1,
        offset: int = 0,
        reset_every: int | None = None,
        name: str | None = None,
    ) -> None:
        checks.instance(layer, network.S4D | network.FixedS4D, "layer", "an S4D or a FixedS4D")
        checks.instance(arithmetic, Arithmetic, "arithmetic", "an Arithmetic")
        shape = (layer.d_model * layer.d_state,)
        super().__init__(
            shape=shape,
            tag=FIXED if isinstance(layer, network.FixedS4D) else FLOATING,
            period=period,
            offset=offset,
            reset_every=reset_every,
            name=name,
            layer=layer,
            arithmetic=arithmetic,
        )
        self.state_re = Var(shape=shape, init=0)
        self.state_im = Var(shape=shape, init=0)
