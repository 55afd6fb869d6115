"""Lava's stock synapses, with fewer steps in Python."""

from collections.abc import Callable
from typing import TypeAlias, TypeVar

import numba
import numpy as np
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.proc.dense.models import PyDenseModelBitAcc, PyDenseModelFloat
from lava.proc.sparse.models import PySparseModelBitAcc, PySparseModelFloat
from scipy.sparse import csr_matrix

Run: TypeAlias = Callable[[], None]
F = TypeVar("F", bound=Callable[..., None])


_WORD = np.dtype(np.int32)
_MOST = 32
"""Bits to shift by: nothing is left of a word."""


def _compiled(function: F) -> F:
    options = {"nogil": True, "error_model": "numpy"}
    try:
        made: F = numba.njit(cache=True, **options)(function)
    except RuntimeError:  # there is no place to keep it on disk
        made = numba.njit(**options)(function)
    return made


@_compiled
def _dense(weights: np.ndarray, x: np.ndarray, exponent: int, sums: np.ndarray) -> None:
    """The product shifted by `exponent` bits, all int32: NumPy takes ten times as long."""
    for i in range(len(sums)):
        total = np.int32(0)
        for j in range(len(x)):
            total = np.int32(total + weights[i, j] * x[j])  # wraps
        sums[i] = total << exponent if exponent >= 0 else total >> -exponent


@_compiled
def _sparse(
    starts: np.ndarray, columns: np.ndarray, weights: np.ndarray, x: np.ndarray, sums: np.ndarray
) -> None:
    """The product of compressed rows: SciPy's own takes longer to be called than to work."""
    for i in range(len(sums)):
        total = weights.dtype.type(0)
        for k in range(np.uint32(starts[i]), np.uint32(starts[i + 1])):
            total = weights.dtype.type(
                total + weights[np.uint32(k)] * x[np.uint32(columns[k])]
            )  # wraps
        sums[i] = total


def _times(weights: np.ndarray | csr_matrix, x: np.ndarray) -> np.ndarray:
    """`weights.dot(x)`."""
    if not isinstance(weights, csr_matrix):
        return np.dot(weights, x)
    data = weights.data
    if data.dtype is not x.dtype or not x.flags.carray or numba.config.DISABLE_JIT:
        return weights.dot(x)
    sums = np.empty(weights.shape[0], x.dtype)
    _sparse(weights.indptr, weights.indices, data, x, sums)
    return sums


def _load(weights: np.ndarray | csr_matrix) -> None:
    """Load what is compiled for such weights before the first step."""
    if _is_taken(weights):
        _dense(np.zeros((1, 1), _WORD), np.zeros(1, _WORD), 0, np.zeros(1, _WORD))
    elif isinstance(weights, csr_matrix):
        _times(weights, np.zeros(weights.shape[1], weights.dtype))


def _float(model: PyLoihiProcessModel) -> Run:
    values, own, send, receive = vars(model), model.run_spk, model.a_out.send, model.s_in.recv
    _load(values["weights"])

    def run() -> None:
        if values["num_message_bits"].item() <= 0:
            return own()
        send(values["a_buff"])
        values["a_buff"] = _times(values["weights"], receive())

    return run


def _is_taken(array: object) -> bool:
    """Whether `_dense` was compiled for such an array."""
    is_array = type(array) is np.ndarray and array.dtype is _WORD and array.flags.carray
    return is_array and not numba.config.DISABLE_JIT


def _fixed(model: PyLoihiProcessModel) -> Run:
    values, own, send, receive = vars(model), model.run_spk, model.a_out.send, model.s_in.recv
    exponent = min(max(int(model.proc_params.get("weight_exp", 0)), -_MOST), _MOST)
    amount = np.array([abs(exponent)], np.int32)  # NumPy takes longer to look at a number
    shift = np.left_shift if exponent > 0 else np.right_shift
    _load(values["weights"])

    def run() -> None:
        if not values["weights_set"] or values["num_message_bits"].item() <= 0:
            return own()
        send(values["a_buff"])
        weights, x = values["weights"], receive()
        if _is_taken(weights) and _is_taken(x):
            values["a_buff"] = sums = np.empty(len(weights), _WORD)
            _dense(weights, x, exponent, sums)
        else:
            sums = _times(weights, x)
            values["a_buff"] = shift(sums, amount) if exponent else sums

    return run


SHORTER: dict[type[PyLoihiProcessModel], Callable[[PyLoihiProcessModel], Run]] = {
    PyDenseModelBitAcc: _fixed,
    PyDenseModelFloat: _float,
    PySparseModelBitAcc: _fixed,
    PySparseModelFloat: _float,
}
"""Of a model's class, what gives another form of its `run_spk`: the same numbers and Vars."""
