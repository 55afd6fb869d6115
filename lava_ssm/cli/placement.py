"""What `lava-ssm map`, `estimate` and `bench` have in common: options, and their files."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from lava_ssm import files

if TYPE_CHECKING:
    import numpy as np


SystemName = Annotated[
    Literal["oheo-gulch", "kapoho-point", "alia-point", "hala-point"],
    typer.Option("--system", help="Board with so many chips."),
]
StrategyName = Annotated[
    Literal["pack", "spread"], typer.Option("--strategy", help="Few cores, or many.")
]
NeuronsPerCore = Annotated[int | None, typer.Option(help="With pack: neurons of a core, at most.")]
CoresPerLayer = Annotated[
    int | None, typer.Option(help="With spread: target of a layer of several populations.")
]
Receiver = Annotated[
    bool, typer.Option("--receiver", help="Place an on-chip receiver of the outputs too.")
]
JsonFile = Annotated[
    Path | None, typer.Option("--json", help="Write the numbers to this file as well.")
]


def read_tokens(path: Path) -> "np.ndarray":
    """Read `--tokens`, a .npy file."""
    import numpy as np

    if not path.is_file():
        raise FileNotFoundError(f"--tokens: no file {str(path)!r}")
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (ValueError, EOFError, MemoryError) as error:  # NumPy takes what is none for a pickle
        raise ValueError(
            f"--tokens: {str(path)!r} is no whole .npy file of numbers, as numpy.save writes them"
        ) from error


def write_json(content: object, path: Path) -> None:
    """Write a JSON file: complete, or not at all."""
    files.write(path, json.dumps(content, indent=2) + "\n")
