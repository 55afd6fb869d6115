"""How a run folder is worked on. Loads no PyTorch before the data are there."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from lava_ssm import extras
from lava_ssm.train import folder as run_folder
from lava_ssm.train.folder import Plain

if TYPE_CHECKING:
    from lava_ssm.train.loop import Worker
    from lava_ssm.train.run import Run


@dataclass(frozen=True)
class Sitting:
    """How a run is worked on this time; nothing of it decides what comes of the run.

    Parameters
    ----------
    folder
        The run folder.
    resume
        Whether to go on with what is in it; None: if there is anything.
    checkpoint_every
        Seconds between checkpoints.
    device
        What is computed on: "cpu", "cuda", or "auto" for the second where there is one.
    command
        What is said to have been the command.
    console
        Where to show how it goes; None: nowhere.
    worker
        Which of several processes this is; the first one alone writes. None: there is one.
    """

    folder: Path
    resume: bool | None = None
    checkpoint_every: float = 60.0
    device: str = "cpu"
    command: str = ""
    console: Console | None = None
    worker: "Worker | None" = None


def train(config: Plain, sitting: Sitting, make: Callable[[], "Run"]) -> Plain:
    """Train, or go on with what is in the folder.

    Parameters
    ----------
    config
        What is asked for: plain data, compared when a training goes on.
    make
        Gives the training; called once the folder is known to be usable.

    Returns
    -------
    dict
        What `result.json` then holds; empty in a process that is not the first one.

    Raises
    ------
    RunError
        The folder cannot be used as asked, or a parameter is no longer finite.
    Left
        A signal asked for it.
    OSError
        No data, or nothing may be written there.
    """
    result = run_folder.begin(sitting.folder, config, sitting.resume)
    if result is not None:
        if sitting.console is not None:
            sitting.console.print("This training is finished; it gave:")
        return result
    extras.check("torch")
    run = make()

    from lava_ssm.train.run import carry_out  # loads PyTorch, which takes a while

    return carry_out(run)
