"""What all descriptions share: equality by content, and arrays that cannot change."""

from collections.abc import Callable, Mapping
from dataclasses import fields
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm.numerics import (
    ComplexArray,
    IntArray,
    RealArray,
    dequantize,
    integer,
    integers,
    overflowing,
    shown,
    word_range,
)
from lava_ssm.tables import Shaped

Exponent: TypeAlias = int | IntArray
"""One exponent, or one a channel."""


def _equal(a: object, b: object) -> bool:
    if isinstance(a, np.ndarray) or isinstance(b, np.ndarray):
        return np.array_equal(np.asarray(a), np.asarray(b))
    return bool(a == b)


class Description(Shaped):
    """A frozen dataclass of arrays and numbers.

    Two are equal when they are of one class and all their fields are, arrays element by element;
    fields declared with `compare=False` do not count.
    """

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(
            _equal(getattr(self, f.name), getattr(other, f.name)) for f in fields(self) if f.compare
        )

    def __reduce__(self) -> tuple[object, ...]:
        # copies and unpickled ones are made anew: checked, their arrays read-only
        return type(self), tuple(getattr(self, f.name) for f in fields(self))

    def _set(self, name: str, value: object) -> None:
        """Put a checked value in place of the one given; for `__post_init__` only."""
        if isinstance(value, np.ndarray):
            given = getattr(self, name)
            if not isinstance(given, np.ndarray) or given.dtype == value.dtype:
                value = value.copy()  # else conversion to another type has made a copy
            value.flags.writeable = False
        object.__setattr__(self, name, value)

    def _put(self, check: "Check", *names: str) -> None:
        """Put what a check makes of fields in their place; for `__post_init__` only."""
        for name in names:
            self._set(name, check(getattr(self, name), name))


Check: TypeAlias = Callable[..., object]
"""Gives a value, checked; takes it and its name."""
ADDED = {"added": True}
"""Metadata of a field that older files do not have: its default is what was before."""


def mantissas(values: ArrayLike, bits: int, name: str) -> IntArray:
    """Integers that fit `bits` signed bits, checked.

    Raises
    ------
    ValueError
        One does not fit.
    """
    checked = integers(values, name)
    low, high = word_range(bits)
    if checked.size and not (low <= checked.min() and checked.max() <= high):
        where = tuple(int(i) for i in np.argwhere(overflowing(checked, bits))[0])
        raise ValueError(
            f"{name}: mantissas must lie in {[low, high]} ({bits} bits), "
            f"got {checked[where]} at {where}"
        )
    return checked


WEIGHT_BITS = 8
"""Width of a weight of a synapse."""


def weights(values: ArrayLike, name: str) -> IntArray:
    """Weights of a synapse, checked: integers of 8 bits."""
    return mantissas(values, WEIGHT_BITS, name)


BIAS_BITS = 24
"""Width of a bias, added inside a neuron."""


def biases(values: ArrayLike, name: str) -> IntArray:
    """Biases of neurons, checked: integers of 24 bits."""
    return mantissas(values, BIAS_BITS, name)


def dequantized_bias(bias: IntArray | None, exponent: int | None) -> RealArray | None:
    """Values of a bias that has the exponent of messages.

    Raises
    ------
    ValueError
        There is a bias, and its exponent is not known.
    """
    if bias is None:
        return None
    if exponent is None:
        raise ValueError("input_exponent: the bias has the input's exponent, which is not known")
    return dequantize(bias, exponent)


DIAGONAL_BITS = 16
"""Width of the mantissas of the diagonals a and d."""


def diagonal(values: ArrayLike, name: str) -> IntArray:
    """Entries of a diagonal, checked: integers of 16 bits."""
    return mantissas(values, DIAGONAL_BITS, name)


def shaped(
    values: ArrayLike,
    shape: tuple[int, ...],
    check: Callable[[ArrayLike, str], np.ndarray],
    name: str,
) -> np.ndarray:
    """Values of a given shape, checked by `check`.

    Raises
    ------
    ValueError
        Another shape.
    """
    checked = check(values, name)
    if checked.shape != shape:
        raise ValueError(f"{name} must have shape {shape}, got {checked.shape}")
    return checked


