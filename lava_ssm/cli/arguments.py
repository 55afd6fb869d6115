"""What commands take: networks and data sets by name, which the shell completes, or by path."""

from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Literal

import typer

from lava_ssm import files
from lava_ssm.cli.backend import Backend

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
BackendName = Annotated[
    Backend, typer.Option(help="Machine code, NumPy, or a Lava graph, expanded or fused.")
]
Another = Annotated[
    Backend | None,
    typer.Option(help="Another executor, to count the tokens whose outputs are equal."),
]
FirstSamples = Annotated[int | None, typer.Option(min=1, help="So many test samples only.")]
Calibration = Annotated[
    int, typer.Option(min=1, help="Training samples by which exponents are chosen.")
]
FormatsName = Annotated[
    Literal["best", "paper"], typer.Option(help="The best that fit, or those of the paper.")
]
Resume = Annotated[bool, typer.Option(help="Go on with what is in the run folder.")]
Average = Annotated[
    float, typer.Option(help="Keep the moving average of parameters with this decay.")
]
Every = Annotated[float, typer.Option(min=0, help="Seconds between checkpoints.")]
SamplesAStep = Annotated[int, typer.Option(min=1, help="Samples a step.")]
LearningRate = Annotated[float, typer.Option(help="Peak learning rate of linear maps and c.")]
DynamicsRate = Annotated[float, typer.Option(help="Peak learning rate of dt, A and B.")]
Decay = Annotated[float, typer.Option(help="Of what learns with lr.")]
WarmUp = Annotated[float, typer.Option(help="Share of steps with a rising rate.")]
Precision = Annotated[
    Literal["float32", "bfloat16"], typer.Option(help="bfloat16: the factors of matrix products.")
]
Most = Annotated[int | None, typer.Option(min=20, help="Use so many samples only.")]


def check_new_network(out: Path, *figures: Path) -> None:
    """Refuse `--out` where no network's file, or none of the figures beside it, can be new."""
    files.check(out, "--out", ".safetensors")
    for path in (out, *figures):
        files.check(path, "--out")
        if path.exists():
            raise ValueError(f"--out: {path} exists already; choose another name, or remove it")
