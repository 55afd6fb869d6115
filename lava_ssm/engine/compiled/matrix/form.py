"""How a matrix is laid out, and multiplied."""

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from lava_ssm.engine.compiled.writer import Writer
from lava_ssm.numerics import IntArray

MATRIX = np.dtype(
    [
        (name, np.int64)
        for name in (
            "form",
            "rows",
            "columns",
            "first",  # where its weights begin
            "pointers",
            "places",  # of weights that have them
            "outputs",  # where the numbers of its outputs begin
            "common_shift",
            "most_gain",
            "most",  # the largest message, by its format
        )
    ],
    align=True,
)
"""A matrix in the table of all."""
GRAIN = 32
"""`add` may write beyond its outputs, up to the next multiple: threads share neurons at these."""

Row: TypeAlias = np.void | NDArray[np.void]


class Form(NamedTuple):
    """A storage form.

    Parameters
    ----------
    name
        Of the form.
    lay_out
        Puts a matrix (d_output, d_input) of 8-bit mantissas into the writer's arrays, and says in
        its row where.
    add
        For kernels: `add(matrix, data, u, y, most)` gives y = 2 W u modulo 2^32, where
        -most - 1 <= u[j] <= most.
    add_wide
        For kernels: `add_wide(matrix, data, u, totals)` adds 2 W u in 64 bits.
    shifts
        Whether `add` shifts to the right by `data.shifts` too, if none of these is negative.
    """

    name: str
    lay_out: Callable[[Writer, Row, IntArray], None]
    add: Callable[..., None]
    add_wide: Callable[..., None]
    shifts: bool = False
