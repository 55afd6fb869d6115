"""A run folder: what it holds, and whether it can be used as asked. Loads no PyTorch.

config.json             what was asked for
checkpoint.safetensors  all that is needed to go on
best.safetensors        parameters of the best network so far
log.csv                 an epoch a line; curves.png shows it
network.safetensors     the best network, once the training is complete; result.json, what it gave
start.safetensors       of fine-tuning: the fixed network that it began with
fixed.safetensors       of a relufied denoiser: the network quantised

Fine-tuning also says what quantisation did to each tensor, in a table and a figure: of the network
that it began with in start-report.txt and .png, of the last one in report.txt and .png.

Whenever a training ends, it can be gone on with: config.json is written first, with that and no
checkpoint it begins anew; log.csv and curves.png are made from the checkpoint; result.json is
written last.
"""

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from lava_ssm import files

if TYPE_CHECKING:
    from lava_ssm.network import FixedNetwork, Network

CHECKPOINT, BEST, NETWORK = "checkpoint.safetensors", "best.safetensors", "network.safetensors"
START, FIXED = "start.safetensors", "fixed.safetensors"
CONFIG, RESULT = "config.json", "result.json"
WRITTEN = (
    CHECKPOINT,
    BEST,
    "log.csv",
    "curves.png",
    NETWORK,
    FIXED,
    RESULT,
    START,
    "start-report.txt",
    "start-report.png",
    "report.txt",
    "report.png",
)
"""What a run folder holds beside config.json."""


Plain: TypeAlias = dict[str, Any]
"""Plain data by name, as JSON and checkpoints hold them."""


class RunError(ValueError):
    """A run folder that cannot be used as asked, or a training that cannot go on."""


class Left(Exception):
    """A training was left between two steps, because a signal asked for it.

    Attributes
    ----------
    number : int
        Of the signal.
    """

    def __init__(self, number: int, step: int) -> None:
        super().__init__(f"Left after step {step}; --resume goes on from there.")
        self.number = number


def begin(folder: Path, config: Plain, resume: bool | None) -> Plain | None:
    """Refuse a folder that cannot be used as asked.

    Parameters
    ----------
    resume
        Whether to go on with what is there; None: if there is anything.

    Returns
    -------
    dict or None
        What the training gave, if it is over.

    Raises
    ------
    RunError
        There is something of a training in it already and `resume` is False; or there is none to
        go on with, or one with other settings or of an older version.
    OSError
        Nothing may be written there.
    """
    files.check_folder(folder, "--out")
    check_format(folder)
    if resume is False:
        _check_unused(folder)
        return None
    written = any((folder / name).is_file() for name in (CHECKPOINT, CONFIG))
    empty = folder.is_dir() and all(p.name.startswith(".") for p in folder.iterdir())
    if resume and not written and not empty:
        raise RunError(
            f"--resume: there is no {folder / CHECKPOINT}; without --resume a training begins"
        )
    if (folder / CONFIG).is_file():
        compare(folder, read_config(folder), config)
    try:
        return dict(json.loads((folder / RESULT).read_text()))
    except (OSError, RecursionError, TypeError, ValueError):  # it is made again
        return None


def compare(folder: Path, before: Plain, now: Plain) -> None:
    """Refuse to go on with a training of other settings.

    Raises
    ------
    RunError
        It names the settings.
    """
    pairs = _pairs(completed(before), now)
    old_base, new_base = pairs.pop("base", (None, None))
    differing = [
        f"{key}: {old!r} there, {new!r} now" for key, (old, new) in pairs.items() if old != new
    ]
    if differing:
        raise RunError(
            f"{folder} is of a training with other settings ({'; '.join(differing)}): choose "
            "another folder by --out, or these settings"
        )
    if None not in (old_base, new_base) and old_base != new_base:
        raise RunError(
            f"the network that {folder} began with has changed since: choose another folder by "
            "--out, and begin anew"
        )


def base_of(start: str | None) -> str | None:
    """Tell the network that a training begins with from others: SHA-256 of its file.

    Parameters
    ----------
    start
        A run folder, whose best network it is, or a file.

    Returns
    -------
    str or None
        None: it begins with none, or with one of the zoo.
    """
    if start is None:
        return None
    file = Path(start) / BEST if Path(start).is_dir() else Path(start)
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.is_file() else None


def _pairs(a: Plain, b: Plain) -> dict[str, tuple[Any, Any]]:
    """Values of both, by the names of what is nested."""
    pairs = {}
    for key in {**a, **b}:
        one, other = a.get(key), b.get(key)
        if isinstance(one, dict) and isinstance(other, dict):
            pairs.update({f"{key}.{k}": pair for k, pair in _pairs(one, other).items()})
        else:
            pairs[key] = one, other
    return pairs


def read_config(folder: Path) -> Plain:
    """What was asked for in a run folder.

    Raises
    ------
    RunError
        It is none.
    """
    try:
        return completed(dict(json.loads((folder / CONFIG).read_text())))
    except (AttributeError, OSError, RecursionError, TypeError, ValueError) as error:
        raise RunError(f"{folder} is no run folder: {error}") from error


def read_classifier(folder: Path) -> Plain:
    """What was asked for in a run folder of a classifier.

    Raises
    ------
    RunError
        It is none, or one of a denoiser.
    """
    config = read_config(folder)
    needed = ("task", "model", "readout", "init", "dt", "affine", "recipe")
    missing = [key for key in needed if key not in config]
    if missing:
        raise RunError(
            f"{folder} is no run folder of `lava-ssm train`: its config.json has no "
            f"{', '.join(missing)}"
        )
    return config


def completed(config: Plain) -> Plain:
    """Add what could not be asked for when an older configuration was written."""
    if "recipe" not in config:
        return {"message_limit": None, "ema": 0.0, **config}
    config = {"affine" if key == "wobble" else key: value for key, value in config.items()}
    affine = {"mirror": False, **config.get("affine", {})}
    since = {"schedule": "one-cycle", "ema": 0.0, "distillation": 0.0, "temperature": 2.0}
    recipe = {**since, **config["recipe"]}
    usual = {"start": None, "join": 1, "dropout": 0.0, "norm": False, "teacher": None}
    usual |= {"data": None, "order": None, "validation": None, "differences": 0}
    return {**usual, **config, "affine": affine, "recipe": recipe}


def join_of(network: "Network | FixedNetwork") -> int:
    """How many tokens of its data set are one of a network's, see `data.joined`."""
    return last_of(json.loads(network.made_by.get("config", "{}")).get("join", 1))


def last_of(join: int | list[int]) -> int:
    """How many tokens are one in the end, see `Recipe`."""
    return join if isinstance(join, int) else int(join[-1])


def _check_unused(folder: Path) -> None:
    """Refuse a folder in which something would be overwritten."""
    there = [name for name in WRITTEN if (folder / name).exists()]
    if CHECKPOINT in there:
        raise RunError(
            f"{folder} holds a training already: --resume goes on with it; or choose another "
            "folder by --out"
        )
    if there:
        raise RunError(
            f"{folder} holds {', '.join(there)}, but no {CHECKPOINT} to go on with: choose "
            "another folder by --out, or move them away; or begin again with --resume, if they are "
            "of a training that was killed"
        )


def check_format(folder: Path) -> None:
    """Refuse a folder with a training of before, whose files would have to be unpickled."""
    old = [name for name in ("checkpoint.pt", "best.pt", "model.pt") if (folder / name).exists()]
    if old:
        raise RunError(
            f"{folder} holds {' and '.join(old)} of an older lava_ssm, which this one does not "
            "read: finish it with the one that wrote it, or train anew in another folder"
        )
