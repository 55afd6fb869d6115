"""What counts as an array of integers, of reals or of complex numbers: the door for all arrays."""

import sys
from collections.abc import Sequence
from types import ModuleType
from typing import Any, TypeVar, cast

import numpy as np
import psutil
from numpy.typing import ArrayLike, NDArray

from lava_ssm.numerics.scalars import shown

IntArray = NDArray[np.int64]
"""Mantissas, of any shape."""
RealArray = NDArray[np.float64]
"""Real values, of any shape."""
ComplexArray = NDArray[np.complex128]
"""Complex values, of any shape."""
Number = TypeVar("Number", bound=np.generic)

_INT64 = np.iinfo(np.int64)
_SMALL = 2**26
"""Numbers, or bytes, for which it is not worth asking how much memory there is."""
_EACH = 9
"""Bytes that an element takes: converted to 64 bits, and whether it is finite."""


class DeviceArray:
    """What is an array of NumPy's to whoever computes with it, in the memory of another device.

    NumPy's functions and operators work on it (NEP 13 and 18, `__array_ufunc__` and
    `__array_function__`), so that what is defined on arrays is defined on it: `nn.device_array`.
    """

    def entries_of(self, table: np.ndarray) -> np.ndarray:
        """Give `table[self]`, which NumPy asks no index for."""
        raise NotImplementedError


def entries(table: IntArray, index: IntArray) -> IntArray:
    """Give `table[index]`, wherever the index is."""
    return index.entries_of(table) if isinstance(index, DeviceArray) else table[index]


def as_array(values: ArrayLike, name: str = "values") -> np.ndarray:
    """`values` as an array of numbers, not copied if they are one.

    Parameters
    ----------
    values
        An array of NumPy or of what converts to one: numbers, sequences of them of equal length, a
        dense tensor in the CPU's memory that wants no gradient. Of floats that NumPy does not have
        (bfloat16) the values are kept, in float32.
    name
        Of the parameter, for the text of an error.

    Raises
    ------
    TypeError
        They are none, or masked: hidden values would be computed with.
    ValueError
        An integer beyond 64 bits.
    MemoryError
        More of them than there is memory for, as a view may have.
    """
    if type(values) is not np.ndarray:
        if isinstance(values, DeviceArray):
            return cast(np.ndarray, values)
        values = _converted(values, name)
    array: np.ndarray = values
    if array.size > _SMALL:  # a view may be larger than all memory: what is made of it is not
        check_memory(_EACH * array.size, f"{name}: what is made of an array of shape {array.shape}")
    return _of_objects(array, name) if array.dtype == object else array


def _converted(values: object, name: str) -> np.ndarray:
    torch = sys.modules.get("torch")  # who gives a tensor has loaded it
    if torch is not None and isinstance(values, torch.Tensor):
        return _of_tensor(torch, values, name)
    if isinstance(values, list | tuple):
        _refuse_within(values, name)
    elif isinstance(values, np.ma.MaskedArray):
        raise _masked(name)
    elif hasattr(values, "toarray") and hasattr(values, "nnz"):
        raise TypeError(f"{name} must be a dense array, got a sparse one: give its `toarray()`")
    try:
        return np.asarray(values)
    except Exception as error:
        raise TypeError(
            f"{name} must be an array or nested sequences of equal length, got "
            f"{type(values).__name__} ({error})"
        ) from error


def _of_tensor(torch: ModuleType, values: Any, name: str) -> np.ndarray:
    if values.requires_grad:
        raise TypeError(f"{name}: a tensor that wants a gradient; give its `detach()`")
    if values.layout != torch.strided:
        raise TypeError(
            f"{name} must be a dense tensor, got {values.layout}: give its `to_dense()`"
        )
    if values.device.type != "cpu":
        raise TypeError(
            f"{name} must be in the memory of the CPU, got a tensor on {values.device}: "
            "give its `cpu()`"
        )
    known = torch.float16, torch.float32, torch.float64
    if values.dtype.is_floating_point and values.dtype not in known:
        values = values.float()  # exact: bfloat16 and smaller
    try:
        return np.asarray(values.resolve_conj().resolve_neg().numpy())
    except Exception as error:
        raise TypeError(f"{name} must be an array, got a tensor of {values.dtype}") from error


