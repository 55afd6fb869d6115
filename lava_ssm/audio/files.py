"""Sound files: what can be denoised, and what cannot."""

import io
import os
from os import PathLike
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import ArrayLike

from lava_ssm import files
from lava_ssm.audio.spectra import FRAME, SAMPLE_RATE
from lava_ssm.numerics import RealArray, reals


class AudioError(ValueError):
    """A sound file cannot be used; the message says why."""


def read(path: str | PathLike[str]) -> RealArray:
    """Read a file (wav, flac, ogg, ...): samples in [-1, 1], (time,).

    Raises
    ------
    FileNotFoundError
        There is no such file.
    AudioError
        No sound file, not mono, not of 16 kHz, shorter than a frame of 512 samples, or with values
        that are not finite.
    """
    name = os.fspath(path)
    if not Path(path).is_file():
        raise FileNotFoundError(f"no sound file {name!r}")
    try:
        samples, rate = soundfile.read(name, dtype="float64", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{name!r} is no sound file that can be read: {error}") from None
    if rate != SAMPLE_RATE:
        raise AudioError(
            f"{name!r} has {rate} samples a second, {SAMPLE_RATE} are needed: resample it, for "
            f"example with `ffmpeg -i {name} -ar {SAMPLE_RATE} out.wav`"
        )
    if samples.shape[1] != 1:
        raise AudioError(f"{name!r} has {samples.shape[1]} channels, one is needed: mix it down")
    if len(samples) < FRAME:
        raise AudioError(f"{name!r} has {len(samples)} samples, less than the {FRAME} of one frame")
    if not np.isfinite(samples).all():
        raise AudioError(f"{name!r} holds values that are not finite")
    return np.asarray(samples[:, 0])


def write(path: str | PathLike[str], samples: ArrayLike) -> None:
    """Write samples (time,) in [-1, 1] to a 16-bit wav file; what lies outside is clipped.

    The file is complete or not there.

    Raises
    ------
    ValueError
        Not one signal, or a value that is not finite.
    OSError
        The file cannot be written, see `lava_ssm.files.write`.
    """
    values = reals(samples, "samples")
    if values.ndim != 1:
        raise ValueError(f"samples must have shape (time,), got {values.shape}")
    files.check(path)
    content = io.BytesIO()
    soundfile.write(content, np.clip(values, -1, 1), SAMPLE_RATE, "PCM_16", format="WAV")
    files.write(path, content.getvalue())
