"""Single tokens, checked and rounded in a fraction of the time that NumPy takes."""

# mypy: disable-error-code="no-untyped-def"

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from lava_ssm.engine.compiled.compiling import kernel, ready
from lava_ssm.engine.compiled.cpu import rounded
from lava_ssm.numerics import Format


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
        """Give the mantissas of an int64 or float64 array; None of anything else, or if refused."""
        if not (
            isinstance(token, np.ndarray)
            and token.shape == self._shape
            and token.flags.c_contiguous
            and token.flags.writeable
        ):
            return None
        if token.dtype == np.int64:
            return token if within(token.reshape(-1), self._low, self._high) else None
        if token.dtype == np.float64:
            out = np.empty(self._shape, np.int64)
            flat = token.reshape(-1), self._scale, self._low, self._high, out.reshape(-1)
            return out if quantized(*flat) else None
        return None


@kernel
def within(values, low, high):
    """Whether all integers lie in a range."""
    for i in range(values.size):  # noqa: SIM110
        if not low <= values[i] <= high:
            return False
    return True


@kernel
def quantized(values, scale, low, high, out):
    """Round to the nearest mantissas, ties to even; whether they all lie in a range."""
    for i in range(values.size):
        mantissa = rounded(values[i] * scale)
        if not low <= mantissa <= high:  # not a number neither
            return False
        out[i] = np.int64(mantissa)
    return True