def _refuse_within(values: Sequence[object], name: str) -> None:
    """Refuse what NumPy would take for numbers within lists: hidden ones, `True` for 1."""
    for value in values:
        if isinstance(value, list | tuple):
            _refuse_within(value, name)
        elif isinstance(value, np.ma.MaskedArray):
            raise _masked(name)
        elif isinstance(value, bool | np.bool_):
            raise TypeError(f"{name} must be numbers, got {value!r} in a {type(values).__name__}")


def _masked(name: str) -> TypeError:
    return TypeError(f"{name} must have no mask, got a masked array: give its `filled(...)`")


def _of_objects(array: np.ndarray, name: str) -> np.ndarray:
    """Numbers of Python, as NumPy has integers beyond 64 bits; nothing else is taken."""
    items = array.ravel().tolist()
    other = [v for v in items if type(v) not in (int, float)]
    if other or not items:
        given = f"objects such as {shown(other[0])}" if other else "no objects"
        raise TypeError(f"{name} must be numbers, got an array of {given}")
    whole = [v for v in items if type(v) is int]
    worst = max(whole, key=abs, default=0)
    if not _INT64.min <= worst <= _INT64.max:
        raise ValueError(f"{name}: integers must fit 64 signed bits, got {shown(worst)}")
    return array.astype(np.int64 if len(whole) == len(items) else np.float64)


def integers(values: ArrayLike, name: str = "values") -> IntArray:
    """`values` as int64.

    Raises
    ------
    TypeError
        `values` are not integers.
    ValueError
        An unsigned or Python integer does not fit 64 signed bits.
    """
    array = as_array(values, name)
    if array.size == 0 and array.dtype == np.float64:  # NumPy's type of an empty list
        return array.astype(np.int64)
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, got an array of {array.dtype}")
    if array.dtype == np.uint64 and array.size and int(array.max()) > _INT64.max:
        raise ValueError(f"{name}: integers must fit 64 signed bits, got {array.max()}")
    return array.astype(np.int64, copy=False)


def reals(values: ArrayLike, name: str = "values") -> RealArray:
    """`values` as float64, all of them finite.

    Raises
    ------
    TypeError
        `values` are not real numbers.
    ValueError
        A value is not finite.
    """
    array = as_array(values, name)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be real numbers, got an array of {array.dtype}")
    return _finite(array.astype(np.float64, copy=False), name)


def complexes(values: ArrayLike, name: str = "values") -> ComplexArray:
    """`values` as complex128, all of them finite.

    Raises
    ------
    TypeError
        `values` are not numbers.
    ValueError
        A value is not finite.
    """
    array = as_array(values, name)
    if array.dtype.kind not in "cfiu":
        raise TypeError(f"{name} must be complex numbers, got an array of {array.dtype}")
    return _finite(array.astype(np.complex128, copy=False), name)


def _finite(array: NDArray[Number], name: str) -> NDArray[Number]:
    finite = np.isfinite(array)
    if not finite.all():
        bad = tuple(int(i) for i in np.argwhere(~finite)[0])
        raise ValueError(f"{name} must be finite, got {array[bad]} at {bad}")
    return array


def check_memory(n_bytes: int, what: str) -> None:
    """Refuse, before anything is computed, what the machine has no memory for.

    Parameters
    ----------
    n_bytes
        Bytes that it takes.
    what
        What takes them, beginning with the parameter's name, for the text of the error.

    Raises
    ------
    MemoryError
        More than what is available now.
    """
    if n_bytes <= _SMALL:
        return
    available = psutil.virtual_memory().available
    if n_bytes > available:
        wanted = min(n_bytes, 2**1000) / 2**30  # beyond that no float would hold it
        raise MemoryError(
            f"{what} takes {wanted:.3g} GiB of memory, {available / 2**30:.3g} GiB are available"
        )
