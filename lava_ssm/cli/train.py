"""`lava-ssm train`: a float network, in a run folder that can be left and taken up again."""

import os
import shlex
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from lava_ssm.cli.console import make_console
from lava_ssm.train.folder import NETWORK

Precision = Literal["float32", "bfloat16"]
Init = Literal["lin", "legs", "real"]


class Task(str, Enum):
    """A data set of `lava_ssm.data`."""

    SDIGITS = "sdigits"
    SMNIST = "smnist"
    PSMNIST = "psmnist"
    PSMNIST_92916 = "psmnist-92916"
    SCIFAR = "scifar"
    SCIFAR_GREY = "scifar-grey"


class Readout(str, Enum):
    """What a sequence is classified by: the mean of its tokens' logits, or the last token's."""

    MEAN = "mean"
    LAST = "last"


class Size(str, Enum):
    """A size of `lava_ssm.nn.SIZES` or `S5_SIZES`."""

    TINY = "ns4d-tiny"
    SMALL = "ns4d-small"
    LARGE = "ns4d-large"
    S5_TINY = "s5-tiny"
    S5_SMALL = "s5-small"
    S5_LARGE = "s5-large"


def train(
    task: Annotated[Task, typer.Argument(help="The data set.")],
    model: Annotated[Size, typer.Option(help="Size of the network.")] = Size.SMALL,
    out: Annotated[
        Path | None, typer.Option(help="Run folder; without it runs/TASK-MODEL.")
    ] = None,
    resume: Annotated[bool, typer.Option(help="Go on with what is in the run folder.")] = False,
    start: Annotated[
        str | None,
        typer.Option(help="Where to begin: a run folder, or a float network's file or zoo name."),
    ] = None,
    data: Annotated[
        Path | None, typer.Option(help="Folder of data sets; without it LAVA_SSM_DATA, or ./data.")
    ] = None,
    readout: Annotated[
        Readout, typer.Option(help="The mean over time, or the last token.")
    ] = Readout.MEAN,
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the samples.")] = 10,
    batch_size: Annotated[int, typer.Option(min=1, help="Samples a step.")] = 50,
    lr: Annotated[float, typer.Option(help="Peak learning rate of linear maps and c.")] = 5e-3,
    ssm_lr: Annotated[float, typer.Option(help="Peak learning rate of dt, A and B.")] = 2e-3,
    weight_decay: Annotated[float, typer.Option(help="Of what learns with lr.")] = 1e-2,
    label_smoothing: Annotated[float, typer.Option(help="In [0, 1].")] = 0.1,
    warm_up: Annotated[float, typer.Option(help="Share of steps with a rising rate.")] = 0.3,
    precision: Annotated[
        Precision, typer.Option(help="bfloat16: the factors of matrix products.")
    ] = "float32",
    init: Annotated[Init, typer.Option(help="Of S4D.")] = "lin",
    dt_min: Annotated[float | None, typer.Option(help="Smallest step; by length of data.")] = None,
    dt_max: Annotated[float | None, typer.Option(help="Largest step; by length of data.")] = None,
    turn: Annotated[float, typer.Option(help="Turn images by up to so many degrees.")] = 0.0,
    scale: Annotated[float, typer.Option(help="Change their size by up to this share.")] = 0.0,
    shift: Annotated[float, typer.Option(help="Shift them by up to so many pixels.")] = 0.0,
    mirror: Annotated[bool, typer.Option(help="Mirror half of them.")] = False,
    join: Annotated[
        int, typer.Option(min=1, help="Take the mean of so many tokens as one; see --start.")
    ] = 1,
    seed: Annotated[int, typer.Option(help="Of weights, order and augmentation.")] = 0,
    limit: Annotated[int | None, typer.Option(min=20, help="Use so many samples only.")] = None,
    checkpoint_every: Annotated[
        float, typer.Option(min=0, help="Seconds between checkpoints.")
    ] = 60.0,
) -> None:
    """Train an n-S4D or a relufied S5 network.

    Several processes share each step under torchrun:
    torchrun --nproc-per-node 2 -m -- lava_ssm.cli train ... (after -- it takes no option for its
    own).

    A twentieth of the training samples, 2000 at most, is kept aside: the network that classifies
    those best is what is kept, and measured on the test set at the end. A long task may be begun
    with tokens joined: a run with --start and a smaller --join goes on with what was learned,
    its steps made shorter to match.
    """
    config: dict[str, Any] = {
        "task": task.value,
        "model": model.value,
        "readout": readout.value,
        "init": init,
        "dt": [dt_min, dt_max],
        "wobble": {"turn": turn, "scale": scale, "shift": shift, "mirror": mirror},
        "limit": limit,
        "start": start,
        "join": join,
        "recipe": {
            "epochs": epochs,
            "batch_size": batch_size,
            "lr": lr,
            "ssm_lr": ssm_lr,
            "weight_decay": weight_decay,
            "label_smoothing": label_smoothing,
            "warm_up": warm_up,
            "precision": precision,
            "seed": seed,
        },
    }
    folder = out or Path("runs") / f"{task.value}-{model.value}"
    carry_out(folder, config, data, resume, checkpoint_every)


def carry_out(
    folder: Path, config: dict[str, Any], data: Path | None, resume: bool, checkpoint_every: float
) -> None:
    """Train as `config` says, and tell what came of it."""
    from lava_ssm.train import classifier

    console = make_console()
    result = classifier.train(config, folder, data, resume, checkpoint_every, command(), console)
    if result is not None and os.environ.get("RANK", "0") == "0":
        console.print(
            f"Test accuracy {result['test_accuracy']:.2%} on {result['test_samples']} samples, "
            f"after {result['cpu_hours']:.2f} core hours. "
            f"{folder / NETWORK}, curves.png, log.csv",
            soft_wrap=True,
        )


def command() -> str:
    """What was typed, but for where the data sets lie: that is this machine's affair."""
    return shlex.join(["lava-ssm", *_without_data(sys.argv[1:])])


def _without_data(arguments: list[str]) -> list[str]:
    kept = [a for a in arguments if not a.startswith("--data=")]
    while "--data" in kept:
        i = kept.index("--data")
        del kept[i : i + 2]
    return kept
