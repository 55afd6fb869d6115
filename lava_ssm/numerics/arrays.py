"""What counts as an array of integers or of reals, here and in every room above."""

import numpy as np
from numpy.typing import ArrayLike, NDArray

IntArray = NDArray[np.int64]
RealArray = NDArray[np.float64]


def integers(values: ArrayLike, name: str = "values") -> IntArray:
    """`values` as int64.

    Raises
    ------
    TypeError
        `values` are not integers.
    OverflowError
        An unsigned or Python integer does not fit 64 signed bits.
    """
    array = np.asarray(values)
    if array.size == 0 and array.dtype == np.float64:  # NumPy's type of an empty list
        return array.astype(np.int64)
    if array.dtype == object and all(isinstance(v, int) for v in array.flat):
        raise OverflowError(f"{name}: integers must fit 64 signed bits")
    if array.dtype.kind not in "iu":
        raise TypeError(f"{name} must be integers, got an array of {array.dtype}")
    if array.dtype == np.uint64 and array.size and int(array.max()) > np.iinfo(np.int64).max:
        raise OverflowError(f"{name}: integers must fit 64 signed bits, got {array.max()}")
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
    array = np.asarray(values)
    if array.dtype.kind not in "fiu":
        raise TypeError(f"{name} must be real numbers, got an array of {array.dtype}")
    array = array.astype(np.float64, copy=False)
    if not np.isfinite(array).all():
        bad = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
        raise ValueError(f"{name} must be finite, got {array[bad]} at {bad}")
    return array
