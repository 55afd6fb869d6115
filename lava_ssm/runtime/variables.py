"""The values of Vars, as a whole: between a model and the host.

Lava sends a Var one element at a time. All of it passes through float64 there, and does here.
"""

import math
from typing import Any

import numpy as np
from lava.magma.compiler.var_model import AbstractVarModel
from lava.utils.sparse import find
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

Values = NDArray[np.float64]


def read(model: Any, name: str) -> Values:
    """Return the elements of Var `name` of a model, in C order, as a copy.

    Raises
    ------
    TypeError
        The Var is complex, or not made of numbers.
    """
    value = getattr(model, name)
    if isinstance(value, str):
        return np.frombuffer(value.encode("ascii"), np.uint8).astype(np.float64)
    if isinstance(value, csr_matrix):
        value = find(value, explicit_zeros=True)[2]
    array = np.asarray(value)
    refuse_complex(array, name)
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"Var '{name}' holds {type(value).__name__} ({array.dtype}); only numbers, "
            "arrays and sparse matrices of numbers, and strings can be read."
        )
    return array.astype(np.float64).ravel()


def write(model: Any, name: str, values: Values) -> None:
    """Set the first elements of Var `name` of a model, in C order.

    Raises
    ------
    TypeError
        The Var is complex, or not made of numbers.
    ValueError
        There are more values than the Var has elements.
    """
    value = getattr(model, name)
    if isinstance(value, str):
        setattr(model, name, bytes(values.astype(np.uint8)).decode("ascii"))
        return
    if isinstance(value, csr_matrix):
        _check_size(name, values.size, value.nnz)
        rows, columns, _ = find(value, explicit_zeros=True)
        setattr(model, name, csr_matrix((values, (rows, columns)), value.shape))
        return
    refuse_complex(np.asarray(value), name)
    if isinstance(value, np.ndarray):
        _check_size(name, values.size, value.size)
        if value.flags.c_contiguous:
            value.reshape(-1)[: values.size] = values
        else:
            value.flat[: values.size] = values
    elif isinstance(value, np.generic):
        _check_size(name, values.size, 1)
        setattr(model, name, values[0].astype(value.dtype))
    elif isinstance(value, int | float):
        _check_size(name, values.size, 1)
        setattr(model, name, values[0].item())
    else:
        raise TypeError(f"Var '{name}' holds {type(value).__name__}, which cannot be set.")


def _check_size(name: str, given: int, allowed: int) -> None:
    if given > allowed:
        raise ValueError(f"Var '{name}' has {allowed} elements, {given} were given.")


def refuse_complex(array: NDArray[Any], name: str) -> None:
    """Raise a TypeError for complex numbers, of which Lava would drop the imaginary part."""
    if array.dtype.kind == "c":
        raise TypeError(
            f"Var '{name}' is complex ({array.dtype}), and Lava carries Vars as float64: the "
            "imaginary part would be lost. Keep the real and the imaginary part in two Vars."
        )


def from_host(value: Any, index: Any, name: str) -> Values:
    """Return what `Var.set(value, index)` sends, flat.

    Raises
    ------
    TypeError
        `value` is complex.
    """
    array = np.asarray(value)
    refuse_complex(array, name)
    if index is not None:
        array = array[index]
    return array.astype(np.float64).ravel()


def to_host(values: Values, var_model: AbstractVarModel, index: Any) -> Values:
    """Return what `Var.get(index)` returns: of the Var's shape, flat for a sparse one."""
    if var_model.dtype is not csr_matrix:
        size = math.prod(var_model.shape)
        if values.size > size:
            raise ValueError(
                f"Var '{var_model.name}' was declared with shape {var_model.shape}, "
                f"its model holds {values.size} elements."
            )
        whole = np.zeros(size)
        whole[: values.size] = values
        values = whole.reshape(var_model.shape)
    return values if index is None else values[index]
