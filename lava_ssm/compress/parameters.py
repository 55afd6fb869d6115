"""From real parameters to mantissas."""

import itertools

import numpy as np

from lava_ssm.compress.formats import Formats
from lava_ssm.network import S4D
from lava_ssm.network.description import BIAS_BITS, DIAGONAL_BITS, WEIGHT_BITS, Exponent
from lava_ssm.numerics import (
    SIGMOID_INPUT_EXPONENT,
    IntArray,
    Overflow,
    RealArray,
    Rounding,
    dequantize,
    fitting_exponent,
    quantize,
    round_real,
    word_range,
)


def direct_mantissas(d: RealArray, formats: Formats) -> tuple[IntArray, int]:
    """A direct path in 16 bits, and its exponent."""
    e = int(fitting_exponent(np.abs(d).max(), DIAGONAL_BITS))
    return quantize(d, DIAGONAL_BITS, e, formats.rounding, name="d"), e


def fixed_bias(bias: RealArray, exponent: int) -> IntArray:
    """Mantissas of the biases of neurons whose messages have an exponent."""
    return quantize(bias, BIAS_BITS, exponent, name="bias")


def gate_bias(bias: RealArray) -> IntArray:
    """Mantissas of a gate's bias; beyond +-8, where the sigmoid is 0 or 1, it may saturate."""
    return quantize(
        bias, BIAS_BITS, SIGMOID_INPUT_EXPONENT, overflow=Overflow.SATURATE, name="bias"
    )


def saturated(values: np.ndarray, bits: int, exponent: Exponent) -> IntArray:
    """Nearest mantissas, of complex values real and imaginary ones; beyond the format the last."""
    real = parts(values) if np.iscomplexobj(values) else values
    rows = np.reshape(exponent, (-1, *[1] * (real.ndim - 1))) if np.ndim(exponent) else exponent
    return quantize(real, bits, rows, Rounding.NEAREST, Overflow.SATURATE)


def parts_of(layer: S4D) -> dict[str, RealArray]:
    """Real and imaginary parts of a, b and c, (d_model, d_state, 2) each."""
    return {key: parts(getattr(layer, key)) for key in "abc"}


def parts(values: np.ndarray) -> RealArray:
    """Real and imaginary parts on a new last axis."""
    return np.stack([values.real, values.imag], axis=-1)


def largest_exponents(of: dict[str, RealArray], bits: int) -> IntArray:
    """For each channel the largest exponent in [0, 31] at which a, b and c fit, (d_model,)."""
    usable = [
        np.where(values.any(axis=(1, 2)), fitting(values, bits), bits - 1) for values in of.values()
    ]
    return np.clip(np.min(usable, axis=0), 0, 31)


def fitting(values: RealArray, bits: int) -> IntArray:
    """Largest exponent of each channel at which values (d_model, d_state, 2) fit."""
    return np.asarray(fitting_exponent(np.abs(values).max(axis=(1, 2)), bits))


def stable(a: np.ndarray, p: IntArray, rounding: Rounding) -> IntArray:
    """Round a (d_model, d_state, 2) to the nearest grid point with |a| < 1.

    Truncation toward zero always gives one, so one of the four points around a is stable.
    """
    scaled = np.ldexp(a, p[:, None, None].astype(np.int32))
    rounded = round_real(scaled, rounding)
    one = np.exp2(2.0 * p)[:, None]
    unstable = (rounded.astype(float) ** 2).sum(-1) >= one
    best = np.full(unstable.shape, np.inf)
    for corner in itertools.product((0, 1), repeat=2):
        near = np.floor(scaled) + corner
        distance = ((near - scaled) ** 2).sum(-1)
        closer = unstable & ((near**2).sum(-1) < one) & (distance < best)
        rounded[closer] = near[closer].astype(np.int64)
        best[closer] = distance[closer]
    return rounded


def weight_exponents(largest: RealArray, bits: int = WEIGHT_BITS) -> IntArray:
    """Largest exponents at which weights of these magnitudes, one or a row's, have so many bits.

    Zeros fit any: a row of them gets the finest other row's, not one that would make the shift that
    all rows share a coarse one.
    """
    fits = np.asarray(fitting_exponent(largest, bits))
    if np.ndim(largest) == 0 or not np.any(largest):
        return fits
    return np.where(largest > 0, fits, fits[largest > 0].max())


def fitted_exponents(weights: RealArray, bits: int, per_row: bool) -> IntArray:
    """Exponents at which the mantissas of a matrix have so many bits: one, or one a row.

    The least integer of a word is one larger than the greatest: negative weights may be larger too.
    Of weights that were trained on a grid of few bits (`on_grid`) its own: a row of 1, 0 and -1
    would have mantissas that are multiples of 64, and sums that take six bits more of their word.
    """
    rows = weights.reshape(len(weights) if per_row else 1, -1)
    # 128.5 is the end of the last integer below, 127.5 of that above
    below = (2**bits - 1) / (2**bits + 1)
    fits = weight_exponents(np.maximum(rows, -below * rows).max(axis=1), bits)
    if on_grid(rows, bits):
        largest = np.abs(rows).max(axis=1)
        own = weight_exponents(largest, WEIGHT_BITS)
        mantissas = np.ldexp(rows, own[:, np.newaxis].astype(np.int32)).astype(np.int64)
        common = np.bitwise_or.reduce(mantissas, axis=1)
        drop = np.log2(np.maximum(common & -common, 1)).astype(np.int64)
        used = largest > 0
        fits = np.where(used, own - drop, (own - drop)[used].max())
    return fits if per_row else fits[0]


