"""Which formats a network is quantised to."""

from dataclasses import dataclass
from typing import Literal

import numpy as np

from lava_ssm.numerics import Rounding


@dataclass(frozen=True)
class Formats:
    """Formats of the parameters.

    Parameters
    ----------
    param_exponent
        Fraction bits of a, b, c: an integer in [0, 31], or "auto": for each channel as many as
        fit `param_bits`.
    param_bits
        Width of a mantissa of a, b, c.
    state_exponent
        Fraction bits that a state has beyond its input.
    per_channel
        Whether each output channel of a linear layer has its own weight exponent.
    balance
        Whether to scale each state by a power of two so that |b| and |c| are alike; the network
        computes the same, and neither b nor c is left with few significant bits.
    rounding
        Of the parameters to their mantissas; NEAREST or TOWARD_ZERO.
    """

    param_exponent: int | Literal["auto"] = 12
    param_bits: int = 16
    state_exponent: int = 6
    per_channel: bool = True
    balance: bool = True
    rounding: Rounding = Rounding.NEAREST

    def __post_init__(self) -> None:
        given = self.param_exponent
        if given != "auto" and not (isinstance(given, int | np.integer) and 0 <= given <= 31):
            raise ValueError(f"param_exponent must be 'auto' or lie in [0, 31], got {given!r}")
        for name, low, high in (("param_bits", 2, 24), ("state_exponent", 0, 31)):
            bits = getattr(self, name)
            if not (isinstance(bits, int | np.integer) and low <= bits <= high):
                raise ValueError(f"{name} must be an integer in [{low}, {high}], got {bits!r}")
        if self.rounding not in (Rounding.NEAREST, Rounding.TOWARD_ZERO):
            raise ValueError(
                f"rounding must be Rounding.NEAREST or TOWARD_ZERO, got {self.rounding!r}"
            )


PAPER = Formats(per_channel=False, balance=False, rounding=Rounding.TOWARD_ZERO)
"""As published for n-S4D (arXiv 2409.15022): 12 fraction bits, truncated; 8-bit weights with one
exponent a matrix."""
