"""A kernel's arrays, given to it as one table of where they lie.

For Python to hand over an array takes about as long as 32 products: with twenty of them, as long as
a layer of a small network.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic
from numba.np.arrayobj import populate_array
from numba.np.numpy_support import as_dtype, from_dtype
from numpy.typing import NDArray

COLUMNS = 4
"""Of a table: address, and shape."""
Kinds: TypeAlias = Sequence[tuple[Any, int]]
"""Of each array its kind of number and its dimensions, up to three."""


class Arguments:
    """Arrays, C-contiguous, and the table of them; keeps them alive.

    Parameters
    ----------
    kinds
        Those of the function by which the kernel takes the arrays, see `taking`. (Nobody else
        checks them.)

    Attributes
    ----------
    table
        int64, (arrays, COLUMNS): address and shape, filled up with zeros.

    Raises
    ------
    TypeError
        Other arrays than these.
    """

    def __init__(self, kinds: Kinds, *arrays: NDArray[Any]) -> None:
        self._arrays = arrays
        self.table = np.zeros((len(arrays), COLUMNS), np.int64)
        for i, ((kind, ndim), x) in enumerate(zip(kinds, arrays, strict=True)):
            if x.dtype != kind or x.ndim != ndim or not x.flags.c_contiguous:
                raise TypeError(f"array {i} must be {np.dtype(kind)} of {ndim} dimensions, whole")
            self.table[i, 0], self.table[i, 1 : 1 + ndim] = x.ctypes.data, x.shape


def taking(kinds: Callable[[Any], Kinds]) -> Any:
    """Make a function for kernels, `taken(table, real)`: the arrays of a table, a tuple.

    Parameters
    ----------
    kinds
        Gives those of all arrays, for the dtype of `real`: a kind of number, or an array of it.
    """

    @intrinsic
    def taken(typingctx: Any, table: Any, real: Any) -> Any:
        arrays = [
            types.Array(from_dtype(np.dtype(k)), n, "C") for k, n in kinds(as_dtype(real.dtype))
        ]

        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            rows = context.make_array(table)(context, builder, args[0]).data
            values = [
                _array(context, builder, builder.gep(rows, [ir.Constant(ir.IntType(64), at)]), kind)
                for at, kind in zip(range(0, COLUMNS * len(arrays), COLUMNS), arrays, strict=True)
            ]
            return context.make_tuple(builder, signature.return_type, values)

        return types.Tuple(arrays)(table, real), generate  # type: ignore[attr-defined]

    return taken


def _array(context: Any, builder: Any, row: Any, kind: Any) -> Any:
    """The array that a row of a table tells of."""
    address, *shape = (
        builder.load(builder.gep(row, [ir.Constant(ir.IntType(64), at)]))
        for at in range(1 + kind.ndim)
    )
    array = context.make_array(kind)(context, builder)
    itemsize = ir.Constant(address.type, context.get_abi_sizeof(context.get_data_type(kind.dtype)))
    strides = [itemsize]
    for length in shape[:0:-1]:
        strides.insert(0, builder.mul(strides[0], length))
    populate_array(
        array,
        data=builder.inttoptr(address, array.data.type),
        shape=shape,
        strides=strides,
        itemsize=itemsize,
        meminfo=None,
    )
    return array._getvalue()
