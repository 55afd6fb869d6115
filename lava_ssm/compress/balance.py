"""Scaling states so that what is before them and what is behind them are rounded equally well.

With x~ = k x, k above 0, a layer of states computes the same: b~ = k b, c~ = c / k. (A ReLU of
states lets them be scaled too.) Powers of two change no bit of a float network.
"""

from dataclasses import replace
from typing import TypeVar

import numpy as np

from lava_ssm.compress.ranges import Moments
from lava_ssm.network import S4D, S5, FloatLayer
from lava_ssm.numerics import RealArray

Layer = TypeVar("Layer", bound=S4D | S5)
_EXPONENTS = np.array(sorted(range(-40, 41), key=abs), float)
"""Of the scales that `found_scale` knows, the nearest to 0 first."""


def scaled(layer: Layer, k: RealArray) -> Layer:
    """Give the layer with states `k` times as large.

    Parameters
    ----------
    k
        (d_model, d_state) of an S4D, (d_state,) of an S5.
    """
    if isinstance(layer, S4D):
        return replace(layer, b=layer.b * k, c=layer.c / k)
    return replace(
        layer, b=layer.b * k[:, np.newaxis], c=layer.c / k, drive_bias=layer.drive_bias * k
    )


def balance(layer: S4D) -> RealArray:
    """Powers of two that make |b| and |c| of each state alike, (d_model, d_state).

    k = sqrt(|c| / |b|) makes them equal; 1 where one of them is zero.
    """
    return _between(np.abs(layer.b), np.abs(layer.c))


def balance_rows(layer: S5, std: RealArray) -> RealArray:
    """Powers of two that make B's rows as large as C's columns, (d_state,).

    With one exponent a matrix the largest row or column leaves the others few bits. Scaled so that
    all rows of B are alike, C would have what they differed in, and the other way round; half of it
    each is where both lose least.

    Parameters
    ----------
    std
        Standard deviation of the inputs, (d_model,): a row is as large as what it makes of them.
    """
    row = np.sqrt((np.abs(layer.b) ** 2) @ std**2)
    return _between(row, np.abs(layer.c).max(axis=0))


def _between(before: RealArray, behind: RealArray) -> RealArray:
    both = (before > 0) & (behind > 0)
    ratio = np.divide(behind, before, out=np.ones_like(before), where=both)
    return np.exp2(np.rint(np.log2(ratio) / 2))


def level_states(sent: Moments) -> RealArray:
    """Powers of two that make all states of an S5 as large as the largest, (d_state,).

    They share the exponents of their words and messages.
    """
    re, im = np.split(np.diag(sent.gram), 2)
    size = np.sqrt(re + im)
    return np.exp2(
        np.rint(np.log2(np.where(size > 0, size.max() / np.where(size > 0, size, 1), 1)))
    )


def found_scale(layer: Layer, values: Layer) -> RealArray:
    """Powers of two by which the states of quantised values were scaled, as `scaled` takes them.

    Those with which b, or c, whichever fits better, is nearest to the values; 1 where both were
    rounded to nothing. (Where rounding left a state one or two bits it may be one power off.)
    """
    found = []
    for key, sign in (("b", 1), ("c", -1)):
        real, value = (_of_states(la, key) for la in (layer, values))
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


def scaled_like(layer: FloatLayer, values: FloatLayer) -> FloatLayer:
    """Give a layer, its states if it has any scaled as those of its quantised values were."""
    if isinstance(layer, S4D | S5) and isinstance(values, type(layer)):
        return scaled(layer, found_scale(layer, values))
    return layer


def _of_states(layer: S4D | S5, key: str) -> np.ndarray:
    """Parameters of each state: (d_model, d_state, 1) of an S4D, (d_state, d_model) of an S5."""
    values: np.ndarray = getattr(layer, key)
    if isinstance(layer, S4D):
        return values[..., np.newaxis]
    return values if key == "b" else values.T
