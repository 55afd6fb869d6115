"""Neurons behind a synapse that do more than pass on what it accumulated."""

from typing import Any

from lava.magma.core.process.ports.ports import InPort
from lava.magma.core.process.variable import Var
from numpy.typing import ArrayLike

from lava_ssm.network import Activation, Readout, Stateless
from lava_ssm.numerics import instance, integer
from lava_ssm.proc.neuron import OperationNeuron


class Output(OperationNeuron):
    """The last neurons of a layer: what they add to a synapse's sum, or multiply with it.

        Affine:   y = a_in + direct u_in + bias
        Product:  y = u_in sigmoid(a_in + bias)
        ...       (all that `lava_ssm.network.neurons.Stateless` names)
        s_out = activation(y + r_in)       (r_in of a residual path)

    in fixed point as `lava_ssm.engine.reference.fixed.output` says.

    Parameters
    ----------
    neurons, tag, shift, u_shift
        See `OperationNeuron`; shifts of `a_in` and `u_in`.
    residual_shift
        Bits to shift `r_in` to the right, rounding down; negative to the left.
    activation
        What is done at the end.
    exponent
        Of what they send, for an activation by table.
    readout
        With a mean over time the running sum of the outputs is sent, in floating point their
        mean.
    common
        What else an `OperationNeuron` takes.

    Attributes
    ----------
    a_in, u_in, r_in, s_out
        Ports of shape (n_neurons,): the first input, the second one, the message of a residual
        path, each at this neuron's turn. One that is not connected is zero.
    total
        Var of that shape: the running sum, of a mean over time.
    overflows
        Var of shape (1,): integers that overflowed so far.
    """

    operations = Stateless
    wanted = "an Affine, a Product, a Bilinear or an InverseSqrt"
    shifts = ("shift", "u_shift")

    def __init__(
        self,
        neurons: Stateless,
        tag: str,
        shift: ArrayLike = 0,
        u_shift: ArrayLike = 0,
        residual_shift: int = 0,
        activation: Activation = Activation.NONE,
        exponent: int = 0,
        readout: Readout = Readout.EVERY_TOKEN,
        **common: Any,
    ) -> None:
        instance(readout, Readout, "readout", "a Readout")
        super().__init__(
            neurons,
            tag,
            shift=shift,
            u_shift=u_shift,
            residual_shift=integer(residual_shift, "residual_shift"),
            activation=Activation(activation),
            exponent=integer(exponent, "exponent"),
            sums=readout is Readout.MEAN_OVER_TIME,
            **common,
        )
        self.u_in, self.r_in = InPort(shape=self.shape), InPort(shape=self.shape)
        self.total = Var(shape=self.shape, init=0)
