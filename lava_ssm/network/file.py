"""A network, float or fixed, as one file: a safetensors file with a checksum (`lava_ssm.archive`).

The description, version 3 or 4, holds `format`, `version`, `kind` (a class), `written_by`, the
network's numbers and texts, and `layers`, a list: of each its `kind`, numbers and texts. The array
`layers.3.weights` is the field `weights` of layer 3 (the first is 0): integers in the smallest type
that holds them all, reals as float32 if that holds them, else as float64, complex numbers as pairs
of reals on a last axis. What is None is left out. Matrices of integers of 2 or 4 bits are packed in
the order of their entries, from the lowest bits of a byte on, and `packed`, in version 4 alone, has
the bits and the shape of each by name. (Versions 1 and 2 were HDF5 files.)
"""

import math
import os
import shlex
from collections.abc import Mapping
from dataclasses import fields
from enum import Enum
from functools import cache
from os import PathLike
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from lava_ssm import __version__, archive, files
from lava_ssm.network.activation import Elementwise
from lava_ssm.network.description import ADDED, Description, mantissa_bits
from lava_ssm.network.fixed_network import FixedNetwork
from lava_ssm.network.float_network import Network
from lava_ssm.network.layer import FixedLayer, FloatLayer, kinds_of
from lava_ssm.network.residual import Residual
from lava_ssm.numerics import Arithmetic, IntArray, RealArray

FORMAT = "lava_ssm network"
VERSION, PACKED_VERSION = 3, 4
MOST_LAYERS = 1024
_HDF5 = b"\x89HDF\r\n\x1a\n"
_NETWORKS: dict[str, type] = {kind.__name__: kind for kind in (Network, FixedNetwork)}
_COMPLEX = NDArray[np.complex128]
_FORMS: dict[object, str] = {
    int: "an integer",
    float: "a real number",
    bool: "true or false",
    NoneType: "left out",
    IntArray: "an array of signed integers",
    RealArray: "an array of float64",
    _COMPLEX: "an array of float64 whose last axis has length 2",
}


class NetworkFileError(ValueError):
    """A file is no network, is damaged, or is of a newer format."""


def save(network: Network | FixedNetwork, path: str | PathLike[str]) -> None:
    """Write a network to one file: complete, or not at all. One network, one content.

    Raises
    ------
    TypeError
        The network or a layer is of another class than those of this room.
    ValueError
        More than 1024 layers, or texts of some megabytes.
    OSError
        The file cannot be written, see `lava_ssm.files.write`.
    """
    arrays: dict[str, np.ndarray] = {}
    described = _described(network, "", arrays)
    packed = _packed(arrays)
    about = {
        "format": FORMAT,
        "version": PACKED_VERSION if packed else VERSION,
        "written_by": f"lava_ssm {__version__}",
        "kind": _name_of(network, _NETWORKS, "network"),
        **described,
        **({"packed": packed} if packed else {}),
    }
    files.write(path, archive.pack(arrays, about))


def load(path: str | PathLike[str]) -> Network | FixedNetwork:
    """Read a network that `save` wrote. What its name ends with does not matter.

    Raises
    ------
    FileNotFoundError, IsADirectoryError, PermissionError
        There is no such file, it is a folder, or it may not be read.
    NetworkFileError
        The file is damaged or cut short, of another program, or of a newer or an old format.
    """
    name = files.name_of(path)
    try:
        arrays, about = archive.read(path)
    except (FileNotFoundError, NotADirectoryError):
        raise FileNotFoundError(f"no network file {name!r}") from None
    except IsADirectoryError as error:
        inside = os.path.join(name, "network.safetensors")
        hint = f"; a run folder's network is {inside!r}" if os.path.isfile(inside) else ""
        raise IsADirectoryError(f"{error}{hint}") from None
    except archive.ArchiveError as error:
        if _is_hdf5(path):
            raise NetworkFileError(
                f"{name!r} is an HDF5 file, as older versions of lava_ssm wrote: if it is one of "
                "yours, convert it with the project's script, "
                f"`python scripts/convert_h5.py {shlex.quote(name)} NEW.safetensors`"
            ) from None
        raise NetworkFileError(f"{name!r} cannot be loaded: {error}") from error
    try:
        return _network(about, arrays)
    except Exception as error:  # whatever it is: the bytes are as written, but are no network
        reason = (str(error) or repr(error))[:300]
        raise NetworkFileError(f"{name!r} cannot be loaded: {reason}") from error


def _is_hdf5(path: str | PathLike[str]) -> bool:
    if not os.path.isfile(path):
        return False
    with open(path, "rb") as file:
        start = file.read(1024)
    return start.startswith((_HDF5, b"lava_ssm network, version")) or start[512:].startswith(_HDF5)


