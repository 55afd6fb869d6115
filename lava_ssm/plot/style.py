"""What all pictures have in common."""

from typing import TYPE_CHECKING

import numpy as np
from matplotlib import colormaps, pyplot

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

WIDTH = 9.0
"""Inches."""


def panels(n: int, height: float, sharex: bool = False) -> "tuple[Figure, list[Axes]]":
    """Give a figure of panels below each other, each so many inches high."""
    figure, axes = pyplot.subplots(
        n, 1, figsize=(WIDTH, 0.7 + height * n), layout="constrained", squeeze=False, sharex=sharex
    )
    return figure, list(axes[:, 0])


def colours(n: int) -> "NDArray[np.float64]":
    """Colours of n lines, (n, 4): told apart by whoever sees colours otherwise, dark to light."""
    shades: NDArray[np.float64] = colormaps["viridis"](np.linspace(0.0, 0.85, n))
    return shades


def plain(axes: "Axes") -> None:
    """Leave out frames and ticks that say nothing."""
    axes.grid(color="0.92")
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def some(n: int, most: int) -> "NDArray[np.int64]":
    """Numbers below n, at most so many, evenly apart."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).astype(np.int64))
