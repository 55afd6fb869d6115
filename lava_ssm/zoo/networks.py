"""The networks' files."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lava_ssm.network import FixedNetwork, Network

FOLDER = Path(__file__).parent / "files"
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.json")))
"""Networks of the zoo; each has a float one too, with `-float` behind its name."""


def load(name: str) -> "Network | FixedNetwork":
    """Give a network of the zoo: fixed, or float with `-float` behind its name.

    Raises
    ------
    FileNotFoundError
        There is none of this name.
    """
    if name.removesuffix("-float") not in NAMES:
        known = ", ".join(NAMES)
        raise FileNotFoundError(
            f"no file and no network {name!r} in the zoo; there are {known}, each with -float too"
        )
    from lava_ssm import network

    return network.load(FOLDER / f"{name}.safetensors")