def _layers() -> dict[str, type[Description]]:
    """Give all kinds of layers, by name: those of this room, and whatever else was defined."""
    families = (FloatLayer, FixedLayer, Elementwise)
    return {"Residual": Residual} | {k.__name__: k for each in families for k in kinds_of(each)}


def _name_of(thing: object, kinds: Mapping[str, type], what: str) -> str:
    name = type(thing).__name__
    if kinds.get(name) is not type(thing):
        raise TypeError(f"{what}: files hold {', '.join(kinds)}; got {name}")
    return name


def _described(
    thing: Description | Arithmetic, prefix: str, arrays: dict[str, np.ndarray]
) -> dict[str, object]:
    """Fields as JSON has them; those that are arrays go into `arrays`."""
    about: dict[str, object] = {}
    for field in fields(thing):
        name, value = field.name, getattr(thing, field.name)
        if isinstance(value, np.ndarray):
            arrays[prefix + name] = _stored(value)
        elif isinstance(value, tuple):
            if len(value) > MOST_LAYERS:
                raise ValueError(
                    f"layers: a file holds at most {MOST_LAYERS}, the network has {len(value)}"
                )
            about[name] = [
                {
                    "kind": _name_of(layer, _layers(), f"layers[{i}]"),
                    **_described(layer, f"{prefix}{name}.{i}.", arrays),
                }
                for i, layer in enumerate(value)
            ]
        elif isinstance(value, Arithmetic):
            about[name] = _described(value, f"{prefix}{name}.", arrays)
        elif isinstance(value, Enum):
            about[name] = value.value
        elif isinstance(value, np.integer):
            about[name] = int(value)
        elif value is not None:
            about[name] = value
    return about


