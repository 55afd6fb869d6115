"""A kernel's arrays, given to it as one table of where they lie, and taken by name.

For Python to hand over an array takes about as long as 32 products: with twenty of them, as long as
a layer of a small network.
"""

from collections.abc import Callable, Mapping
from typing import TypeAlias

import numpy as np
from llvmlite import ir
from numba.core import types
from numba.core.base import BaseContext
from numba.core.typing.templates import AttributeTemplate
from numba.extending import (
    infer_getattr,
    intrinsic,
    lower_getattr_generic,
    models,
    register_model,
)
from numba.np.arrayobj import populate_array
from numba.np.numpy_support import from_dtype
from numpy.typing import DTypeLike

COLUMNS = 4
"""Of a table: address, and shape."""
Kinds: TypeAlias = Mapping[str, tuple[DTypeLike, int]]
"""Of each array, by name, its kind of number and its dimensions, up to three."""


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

    def __init__(self, kinds: Kinds, arrays: Mapping[str, np.ndarray]) -> None:
        self._arrays = [arrays[name] for name in kinds]
        self.table = np.zeros((len(kinds), COLUMNS), np.int64)
        for row, (name, (kind, ndim)), x in zip(
            self.table, kinds.items(), self._arrays, strict=True
        ):
            if x.dtype != kind or x.ndim != ndim or not x.flags.c_contiguous:
                raise TypeError(f"array {name} must be {np.dtype(kind)} of {ndim} dimensions")
            row[0], row[1 : 1 + ndim] = x.ctypes.data, x.shape


class Data(types.Type):
    """Numba's type of a table: an array is an attribute, read when it is asked for."""

    def __init__(self, kinds: Kinds) -> None:
        self.places = {name: COLUMNS * i for i, name in enumerate(kinds)}
        self.arrays = {
            name: types.Array(from_dtype(np.dtype(kind)), ndim, "C")
            for name, (kind, ndim) in kinds.items()
        }
        super().__init__(name=f"Data({self.arrays})")


register_model(Data)(models.OpaqueModel)


@infer_getattr
class _Attributes(AttributeTemplate):
    key = Data

    def generic_resolve(self, data: Data, name: str) -> types.Type | None:
        return data.arrays.get(name)


def taking(kinds: Kinds) -> Callable[..., Data]:
    """Make a function for kernels, `taken(table)`: the table, its arrays by name."""
    data = Data(kinds)

    @intrinsic
    def taken(typingctx, table):  # type: ignore[no-untyped-def]
        def generate(context, builder, signature, args):  # type: ignore[no-untyped-def]
            rows = context.make_array(table)(context, builder, args[0]).data
            return builder.bitcast(rows, context.get_value_type(data))

        return data(table), generate

    inner: Callable[..., Data] = taken
    return inner


@lower_getattr_generic(Data)
def _array(
    context: BaseContext, builder: ir.IRBuilder, data: Data, value: ir.Value, name: str
) -> ir.Value:
    """The array that a row of a table tells of."""
    kind, word = data.arrays[name], ir.IntType(64)
    rows = builder.bitcast(value, word.as_pointer())
    address, *shape = (
        builder.load(builder.gep(rows, [ir.Constant(word, data.places[name] + at)]))
        for at in range(1 + kind.ndim)
    )
    array = context.make_array(kind)(context, builder)
    itemsize = ir.Constant(word, context.get_abi_sizeof(context.get_data_type(kind.dtype)))
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
