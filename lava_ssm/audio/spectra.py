"""Short-time spectra: a token of 257 bins for each 128 samples, and back.

Frames of 512 samples begin every 128 (8 ms at 16 kHz), as in the Intel N-DNS challenge. A Hann
window h weighs a frame before its transform and again after the inverse one; overlapping frames
are added, and since four shifted h^2 add up to 3/2, two thirds of that is the signal again:

    X_t = rfft(h x[128 t - 384 : 128 t + 128]),
    y   = 2/3 sum_t h irfft(X_t)

A token needs no sample that comes later; a sample of y is complete 384 samples after x's.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lava_ssm.numerics import RealArray, as_array, complexes, integer, reals

SAMPLE_RATE = 16_000
"""Samples a second."""
FRAME = 512
HOP = 128
BINS = FRAME // 2 + 1
DELAY = FRAME - HOP
"""Samples by which the synthesis is later than the analysis."""
WINDOW: RealArray = 0.5 - 0.5 * np.cos(2 * np.pi * np.arange(FRAME) / FRAME)
"""Periodic Hann window."""
WINDOW.flags.writeable = False
FULL_SCALE = float(WINDOW.sum() / 2)
"""Magnitude of a bin of a sine between -1 and 1: 128."""

Spectra = NDArray[np.complex128]


def samples_of(x: ArrayLike, name: str) -> RealArray:
    """Samples as reals.

    Raises
    ------
    TypeError
        Integers, as 16-bit files hold: networks hear samples in [-1, 1].
    """
    given = as_array(x, name)
    if given.dtype.kind in "iu" and given.any():
        raise TypeError(
            f"{name} must be floats, those of speech in [-1, 1], got {given.dtype}; divide what "
            "16-bit files hold by 32768"
        )
    return reals(given, name)


class Analysis:
    """Spectra of a stream: 128 samples in, one token out."""

    def __init__(self) -> None:
        self._recent = np.zeros(FRAME)

    def step(self, samples: ArrayLike) -> Spectra:
        """Take the next 128 samples and give the spectrum (257,) of the last 512.

        Raises
        ------
        TypeError, ValueError
            Not 128 samples, one that is not finite, or integers (of 16-bit sound).
        """
        block = samples_of(samples, "samples")
        if block.shape != (HOP,):
            raise ValueError(f"samples must have shape ({HOP},), got {block.shape}")
        self._recent = np.concatenate([self._recent[HOP:], block])
        return np.fft.rfft(WINDOW * self._recent)


class Synthesis:
    """The way back: one token in, 128 samples out, 384 later than those that made it."""

    def __init__(self) -> None:
        self._sum = np.zeros(FRAME)

    def step(self, spectrum: ArrayLike) -> RealArray:
        """Take the next spectrum (257,) and give the 128 samples that are complete with it."""
        bins = complexes(spectrum, "spectrum")
        if bins.shape != (BINS,):
            raise ValueError(f"spectrum must have shape ({BINS},), got {bins.shape}")
        self._sum += 2 / 3 * WINDOW * np.fft.irfft(bins, FRAME)
        ready = self._sum[:HOP]
        self._sum = np.concatenate([self._sum[HOP:], np.zeros(HOP)])
        return ready


def n_tokens(samples: int) -> int:
    """Tokens from which `samples` samples can be made again, the last three of silence."""
    samples = integer(samples, "samples", 1)
    return -(-samples // HOP) + DELAY // HOP


def analyse(x: ArrayLike) -> Spectra:
    """Spectra of whole signals.

    Parameters
    ----------
    x
        Samples, (..., time); of speech in [-1, 1]. Integers are refused.

    Returns
    -------
    ndarray
        Complex, (..., tokens, 257), `n_tokens(time)` of them: those that `Analysis` gives for x
        and the silence after it.
    """
    samples = samples_of(x, "x")
    if samples.ndim == 0 or samples.shape[-1] == 0:
        raise ValueError(f"x must have shape (..., time) and not be empty, got {samples.shape}")
    tokens = n_tokens(samples.shape[-1])
    padded = np.zeros((*samples.shape[:-1], DELAY + tokens * HOP))
    padded[..., DELAY : DELAY + samples.shape[-1]] = samples
    frames = np.lib.stride_tricks.sliding_window_view(padded, FRAME, axis=-1)[..., ::HOP, :]
    return np.fft.rfft(WINDOW * frames)


def synthesise(spectra: ArrayLike, samples: int) -> RealArray:
    """Signals (..., samples) of the spectra (..., tokens, 257) that `analyse` gave of them."""
    given, samples = complexes(spectra, "spectra"), integer(samples, "samples", 1)
    if given.ndim < 2 or given.shape[-1] != BINS or given.shape[-2] != n_tokens(samples):
        raise ValueError(
            f"spectra must have shape (..., {n_tokens(samples)}, {BINS}) for {samples} samples, "
            f"got {given.shape}"
        )
    frames = 2 / 3 * WINDOW * np.fft.irfft(given, FRAME)  # (..., tokens, 512)
    tokens = given.shape[-2]
    total = np.zeros((*given.shape[:-2], DELAY + tokens * HOP))
    for part in range(FRAME // HOP):  # each frame is four hops
        hops = frames[..., part * HOP : (part + 1) * HOP].reshape(*given.shape[:-2], -1)
        total[..., part * HOP : part * HOP + tokens * HOP] += hops
    return total[..., DELAY : DELAY + samples]