def _stored(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind == "c":
        values = np.stack([values.real, values.imag], -1)
    if values.dtype.kind == "f":
        with np.errstate(over="ignore", under="ignore"):
            shorter = values.astype(np.float32)
        return shorter if np.array_equal(shorter, values) else values
    if values.dtype.kind == "i":
        low, high = int(values.min(initial=0)), int(values.max(initial=0))
        for smaller in (np.int8, np.int16, np.int32):
            if np.iinfo(smaller).min <= low and high <= np.iinfo(smaller).max:
                return values.astype(smaller)
    return values


def _packed(arrays: dict[str, np.ndarray]) -> dict[str, list[int]]:
    """Pack matrices of few bits in place; give the bits and the shape of each."""
    packed = {}
    for name, values in arrays.items():
        if values.dtype != np.int8 or values.ndim != 2 or (bits := mantissa_bits(values)) == 8:
            continue
        packed[name] = [bits, *values.shape]
        fields = np.zeros((-(-values.size * bits // 8), 8 // bits), np.uint8)
        fields.ravel()[: values.size] = values.ravel().view(np.uint8) & ((1 << bits) - 1)
        shifted = fields << np.arange(0, 8, bits, dtype=np.uint8)
        arrays[name] = np.bitwise_or.reduce(shifted, axis=1)
    return packed


def _unpack(arrays: dict[str, np.ndarray], packed: object) -> None:
    """Bring what `_packed` packed to its shape again, in place."""
    if not isinstance(packed, dict):
        raise TypeError(f"packed must be an object, got {packed!r}")
    for name, form in packed.items():
        if not isinstance(form, list) or len(form) != 3 or any(type(n) is not int for n in form):
            raise TypeError(f"packed: {name} must have bits, rows and columns, got {form!r}")
        bits, *shape = form
        fields = arrays.get(name)
        if fields is None or fields.dtype != np.uint8 or bits not in (2, 4) or min(shape) < 1:
            raise ValueError(f"packed: {name} is no matrix of 2 or 4 bits")
        size = math.prod(shape)
        if fields.shape != (-(-size * bits // 8),):
            raise ValueError(f"packed: {name} must have {size} integers of {bits} bits")
        left = fields[:, np.newaxis] << np.arange(8 - bits, -1, -bits, dtype=np.uint8)
        arrays[name] = (left.view(np.int8) >> (8 - bits)).ravel()[:size].reshape(shape)


def _network(about: object, arrays: dict[str, np.ndarray]) -> Network | FixedNetwork:
    """Construct what is described: every field is checked as it is at any construction."""
    if not isinstance(about, dict) or about.pop("format", None) != FORMAT:
        raise ValueError("it holds something else than a network")
    version = about.pop("version", None)
    if type(version) is int and version > PACKED_VERSION:
        raise ValueError(
            f"it has format version {version}, this lava_ssm reads up to {PACKED_VERSION}: "
            "update lava_ssm"
        )
    if type(version) is not int or version < VERSION:
        raise ValueError(f"version must be {VERSION} or {PACKED_VERSION}, got {version!r}")
    if version == PACKED_VERSION:
        _unpack(arrays, about.pop("packed", None))
    if not isinstance(written_by := about.pop("written_by", None), str):
        raise TypeError(f"written_by must be a text, got {written_by!r}")
    layers = about.pop("layers", None)
    if not isinstance(layers, list):
        raise TypeError(f"layers must be a list, got {layers!r}")
    if len(layers) > MOST_LAYERS:
        raise ValueError(f"layers: at most {MOST_LAYERS} are allowed, got {len(layers)}")
    kind = _kind_of(about, _NETWORKS, "network")
    made = {"made_by": about.pop("made_by", None), "layers": []}
    for i, layer in enumerate(layers):
        kind_of_layer = _kind_of(layer, _layers(), f"layers.{i}")
        made["layers"].append(_constructed(kind_of_layer, layer, f"layers.{i}.", arrays))
    if "arithmetic" in _forms(kind):
        rules = about.pop("arithmetic", None)
        if not isinstance(rules, dict):
            raise TypeError(f"arithmetic must be an object, got {rules!r}")
        made["arithmetic"] = _constructed(Arithmetic, rules, "arithmetic.", arrays)
    network: Network | FixedNetwork = _constructed(kind, about, "", arrays, made)
    if arrays:
        raise ValueError(f"the array {next(iter(arrays))!r} belongs to no layer")
    return network


def _kind_of(about: object, kinds: Mapping[str, type], what: str) -> type:
    if not isinstance(about, dict):
        raise TypeError(f"{what} must be an object, got {about!r}")
    name = about.pop("kind", None)
    if not isinstance(name, str) or name not in kinds:
        raise ValueError(f"{what}: got kind {name!r}; allowed are {', '.join(kinds)}")
    return kinds[name]


def _constructed(
    kind: type,
    about: dict[str, object],
    prefix: str,
    arrays: dict[str, np.ndarray],
    made: dict[str, object] | None = None,
) -> Any:
    """Construct `kind` of its numbers and texts and of its arrays, which are taken from both.

    `made` holds the fields that are neither.
    """
    given = dict(made or {})
    for name, forms in _forms(kind).items():
        if name not in given:
            array, value = arrays.pop(prefix + name, None), about.pop(name, None)
            if array is value is None and name in (defaults := _added(kind)):
                given[name] = defaults[name]
                continue
            if array is not None and value is not None:
                raise ValueError(f"{prefix}{name} is there twice, as an array and as {value!r}")
            given[name] = _field(forms, value if array is None else array, prefix + name)
    if about:
        raise ValueError(f"{kind.__name__} has no {prefix + next(iter(about))!r}")
    return kind(**given)


@cache
def _added(kind: type) -> dict[str, object]:
    """Give the fields that older files do not have, and what these stand for."""
    return {field.name: field.default for field in fields(kind) if field.metadata == ADDED}


@cache
def _forms(kind: type) -> dict[str, tuple[object, ...]]:
    """What each field of a class may be, as it is declared."""
    hints = get_type_hints(kind)
    declared = {field.name: hints[field.name] for field in fields(kind)}
    return {
        name: get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
        for name, hint in declared.items()
    }


def _field(forms: tuple[object, ...], value: object, name: str) -> object:
    """Give a value of one of the forms, of what JSON or an array says."""
    for form in forms:
        if isinstance(value, np.ndarray):
            if value.dtype == np.float32:
                value = value.astype(np.float64)
            if form == IntArray and value.dtype.kind == "i":
                return value
            if form == RealArray and value.dtype == np.float64:
                return value
            if form == _COMPLEX and value.dtype == np.float64 and value.shape[-1:] == (2,):
                return value.view(np.complex128)[..., 0]
        elif type(value) is form and form in (int, float, bool, NoneType):
            return value
        elif isinstance(value, str) and value in (choices := _choices(form)):
            return choices[value]
    wanted = " or ".join(
        _FORMS.get(form) or " or ".join(map(repr, _choices(form))) for form in forms
    )
    raise TypeError(f"{name} must be {wanted}, got {_told(value)}")


def _choices(form: object) -> dict[str, Enum]:
    if isinstance(form, type) and issubclass(form, Enum):
        return {choice.value: choice for choice in form}
    return {}


def _told(value: object) -> str:
    if isinstance(value, np.ndarray):
        return f"an array of {value.dtype}, shape {value.shape}"
    return "nothing" if value is None else repr(value)
