"""The values of Vars, as a whole: between a model and the host.

Lava sends a Var one element at a time. All of it passes through float64 there, and does here. On
the way the elements of a dense Var are an array of one axis, in C order; those of a sparse one an
array of three rows: the elements' rows, columns and values.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from lava.magma.compiler.builders.py_builder import PyProcessBuilder
from lava.magma.compiler.executable import Executable
from lava.magma.core.model.py.model import AbstractPyProcessModel
from numpy.typing import NDArray
from scipy.sparse import csr_matrix, issparse

Values: TypeAlias = NDArray[np.float64]
Value: TypeAlias = np.ndarray | csr_matrix | str
"""Of a Var, as the host has it."""
Index: TypeAlias = int | slice | np.ndarray | tuple[int | slice | np.ndarray, ...] | None
"""Of what to get or set in a Var; None for all."""

_EXACT = 2**53  # integers up to here are float64s


@dataclass(frozen=True)
class Declared:
    """What is known of a Var before its graph runs."""

    var_id: int
    name: str
    shape: tuple[int, ...]
    initial: float | str | np.ndarray | csr_matrix
    is_sparse: bool
    process_id: int
    service: int
    """Number of the runtime service of its model."""

    @classmethod
    def find(cls, executable: Executable, var_id: int) -> "Declared":
        """Look a Var up."""
        models = executable.node_configs[0].var_models
        if var_id not in models:
            raise AssertionError(f"The Var with id <{var_id}> was not associated in the ProcModel.")
        model = models[var_id]
        for process, builder in executable.proc_builders.items():
            if process.id == model.proc_id:
                initial = builder.vars[model.name].value
                is_sparse = declared_sparse(builder, model.name)
                place = model.proc_id, model.runtime_srv_id
                return cls(var_id, model.name, tuple(model.shape), initial, is_sparse, *place)
        raise AssertionError(f"no model holds Var '{model.name}'")

    def places(self) -> tuple[np.ndarray, np.ndarray]:
        """Return rows and columns of the elements that a sparse Var has, row by row."""
        if not issparse(self.initial):  # one number for all
            rows, columns = np.indices(self.shape)
            return rows.ravel(), columns.ravel()
        matrix = csr_matrix(self.initial, copy=True)
        matrix.sum_duplicates()
        matrix = matrix.tocoo()
        return matrix.row, matrix.col


def declared_sparse(builder: PyProcessBuilder, name: str) -> bool:
    """Whether a model keeps a Var as a sparse matrix."""
    return issubclass(getattr(builder.proc_model, name).cls, csr_matrix)


def own_sparse_vars(builder: PyProcessBuilder, model: AbstractPyProcessModel) -> None:
    """Give a model its own copies of sparse Vars, of the class that it declares.

    Lava's builder hands over what the user gave: any class of sparse matrix, and integers of any
    type, in which what is set later may have no room.
    """
    for name, initial in builder.vars.items():
        if not declared_sparse(builder, name):
            continue
        value, declared = getattr(model, name), np.dtype(getattr(builder.proc_model, name).d_type)
        matrix = csr_matrix(value if issparse(value) else np.full(initial.shape, value), copy=True)
        refuse_complex(matrix, name)
        wide = np.promote_types(matrix.dtype, declared)
        setattr(model, name, matrix.astype(wide) if wide.kind == declared.kind else matrix)


def read(model: AbstractPyProcessModel, name: str) -> Values:
    """Return a copy of the elements of Var `name`; a TypeError for what is complex or no number."""
    value = getattr(model, name)
    if isinstance(value, str):
        return np.frombuffer(value.encode("ascii"), np.uint8).astype(np.float64)
    if issparse(value):
        matrix = value.tocoo()
        refuse_complex(matrix, name)
        return np.stack([matrix.row, matrix.col, matrix.data]).astype(np.float64)
    array = np.asarray(value)
    refuse_complex(array, name)
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"Var '{name}' holds {type(value).__name__} ({array.dtype}); only numbers, "
            "arrays and sparse matrices of numbers, and strings can be read."
        )
    return array.astype(np.float64).ravel()


def write(model: AbstractPyProcessModel, name: str, values: Values) -> None:
    """Set Var `name` of a model, which keeps its type.

    TypeError: complex, or no numbers; ValueError: integers that the Var does not hold.
    """
    value = getattr(model, name)
    if isinstance(value, str):
        setattr(model, name, bytes(values.astype(np.uint8)).decode("ascii"))
        return
    refuse_complex(value if issparse(value) else np.asarray(value), name)
    if issparse(value):
        rows, columns = values[:2].astype(np.int64)
        data = _cast(values[2], value.dtype, name)
        setattr(model, name, csr_matrix((data, (rows, columns)), value.shape))
    elif isinstance(value, np.ndarray):
        value[...] = _cast(values, value.dtype, name).reshape(value.shape)
    elif isinstance(value, np.generic):
        setattr(model, name, _cast(values, value.dtype, name)[0])
    elif isinstance(value, bool | int | float):
        setattr(model, name, _cast(values, np.dtype(type(value)), name)[0].item())
    else:
        raise TypeError(f"Var '{name}' holds {type(value).__name__}, which cannot be set.")


def _cast(values: Values, dtype: np.dtype, name: str) -> np.ndarray:
    """Bring values to a Var's type if that changes none of them but by rounding of floats."""
    if dtype.kind in "biu":
        low, high = (0, 1) if dtype.kind == "b" else (np.iinfo(dtype).min, np.iinfo(dtype).max)
        with np.errstate(invalid="ignore"):
            bad = ~((values >= low) & (values <= high) & (values == np.floor(values)))
        if bad.any():
            raise ValueError(
                f"Var '{name}' holds integers from {low} to {high} ({dtype}), "
                f"got {values[bad][0]!s}"
            )
    return values.astype(dtype)


