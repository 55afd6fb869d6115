"""State space layers for the Lava neuromorphic framework.

Train an S4D network in PyTorch (`nn`), export and quantise it (`compress`), run the integers
of Loihi 2 without Lava (`engine`) or as a graph of Lava Processes (`proc`).

Importing `lava_ssm` loads no other room, so neither torch nor lava: each is loaded when it is
first used.
"""

import importlib
from os import PathLike
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lava_ssm.network import FixedNetwork, Network

__version__ = "0.1.0"

_ROOMS = (
    "cli",
    "compress",
    "data",
    "engine",
    "loihi2",
    "network",
    "nn",
    "numerics",
    "proc",
    "runtime",
)


def load(path: str | PathLike[str]) -> "Network | FixedNetwork":
    """Read a network, float or fixed, from the file that `save` wrote.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    lava_ssm.network.NetworkFileError
        The file is cut short, of another program, or of a newer format.
    """
    from lava_ssm import network

    return network.load(path)


def __getattr__(name: str) -> Any:
    if name in _ROOMS:
        return importlib.import_module(f"lava_ssm.{name}")
    if name == "quantize":
        from lava_ssm.compress import quantize

        return quantize
    raise AttributeError(f"module 'lava_ssm' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted([*globals(), *_ROOMS, "quantize"])
