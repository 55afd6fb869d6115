"""Input: what a user gives, brought to what a network takes."""

from numpy.typing import ArrayLike, NDArray

from lava_ssm.network import FixedNetwork, Network, check_network
from lava_ssm.numerics import as_array, integers, quantize, reals


def as_tokens(network: Network | FixedNetwork, x: ArrayLike, name: str = "x") -> NDArray:
    """Check tokens; for a fixed network bring them to mantissas of its input format.

    Parameters
    ----------
    x
        Shape (..., d_input). For a fixed network floats are values, rounded to the nearest
        mantissa, and integers are mantissas.

    Returns
    -------
    ndarray
        float64 or, for a fixed network, int64; the shape of `x`.

    Raises
    ------
    TypeError
        Neither integers nor real numbers.
    ValueError
        A token of the wrong width, a value that is not finite or is beyond the input format.
    """
    check_network(network)
    return tokens_of(network, as_array(x, name), name)


def tokens_of(network: Network | FixedNetwork, given: NDArray, name: str) -> NDArray:
    """As `as_tokens`, of an array."""
    if given.ndim == 0 or given.shape[-1] != network.d_input:
        raise ValueError(
            f"{name} must have shape (..., {network.d_input}), d_input last; got {given.shape}"
        )
    if isinstance(network, Network):
        return reals(given, name)
    form = network.input_format
    if given.dtype.kind in "iu":
        if given.size and not form.min_mantissa <= given.min() <= given.max() <= form.max_mantissa:
            raise ValueError(
                f"{name}: input mantissas must lie in [{form.min_mantissa}, {form.max_mantissa}] "
                f"({form.bits} bits), got {given.min()} to {given.max()}"
            )
        return integers(given, name)
    values = reals(given, name)
    try:
        return quantize(values, form.bits, form.exponent, name=name)
    except OverflowError:
        raise ValueError(
            f"{name}: input values must lie in [{_exact(form.min)}, {_exact(form.max)}] (input "
            f"format: {form.bits} bits, exponent {form.exponent}), got {_exact(values.min())} to "
            f"{_exact(values.max())}"
        ) from None


def _exact(value: float) -> str:
    return repr(float(value)).removesuffix(".0")


def as_sequences(network: Network | FixedNetwork, x: ArrayLike, name: str = "x") -> NDArray:
    """Give data that something is to be found out from: checked as tokens, (..., time, d_input).

    Raises
    ------
    TypeError, ValueError
        As of `as_tokens`; no axis of time, or nothing.
    """
    tokens = as_tokens(network, x, name)
    if tokens.ndim < 2 or tokens.size == 0:
        raise ValueError(
            f"{name} must have shape (..., time, {network.d_input}) and not be empty, got "
            f"{tokens.shape}"
        )
    return tokens
