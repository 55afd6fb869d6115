"""Noisy speech with its clean original, laid out as in the Intel N-DNS challenge.

    training_set/clean/clean_fileid_7.wav
    training_set/noisy/..._snr5_tl-25_fileid_7.wav

and the same for validation_set and test_set.
(Timcheck et al., "The Intel Neuromorphic DNS Challenge", Neuromorphic Computing and Engineering
3(3), 2023.) Both the full data set and `mini_ndns` are read by the same loader.
"""

import os
import re
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lava_ssm.audio import read
from lava_ssm.audio.files import AudioError
from lava_ssm.data.source import DataDamagedError

# what is read of a name stands between underscores: names of books and readers hold anything
_NUMBER = re.compile(r"(?:^|_)fileid_([0-9]+)\.wav$", re.IGNORECASE)
_LEVEL = re.compile(r"_tl-?[0-9]+$", re.IGNORECASE)
_SNR = re.compile(r"(?:^|_)snr(-?[0-9]+)(?=_|$)", re.IGNORECASE)


@dataclass(frozen=True)
class Clip:
    """A recording.

    Parameters
    ----------
    number
        Its `fileid`.
    noisy, clean
        Files.
    snr
        Signal-to-noise ratio that it was mixed with, in dB; None where the name does not tell.
    """

    number: int
    noisy: Path
    clean: Path
    snr: int | None

    def read(self) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        """Give the noisy and the clean samples, (time,) each, in [-1, 1].

        Raises
        ------
        lava_ssm.audio.AudioError
            A file that cannot be used, or two of different lengths.
        """
        noisy, clean = read(self.noisy), read(self.clean)
        if len(noisy) != len(clean):
            raise AudioError(
                f"{str(self.noisy)!r} has {len(noisy)} samples, its clean original {len(clean)}"
            )
        return noisy.astype(np.float32), clean.astype(np.float32)


def ndns(part: str | PathLike[str]) -> tuple[Clip, ...]:
    """List the clips of one part of an N-DNS data set, by number, whatever the case of the names.

    Parameters
    ----------
    part
        Folder with the folders `noisy` and `clean`, such as `.../training_set`.

    Raises
    ------
    FileNotFoundError
        There is no such folder, no clip in it, or a noisy file without its clean original.
    DataDamagedError
        Two files of one number.
    """
    folder = Path(part)
    if not (folder / "noisy").is_dir() or not (folder / "clean").is_dir():
        raise FileNotFoundError(
            f"{os.fspath(folder)!r} is no part of an N-DNS data set: it must hold the folders "
            "'noisy' and 'clean'. The full data set is made by the scripts of the Intel N-DNS "
            "challenge, a small one by `lava-ssm mini-ndns`"
        )
    clean = _by_number(folder / "clean")
    clips = []
    for number, noisy in sorted(_by_number(folder / "noisy").items()):
        if number not in clean:
            raise FileNotFoundError(
                f"{str(noisy)!r} has no clean original "
                f"{str(folder / 'clean' / f'clean_fileid_{number}.wav')!r}"
            )
        clips.append(Clip(number, noisy, clean[number], _snr(noisy.name)))
    if not clips:
        raise FileNotFoundError(f"no file *_fileid_<number>.wav in {os.fspath(folder / 'noisy')!r}")
    return tuple(clips)


def _by_number(folder: Path) -> dict[int, Path]:
    """Sound files of a folder by their number; hidden ones are left out."""
    paths: dict[int, Path] = {}
    for path in sorted(folder.iterdir()):
        number = _NUMBER.search(path.name)
        if number is None or path.name.startswith(".") or not path.is_file():
            continue
        if int(number[1]) in paths:
            raise DataDamagedError(
                f"two files have the number {int(number[1])}: {str(paths[int(number[1])])!r} and "
                f"{str(path)!r}"
            )
        paths[int(number[1])] = path
    return paths


def _snr(name: str) -> int | None:
    """The last field `snr<number>` of what stands before the level and the number."""
    before = _LEVEL.sub("", _NUMBER.sub("", name))
    ratios = _SNR.findall(before)
    return int(ratios[-1]) if ratios else None


def stacked(clips: tuple[Clip, ...]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Noisy and clean samples of clips of one length, (clips, time) each.

    Raises
    ------
    lava_ssm.audio.AudioError
        A file that cannot be used, or clips of different lengths.
    """
    pairs = [clip.read() for clip in clips]
    lengths = {len(noisy) for noisy, _ in pairs}
    if len(lengths) != 1:
        raise AudioError(f"clips must be of one length, got {sorted(lengths)} samples")
    noisy, clean = (np.stack([pair[k] for pair in pairs]) for k in (0, 1))
    return noisy, clean
