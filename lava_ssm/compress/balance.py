"""Scaling states so that what is before them and what is behind them are rounded equally well.

With x~ = k x, k above 0, a layer of states computes the same: b~ = k b, c~ = c / k. (A ReLU of
states lets them be scaled too.) Powers of two change no bit of a float network.
"""

import numpy as np

from lava_ssm.numerics import RealArray

_EXPONENTS = np.array(sorted(range(-40, 41), key=abs), float)
"""Of the scales that `found_scale` knows, the nearest to 0 first."""


def between(before: RealArray, behind: RealArray) -> RealArray:
    """Powers of two k that make k before and behind / k alike: sqrt(behind / before), rounded.

    1 where one of them is zero.
    """
    both = (before > 0) & (behind > 0)
    ratio = np.divide(behind, before, out=np.ones_like(before), where=both)
    return np.exp2(np.rint(np.log2(ratio) / 2))


def found_scale(
    layer: tuple[np.ndarray, np.ndarray], values: tuple[np.ndarray, np.ndarray]
) -> RealArray:
    """Powers of two by which the states of quantised values were scaled, one a state.

    Those with which b, or c, whichever fits better, is nearest to the values; 1 where both were
    rounded to nothing. (Where rounding left a state one or two bits it may be one power off.)

    Parameters
    ----------
    layer, values
        b and c of each state, see `Kind.of_states`.
    """
    found = []
    for real, value, sign in zip(layer, values, (1, -1), strict=True):
        size = (np.abs(real) ** 2).sum(axis=-1)
        power, product = (
            np.divide(sums.sum(axis=-1), size, out=np.zeros_like(size), where=size > 0)
            for sums in (np.abs(value) ** 2, (value * real.conj()).real)
        )
        # |value - k real|^2 / |k real|^2
        k = np.exp2(sign * _EXPONENTS).reshape(-1, *[1] * size.ndim)
        error = 1 + power / k**2 - 2 * product / k
        found.append((error.min(axis=0), np.exp2(_EXPONENTS[np.argmin(error, axis=0)])))
    (error_b, of_b), (error_c, of_c) = found
    return np.where(error_b <= error_c, of_b, of_c)
