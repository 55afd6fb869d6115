"""A training's state in one file: no pickle, and every changed bit is noticed.

The file is an archive (`lava_ssm.archive`): its arrays are the tensors, numbered; its description
is the state as JSON. A list stands as a list, a dictionary, whose keys need not be texts, as
{"dict": [[key, value], ...]}, a tuple as {"tuple": [...]}, a tensor as {"tensor": its number}, one
of truth values as {"truths": the number of its bytes}, a float that JSON has no word for as
{"float": "inf"}.
"""

import math
from os import PathLike
from typing import Any

import numpy as np
import torch
from torch import Tensor

from lava_ssm import archive, files


class CheckpointError(ValueError):
    """A file is no checkpoint, or is damaged."""


def write(path: str | PathLike[str], state: Any) -> None:
    """Write a state to one file: complete, or not at all.

    Parameters
    ----------
    state
        Tensors, numbers, texts, truth values and None, in dictionaries (of keys that are numbers or
        texts), lists and tuples, nested.

    Raises
    ------
    TypeError
        There is something else in it.
    OSError
        It cannot be written, see `lava_ssm.files.write`.
    """
    arrays: dict[str, np.ndarray] = {}
    about = _plain(state, arrays)
    files.write(path, archive.pack(arrays, about))


def read(path: str | PathLike[str]) -> Any:
    """Give the state that `write` wrote.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    CheckpointError
        It is no checkpoint, cut short or damaged.
    """
    name = files.name_of(path)
    try:
        arrays, about = archive.read(path)
        return _state(about, arrays)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise CheckpointError(
            f"{name!r} is no checkpoint, or damaged ({type(error).__name__}: {error})"
        ) from error


def _plain(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    """What JSON can say of a value; tensors go to `arrays`."""
    match value:
        case float() if not math.isfinite(value):
            return {"float": str(value)}
        case None | bool() | int() | float() | str():
            return value
        case Tensor():
            number = str(len(arrays))
            truths = value.dtype is torch.bool
            held = value.detach().cpu()
            arrays[number] = (held.to(torch.uint8) if truths else held).numpy()
            return {"truths" if truths else "tensor": number}
        case list():
            return [_plain(item, arrays) for item in value]
        case tuple():
            return {"tuple": [_plain(item, arrays) for item in value]}
        case dict():
            for key in value:
                if type(key) not in (int, str):
                    raise TypeError(f"state: keys must be integers or texts, got {key!r}")
            return {"dict": [[key, _plain(item, arrays)] for key, item in value.items()]}
    raise TypeError(f"state: a {type(value).__name__} is not stored")


def _state(about: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(about, list):
        return [_state(item, arrays) for item in about]
    if not isinstance(about, dict):
        return about
    ((kind, content),) = about.items()
    match kind:
        case "tensor":
            return torch.from_numpy(arrays[content].copy())
        case "truths":
            return torch.from_numpy(arrays[content].astype(bool))
        case "float":
            return float(content)
        case "tuple":
            return tuple(_state(item, arrays) for item in content)
        case "dict":
            return {key: _state(item, arrays) for key, item in content}
    raise ValueError(f"there is no {kind!r} in a checkpoint")
