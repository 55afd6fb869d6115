"""Convert a network's HDF5 file, as older versions of lava_ssm wrote it.

python scripts/convert_h5.py OLD.h5 NEW.safetensors

Needs h5py: pip install "lava-ssm[convert]". Only for files of your own: HDF5 made by somebody else
can loop for ever, or read other files.
"""

import argparse
import hashlib
import io
import json
import re
import sys
from pathlib import Path
from typing import Any

import h5py

from lava_ssm import files, network
from lava_ssm.numerics import Arithmetic, Overflow, Rounding

HEADER_SIZE = 512
HEADER = re.compile(rb"lava_ssm network, version ([12]), sha256 ([0-9a-f]{64})\n\0*")


def main() -> None:
    """Read, write, and see that both are equal."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path)
    parser.add_argument("new", type=Path)
    given = parser.parse_args()
    try:
        files.check(given.new)
        old = read(given.old)
        old.save(given.new)
    except (OSError, ValueError) as error:
        sys.exit(f"Error: {error}")
    new = network.load(given.new)
    if new != old or new.made_by != old.made_by:
        sys.exit(f"Error: {given.new} differs from {given.old}: please report this")
    print(f"{given.new}: {type(new).__name__}, {len(new.layers)} layers")


def read(path: Path) -> network.Network | network.FixedNetwork:
    """Read a file of format version 1 or 2.

    Raises
    ------
    ValueError
        It is none, is damaged, or holds no network.
    """
    content = path.read_bytes()
    header = HEADER.fullmatch(content[:HEADER_SIZE])
    if header is None:
        raise ValueError(f"{path} is no HDF5 file of lava_ssm")
    if hashlib.sha256(content[HEADER_SIZE:]).hexdigest().encode() != header[2]:
        raise ValueError(f"{path} is damaged or cut short: its checksum does not fit")
    try:
        with h5py.File(io.BytesIO(content), "r") as file:
            return _network(file)
    except (KeyError, TypeError, RuntimeError, AttributeError) as error:
        raise ValueError(f"{path} holds no network: {error}") from error


def _network(file: h5py.File) -> network.Network | network.FixedNetwork:
    layers = tuple(_layer(file["layers"][str(i)]) for i in range(len(file["layers"])))
    given: dict[str, Any] = {
        "layers": layers,
        "readout": network.Readout(file.attrs["readout"]),
        "made_by": json.loads(file["made_by"].asstr()[()]),
    }
    if file.attrs["kind"] == "Network":
        return network.Network(**given)
    rules = file["arithmetic"].attrs
    return network.FixedNetwork(
        **given,
        input_exponent=int(file.attrs["input_exponent"]),
        input_bits=int(file.attrs["input_bits"]),
        arithmetic=Arithmetic(
            rounding=Rounding(rules["rounding"]),
            overflow=Overflow(rules["overflow"]),
            state_bits=int(rules["state_bits"]),
            message_bits=int(rules["message_bits"]),
        ),
    )


def _layer(group: h5py.Group) -> Any:
    given = {name: dataset[...] for name, dataset in group.items()}
    given |= {name: v.item() for name, v in group.attrs.items() if name != "kind"}
    return getattr(network, group.attrs["kind"])(**given)


if __name__ == "__main__":
    main()
