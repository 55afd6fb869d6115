"""What commands take: networks and data sets by name, which the shell completes, or by path."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import typer

DATA_SETS = (
    "sdigits",
    "smnist",
    "psmnist",
    "psmnist-92916",
    "scifar",
    "scifar-grey",
    "ecg5000",
    "forda",
    "spoken-digits",
)
"""Names of `lava_ssm.data.TASKS`, which takes long to load."""


def names_of_networks(incomplete: str) -> list[str]:
    """Complete the name of a network of the zoo."""
    from lava_ssm.zoo import NAMES

    names = (name for stem in NAMES for name in (stem, f"{stem}-float"))
    return [name for name in names if name.startswith(incomplete)]


def _float_names(incomplete: str) -> list[str]:
    return [name for name in names_of_networks(incomplete) if name.endswith("-float")]


def _fixed_names(incomplete: str) -> list[str]:
    return [name for name in names_of_networks(incomplete) if not name.endswith("-float")]


def names_of_data(incomplete: str) -> list[str]:
    """Complete the name of a data set."""
    return [name for name in DATA_SETS if name.startswith(incomplete)]


def _network(file: str, names: Callable[[str], list[str]] = names_of_networks) -> object:
    return typer.Argument(
        metavar="NET", help=f"{file}, or a name of the zoo.", autocompletion=names
    )


NetworkName = Annotated[str, _network("A network's file")]
FloatNetworkName = Annotated[str, _network("A float network's file", _float_names)]
NetworkFile = Annotated[Path, _network("A network's file, float or fixed")]
FixedNetworkFile = Annotated[Path, _network("A fixed network's file", _fixed_names)]
DataSet = Annotated[
    str,
    typer.Argument(
        metavar="DATA",
        help=f"{', '.join(DATA_SETS)}, ucr:NAME; or your own: an .npz or .csv file, or a folder of "
        ".csv or sound files, see docs/own-data.md.",
        autocompletion=names_of_data,
    ),
]
DataFolder = Annotated[
    Path | None,
    typer.Option("--data", help="Folder of data sets; without it LAVA_SSM_DATA, or ./data."),
]
