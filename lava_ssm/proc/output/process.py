"""Neurons behind a synapse that receive earlier messages too."""

from lava.magma.core.process.ports.ports import InPort
from lava.magma.core.process.variable import Var
from numpy.typing import ArrayLike

from lava_ssm.network import S5 as S5Layer
from lava_ssm.network import FixedGate, FixedLinear, FixedS5, Gate, Linear, Readout
from lava_ssm.numerics import CHIP, Arithmetic, flag, integer
from lava_ssm.proc import checks
from lava_ssm.proc.neuron import FIXED, FLOATING, AbstractNeuron

Layer = Linear | FixedLinear | Gate | FixedGate | S5Layer | FixedS5
_FIXED = FixedLinear | FixedGate | FixedS5


class Output(AbstractNeuron):
    """The neurons of a layer: what they add to its last synapse's sum, or multiply with it.

        Linear:  y = a_in + bias
        Gate:    y = u_in sigmoid(a_in + bias)
        S5:      y = a_in + d u_in + bias
        s_out = relu(y + r_in)             (or a GELU, or neither; r_in of a residual path)

    in fixed point as `FixedLinear`, `FixedGate`, `FixedS5` and `Residual` say.

    Parameters
    ----------
    layer
        A float layer runs under the tag `floating_pt`, a fixed one under `fixed_pt`.
    input_exponent
        Of the messages that enter a fixed layer.
    shift
        Bits to shift `a_in` to the right, rounding down: what the synapse has left of its shift,
        one integer or one a neuron, at least 0.
    residual_shift
        Bits to shift `r_in` to the right, rounding down; negative to the left.
    relu, gelu
        What is done at the end.
    readout
        With a mean over time the running sum of the outputs is sent, in floating point their
        mean.
    arithmetic
        Rules of a fixed layer.
    period, offset, reset_every
        The neurons' turns, see `lava_ssm.proc.schedule.Schedule`.

    Attributes
    ----------
    a_in, u_in, r_in, s_out
        Ports of shape (d_output,): the synapse's sum, the layer's input (of Gate and S5), the
        message of a residual path, each at this neuron's turn. One that is not connected is zero.
    total
        Var of that shape: the running sum, of a mean over time.
    overflows
        Var of shape (1,): integers that left their words so far.
    """

    def __init__(
        self,
        layer: Layer,
        input_exponent: int = 0,
        shift: ArrayLike = 0,
        residual_shift: int = 0,
        relu: bool = False,
        gelu: bool = False,
        readout: Readout = Readout.EVERY_TOKEN,
        arithmetic: Arithmetic = CHIP,
        period: int = 1,
        offset: int = 0,
        reset_every: int | None = None,
        name: str | None = None,
    ) -> None:
        checks.instance(layer, Layer, "layer", "a Linear, a Gate or an S5, float or fixed")
        checks.instance(readout, Readout, "readout", "a Readout")
        checks.instance(arithmetic, Arithmetic, "arithmetic", "an Arithmetic")
        shape = (layer.d_output,)
        super().__init__(
            shape=shape,
            tag=FIXED if isinstance(layer, _FIXED) else FLOATING,
            period=period,
            offset=offset,
            reset_every=reset_every,
            name=name,
            layer=layer,
            input_exponent=integer(input_exponent, "input_exponent"),
            shift=checks.shifts(shift, shape),
            residual_shift=integer(residual_shift, "residual_shift"),
            relu=flag(relu, "relu"),
            gelu=flag(gelu, "gelu"),
            sums=readout is Readout.MEAN_OVER_TIME,
            arithmetic=arithmetic,
        )
        self.u_in = InPort(shape=shape)
        self.r_in = InPort(shape=shape)
        self.total = Var(shape=shape, init=0)
