"""Sound files: what can be denoised, and what cannot."""

import io
import os
import shlex
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm import files
from lava_ssm.audio.spectra import FRAME, SAMPLE_RATE, samples_of
from lava_ssm.extras import needed
from lava_ssm.numerics import RealArray

if TYPE_CHECKING:
    from soundfile import SoundFile

_PIECE = 2**16
_MOST_CHUNKS = 1000


class AudioError(ValueError):
    """A sound file cannot be used; the message says why."""


def read(path: str | PathLike[str]) -> RealArray:
    """Read a file (wav, flac, ogg, ...): samples in [-1, 1], (time,).

    Raises
    ------
    FileNotFoundError
        There is no such file.
    AudioError
        No sound file, cut off, not mono, not of 16 kHz, shorter than a frame of 512 samples, or
        with values that are not finite.
    PermissionError
        It may not be read.
    """
    name = files.name_of(path)
    if not Path(name).is_file():
        raise FileNotFoundError(f"no sound file {name!r}")
    _check_finished(name)
    with needed("soundfile"):
        import soundfile

    try:
        with soundfile.SoundFile(name) as file:
            channels, rate = file.channels, file.samplerate
            if rate == SAMPLE_RATE and channels == 1:
                samples = _samples(file)
    except soundfile.LibsndfileError as error:
        raise AudioError(f"{name!r} is no sound file that can be read: {error}") from None
    given = shlex.quote(name)
    if rate != SAMPLE_RATE:
        raise AudioError(
            f"{name!r} has {rate} samples a second, {SAMPLE_RATE} are needed: resample it, for "
            f"example with `ffmpeg -i {given} -ac 1 -ar {SAMPLE_RATE} out.wav`"
        )
    if channels != 1:
        raise AudioError(
            f"{name!r} has {channels} channels, one is needed: mix it down, for example with "
            f"`ffmpeg -i {given} -ac 1 out.wav`"
        )
    if len(samples) < FRAME:
        raise AudioError(f"{name!r} has {len(samples)} samples, less than the {FRAME} of one frame")
    if not np.isfinite(samples).all():
        raise AudioError(f"{name!r} holds values that are not finite")
    return samples


def _samples(file: "SoundFile") -> RealArray:
    """All that is there, piece by piece: a header may tell of more than memory holds."""
    parts = [np.zeros(0)]
    while len(part := file.read(_PIECE, "float64")):
        parts.append(part)
    return np.concatenate(parts)


def _check_finished(path: str | PathLike[str]) -> None:
    """Refuse a WAV whose header does not know how much follows: its recorder was cut off.

    Recorders write sizes of 0, or the greatest there are, and put them right at the end.
    """
    end = os.stat(path).st_size
    with open(path, "rb") as file:
        start = file.read(12)
        if start[:4] != b"RIFF" or start[8:] != b"WAVE":
            return
        for _ in range(_MOST_CHUNKS):
            kind, size = file.read(4), int.from_bytes(file.read(4), "little")
            if kind == b"data":
                break
            file.seek(size + size % 2, os.SEEK_CUR)
        else:
            return
        there = end - file.tell()
    whole = 8 + int.from_bytes(start[4:8], "little")  # by the header
    if size > there + 1 or (size == 0 < there and abs(whole - end) > 1):
        raise AudioError(
            f"{os.fspath(path)!r} has an unfinished header: it tells of {size} bytes of sound, "
            f"{there} are there; its recorder was cut off, or the file was. `ffmpeg -ignore_length "
            f"1 -i {shlex.quote(os.fsdecode(path))} -c copy out.wav` makes one of what is there"
        )


def write(path: str | PathLike[str], samples: ArrayLike) -> None:
    """Write samples (time,) in [-1, 1] to a 16-bit wav file; what lies outside is clipped.

    The file is complete or not there.

    Raises
    ------
    TypeError, ValueError
        Not one signal, integers, or a value that is not finite.
    OSError
        The file cannot be written, see `lava_ssm.files.write`.
    """
    values = samples_of(samples, "samples")
    if values.ndim != 1:
        raise ValueError(f"samples must have shape (time,), got {values.shape}")
    files.check(path)
    with needed("soundfile"):
        import soundfile

    content = io.BytesIO()
    soundfile.write(content, np.clip(values, -1, 1), SAMPLE_RATE, "PCM_16", format="WAV")
    files.write(path, content.getvalue())
