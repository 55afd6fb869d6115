"""Named arrays and a description in one file, sealed: networks and checkpoints are such files.

The format is safetensors (a JSON header, then plain arrays; nothing in it can point elsewhere,
loop, or unpack). The header's metadata holds one text, `lava_ssm`: the SHA-256 of the whole file,
with its own 64 digits taken as zeros, a blank, and the description as JSON.
"""

import hashlib
import json
import os
import re
import stat
from collections.abc import Mapping
from os import PathLike
from typing import Any

import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

MOST_HEADER = 2 * 2**20
"""Bytes of the longest header that is written and read: to read it takes up to 25 times as much."""
_KEY = "lava_ssm"
_START = re.compile(rb'.{8}\{"__metadata__":\{"lava_ssm":"([0-9a-f]{64}) ', re.DOTALL)
_KINDS: dict[str, type[np.generic]] = {
    "I8": np.int8,
    "I16": np.int16,
    "I32": np.int32,
    "I64": np.int64,
    "U8": np.uint8,
    "F32": np.float32,
    "F64": np.float64,
}


class ArchiveError(ValueError):
    """A file is no archive, or is damaged."""


def pack(arrays: Mapping[str, np.ndarray], about: object) -> bytes:
    """Give the bytes of an archive: the same for the same content.

    Parameters
    ----------
    arrays
        By name; signed integers, uint8, float32 or float64, of any shape.
    about
        What JSON can say: texts, finite numbers, truth values, None, lists and dicts by text.

    Raises
    ------
    ValueError
        An array of another type, or more to describe than `unpack` reads.
    """
    for name, array in arrays.items():
        if array.dtype not in _KINDS.values():
            raise ValueError(f"{name}: arrays of {array.dtype} are not stored")
    whole = {name: np.require(array, requirements="C") for name, array in arrays.items()}
    content = save(whole, {_KEY: f"{'0' * 64} {json.dumps(about, allow_nan=False)}"})
    if int.from_bytes(content[:8], "little") > MOST_HEADER:
        raise ValueError(f"the description takes more than {MOST_HEADER} bytes")
    return sealed(content)


def sealed(content: bytes) -> bytes:
    """Give an archive's bytes the checksum that fits them.

    Raises
    ------
    ArchiveError
        They are no archive.
    """
    _, start, end = _checksum(content)
    return content[:start] + _digest(content, start, end) + content[end:]


def read(path: str | PathLike[str]) -> tuple[dict[str, np.ndarray], object]:
    """Give the arrays and the description of a file.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError
        There is no such file, it is a folder, or it may not be read.
    ArchiveError
        It is no archive, cut short or damaged.
    """
    mode = os.stat(path).st_mode
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(f"path must name a file, {os.fspath(path)!r} is a folder")
    if not stat.S_ISREG(mode):
        raise ArchiveError("it is no regular file")
    try:
        with open(path, "rb") as file:
            _checksum(start := file.read(1024))  # what is no archive need not be read
            return unpack(start + file.read())
    except MemoryError as error:
        raise ArchiveError("it needs more memory than there is") from error


def unpack(content: bytes) -> tuple[dict[str, np.ndarray], object]:
    """Give the arrays, which nobody else holds, and the description of an archive's bytes.

    Raises
    ------
    ArchiveError
        It is no archive, cut short or damaged.
    """
    digits, start, end = _checksum(content)
    if _digest(content, start, end) != digits:
        raise ArchiveError("it is damaged or cut short: its checksum does not fit")
    size = int.from_bytes(content[:8], "little")
    if size > MOST_HEADER:
        raise ArchiveError(f"its header has {size} bytes, at most {MOST_HEADER} are allowed")
    try:
        arrays = {name: _array(given) for name, given in deserialize(content)}
        header = content[8 : 8 + size].decode()
        text, _ = _JSON.raw_decode(header, start - 8 - 1)  # from the quotation mark on
        about = _JSON.decode(text[65:])
    except (SafetensorError, ValueError, RecursionError) as error:
        raise ArchiveError(f"its header is damaged: {str(error)[:200]}") from error
    return arrays, about


def _checksum(content: bytes) -> tuple[bytes, int, int]:
    """The digits of the checksum, and where they stand."""
    start = _START.match(content)
    if start is None:
        raise ArchiveError("lava_ssm did not write it, or not to its end")
    return start[1], *start.span(1)


def _digest(content: bytes, start: int, end: int) -> bytes:
    digest = hashlib.sha256(content[:start])
    digest.update(b"0" * 64)
    digest.update(memoryview(content)[end:])
    return digest.hexdigest().encode()


def _unique(pairs: list[tuple[str, object]]) -> dict[str, object]:
    if len(unique := dict(pairs)) != len(pairs):
        raise ValueError("two entries have one name")
    return unique


def _integer(digits: str) -> int:
    if len(digits) > 1000:  # to read one takes the square of its length
        raise ValueError(f"an integer of {len(digits)} digits")
    return int(digits)


def _no_number(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


_JSON = json.JSONDecoder(object_pairs_hook=_unique, parse_int=_integer, parse_constant=_no_number)


def _array(given: dict[str, Any]) -> np.ndarray:
    kind = _KINDS.get(given["dtype"])
    if kind is None:
        raise ValueError(f"an array of {given['dtype']}")
    return np.frombuffer(given["data"], kind).reshape(given["shape"])
