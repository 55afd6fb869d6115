"""Which formats a network is quantised to."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from lava_ssm.network import FixedNetwork
from lava_ssm.network.description import WEIGHT_BITS
from lava_ssm.numerics import Rounding, flag, integer, is_integer, shown


class FormatError(ValueError):
    """A format cannot hold a layer's parameters."""


@dataclass(frozen=True)
class Formats:
    """Formats of the parameters, and how they are chosen.

    Parameters
    ----------
    param_exponent
        Fraction bits of a, b, c of an S4D (no other layer uses it): an integer in [0, 31], or
        "auto": for each channel as many as fit `param_bits`.
    param_bits
        Width of a mantissa of a, b, c of an S4D, in [2, 24]: one, or one for each layer, of which
        others do not use it: the diagonals of S5 and selective layers have 16 bits, always.
    state_exponent
        Fraction bits that a state of an S4D has beyond its input: an integer in [0, 31], or "auto":
        for each channel as many as fit the state's word. Those of other layers' states are always
        chosen from the data.
    weight_bits
        Width of a mantissa of the weights of matrices, in [2, 8]: one, or one for each layer.
        What is narrower takes less memory; the chip computes it alike.
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
    headroom
        Whether bits that are worth less than a fiftieth of the output's error on calibration data
        are left free, for larger data: messages, sums and states then fit up to 16 times, as
        those of 24 bits mostly do, instead of 2. 4 times they fit wherever 42 dB of signal to
        error are left, as those of 16 bits mostly do. The input's format stays.
    search
        Whether to try exponents of messages around those that the ranges suggest, and keep those
        with the least error of the network's output on the calibration data.
    """

    param_exponent: int | Literal["auto"] = "auto"
    param_bits: int | tuple[int, ...] = 16
    weight_bits: int | tuple[int, ...] = WEIGHT_BITS
    state_exponent: int | Literal["auto"] = "auto"
    per_channel: bool = True
    balance: bool = True
    rounding: Rounding = Rounding.NEAREST
    compensate: bool = True
    search: bool = True
    headroom: bool = True

    def __post_init__(self) -> None:
        for name in ("param_exponent", "state_exponent"):
            given = getattr(self, name)
            if isinstance(given, str) and given == "auto":
                continue
            if not (is_integer(given) and 0 <= given <= 31):
                raise ValueError(f"{name} must be 'auto' or lie in [0, 31], got {shown(given)}")
            object.__setattr__(self, name, int(given))
        for name, most in (("param_bits", 24), ("weight_bits", WEIGHT_BITS)):
            bits = getattr(self, name)
            several = isinstance(bits, Sequence) and not isinstance(bits, str)
            widths = tuple(integer(b, name, 2, most) for b in (bits if several else (bits,)))
            object.__setattr__(self, name, widths if several else widths[0])
        for name in ("per_channel", "balance", "compensate", "search", "headroom"):
            object.__setattr__(self, name, flag(getattr(self, name), name))
        if self.rounding not in (Rounding.NEAREST, Rounding.TOWARD_ZERO):
            raise ValueError(
                f"rounding must be Rounding.NEAREST or TOWARD_ZERO, got {self.rounding!r}"
            )
        if self.compensate and self.rounding is not Rounding.NEAREST:
            raise ValueError("compensate: needs Rounding.NEAREST")

    def of_layer(self, i: int) -> "Formats":
        """Give those of one layer (of synapses, as stages count them)."""
        params, weights = (
            bits if isinstance(bits, int) else bits[i]
            for bits in (self.param_bits, self.weight_bits)
        )
        return replace(self, param_bits=params, weight_bits=weights)

    @property
    def width(self) -> int:
        """`weight_bits` of one layer."""
        assert isinstance(self.weight_bits, int)
        return self.weight_bits

    @property
    def param_width(self) -> int:
        """`param_bits` of one layer."""
        assert isinstance(self.param_bits, int)
        return self.param_bits


PAPER = Formats(
    param_exponent=12,
    state_exponent=6,
    per_channel=False,
    balance=False,
    rounding=Rounding.TOWARD_ZERO,
    compensate=False,
    search=False,
    headroom=False,
)
"""As published for n-S4D (arXiv 2409.15022): 12 fraction bits, truncated; states with 6 bits beyond
their input; 8-bit weights with one exponent a matrix."""

_KEY = "weight_bits"
"""Of `made_by`: bits of the weights of each layer, where some have fewer than 8."""


def noted(formats: Formats, n_layers: int) -> dict[str, str]:
    """What `made_by` says of the widths of weights, see `weight_bits_of`."""
    widths = [formats.of_layer(i).width for i in range(n_layers)]
    return {} if min(widths) == WEIGHT_BITS else {_KEY: " ".join(map(str, widths))}


def weight_bits_of(fixed: FixedNetwork) -> tuple[int, ...]:
    """Bits of the weights of each layer of a network that `quantize` made."""
    text = fixed.made_by.get(_KEY)
    return tuple(map(int, text.split())) if text else (WEIGHT_BITS,) * len(fixed.stages)