def zeros_or(shape: tuple[int, ...], check: Callable[[ArrayLike, str], np.ndarray]) -> Check:
    """Check values as `shaped` does; None stands for zeros."""

    def checked(values: ArrayLike | None, name: str) -> np.ndarray:
        return shaped(np.zeros(shape, int) if values is None else values, shape, check, name)

    return checked


def none_or(check: Check) -> Check:
    """Check what is not None."""
    return lambda value, name: None if value is None else check(value, name)


def bits(least: int, most: int) -> Check:
    """Check a number of bits, an integer in [least, most]."""
    return lambda value, name: integer(value, name, least, most)


def mantissa_bits(weights: np.ndarray) -> int:
    """Bits of an 8-bit matrix's mantissas where they are stored: 2, 4 or 8, the least that do."""
    low, high = int(weights.min(initial=0)), int(weights.max(initial=0))
    return next((b for b in (2, 4) if -1 << b - 1 <= low and high < 1 << b - 1), 8)


def is_dense(weights: np.ndarray) -> bool:
    """Whether a matrix (rows, columns) of 8-bit mantissas takes no less as compressed rows.

    These take three bytes a weight that is not zero (its mantissa and a 16-bit column) and four a
    row.
    """
    return weights.size <= 3 * np.count_nonzero(weights) + 4 * (len(weights) + 1)


def matrix_nbytes(weights: np.ndarray) -> int:
    """Bytes of a matrix (rows, columns) of mantissas of `mantissa_bits`, see `is_dense`."""
    bits = mantissa_bits(weights)
    if is_dense(weights):
        return -(-weights.size * bits // 8)
    n = int(np.count_nonzero(weights))
    return 2 * n + -(-n * bits // 8) + 4 * (len(weights) + 1)


MESSAGE_EXPONENTS = (-1000, 1000)
"""Allowed exponents of weights and messages: beyond them values leave float64."""


def exponent(
    value: Exponent, channels: int | None, allowed: tuple[int, int], name: str
) -> Exponent:
    """One exponent or one a channel, checked: an int, or an int64 array of shape (channels,).

    With `channels` None there is one only.
    """
    array = integers(value, name)
    if channels is None and array.shape != ():
        raise ValueError(f"{name} must be one integer, got shape {array.shape}")
    if array.shape not in ((), (channels,)):
        raise ValueError(
            f"{name} must be one integer or have shape ({channels},), one a channel; "
            f"got shape {array.shape}"
        )
    low, high = allowed
    if ((array < low) | (array > high)).any():
        raise ValueError(f"{name} must lie in [{low}, {high}], got {array.min()} to {array.max()}")
    return int(array) if array.shape == () else array


def exponents(channels: int | None = None, allowed: tuple[int, int] = MESSAGE_EXPONENTS) -> Check:
    """Check exponents, see `exponent`."""
    return lambda value, name: exponent(value, channels, allowed, name)


def made_by(value: Mapping[str, str]) -> dict[str, str]:
    """What made a network, as text by key, checked."""
    if not isinstance(value, Mapping) or not all(
        isinstance(text, str) for item in value.items() for text in item
    ):
        raise TypeError(f"made_by must map texts to texts, got {shown(value)}")
    return {str(k): str(v) for k, v in value.items()}


def complex_values(pairs: IntArray, exponent: ArrayLike) -> ComplexArray:
    """Complex values (...) of mantissas (..., 2)."""
    parts = dequantize(pairs, exponent)
    return parts[..., 0] + 1j * parts[..., 1]


def check_stable(magnitude: np.ndarray) -> None:
    """Raise a ValueError if |a| is not below 1 of a state, (d_state,) or (d_model, d_state)."""
    unstable = magnitude >= 1
    if unstable.any():
        where = tuple(int(i) for i in np.argwhere(unstable)[0])
        of_channel = f" of channel {where[0]}" if len(where) > 1 else ""
        raise ValueError(
            f"a: {int(unstable.sum())} states are unstable, |a| must be below 1; "
            f"state {where[-1]}{of_channel} has |a| = {magnitude[where]:.6g}"
        )
