"""One HDF5 file for a network, float or fixed.

Layout, version 1: the root has the attributes `format`, `version`, `kind` (a class), `written_by`
and the network's numbers; group `layers` has one group a layer, `0`, `1`, ..., with the attribute
`kind` (a class); arrays are datasets with a checksum, numbers and texts attributes; group
`made_by` has what made the network.
"""

import os
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
from lava_ssm.network.linear import FixedLinear, Linear
from lava_ssm.network.readout import Readout
from lava_ssm.network.relu import ReLU
from lava_ssm.network.s4d import S4D, FixedS4D
from lava_ssm.numerics import Arithmetic, Overflow, Rounding

FORMAT = "lava_ssm network"
VERSION = 1
_LAYERS = {kind.__name__: kind for kind in (S4D, Linear, ReLU, FixedS4D, FixedLinear)}
_NETWORKS = {kind.__name__: kind for kind in (Network, FixedNetwork)}


class NetworkFileError(ValueError):
    """A file is not a network, is damaged, or is of a newer format."""


def save(network: Any, path: str | PathLike[str]) -> None:
    """Write a network to one file: complete, or not at all."""
    target = Path(path)
    with NamedTemporaryFile(dir=target.parent, prefix=f".{target.name}.", delete=False) as part:
        try:
            with h5py.File(part, "w", libver="v110") as file:
                _write(file, network)
            part.flush()
            os.fsync(part.fileno())
            os.chmod(part.name, 0o666 & ~_umask())
            os.replace(part.name, target)
        except BaseException:
            os.unlink(part.name)
            raise


def load(path: str | PathLike[str]) -> Network | FixedNetwork:
    """Read a network that `save` wrote.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    NetworkFileError
        The file is cut short, of another program, or of a newer format.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no network file {os.fspath(path)!r}")
    try:
        with h5py.File(path, "r") as file:
            return _read(file)
    except NetworkFileError as error:
        raise NetworkFileError(f"{os.fspath(path)!r} {error}") from None
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise NetworkFileError(
            f"{os.fspath(path)!r} is not a whole network file of lava_ssm: {error}"
        ) from error


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _write(file: h5py.File, network: Any) -> None:
    file.attrs["format"] = FORMAT
    file.attrs["version"] = VERSION
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
                file.create_group(field.name).attrs.update(value)
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
        group.create_dataset(
            name, data=value, chunks=value.shape, compression="gzip", shuffle=True, fletcher32=True
        )
    elif isinstance(value, Enum):
        group.attrs[name] = value.value
    elif value is not None:
        group.attrs[name] = value


def _read(file: h5py.File) -> Network | FixedNetwork:
    if file.attrs.get("format") != FORMAT:
        raise NetworkFileError("was not written by lava_ssm")
    given_version = int(file.attrs["version"])
    if given_version > VERSION:
        raise NetworkFileError(
            f"has format version {given_version}, this lava_ssm reads up to {VERSION}: "
            f"update lava_ssm (the file was written by {file.attrs.get('written_by')})"
        )
    layers = tuple(_read_layer(file["layers"][str(i)]) for i in range(len(file["layers"])))
    given: dict[str, Any] = {
        "layers": layers,
        "readout": Readout(file.attrs["readout"]),
        "made_by": dict(file["made_by"].attrs),
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
    given |= {name: int(v) for name, v in group.attrs.items() if name != "kind"}
    return kind(**given)