def refuse_complex(array: csr_matrix, name: str) -> None:
    """Raise a TypeError for complex numbers, of which Lava would drop the imaginary part."""
    if array.dtype.kind == "c":
        raise TypeError(
            f"Var '{name}' is complex ({array.dtype}), and Lava carries Vars as float64: the "
            "imaginary part would be lost. Keep the real and the imaginary part in two Vars."
        )


def _dense(array: csr_matrix) -> np.ndarray:
    return array.toarray() if issparse(array) else array


def _numbers(value: object, name: str) -> Values:
    if np.ma.isMaskedArray(value):
        raise TypeError(f"Var '{name}': a masked array was given; fill it, its hidden values too")
    try:
        array = np.asarray(value)
    except Exception as error:
        raise TypeError(f"Var '{name}' must be set to numbers: {error}") from error
    refuse_complex(array, name)
    if array.dtype.kind not in "biuf":
        raise TypeError(
            f"Var '{name}' must be set to numbers of 64 bits at most, got {array.dtype}"
        )
    values = array.astype(np.float64)
    if array.dtype.kind in "iu" and array.dtype.itemsize == 8:
        large = (array > _EXACT) | (array < -_EXACT)
        if any(int(a) != int(b) for a, b in zip(array[large], values[large], strict=True)):
            raise ValueError(
                f"Var '{name}': values pass through float64, which rounds integers beyond 2**53"
            )
    return values


def from_host(value: object, index: Index, var: Declared, now: Callable[[], object]) -> Values:
    """Return what `Var.set(value, index)` sends.

    `value` has the Var's shape, or is flat; of a sparse Var it is a sparse matrix, an array of its
    shape, or its elements' values row by row. `index`: what to set, None for all; then `value` may
    have the shape of this part, and `now` gives the rest.

    TypeError: complex, masked, or no numbers; ValueError: another shape, elements that a sparse Var
    does not have, integers that float64 rounds.
    """
    if isinstance(var.initial, str) or isinstance(value, str):
        return _text(value, index, var)
    if issparse(value):
        refuse_complex(value, var.name)
        value = _dense(value) if index is not None or not var.is_sparse else value
    if index is not None:
        whole, part = _dense(now()), _numbers(value, var.name)
        whole[index] = part[index] if part.shape == whole.shape else part
        value = whole
    if var.is_sparse:
        return _sparse(value, var)
    values = _numbers(value, var.name)
    _check_shape(values, var, math.prod(var.shape))
    return values.ravel()


