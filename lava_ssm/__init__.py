"""State space layers for the Lava neuromorphic framework.

Train a network in PyTorch (`nn`, `train`), export and quantise it (`compress`), run the integers
of Loihi 2 without Lava (`engine`) or as a graph of Lava Processes (`proc`).

Importing `lava_ssm` loads no other room, so neither torch nor lava: each is loaded when it is
first used.
"""

import importlib
from os import PathLike
from typing import TYPE_CHECKING

from lava_ssm.lava_import import mend

if TYPE_CHECKING:
    from lava_ssm.network import FixedNetwork, Network

__version__ = "0.1.0"

mend()

_ROOMS = (
    "audio",
    "cli",
    "compress",
    "data",
    "deploy",
    "engine",
    "exchange",
    "language",
    "loihi2",
    "network",
    "nn",
    "numerics",
    "plot",
    "proc",
    "runtime",
    "train",
    "zoo",
)


def load(path: str | PathLike[str]) -> "Network | FixedNetwork":
    """Read a network, float or fixed, from the file that `save` wrote, or from the zoo by name.

    Parameters
    ----------
    path
        A file; or, where there is no such file, a name such as "ns4d-smnist" (the fixed network) or
        "ns4d-smnist-float", see `lava_ssm.zoo`.

    Raises
    ------
    FileNotFoundError
        There is neither such a file nor such a network in the zoo.
    lava_ssm.network.NetworkFileError
        The file is cut short, of another program, or of a newer format.
    """
    from pathlib import Path

    from lava_ssm import files

    path = Path(files.name_of(path))
    if len(path.parts) == 1 and not path.suffix and not path.exists():
        from lava_ssm import zoo

        return zoo.load(path.name)
    from lava_ssm import network

    return network.load(path)


def __getattr__(name: str) -> object:
    if name in _ROOMS:
        return importlib.import_module(f"lava_ssm.{name}")
    if name == "quantize":
        from lava_ssm.compress import quantize

        return quantize
    raise AttributeError(f"module 'lava_ssm' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted(["__doc__", "__version__", *_ROOMS, "load", "quantize"])
