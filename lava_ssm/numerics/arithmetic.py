"""The rules of arithmetic of one network, in one object."""

from dataclasses import dataclass

from lava_ssm.numerics.overflow import Overflow
from lava_ssm.numerics.rounding import Rounding
from lava_ssm.numerics.scalars import integer

SYNAPSE_BITS = 32
"""A synapse, and a running sum, accumulates in 32 bits."""


@dataclass(frozen=True)
class Arithmetic:
    """How a fixed-point network computes. The default is what Loihi 2 was seen to do.

    Parameters
    ----------
    rounding
        Of each product inside a state space neuron, before products are added.
    overflow
        Of states, messages and running sums. (A synapse always wraps at 32 bits.)
    state_bits
        Width of the real and of the imaginary part of a state.
    message_bits
        Width of a message between neurons.

    Notes
    -----
    TOWARD_ZERO and the 24-bit words reproduce published outputs of Loihi 2 (docs/design.md).
    What the chip does on overflow of a state is not public; Lava's bit-accurate LIF wraps.
    """

    rounding: Rounding = Rounding.TOWARD_ZERO
    overflow: Overflow = Overflow.WRAP
    state_bits: int = 24
    message_bits: int = 24

    def __post_init__(self) -> None:
        if not isinstance(self.rounding, Rounding):
            raise TypeError(f"rounding must be a Rounding, got {self.rounding!r}")
        if not isinstance(self.overflow, Overflow):
            raise TypeError(f"overflow must be an Overflow, got {self.overflow!r}")
        for name in ("state_bits", "message_bits"):
            bits = integer(getattr(self, name), name, 2, SYNAPSE_BITS)
            object.__setattr__(self, name, bits)


CHIP = Arithmetic()
"""The arithmetic of Loihi 2's S4D neuron and synapses."""