def _text(value: object, index: Index, var: Declared) -> Values:
    if not isinstance(value, str) or not isinstance(var.initial, str) or index is not None:
        raise TypeError(
            f"Var '{var.name}' holds {type(var.initial).__name__}, got {type(value).__name__}; "
            "a text is set as a whole"
        )
    if not value.isascii():
        raise ValueError(f"Var '{var.name}': Lava carries ASCII texts only, got {value!r}")
    return np.frombuffer(value.encode("ascii"), np.uint8).astype(np.float64)


def _check_shape(values: Values, var: Declared, size: int) -> None:
    """Raise a ValueError unless the values have the Var's shape, or are its elements flat."""
    same = [n for n in values.shape if n != 1] == [n for n in var.shape if n != 1]
    if not (same or values.shape == (size,)):
        raise ValueError(
            f"Var '{var.name}' has shape {var.shape} and {size} elements, "
            f"got values of shape {values.shape}"
        )


def _sparse(value: object, var: Declared) -> Values:
    rows, columns = var.places()
    whole: np.ndarray | csr_matrix = value
    if not issparse(value):
        values = _numbers(value, var.name)
        _check_shape(values, var, rows.size)
        if values.shape == rows.shape:
            return np.stack([rows, columns, values])
        whole = values.reshape(var.shape)
    if whole.shape != var.shape:
        raise ValueError(f"Var '{var.name}' has shape {var.shape}, got {whole.shape}")
    matrix = csr_matrix(whole, copy=True)
    matrix.sum_duplicates()
    if matrix.nnz < rows.size and issparse(value) and issparse(var.initial):
        raise ValueError(
            f"Var '{var.name}' is sparse with {rows.size} elements, got {matrix.nnz}: elements "
            "that are zero must be there too, or give an array"
        )
    matrix = matrix.tocoo()
    have = rows.astype(np.int64) * var.shape[1] + columns
    places = matrix.row.astype(np.int64) * var.shape[1] + matrix.col
    is_there = np.isin(places, have)
    if not is_there.all():
        where = int(matrix.row[~is_there][0]), int(matrix.col[~is_there][0])
        raise ValueError(
            f"Var '{var.name}' is sparse and has no element at {where}: elements that were not "
            "there at the beginning cannot be set"
        )
    values = np.zeros(rows.size)
    values[np.searchsorted(have, places)] = _numbers(matrix.data, var.name)
    return np.stack([rows, columns, values])


def to_host(values: Values, var: Declared, index: Index) -> Value:
    """Return what `Var.get(index)` returns: an array of the Var's shape, a csr_matrix, a str."""
    if isinstance(var.initial, str):
        return bytes(values.astype(np.uint8)).decode("ascii")
    if var.is_sparse:
        # all that can be set are there, if the model dropped those that are zero too
        rows, columns = np.hstack([var.places(), values[:2].astype(np.int64)])
        data = np.hstack([np.zeros(rows.size - values.shape[1]), values[2]])
        matrix = csr_matrix((data, (rows, columns)), var.shape)
        return matrix if index is None else matrix[index]
    size = math.prod(var.shape)
    if values.size > size:
        raise ValueError(
            f"Var '{var.name}' was declared with shape {var.shape}, "
            f"its model holds {values.size} elements."
        )
    whole = np.zeros(size)
    whole[: values.size] = values
    whole = whole.reshape(var.shape)
    return whole if index is None else whole[index]
