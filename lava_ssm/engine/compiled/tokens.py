"""Single tokens, checked and rounded in a fraction of the time that NumPy takes."""

# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from lava_ssm.engine.compiled.compiling import kernel, ready
from lava_ssm.engine.compiled.cpu import rounded
from lava_ssm.numerics import Format

_EXACT = {
    **dict.fromkeys(map(np.dtype, ("i1", "i2", "i4", "i8", "u1", "u2", "u4")), np.int64),
    **dict.fromkeys(map(np.dtype, ("f2", "f4", "f8")), np.float64),
}
"""What holds each value of an array's type."""


class Tokens:
    """Brings tokens of one shape to mantissas, as `lava_ssm.engine.as_tokens` does."""

    def __init__(self, form: Format, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._low, self._high = form.min_mantissa, form.max_mantissa
        self._scale = 2.0**form.exponent
        index = numba.types.intp
        integers, reals = (numba.typeof(np.zeros(1, kind)) for kind in (np.int64, np.float64))
        ready(within, (integers, index, index))
        ready(quantized, (reals, numba.types.float64, index, index, integers))

    def mantissas(self, token: Any) -> NDArray[np.int64] | None:
        """Give the mantissas of an array of integers or floats; None of others, or if refused."""
        if not isinstance(token, np.ndarray) or token.shape != self._shape:
            return None
        kind = _EXACT.get(token.dtype)
        if kind is None:
            return None
        if token.dtype != kind or not (token.flags.c_contiguous and token.flags.writeable):
            token = np.array(token, kind, order="C")  # of the one kind the kernels are compiled for
        flat = token.reshape(-1)
        if kind is np.int64:
            return token if within(flat, self._low, self._high) else None
        out = np.empty(self._shape, np.int64)
        fits = quantized(flat, self._scale, self._low, self._high, out.reshape(-1))
        return out if fits else None


@kernel
def within(values, low, high):
    """Whether all integers lie in a range: no branch on each, so that LLVM makes vectors of it."""
    fits = True
    for i in range(values.size):
        fits &= (low <= values[i]) & (values[i] <= high)
    return fits


@kernel
def quantized(values, scale, low, high, out):
    """Round to the nearest mantissas, ties to even; whether they all lie in a range."""
    fits = True
    for i in range(values.size):
        mantissa = rounded(values[i] * scale)
        fits &= (low <= mantissa) & (mantissa <= high)  # not a number does not
        out[i] = np.int64(mantissa)
    return fits
