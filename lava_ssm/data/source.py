"""Where the files of data sets are looked for."""

import hashlib
import os
from pathlib import Path

VARIABLE = "LAVA_SSM_DATA"


class DataNotFoundError(FileNotFoundError):
    """A data set is not where it was looked for; the message says how to get it."""


class DataDamagedError(ValueError):
    """A file of a data set is not what it should be."""


def folder(path: str | os.PathLike[str] | None) -> Path:
    """Folder of data sets: the one given, or that of LAVA_SSM_DATA, or `data` in this folder."""
    return Path(path if path is not None else os.environ.get(VARIABLE, "data"))


def not_found(what: str, where: Path, how: str) -> DataNotFoundError:
    """Error for data that are not there."""
    return DataNotFoundError(
        f"no {what} in {str(where)!r}. {how} Give the folder by the parameter `path` "
        f"(--data on the command line) or the environment variable {VARIABLE}; nothing is "
        "downloaded by itself."
    )


def check(values: bytes, sha256: str, name: str) -> None:
    """Refuse bytes whose SHA-256 is not the one that they are known by."""
    digest = hashlib.sha256(values).hexdigest()
    if digest != sha256:
        raise DataDamagedError(
            f"{name}: the SHA-256 of the content must be {sha256}, got {digest}: damaged, cut "
            "short, or another data set; get it anew"
        )
