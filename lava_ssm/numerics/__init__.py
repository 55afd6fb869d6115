"""Fixed-point arithmetic on int64 arrays: every shift, rounding and overflow of the library.

A number is a mantissa and an exponent, value = mantissa * 2**-exponent; the exponent is any
integer. No other room has arithmetic of its own.
"""

from lava_ssm.numerics.arithmetic import CHIP, SYNAPSE_BITS, Arithmetic
from lava_ssm.numerics.arrays import (
    ComplexArray,
    IntArray,
    RealArray,
    as_array,
    check_memory,
    complexes,
    integers,
    reals,
)
from lava_ssm.numerics.bounds import state_bound
from lava_ssm.numerics.formats import Format, dequantize, fitting_exponent, quantize
from lava_ssm.numerics.overflow import (
    FixedPointOverflow,
    Overflow,
    overflowing,
    to_bits,
    word_range,
)
from lava_ssm.numerics.products import multiply_shift
from lava_ssm.numerics.rounding import Rounding, round_real, shift
from lava_ssm.numerics.scalars import flag, integer, is_integer, member, real_number, shown
from lava_ssm.numerics.sigmoid import (
    SIGMOID_ERROR,
    SIGMOID_EXPONENT,
    SIGMOID_INPUT_EXPONENT,
    SIGMOID_TABLE,
    sigmoid,
)

__all__ = [
    "CHIP",
    "SIGMOID_ERROR",
    "SIGMOID_EXPONENT",
    "SIGMOID_INPUT_EXPONENT",
    "SIGMOID_TABLE",
    "SYNAPSE_BITS",
    "Arithmetic",
    "ComplexArray",
    "FixedPointOverflow",
    "Format",
    "IntArray",
    "Overflow",
    "RealArray",
    "Rounding",
    "as_array",
    "check_memory",
    "complexes",
    "dequantize",
    "fitting_exponent",
    "flag",
    "integer",
    "integers",
    "is_integer",
    "member",
    "multiply_shift",
    "overflowing",
    "quantize",
    "real_number",
    "reals",
    "round_real",
    "shift",
    "shown",
    "sigmoid",
    "state_bound",
    "to_bits",
    "word_range",
]
