"""Tensors as arrays of NumPy's, so that the reference computes where they are."""

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from numpy.lib.mixins import NDArrayOperatorsMixin
from numpy.typing import DTypeLike
from torch import Tensor

from lava_ssm.numerics import DeviceArray

_DTYPES: dict[torch.dtype, np.dtype] = {
    torch.int64: np.dtype(np.int64),
    torch.int32: np.dtype(np.int32),
    torch.float64: np.dtype(np.float64),
    torch.bool: np.dtype(np.bool_),
}
_TYPES = {dtype: kind for kind, dtype in _DTYPES.items()}
_MANTISSA = 53
"""Bits of an integer that a double holds."""


class TensorArray(DeviceArray, NDArrayOperatorsMixin):
    """A tensor of integers, doubles or bools that NumPy's functions take for an array.

    (NEP 13 and 18.) What NumPy's arrays bring into a function is copied to the tensor's device; a
    truth or a number that is asked for is waited for. Functions are those that the reference uses;
    another one is a TypeError.
    """

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = tensor

    @property
    def shape(self) -> tuple[int, ...]:
        """As of an array."""
        return tuple(self.tensor.shape)

    @property
    def ndim(self) -> int:
        """As of an array."""
        return self.tensor.ndim

    @property
    def size(self) -> int:
        """As of an array."""
        return self.tensor.numel()

    @property
    def dtype(self) -> np.dtype:
        """As of an array."""
        return _DTYPES[self.tensor.dtype]

    def __len__(self) -> int:
        return len(self.tensor)

    def __bool__(self) -> bool:
        return bool(self.tensor)

    def __int__(self) -> int:
        return int(self.tensor)

    def __getitem__(self, index: object) -> "TensorArray":
        return TensorArray(self.tensor[self._there(index)])

    def __setitem__(self, index: object, values: "TensorArray") -> None:
        self.tensor[self._there(index)] = values.tensor

    def entries_of(self, table: np.ndarray) -> Any:
        """See `DeviceArray`."""
        return TensorArray(self._there(table)[self.tensor])

    def astype(self, dtype: DTypeLike, copy: bool = True) -> "TensorArray":
        """As of an array."""
        return TensorArray(self.tensor.to(_TYPES[np.dtype(dtype)]))

    def copy(self) -> "TensorArray":
        """As of an array."""
        return TensorArray(self.tensor.clone())

    def reshape(self, *shape: int) -> "TensorArray":
        """As of an array."""
        return TensorArray(self.tensor.reshape(shape))

    def any(self) -> "TensorArray":
        """As of an array."""
        return TensorArray(self.tensor.any())

    def all(self) -> "TensorArray":
        """As of an array."""
        return TensorArray(self.tensor.all())

    def max(self) -> "TensorArray":
        """As of an array."""
        return TensorArray(self.tensor.max())

    def min(self) -> "TensorArray":
        """As of an array."""
        return TensorArray(self.tensor.min())

    def sum(self, axis: int | None = None) -> "TensorArray":
        """As of an array."""
        return TensorArray(self.tensor.sum(axis))

    def _there(self, value: Any) -> Any:
        """Give what stands for a value among tensors of this device."""
        if isinstance(value, TensorArray):
            return value.tensor
        if isinstance(value, np.ndarray) and value.ndim:
            return torch.from_numpy(np.array(value)).to(self.tensor.device)
        if isinstance(value, np.ndarray | np.generic):
            return value.item()
        return value

    def __array_ufunc__(self, ufunc: np.ufunc, method: str, *inputs: Any, **given: Any) -> Any:
        function = _UFUNCS.get(ufunc)
        if function is None or method != "__call__" or given:
            return NotImplemented
        return _wrapped(function(*map(self._there, inputs)))

    def __array_function__(
        self, function: Any, types: Any, args: Sequence[Any], kwargs: dict[str, Any]
    ) -> Any:
        ours = _FUNCTIONS.get(function)
        if ours is None:
            return NotImplemented
        first, *rest = args
        if isinstance(first, list | tuple):
            return _wrapped(ours([self.tensor_of(part) for part in first], *rest, **kwargs))
        return _wrapped(ours(self.tensor_of(first), *map(self._there, rest), **kwargs))

    def tensor_of(self, value: Any) -> Tensor:
        """Give an array, or a tensor's, as a tensor of this one's device."""
        return torch.as_tensor(self._there(value), device=self.tensor.device)


def _wrapped(result: Any) -> Any:
    if isinstance(result, Tensor):
        return TensorArray(result)
    return tuple(map(TensorArray, result)) if isinstance(result, tuple | list) else result


def _matmul(u: Tensor, weights: Tensor) -> Tensor:
    """`u @ weights`, of integers modulo 2**64 as NumPy has it, which devices do not multiply.

    Pieces of u have so few bits that doubles add their products up exactly.
    """
    if u.is_floating_point():
        return u @ weights
    most = int(weights.abs().max()) * len(weights) if weights.numel() else 0
    bits = _MANTISSA - most.bit_length()
    if bits < 1:
        raise OverflowError("weights are so large, or so many, that doubles do not add them up")
    sums = u.new_zeros((*u.shape[:-1], weights.shape[-1]))
    for low in range(0, 64, bits):
        piece = (u >> low) & ((1 << bits) - 1) if low + bits < 64 else u >> low
        sums += (piece.double() @ weights.double()).long() << low
    return sums


_UFUNCS: dict[np.ufunc, Callable[..., Any]] = {
    np.add: operator.add,
    np.subtract: operator.sub,
    np.multiply: operator.mul,
    np.negative: operator.neg,
    np.floor_divide: operator.floordiv,
    np.left_shift: operator.lshift,
    np.right_shift: operator.rshift,
    np.bitwise_and: operator.and_,
    np.bitwise_or: operator.or_,
    np.less: operator.lt,
    np.less_equal: operator.le,
    np.greater: operator.gt,
    np.greater_equal: operator.ge,
    np.equal: operator.eq,
    np.absolute: operator.abs,
    np.maximum: lambda v, least: v.clamp(min=least),
    np.minimum: lambda v, most: v.clamp(max=most),
    np.matmul: _matmul,
    np.frexp: torch.frexp,
}
_FUNCTIONS: dict[Any, Callable[..., Any]] = {
    np.broadcast_to: torch.broadcast_to,
    np.clip: torch.clamp,
    np.concatenate: lambda parts, axis=0: torch.cat(parts, axis),
    np.count_nonzero: lambda v: int(torch.count_nonzero(v)),
    np.cumsum: torch.cumsum,
    np.empty_like: lambda v, shape=None: v.new_empty(v.shape if shape is None else shape),
    np.split: lambda v, sections, axis: v.chunk(sections, axis),
    np.stack: lambda parts, axis=0: torch.stack(parts, axis),
    np.where: torch.where,
}
"""By function of NumPy's: the same of tensors."""
