"""`lava-ssm train`: a float network, in a run folder that can be left and taken up again."""

import math
import os
import shlex
import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from lava_ssm.cli.arguments import (
    Average,
    DataFolder,
    DataSet,
    Decay,
    DynamicsRate,
    Every,
    LearningRate,
    Most,
    Precision,
    Resume,
    SamplesAStep,
    WarmUp,
)
from lava_ssm.cli.console import make_console, quoted
from lava_ssm.cli.errors import say
from lava_ssm.train.folder import BEST, NETWORK, RESULT
from lava_ssm.train.sitting import Sitting

Schedule = Literal["one-cycle", "cosine"]
Device = Literal["cpu", "cuda", "auto"]
Init = Literal["lin", "legs", "real"]


Readout = Literal["mean", "last"]
"""What a sequence is classified by: the mean of its tokens' logits, or the last token's."""


Size = Literal["ns4d-tiny", "ns4d-small", "ns4d-large", "s5-tiny", "s5-small", "s5-large"]
"""A size of `lava_ssm.nn.SIZES` or `S5_SIZES`."""


def train(
    task: DataSet,
    model: Annotated[Size, typer.Option(help="Size of the network.")] = "ns4d-small",
    out: Annotated[
        Path | None, typer.Option(help="Run folder; without it runs/DATA-MODEL.")
    ] = None,
    resume: Resume = False,
    start: Annotated[
        str | None,
        typer.Option(help="Where to begin: a run folder, or a float network's file or zoo name."),
    ] = None,
    data: DataFolder = None,
    readout: Annotated[
        Readout, typer.Option(help="The mean over time, or the last token.")
    ] = "mean",
    epochs: Annotated[int, typer.Option(min=1, help="Passes over the samples.")] = 10,
    batch_size: SamplesAStep = 50,
    lr: LearningRate = 5e-3,
    ssm_lr: DynamicsRate = 2e-3,
    weight_decay: Decay = 1e-2,
    label_smoothing: Annotated[float, typer.Option(help="In [0, 1].")] = 0.1,
    warm_up: WarmUp = 0.3,
    precision: Precision = "float32",
    init: Annotated[Init, typer.Option(help="Of S4D.")] = "lin",
    dt_min: Annotated[float | None, typer.Option(help="Smallest step; by length of data.")] = None,
    dt_max: Annotated[float | None, typer.Option(help="Largest step; by length of data.")] = None,
    turn: Annotated[float, typer.Option(help="Turn images by up to so many degrees.")] = 0.0,
    scale: Annotated[float, typer.Option(help="Change their size by up to this share.")] = 0.0,
    shift: Annotated[float, typer.Option(help="Shift them by up to so many pixels.")] = 0.0,
    mirror: Annotated[bool, typer.Option(help="Mirror half of them.")] = False,
    join: Annotated[
        str, typer.Option(help="Take the mean of so many tokens as one; in stages: 4,2,1.")
    ] = "1",
    differences: Annotated[
        int,
        typer.Option(min=0, max=8, help="Also see the differences of tokens, up to this order."),
    ] = 0,
    dropout: Annotated[
        float, typer.Option(help="Leave out this share of channels, each of all tokens.")
    ] = 0.0,
    norm: Annotated[
        bool, typer.Option(help="Batch norms behind layers, folded into them in the end.")
    ] = False,
    schedule: Annotated[
        Schedule, typer.Option(help="One cycle, or a linear rise and a cosine.")
    ] = "one-cycle",
    ema: Average = 0.0,
    teacher: Annotated[
        str | None,
        typer.Option(
            help="Learn from its logits: a run folder, a float network, a zoo name, or "
            "FILE.py:FUNCTION, which gives a torch module."
        ),
    ] = None,
    distillation: Annotated[
        float | None, typer.Option(help="Weight of the teacher; with one 0.5.")
    ] = None,
    temperature: Annotated[float, typer.Option(help="Of what the teacher gives.")] = 2.0,
    seed: Annotated[
        list[int] | None,
        typer.Option(help="Of weights, order and augmentation: 0. Several: a training each."),
    ] = None,
    device: Annotated[Device, typer.Option(help="What to compute on; auto: a GPU if any.")] = "cpu",
    validation: Annotated[
        float | None,
        typer.Option(min=0.01, max=0.9, help="Share of training samples kept aside; see below."),
    ] = None,
    limit: Most = None,
    checkpoint_every: Every = 60.0,
) -> None:
    """Train an n-S4D or a relufied S5 network.

    Several processes share each step under torchrun:
    torchrun --nproc-per-node 2 -m -- lava_ssm.cli train ... (after -- it takes no option for its
    own).

    A twentieth of the training samples, 2000 at most, is kept aside, or the share --validation, or,
    of spoken digits, a speaker: the network that classifies those best is what is kept, and
    measured on the test set at the end. A long task may be begun
    with tokens joined: --join 4,2,1 takes fewer together stage by stage, each stage as long as it
    costs the same. So does a run with --start and a smaller --join. Several --seed: each has its
    run folder, OUT/seed-N.
    """
    if start is not None:
        tell_unfinished(Path(start))
    config: dict[str, Any] = {
        "task": task,
        "model": model,
        "readout": readout,
        "init": init,
        "dt": [dt_min, dt_max],
        "affine": {"turn": turn, "scale": scale, "shift": shift, "mirror": mirror},
        "limit": limit,
        "validation": validation,
        "start": start,
        "join": _stages(join),
        "differences": differences,
        "dropout": dropout,
        "norm": norm,
        "teacher": teacher,
        "recipe": {
            "epochs": epochs,
            "batch_size": batch_size,
            "lr": lr,
            "ssm_lr": ssm_lr,
            "weight_decay": weight_decay,
            "label_smoothing": label_smoothing,
            "warm_up": warm_up,
            "precision": precision,
            "schedule": schedule,
            "ema": ema,
            "distillation": _weight(teacher, distillation),
            "temperature": temperature,
        },
    }
    folder = out or Path("runs") / f"{Path(task).stem.replace(':', '-')}-{model}"
    seeds = seed or [0]
    accuracies = []
    for one in seeds:
        recipe = {**config["recipe"], "seed": one}
        place = folder / f"seed-{one}" if len(seeds) > 1 else folder
        again = {**config, "recipe": recipe}
        accuracies.append(carry_out(again, data, sitting(place, resume, checkpoint_every, device)))
    if len(seeds) > 1:
        mean = sum(accuracies) / len(seeds)
        make_console().print(
            f"{len(seeds)} seeds: mean {mean:.2%}, from {min(accuracies):.2%} to "
            f"{max(accuracies):.2%}"
        )


