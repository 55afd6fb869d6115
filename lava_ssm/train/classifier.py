"""Training of a classifier in a run folder. Loads no PyTorch before the data set is there."""

from pathlib import Path

from rich.console import Console

from lava_ssm import extras
from lava_ssm.train import folder as run_folder
from lava_ssm.train.folder import Plain


def train(
    config: Plain,
    folder: Path,
    data: Path | None = None,
    resume: bool | None = None,
    checkpoint_every: float = 60.0,
    device: str = "cpu",
    command: str = "",
    console: Console | None = None,
) -> Plain | None:
    """Train as `config` says, or go on with what is in the folder.

    Parameters
    ----------
    config
        What `lava-ssm train` and `finetune` write to config.json.
    data
        Folder of data sets, see `data.load`.
    resume
        Whether to go on with what is there; None: if there is anything.
    checkpoint_every, device, command, console
        See `run.Sitting`.

    Returns
    -------
    dict or None
        What `result.json` holds; None in a process that is not the first one.

    Raises
    ------
    RunError
        The folder cannot be used as asked, or a parameter is no longer finite.
    Left
        A signal asked for it.
    OSError
        No data, or nothing may be written there.
    """
    config = {**config, "data": _identity(config["task"])}
    result = run_folder.begin(folder, config, resume)
    if result is not None:
        if console is not None:
            console.print("This training is finished; it gave:")
        return result
    extras.check("torch")

    from lava_ssm.data import load

    sets = load(config["task"], data)

    from lava_ssm.train.classifier_run import ClassifierRun  # loads PyTorch, which takes a while
    from lava_ssm.train.run import Sitting, carry_out, start_worker

    again = resume is not False
    sitting = Sitting(folder, again, start_worker(), checkpoint_every, device, command, console)
    return carry_out(ClassifierRun(config, sitting, sets))


def _identity(task: str) -> str | None:
    """What tells data of one's own from others; None of a data set that has a checksum."""
    if not Path(task).exists():
        return None
    from lava_ssm.data.own import identity
    from lava_ssm.data.tasks import TASKS

    return None if task in TASKS else identity(task)
