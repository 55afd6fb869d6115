"""Operations: one file each. A line here makes one known to the layout and the kernels."""

from lava_ssm.engine.compiled.neurons.affine import AFFINE
from lava_ssm.engine.compiled.neurons.bilinear import BILINEAR
from lava_ssm.engine.compiled.neurons.filters import FILTERS
from lava_ssm.engine.compiled.neurons.gated_recurrence import GATED_RECURRENCE
from lava_ssm.engine.compiled.neurons.inverse_sqrt import INVERSE_SQRT
from lava_ssm.engine.compiled.neurons.operation import Memory, Operation, Part
from lava_ssm.engine.compiled.neurons.product import PRODUCT
from lava_ssm.engine.compiled.neurons.recurrence import RECURRENCE
from lava_ssm.engine.compiled.neurons.selective_recurrence import SELECTIVE_RECURRENCE
from lava_ssm.engine.compiled.neurons.taps import TAPS

OPERATIONS = (
    FILTERS,
    RECURRENCE,
    TAPS,
    AFFINE,
    PRODUCT,
    BILINEAR,
    INVERSE_SQRT,
    GATED_RECURRENCE,
    SELECTIVE_RECURRENCE,
)

__all__ = ["OPERATIONS", "Memory", "Operation", "Part"]