_FEW_BITS = 4


def on_grid(weights: RealArray, bits: int = _FEW_BITS) -> bool:
    """Whether weights are integers of few bits times a power of two, one for each row.

    Of trained weights those are that were trained so (`nn.few_bits`). Rows of one weight, as of an
    identity, do not count: there is nothing that scaling them would spoil.
    """
    rows = weights.reshape(len(weights), -1)
    own = weight_exponents(np.abs(rows).max(axis=1), WEIGHT_BITS)
    scaled = np.ldexp(rows, own[:, np.newaxis].astype(np.int32))
    if (scaled != np.rint(scaled)).any() or np.count_nonzero(rows, axis=1).max() < 2:
        return False
    common = np.bitwise_or.reduce(scaled.astype(np.int64), axis=1)
    most = np.abs(scaled).max(axis=1)
    return bool((most <= word_range(min(bits, _FEW_BITS))[1] * (common & -common)).all())


_FINER = 11
"""Bits by which an exponent may be finer than fits the largest weight."""


def weight_mantissas(
    weights: RealArray, formats: Formats, std: RealArray | None = None
) -> tuple[IntArray, Exponent]:
    """Mantissas of weights, of `formats.width` bits, and their exponent: one, or one a row.

    Parameters
    ----------
    weights
        Real, (rows, columns) or, of complex ones, (rows, columns, 2).
    std
        Standard deviation of what each column is multiplied with, (columns,). None: the exponent
        is the largest at which all weights fit. Given, it is the one with the least squared error
        of the products; a weight of a column that hardly varies may then saturate, where it would
        leave the others few bits. (That of its mean is made up for by the bias.)
    """
    rows, bits = (-1, *[1] * (weights.ndim - 1)), formats.width
    fits = fitted_exponents(weights, bits, formats.per_channel)
    if std is None:
        e = np.reshape(fits, rows)
        return quantize(weights, bits, e, formats.rounding, name="weights"), fits
    # not to trust the calibration data that a column never varies
    least = std.max(initial=0) / 2048
    importance = np.reshape(np.maximum(std, least), (1, -1, *rows[2:]))
    best, mantissas = fits, np.zeros(weights.shape, np.int64)
    lowest = np.full(fits.shape, np.inf)
    for finer in range(_FINER):
        e = np.reshape(fits + finer, rows)
        rounded = quantize(weights, bits, e, formats.rounding, Overflow.SATURATE, name="weights")
        squared = ((dequantize(rounded, e) - weights) * importance) ** 2
        error = squared.reshape(len(squared), -1).sum(axis=1) if fits.ndim else squared.sum()
        better = error < lowest
        best = np.where(better, fits + finer, best)
        lowest = np.where(better, error, lowest)
        mantissas = np.where(np.reshape(better, rows), rounded, mantissas)
    return mantissas, best


FINENESS = 32
"""Scales of channels are powers of 2^(1/32)."""


def row_steps(weights: RealArray, formats: Formats, std: RealArray) -> IntArray:
    """Scales at which rows of a matrix are nearest to mantissas, as powers of 2^(1/32), (rows,).

    Between 1 and 2; with one exponent for all of them, such that all have large mantissas.
    """
    largest = np.abs(weights).max(axis=1)
    used = largest > 0
    e = np.reshape(weight_exponents(np.where(used, largest, 1), formats.width), (-1, 1))
    best, lowest = np.zeros(len(weights), np.int64), np.full(len(weights), np.inf)
    for step in range(FINENESS):
        k = np.exp2(e + step / FINENESS)
        k = np.where(largest[:, np.newaxis] * k > word_range(formats.width)[1], k / 2, k)
        off = (np.rint(weights * k) / k - weights) * std
        error = (off**2).sum(axis=1)
        better = error < lowest
        best, lowest = np.where(better, step, best), np.where(better, error, lowest)
    if not formats.per_channel:
        k = np.exp2(e[:, 0] + best / FINENESS)
        best += FINENESS * (e[:, 0] - e.max() - (largest * k > word_range(formats.width)[1]))
    return np.where(used, best, 0)


def column_steps(weights: RealArray, formats: Formats) -> IntArray:
    """Factors by which to divide columns so that they are nearest to mantissas, (columns,).

    As powers of 2^(1/32), between -16 and 15, at the exponents that the rows have.
    """
    largest = np.abs(weights).max(axis=1) if formats.per_channel else np.abs(weights).max()
    one = np.exp2(np.reshape(weight_exponents(largest, formats.width), (-1, 1)))
    best, lowest = (np.zeros(weights.shape[1]) for _ in range(2))
    lowest += np.inf
    for step in sorted(range(-FINENESS // 2, FINENESS // 2), key=abs):
        k = one * np.exp2(-step / FINENESS)
        rounded = np.clip(np.rint(weights * k), *word_range(formats.width))
        error = ((rounded / k - weights) ** 2).sum(axis=0)
        better = error < lowest
        best, lowest = np.where(better, step, best), np.where(better, error, lowest)
    return best.astype(np.int64)
