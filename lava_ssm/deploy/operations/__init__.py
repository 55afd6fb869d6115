"""Operations of neurons in C, one file each: `write` adds a population's step to a program.

It takes what the population receives from `writer.sent`, and enters there what it sends.
"""

from collections.abc import Callable

from lava_ssm.deploy.operations import affine, filters, product, recurrence
from lava_ssm.deploy.writer import Writer
from lava_ssm.network import Affine, Filters, Neurons, Population, Product, Recurrence

WRITE: dict[type[Neurons], Callable[[Writer, int, Population], None]] = {
    Affine: affine.write,
    Filters: filters.write,
    Product: product.write,
    Recurrence: recurrence.write,
}

__all__ = ["WRITE"]
