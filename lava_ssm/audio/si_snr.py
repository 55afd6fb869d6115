"""How near an estimate of a signal is, whatever its loudness."""

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm.numerics import RealArray, reals


def si_snr(estimate: ArrayLike, clean: ArrayLike) -> RealArray:
    """Scale-invariant signal-to-noise ratio, in dB.

        s = clean, z = estimate, both less their means;  t = (<z, s> / <s, s>) s
        SI-SNR = 10 log10(|t|^2 / |z - t|^2)

    (Le Roux, Wisdom, Erdogan, Hershey, "SDR - Half-Baked or Well Done?", ICASSP 2019, equation 2,
    less means as in the Intel N-DNS challenge.)

    Parameters
    ----------
    estimate, clean
        Signals, (..., time).

    Returns
    -------
    ndarray
        Of each signal, (...,). Infinite where the estimate is the clean signal times a number,
        minus infinity where it is silent.

    Raises
    ------
    ValueError
        Shapes that differ, a value that is not finite, a clean signal that is silent.
    """
    z, s = reals(estimate, "estimate"), reals(clean, "clean")
    if z.shape != s.shape or z.ndim == 0 or z.shape[-1] == 0:
        raise ValueError(
            f"estimate, clean must have one shape (..., time) and not be empty, got {z.shape} and "
            f"{s.shape}"
        )
    z, s = (v - v.mean(axis=-1, keepdims=True) for v in (z, s))
    power = (s * s).sum(axis=-1, keepdims=True)
    if (power == 0).any():
        raise ValueError("clean: a silent signal has no SI-SNR")
    t = (z * s).sum(axis=-1, keepdims=True) / power * s
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = (t * t).sum(axis=-1) / ((z - t) ** 2).sum(axis=-1)
        result = 10 * np.log10(ratio)
    return np.asarray(np.where(np.isnan(result), -np.inf, result))
