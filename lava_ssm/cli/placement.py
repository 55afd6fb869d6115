"""What `lava-ssm map`, `estimate` and `bench` have in common: options, and their files."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, cast

import typer

import lava_ssm
from lava_ssm import files

if TYPE_CHECKING:
    import numpy as np

    from lava_ssm.loihi2.description import Description
    from lava_ssm.loihi2.mapping import Mapping, Strategy
    from lava_ssm.network import FixedNetwork, Network

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


def read(path: Path) -> "Network | FixedNetwork":
    """Read a network's file, or one of the zoo's."""
    return lava_ssm.load(path)


def read_tokens(path: Path) -> "np.ndarray":
    """Read `--tokens`, a .npy file."""
    import numpy as np

    if not path.is_file():
        raise FileNotFoundError(f"--tokens: no file {str(path)!r}")
    try:
        return np.asarray(np.load(path, allow_pickle=False))
    except (ValueError, EOFError, MemoryError) as error:
        raise ValueError(f"--tokens: {str(path)!r} is no .npy file of numbers: {error}") from error


def place(
    description: "Description",
    system: str,
    strategy: str,
    neurons_per_core: int | None,
    cores_per_layer: int | None,
    receiver: bool,
) -> "Mapping":
    """Map with the options of the command line."""
    from lava_ssm.loihi2.mapping import map

    how = cast("Strategy", strategy)  # checked there
    return map(description, system, how, neurons_per_core, cores_per_layer, receiver)


def write_json(content: object, path: Path) -> None:
    """Write a JSON file: complete, or not at all."""
    files.write(path, json.dumps(content, indent=2) + "\n")
