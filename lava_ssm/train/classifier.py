"""Training of a classifier in a run folder. Loads no PyTorch before the data set is there."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from lava_ssm.train import sitting as sittings
from lava_ssm.train.folder import Plain, base_of
from lava_ssm.train.sitting import Sitting

if TYPE_CHECKING:
    from lava_ssm.train.classifier_run import ClassifierRun


def train(config: Plain, sitting: Sitting, data: Path | None = None) -> Plain:
    """Train as `config` says, or go on, see `sitting.train`.

    Parameters
    ----------
    config
        What `lava-ssm train` and `finetune` write to config.json.
    data
        Folder of data sets, see `data.load`.
    """
    identity = _identity(config["task"])
    begun = config["finetune"]["run"] if "finetune" in config else config["start"]
    config = {
        **config,
        "data": identity,
        "order": None if identity is None else "mixed",
        "base": base_of(begun),
    }

    def make() -> "ClassifierRun":
        from lava_ssm.data import load

        sets = load(config["task"], data)

        from lava_ssm.train.classifier_run import ClassifierRun
        from lava_ssm.train.run import start_worker

        return ClassifierRun(config, replace(sitting, worker=start_worker()), sets)

    return sittings.train(config, sitting, make)


def _identity(task: str) -> str | None:
    """What tells data of one's own from others; None of a data set that has a checksum."""
    if not Path(task).exists():
        return None
    from lava_ssm.data.own import identity
    from lava_ssm.data.tasks import TASKS

    return None if task in TASKS else identity(task)
