"""Operations of neurons in C, one file each: `write` adds a population's step to a program.

It takes what the population receives from `writer.sent`, and enters there what it sends.
"""

from collections.abc import Callable

from lava_ssm.deploy.operations import (
    affine,
    bilinear,
    filters,
    gated_recurrence,
    inverse_sqrt,
    product,
    recurrence,
    selective_recurrence,
    taps,
)
from lava_ssm.deploy.writer import Writer
from lava_ssm.network import (
    Affine,
    Bilinear,
    Filters,
    GatedRecurrence,
    InverseSqrt,
    Neurons,
    Population,
    Product,
    Recurrence,
    SelectiveRecurrence,
    Taps,
)

WRITE: dict[type[Neurons], Callable[[Writer, int, Population], None]] = {
    Affine: affine.write,
    Bilinear: bilinear.write,
    Filters: filters.write,
    GatedRecurrence: gated_recurrence.write,
    InverseSqrt: inverse_sqrt.write,
    Product: product.write,
    Recurrence: recurrence.write,
    SelectiveRecurrence: selective_recurrence.write,
    Taps: taps.write,
}

__all__ = ["WRITE"]
