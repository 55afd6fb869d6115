"""Single tokens, checked and rounded in a fraction of the time that NumPy takes."""

# mypy: disable-error-code="no-untyped-def"

from functools import cache
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from lava_ssm.engine.compiled.compiling import IS_COMPILED, compiled, kernel, ready
from lava_ssm.engine.compiled.cpu import rounded
from lava_ssm.numerics import Format

REAL, INTEGER = np.dtype(np.float64), np.dtype(np.int64)
_EXACT = {
    **dict.fromkeys(map(np.dtype, ("i1", "i2", "i4", "i8", "u1", "u2", "u4")), INTEGER),
    **dict.fromkeys(map(np.dtype, ("f2", "f4", "f8")), REAL),
}
"""What holds each value of an array's type."""
_ARRAY = np.ndarray
"""No subclass: an array of one may be masked."""


@cache
def array_type(kind: np.dtype, ndim: int) -> Any:
    """Numba's type of contiguous arrays; to ask for it anew takes as long as a token."""
    return numba.typeof(np.zeros((1,) * ndim, kind))


class Tokens:
    """Brings tokens of one shape to mantissas, as `lava_ssm.engine.as_tokens` does.

    Parameters
    ----------
    form
        Of mantissas; None: a float network takes values.
    shape
        Of a token.

    Attributes
    ----------
    limits
        float64: what values are multiplied by, the lowest and the highest mantissa.
    """

    def __init__(self, form: Format | None, shape: tuple[int, ...]) -> None:
        self._shape = shape if IS_COMPILED else (-1,)  # of no token
        self._kinds = _EXACT if form is not None else dict.fromkeys(_EXACT, REAL)
        if form is None:
            self.limits = np.zeros(3)
            return
        self.limits = np.array([2.0**form.exponent, form.min_mantissa, form.max_mantissa])
        integers, reals = array_type(INTEGER, 1), array_type(REAL, 1)
        ready(within, (integers, reals))
        ready(quantized, (reals, reals, array_type(INTEGER, 3)))

    def flat(self, token: Any) -> np.ndarray | None:
        """Give an array of integers or floats as kernels take it, of one dimension; None of others.

        Returns
        -------
        ndarray or None
            float64: values. int64: mantissas, of which all lie in the format.
        """
        if type(token) is not _ARRAY or token.shape != self._shape:
            return None
        kind = token.dtype
        if kind is not REAL and (kind is not INTEGER or self._kinds is not _EXACT):
            kind = self._kinds.get(kind)
            if kind is None:
                return None
            # `np.array` would keep a dtype that is equal and not the same, as of unpickled arrays
            given, token = token, np.empty(token.shape, kind)
            token[...] = given
        if not token.flags.carray:
            token = np.array(token, order="C")  # of the kinds the kernels are compiled for
        values: np.ndarray = token if token.ndim == 1 else token.reshape(-1)
        return values if values.dtype is REAL or within(values, self.limits) else None

    def mantissas(self, token: Any) -> NDArray[np.int64] | None:
        """Give mantissas, the token's shape; None of what `flat` gives none of, or if refused."""
        values = self.flat(token)
        if values is None or values.dtype is not REAL:
            return None if values is None else values.reshape(self._shape)
        out = np.empty(self._shape, np.int64)
        fits = quantized(values, self.limits, out.reshape(-1, 1, self._shape[-1]))
        return out if fits else None


@kernel
def within(values, limits):
    """Whether all integers lie in a range: no branch on each, so that LLVM makes vectors of it."""
    low, high = np.int64(limits[1]), np.int64(limits[2])
    fits = True
    for i in range(values.size):
        fits &= (low <= values[i]) & (values[i] <= high)
    return fits


@kernel
def quantized(values, limits, tokens):
    """Round to the nearest mantissas, ties to even; whether they all lie in a range.

    Parameters
    ----------
    values, limits
        float64, (tokens d_input,), and see `Tokens`.
    tokens
        int64, (tokens, 1, d_input); written.
    """
    scale, low, high = limits[0], limits[1], limits[2]
    fits = True
    size = tokens.shape[2]
    for k in range(tokens.shape[0]):
        for j in range(size):
            mantissa = rounded(values[k * size + j] * scale)
            fits &= (low <= mantissa) & (mantissa <= high)  # not a number does not
            tokens[k, 0, j] = np.int64(mantissa)
    return fits


@compiled
def finite(values, limits, tokens):
    """Take the values of a float network's tokens; whether they are all finite. See `quantized`."""
    are_finite = True
    size = tokens.shape[2]
    for k in range(tokens.shape[0]):
        for j in range(size):
            value = values[k * size + j]
            are_finite &= value - value == 0
            tokens[k, 0, j] = value
    return are_finite
