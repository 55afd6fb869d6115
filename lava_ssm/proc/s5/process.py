"""The state neurons of an S5 layer as a Lava Process."""

from lava.magma.core.process.variable import Var
from numpy.typing import ArrayLike

from lava_ssm import network
from lava_ssm.numerics import CHIP, Arithmetic
from lava_ssm.proc import checks
from lava_ssm.proc.neuron import FIXED, FLOATING, AbstractNeuron


class S5(AbstractNeuron):
    """One neuron for the real and one for the imaginary part of each state of an S5 layer.

        x' = a x + a_in + drive_bias,    s_out = r(x')

    (the equations of `lava_ssm.network.S5` and, in fixed point, `FixedS5`: the synapse before it
    has B, the one behind it C; there is no time step of delay between input and output).

    Parameters
    ----------
    layer
        A float layer runs under the tag `floating_pt`, a fixed one under `fixed_pt`.
    shift
        Bits to shift the input to the right, rounding down: what the synapse has left of its
        shift, one integer or one a neuron, at least 0.
    arithmetic
        Rules of a fixed layer.
    period, offset, reset_every
        The neurons' turns, see `lava_ssm.proc.schedule.Schedule`.

    Attributes
    ----------
    a_in, s_out
        Ports of shape (2 * d_state,): real parts, then imaginary ones.
    state_re, state_im
        Vars of shape (d_state,).
    overflows
        Var of shape (1,): integers that left their words so far.
    """

    def __init__(
        self,
        layer: network.S5 | network.FixedS5,
        shift: ArrayLike = 0,
        arithmetic: Arithmetic = CHIP,
        period: int = 1,
        offset: int = 0,
        reset_every: int | None = None,
        name: str | None = None,
    ) -> None:
        checks.instance(layer, network.S5 | network.FixedS5, "layer", "an S5 or a FixedS5")
        checks.instance(arithmetic, Arithmetic, "arithmetic", "an Arithmetic")
        shape = (2 * layer.d_state,)
        super().__init__(
            shape=shape,
            tag=FIXED if isinstance(layer, network.FixedS5) else FLOATING,
            period=period,
            offset=offset,
            reset_every=reset_every,
            name=name,
            layer=layer,
            shift=checks.shifts(shift, shape),
            arithmetic=arithmetic,
        )
        self.state_re = Var(shape=(layer.d_state,), init=0)
        self.state_im = Var(shape=(layer.d_state,), init=0)
