"""Intervals in which values of channels lie."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lava_ssm.numerics import RealArray


@dataclass(frozen=True)
class Interval:
    """Values of each channel lie in [low, high], whatever the input; shapes (channels,)."""

    low: RealArray
    high: RealArray

    @property
    def magnitude(self) -> RealArray:
        """Largest magnitude of each channel."""
        return np.maximum(-self.low, self.high)

    def __add__(self, other: "Interval | RealArray") -> "Interval":
        if isinstance(other, Interval):
            return Interval(self.low + other.low, self.high + other.high)
        return Interval(self.low + other, self.high + other)

    def with_zero(self) -> "Interval":
        """These values, and 0."""
        return Interval(np.minimum(self.low, 0), np.maximum(self.high, 0))

    def widened(self, by: RealArray) -> "Interval":
        """With errors up to `by`."""
        return Interval(self.low - by, self.high + by)

    def through(self, weights: RealArray) -> "Interval":
        """A matrix (n_out, n_in) of weights, times values within."""
        return self.filtered(np.maximum(weights, 0), np.maximum(-weights, 0))

    def filtered(self, positive: RealArray, negative: RealArray) -> "Interval":
        """Sums of values within, of earlier ones too, with weights whose positive and negative
        parts add up to these: (n_out, n_in), or (channels,) where each has its own.
        """
        if positive.ndim == 2:
            return Interval(
                positive @ self.low - negative @ self.high,
                positive @ self.high - negative @ self.low,
            )
        u = self.with_zero()  # and nothing before
        return Interval(positive * u.low - negative * u.high, positive * u.high - negative * u.low)

    def times(self, other: "Interval") -> "Interval":
        """Product with values within another."""
        ends = [a * b for a in (self.low, self.high) for b in (other.low, other.high)]
        return Interval(np.min(ends, axis=0), np.max(ends, axis=0))

    def mapped(self, function: Callable[[RealArray], RealArray]) -> "Interval":
        """What a monotonic function makes of them."""
        return Interval(function(self.low), function(self.high))

    def beside(self, other: "Interval") -> "Interval":
        """These channels, then another's."""
        return Interval(np.append(self.low, other.low), np.append(self.high, other.high))

    def repeated(self, times: int) -> "Interval":
        """Each channel so many times."""
        return self.mapped(lambda v: np.repeat(v, times))
