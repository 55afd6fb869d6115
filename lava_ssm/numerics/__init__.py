"""Fixed-point arithmetic on int64 arrays: every shift, rounding and overflow of the library.

A number is a mantissa and an exponent, value = mantissa * 2**-exponent; the exponent is any
integer. No other room has arithmetic of its own.
"""

from lava_ssm.numerics.arithmetic import CHIP, SYNAPSE_BITS, Arithmetic
from lava_ssm.numerics.arrays import (
    ComplexArray,
    DeviceArray,
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
from lava_ssm.numerics.inverse_sqrt import (
    INVERSE_SQRT_ERROR,
    INVERSE_SQRT_TABLE,
    inverse_sqrt,
    scaled_inverse_sqrt,
)
from lava_ssm.numerics.overflow import (
    FixedPointOverflow,
    Overflow,
    overflowing,
    to_bits,
    word_range,
)
from lava_ssm.numerics.products import multiply_shift
from lava_ssm.numerics.rounding import Rounding, round_real, shift
from lava_ssm.numerics.scalars import (
    flag,
    instance,
    integer,
    is_integer,
    member,
    one_of,
    real_number,
    shown,
)
from lava_ssm.numerics.tables import (
    DECAY,
    DECAY_EXPONENT,
    DECAY_INPUT_EXPONENT,
    GELU,
    POSITIVE,
    RECTIFIED_EXPONENT,
    SIGMOID,
    SIGMOID_INPUT_EXPONENT,
    SILU,
    SOFTPLUS,
    TABLE_EXPONENT,
    TABLE_STEPS,
    TANH,
    Table,
    decay,
    sigmoid,
)

__all__ = [
    "CHIP",
    "DECAY",
    "DECAY_EXPONENT",
    "DECAY_INPUT_EXPONENT",
    "GELU",
    "INVERSE_SQRT_ERROR",
    "INVERSE_SQRT_TABLE",
    "POSITIVE",
    "RECTIFIED_EXPONENT",
    "SIGMOID",
    "SIGMOID_INPUT_EXPONENT",
    "SILU",
    "SOFTPLUS",
    "SYNAPSE_BITS",
    "TABLE_EXPONENT",
    "TABLE_STEPS",
    "TANH",
    "Arithmetic",
    "ComplexArray",
    "DeviceArray",
    "FixedPointOverflow",
    "Format",
    "IntArray",
    "Overflow",
    "RealArray",
    "Rounding",
    "Table",
    "as_array",
    "check_memory",
    "complexes",
    "decay",
    "dequantize",
    "fitting_exponent",
    "flag",
    "instance",
    "integer",
    "integers",
    "inverse_sqrt",
    "is_integer",
    "member",
    "multiply_shift",
    "one_of",
    "overflowing",
    "quantize",
    "real_number",
    "reals",
    "round_real",
    "scaled_inverse_sqrt",
    "shift",
    "shown",
    "sigmoid",
    "state_bound",
    "to_bits",
    "word_range",
]
