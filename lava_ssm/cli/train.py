"""`lava-ssm train`: a float network, in a run folder that can be left and taken up again."""

import shlex
import signal
import sys
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from lava_ssm import extras
from lava_ssm.cli import run_folder
from lava_ssm.cli.console import make_console
from lava_ssm.cli.errors import RunError

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
    """Train as `config` says, from beginning or checkpoint to end."""
    run_folder.check(folder, resume)
    extras.check("torch")

    from lava_ssm.data import load

    sets = load(config["task"], data)

    from lava_ssm.cli.run import Run, start_worker  # loads PyTorch, with which all takes longer

    console = make_console()
    worker = start_worker()
    run = Run(folder, config, sets, resume, worker)
    run.command = shlex.join(["lava-ssm", *_without_data(sys.argv[1:])])
    if worker.rank == 0:
        console.print(run.describe(), soft_wrap=True)
    result = run.result()
    if result is not None:
        console.print("This training is finished; it gave:")
    else:
        try:
            _work(run, checkpoint_every, console)
            result = run.finish() if worker.rank == 0 else None
        except RunError:
            run.discard()
            raise
        except KeyboardInterrupt:
            console.print("Interrupted; --resume goes on from the last checkpoint.")
            raise typer.Exit(130) from None
    if result is not None and worker.rank == 0:
        console.print(
            f"Test accuracy {result['test_accuracy']:.2%} on {result['test_samples']} samples, "
            f"after {result['cpu_hours']:.2f} core hours. "
            f"{folder / run_folder.NETWORK}, curves.png, log.csv",
            soft_wrap=True,
        )


def _work(run: Any, checkpoint_every: float, console: Console) -> None:
    import time

    training, worker = run.training, run.worker
    columns = (
        TextColumn("epoch {task.fields[epoch]}"),
        BarColumn(),
        TextColumn("{task.fields[now]}"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    silent = worker.rank > 0
    with Leave() as leave, Progress(*columns, console=console, disable=silent) as progress:
        task = progress.add_task(
            "", total=training.steps, completed=training.step, epoch="", now=""
        )
        saved = time.monotonic()
        while training.step < training.steps:
            now = run.advance()
            progress.update(
                task,
                advance=1,
                epoch=f"{now.number}/{training.recipe.epochs}",
                now=f"loss {now.loss:.4f}, accuracy {now.accuracy:.2%}",
            )
            if training.step % training.steps_an_epoch == 0:
                line = run.end_epoch()
                if not silent:
                    console.print(line, soft_wrap=True)
            elif time.monotonic() - saved >= checkpoint_every:
                run.checkpoint()
                saved = time.monotonic()
            heard = leave.heard(worker.count)
            if heard:
                run.checkpoint()
                if not silent:
                    console.print(f"Left after step {training.step}; --resume goes on from there.")
                raise typer.Exit(128 + heard)


class Leave:
    """Hears Ctrl-C, and the SIGTERM that clusters send, for a loop to leave between two steps.

    In the middle of a step some of the state has moved on and some has not: what is written then
    does not go on as if nothing had been. A second Ctrl-C interrupts at once.
    """

    def __init__(self) -> None:
        self._heard = 0

    def __enter__(self) -> "Leave":
        self._before = {
            number: signal.signal(number, self._hear) for number in (signal.SIGINT, signal.SIGTERM)
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _hear(self, number: int, _: object) -> None:
        if self._heard and number == signal.SIGINT:
            raise KeyboardInterrupt
        self._heard = number

    def heard(self, processes: int) -> int:
        """Number of the signal that one of the processes has heard; 0: none."""
        if processes == 1:
            return self._heard
        import torch

        # they leave after the same step: the others would wait for the one that is gone
        most = torch.tensor(self._heard)
        torch.distributed.all_reduce(most, torch.distributed.ReduceOp.MAX)
        return int(most)


def _without_data(arguments: list[str]) -> list[str]:
    """Leave out where the data sets lie: that is this machine's affair."""
    kept = [a for a in arguments if not a.startswith("--data=")]
    while "--data" in kept:
        i = kept.index("--data")
        del kept[i : i + 2]
    return kept
