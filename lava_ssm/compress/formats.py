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
        if not 2 <= self.param_bits <= 24:
            raise ValueError(f"param_bits must lie in [2, 24], got {self.param_bits}")
        if not 0 <= self.state_exponent <= 31:
            raise ValueError(f"state_exponent must lie in [0, 31], got {self.state_exponent}")
        if self.rounding is Rounding.FLOOR:
            raise ValueError("rounding of parameters must be NEAREST or TOWARD_ZERO, got FLOOR")


PAPER = Formats(per_channel=False, balance=False, rounding=Rounding.TOWARD_ZERO)
"""As published for n-S4D (arXiv 2409.15022): 12 fraction bits, truncated; 8-bit weights with one
exponent a matrix."""