def tell_unfinished(run: Path) -> None:
    """Warn of a run folder whose training may yet give a better network."""
    if (run / BEST).is_file() and not (run / RESULT).is_file():
        say(f"{run} is not finished: this begins with its best network so far", "yellow")


def _stages(join: str) -> int | list[int]:
    """Tokens that are one, of each stage."""
    try:
        stages = [int(tokens) for tokens in join.split(",")]
    except ValueError:
        raise ValueError(f"--join must be a number, or several as 4,2,1, got {join!r}") from None
    return stages[0] if len(stages) == 1 else stages


def _weight(teacher: str | None, distillation: float | None) -> float:
    """Weight of the teacher."""
    if teacher is None and distillation:
        raise ValueError("--distillation: there must be a --teacher")
    return distillation if distillation is not None else 0.0 if teacher is None else 0.5


def sitting(folder: Path, resume: bool, every: float, device: Device = "cpu") -> Sitting:
    """Give how a run folder is worked on, by this command, on this console."""
    return Sitting(folder, resume, every, device, command(), make_console())


def carry_out(config: dict[str, Any], data: Path | None, how: Sitting) -> float:
    """Train as `config` says, and tell what came of it; give the accuracy."""
    from lava_ssm.train import classifier

    result = classifier.train(config, how, data)
    if not result or os.environ.get("RANK", "0") != "0":
        return math.nan
    accuracy: float = result["test_accuracy"]
    make_console().print(
        f"Test accuracy {accuracy:.2%} on {result['test_samples']} samples, after "
        f"{result['cpu_hours']:.2f} core hours. {quoted(how.folder / NETWORK)}, curves.png, "
        "log.csv",
        soft_wrap=True,
    )
    return accuracy


def command() -> str:
    """What was typed, but for where the data sets lie: that is this machine's affair."""
    return shlex.join(["lava-ssm", *_without_data(sys.argv[1:])])


def _without_data(arguments: list[str]) -> list[str]:
    kept = [a for a in arguments if not a.startswith("--data=")]
    while "--data" in kept:
        i = kept.index("--data")
        del kept[i : i + 2]
    return kept
