"""A kernel's arrays, given to it as one table of where they lie.

For Python to hand over an array takes about as long as 32 products: with twenty of them, as long as
a layer of a small network.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array
from numpy.typing import NDArray

COLUMNS = 4
"""Of a table: address, and shape."""


class Arguments:
    """Arrays, C-contiguous, and the table of them; keeps them alive.

    Parameters
    ----------
    kinds
        Of each array its kind of number and its dimensions, up to three: what the kernel takes from
        the table. (Nobody else checks them.)

    Attributes
    ----------
    table
        int64, (arrays, COLUMNS): address and shape, filled up with zeros.

    Raises
    ------
    TypeError
        Other arrays than these.
    """

    def __init__(self, kinds: Sequence[tuple[Any, int]], *arrays: NDArray[Any]) -> None:
        self._arrays = arrays
        self.table = np.zeros((len(arrays), COLUMNS), np.int64)
        for i, ((kind, ndim), x) in enumerate(zip(kinds, arrays, strict=True)):
            if x.dtype != kind or x.ndim != ndim or not x.flags.c_contiguous:
                raise TypeError(f"array {i} must be {np.dtype(kind)} of {ndim} dimensions, whole")
            self.table[i, 0], self.table[i, 1 : 1 + ndim] = x.ctypes.data, x.shape


def _taking(dimensions: int) -> Any:
    """Make a function that gives array i of a table: its kind of number `kind`, as np.int64."""

    @intrinsic
    def taken(typingctx: Any, table: Any, i: Any, kind: Any) -> Any:
        result = types.Array(kind.dtype, dimensions, "C")

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            rows = context.make_array(table)(context, builder, args[0]).data
            first = builder.mul(args[1], ir.Constant(args[1].type, COLUMNS))
            address, *shape = (
                builder.load(builder.gep(rows, [builder.add(first, ir.Constant(first.type, at))]))
                for at in range(1 + dimensions)
            )
            array = context.make_array(result)(context, builder)
            size = context.get_abi_sizeof(context.get_data_type(kind.dtype))
            strides = [ir.Constant(address.type, size)]
            for length in shape[:0:-1]:
                strides.insert(0, builder.mul(strides[0], length))
            populate_array(
                array,
                data=builder.inttoptr(address, array.data.type),
                shape=shape,
                strides=strides,
                itemsize=ir.Constant(address.type, size),
                meminfo=None,
            )
            return array._getvalue()

        return result(table, types.intp, kind), generate

    return taken


flat, square, cube = (_taking(n) for n in (1, 2, 3))
