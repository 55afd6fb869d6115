"""One HDF5 file for a network, float or fixed.

Layout, version 2: a header of 512 bytes (a line with the format's version and the SHA-256 of all
that follows, then zeros), which HDF5 skips as a user block. Then the HDF5 data: the root has the
attributes `kind` (a class), `written_by` and the network's numbers; group `layers` has one group a
layer, `0`, `1`, ..., with the attribute `kind`; arrays are datasets, numbers and texts attributes;
`made_by` is JSON. Version 1 is the same without S5, gates, residuals and biases.
"""

import hashlib
import io
import json
import os
import re
from dataclasses import fields
from enum import Enum
from os import PathLike
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import h5py
import numpy as np

from lava_ssm import __version__
from lava_ssm.network.description import Description
from lava_ssm.network.fixed_network import FixedNetwork
from lava_ssm.network.float_network import Network
from lava_ssm.network.gate import FixedGate, Gate
from lava_ssm.network.gelu import GELU
from lava_ssm.network.linear import FixedLinear, Linear
from lava_ssm.network.readout import Readout
from lava_ssm.network.relu import ReLU
from lava_ssm.network.residual import Residual
from lava_ssm.network.s4d import S4D, FixedS4D
from lava_ssm.network.s5 import S5, FixedS5
from lava_ssm.numerics import Arithmetic, Overflow, Rounding

VERSION = 2
_HEADER_SIZE = 512
_HEADER = re.compile(rb"lava_ssm network, version (\d+), sha256 ([0-9a-f]{64})\n\0*")
_FLOAT = (S4D, S5, Linear, Gate, GELU)
_FIXED = (FixedS4D, FixedS5, FixedLinear, FixedGate)
_LAYERS: dict[str, Any] = {kind.__name__: kind for kind in (*_FLOAT, *_FIXED, ReLU, Residual)}
_NETWORKS = {kind.__name__: kind for kind in (Network, FixedNetwork)}


class NetworkFileError(ValueError):
    """A file is no network, is damaged, or is of a newer format."""


def save(network: Any, path: str | PathLike[str]) -> None:
    """Write a network to one file: complete, or not at all.

    Raises
    ------
    FileNotFoundError
        There is no such folder.
    IsADirectoryError
        The path is that of a folder.
    """
    target = Path(os.path.realpath(path))  # of a link, what it points to
    if target.is_dir():
        raise IsADirectoryError(f"path must name a file, {os.fspath(path)!r} is a folder")
    if not target.parent.is_dir():
        raise FileNotFoundError(f"path: no folder {os.fspath(target.parent)!r}")
    content = io.BytesIO()
    with h5py.File(content, "w", libver="v110", userblock_size=_HEADER_SIZE) as file:
        _write(file, network)
    with NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as part:
        try:
            part.write(sealed(content.getvalue()))
            part.flush()
            os.fsync(part.fileno())
            os.chmod(part.name, 0o666 & ~_umask())
            os.replace(part.name, target)
        except BaseException:
            os.unlink(part.name)
            raise


def sealed(content: bytes, version: int = VERSION) -> bytes:
    """Give a file's bytes the header that vouches for them."""
    data = content[_HEADER_SIZE:]
    digest = hashlib.sha256(data).hexdigest()
    header = f"lava_ssm network, version {version}, sha256 {digest}\n"
    return header.encode().ljust(_HEADER_SIZE, b"\0") + data


def load(path: str | PathLike[str]) -> Network | FixedNetwork:
    """Read a network that `save` wrote.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    NetworkFileError
        The file is damaged or cut short, of another program, or of a newer format.
    """
    name = os.fspath(path)
    if not Path(path).is_file():
        raise FileNotFoundError(f"no network file {name!r}")
    content = Path(path).read_bytes()
    header = _HEADER.fullmatch(content[:_HEADER_SIZE])
    if header is None:
        raise NetworkFileError(f"{name!r} was not written by lava_ssm, or not to its end")
    if not 1 <= int(header[1]) <= VERSION:
        raise NetworkFileError(
            f"{name!r} has format version {int(header[1])}, this lava_ssm reads up to {VERSION}: "
            "update lava_ssm"
        )
    if sealed(content, int(header[1])) != content:
        raise NetworkFileError(f"{name!r} is damaged or cut short: its checksum does not fit")
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            return _read(file)
    except Exception as error:  # whatever it is: the bytes are as written, but are no network
        raise NetworkFileError(f"{name!r} does not hold a network: {error}") from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _write(file: h5py.File, network: Any) -> None:
    file.attrs["kind"] = type(network).__name__
    file.attrs["written_by"] = f"lava_ssm {__version__}"
    for field in fields(network):
        value = getattr(network, field.name)
        match value:
            case tuple():
                group = file.create_group(field.name)
                for i, layer in enumerate(value):
                    _write_layer(group.create_group(str(i)), layer)
            case dict():
                file[field.name] = json.dumps(value)
            case Arithmetic():
                group = file.create_group(field.name)
                for part in fields(value):
                    _write_value(group, part.name, getattr(value, part.name))
            case _:
                _write_value(file, field.name, value)


def _write_layer(group: h5py.Group, layer: Description) -> None:
    group.attrs["kind"] = type(layer).__name__
    for field in fields(layer):
        _write_value(group, field.name, getattr(layer, field.name))


def _write_value(group: h5py.Group, name: str, value: Any) -> None:
    if isinstance(value, np.ndarray):
        group.create_dataset(name, data=value, chunks=value.shape, compression="gzip", shuffle=True)
    elif isinstance(value, Enum):
        group.attrs[name] = value.value
    elif value is not None:
        group.attrs[name] = value


def _read(file: h5py.File) -> Network | FixedNetwork:
    layers = tuple(_read_layer(file["layers"][str(i)]) for i in range(len(file["layers"])))
    given: dict[str, Any] = {
        "layers": layers,
        "readout": Readout(file.attrs["readout"]),
        "made_by": json.loads(file["made_by"].asstr()[()]),
    }
    kind = _NETWORKS[file.attrs["kind"]]
    if kind is FixedNetwork:
        rules = file["arithmetic"].attrs
        given |= {
            "input_exponent": int(file.attrs["input_exponent"]),
            "input_bits": int(file.attrs["input_bits"]),
            "arithmetic": Arithmetic(
                rounding=Rounding(rules["rounding"]),
                overflow=Overflow(rules["overflow"]),
                state_bits=int(rules["state_bits"]),
                message_bits=int(rules["message_bits"]),
            ),
        }
    return kind(**given)


def _read_layer(group: h5py.Group) -> Any:
    kind = _LAYERS[group.attrs["kind"]]
    given = {name: dataset[...] for name, dataset in group.items()}
    given |= {name: v.item() for name, v in group.attrs.items() if name != "kind"}
    return kind(**given)
