"""Sound files: what can be denoised, and what cannot."""

import os
from os import PathLike
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import ArrayLike

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
        There is no such folder, it is a folder itself, or it cannot be written.
    """
    values = reals(samples, "samples")
    if values.ndim != 1:
        raise ValueError(f"samples must have shape (time,), got {values.shape}")
    check_target(path)
    target = Path(path)
    part = target.with_name(f".{target.name}.part")
    try:
        soundfile.write(part, np.clip(values, -1, 1), SAMPLE_RATE, "PCM_16", format="WAV")
        part.replace(target)
    except soundfile.LibsndfileError as error:
        raise OSError(f"{os.fspath(path)!r} cannot be written: {error}") from None
    finally:
        part.unlink(missing_ok=True)


def check_target(path: str | PathLike[str]) -> None:
    """Refuse, before anything is computed, a place where no file can be written.

    Raises
    ------
    FileNotFoundError
        There is no such folder.
    IsADirectoryError
        It is a folder itself.
    PermissionError
        Nothing may be written there.
    """
    target = Path(path)
    folder = os.fspath(target.parent)
    if not target.parent.is_dir():
        raise FileNotFoundError(f"path: no folder {folder!r}")
    if target.is_dir():
        raise IsADirectoryError(f"path: {os.fspath(path)!r} is a folder, a file is needed")
    if not os.access(folder, os.W_OK):
        raise PermissionError(f"path: nothing may be written into {folder!r}")
