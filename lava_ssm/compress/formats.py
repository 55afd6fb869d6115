"""Which formats a network is quantised to."""

from dataclasses import dataclass
from typing import Literal

from lava_ssm.numerics import Rounding, flag, integer, is_integer, shown


@dataclass(frozen=True)
class Formats:
    """Formats of the parameters, and how they are chosen.

    Parameters
    ----------
    param_exponent
        Fraction bits of a, b, c: an integer in [0, 31], or "auto": for each channel as many as
        fit `param_bits`.
    param_bits
        Width of a mantissa of a, b, c.
    state_exponent
        Fraction bits that a state has beyond its input: an integer in [0, 31], or "auto": for
        each channel as many as fit the state's word.
    per_channel
        Whether each output channel of a linear layer has its own weight exponent.
    balance
        Whether to scale each state by a power of two so that |b| and |c| are alike; the network
        computes the same, and neither b nor c is left with few significant bits. Of S5 layers
        where one exponent is a matrix's: with one a row, b needs none.
    rounding
        Of the parameters to their mantissas; NEAREST or TOWARD_ZERO.
    compensate
        Whether weights are rounded with regard to each other, so that the layer's output on the
        calibration data changes least, instead of each on its own.
    search
        Whether to try exponents of messages around those that the ranges suggest, and keep those
        with the least error of the network's output on the calibration data.
    """

    param_exponent: int | Literal["auto"] = "auto"
    param_bits: int = 16
    state_exponent: int | Literal["auto"] = "auto"
    per_channel: bool = True
    balance: bool = True
    rounding: Rounding = Rounding.NEAREST
    compensate: bool = True
    search: bool = True

    def __post_init__(self) -> None:
        for name in ("param_exponent", "state_exponent"):
            given = getattr(self, name)
            if isinstance(given, str) and given == "auto":
                continue
            if not (is_integer(given) and 0 <= given <= 31):
                raise ValueError(f"{name} must be 'auto' or lie in [0, 31], got {shown(given)}")
            object.__setattr__(self, name, int(given))
        bits = integer(self.param_bits, "param_bits", 2, 24)
        object.__setattr__(self, "param_bits", bits)
        for name in ("per_channel", "balance", "compensate", "search"):
            object.__setattr__(self, name, flag(getattr(self, name), name))
        if self.rounding not in (Rounding.NEAREST, Rounding.TOWARD_ZERO):
            raise ValueError(
                f"rounding must be Rounding.NEAREST or TOWARD_ZERO, got {self.rounding!r}"
            )
        if self.compensate and self.rounding is not Rounding.NEAREST:
            raise ValueError("compensate: needs Rounding.NEAREST")


PAPER = Formats(
    param_exponent=12,
    state_exponent=6,
    per_channel=False,
    balance=False,
    rounding=Rounding.TOWARD_ZERO,
    compensate=False,
    search=False,
)
"""As published for n-S4D (arXiv 2409.15022): 12 fraction bits, truncated; states with 6 bits beyond
their input; 8-bit weights with one exponent a matrix."""
