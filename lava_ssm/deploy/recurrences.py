"""The diagonal recurrence, which operations with complex states share."""

from dataclasses import dataclass

import numpy as np

from lava_ssm.deploy.values import cast, counted, storage, word
from lava_ssm.deploy.writer import Writer, filled
from lava_ssm.numerics import IntArray, word_range

_STEP = """\
const int32_t re = x_re[n], im = x_im[n];
const @sum@ sum_re = @add@@times@(a_re[n], re, p)
    - @add@@times@(a_im[n], im, p)@drive_re@;
const @sum@ sum_im = @add@@times@(a_re[n], im, p)
    + @add@@times@(a_im[n], re, p)@drive_im@;
@count@const int32_t new_re = @word_re@;
const int32_t new_im = @word_im@;
x_re[n] = @cast@new_re;
x_im[n] = @cast@new_im;
"""


@dataclass(frozen=True)
class Diagonal:
    """How x' = a x + drive is computed, each product shifted on its own.

    Parameters
    ----------
    writer
        Of the program.
    width
        Bits of the products' integers, 32 or 64.
    """

    writer: Writer
    width: int

    @property
    def state(self) -> str:
        """Type in which the parts of a state are kept."""
        return storage(*word_range(self.writer.rules.state_bits))

    @property
    def times(self) -> str:
        """The function of a product that is shifted."""
        return f"ssm_product_{self.writer.rules.rounding.value}{self.width}"

    def step(self, drive: tuple[str, str] | None) -> list[str]:
        """Statements of a loop over n, in which p is the parameters' exponent.

        The drive is of the real parts, and of the imaginary ones; None: it is zero.
        """
        rules = self.writer.rules
        kind = f"int{self.width}_t"
        modular = self.writer.is_modular and self.width == 32
        values: dict[str, str] = {}
        counts = ""
        for n, part in enumerate(("re", "im")):
            total = f"(int32_t)sum_{part}" if modular else f"sum_{part}"
            values[f"word_{part}"] = word(total, kind, rules.state_bits, rules.overflow)
            values[f"drive_{part}"] = "" if drive is None else f"\n    + {drive[n]}"
            if self.writer.counts:
                counts += f"{counted(f'sum_{part}', kind, rules.state_bits, 'state')}\n"
        step = filled(
            _STEP,
            {
                **values,
                "sum": "uint32_t" if modular else kind,
                "add": "(uint32_t)" if modular else "",
                "times": self.times,
                "count": counts,
                "cast": cast("", "int32_t", self.state),
            },
        )
        return step.splitlines()


def fits_small(
    writer: Writer, parameters: IntArray, exponents: IntArray, terms: int, drive: int = 0
) -> bool:
    """Whether products with a state, and a sum of them, can be taken in 32 bits.

    Parameters
    ----------
    parameters, exponents
        Greatest magnitude and exponent, one a channel.
    terms
        How many products are added up, times what they are multiplied by.
    drive
        The greatest magnitude of what is added besides.
    """
    most = 1 << (writer.rules.state_bits - 1)
    for m, p in zip(parameters.tolist(), exponents.tolist(), strict=True):
        mask = (1 << p) - 1
        if p > 30 or (m + 1) * mask >= 1 << 31 or m * ((most >> p) + 2) >= 1 << 31:
            return False
        if terms * ((m * most >> p) + 1) + drive >= 1 << 31:
            return False
    return True


def greatest(parameters: IntArray) -> IntArray:
    """Greatest magnitude of each channel (d_model, ...), (d_model,)."""
    return np.asarray(np.abs(parameters).reshape(len(parameters), -1).max(axis=1))
