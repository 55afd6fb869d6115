"""Neurons that receive what a synapse accumulated and send it on."""

from numpy.typing import ArrayLike

from lava_ssm.numerics import CHIP, Arithmetic, flag
from lava_ssm.proc import checks
from lava_ssm.proc.neuron import AbstractNeuron
from lava_ssm.proc.schedule import EVERY_STEP, Schedule


class Relay(AbstractNeuron):
    """Neurons that pass their input on, rectified or not.

        s_out = max(0, a_in >> shift)        or, without relu, a_in >> shift

    brought to the message's bits in fixed point; in floating point nothing is shifted.

    Parameters
    ----------
    shape
        Of the population.
    relu
        Whether to rectify.
    shift
        Bits to shift to the right, rounding down: one integer or one a neuron, at least 0.
    arithmetic
        Rules of fixed point.
    tag
        `floating_pt` or `fixed_pt` where only one of them makes sense; None: both.
    schedule
        The neurons' turns, `lava_ssm.proc.Schedule`; by default each time step.

    Attributes
    ----------
    a_in, s_out
        Ports of that shape.
    overflows
        Var of shape (1,): integers that overflowed so far.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        relu: bool = False,
        shift: ArrayLike = 0,
        arithmetic: Arithmetic = CHIP,
        tag: str | None = None,
        schedule: Schedule = EVERY_STEP,
        name: str | None = None,
    ) -> None:
        shape = checks.shape_of(shape)
        super().__init__(
            shape=shape,
            tag=tag,
            schedule=schedule,
            name=name,
            relu=flag(relu, "relu"),
            shift=checks.shifts(shift, shape),
            arithmetic=arithmetic,
        )
