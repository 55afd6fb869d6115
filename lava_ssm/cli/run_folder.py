"""A run folder: what it holds, and whether it can be used as asked. Loads no PyTorch."""

import json
from pathlib import Path
from typing import Any

from lava_ssm.cli.errors import RunError, check_folder

CHECKPOINT, BEST, NETWORK = "checkpoint.safetensors", "best.safetensors", "network.safetensors"
START = "start.safetensors"
WRITTEN = (
    CHECKPOINT,
    BEST,
    "log.csv",
    "curves.png",
    NETWORK,
    "result.json",
    START,
    "start-report.txt",
    "start-report.png",
    "report.txt",
    "report.png",
)
"""What a run folder holds beside config.json."""


def check(folder: Path, resume: bool) -> None:
    """Refuse a folder that cannot be used as asked.

    Raises
    ------
    RunError
        There is something of a training in it already and `resume` is False; or there is none to
        go on with, or one of an older version.
    OSError
        Nothing may be written there.
    """
    check_folder(folder, "--out")
    check_format(folder)
    if not resume:
        _check_unused(folder)
        return
    written = any((folder / name).is_file() for name in (CHECKPOINT, "config.json"))
    empty = folder.is_dir() and all(p.name.startswith(".") for p in folder.iterdir())
    if not written and not empty:
        raise RunError(
            f"--resume: there is no {folder / CHECKPOINT}; without --resume a training begins"
        )


def read_config(folder: Path) -> dict[str, Any]:
    """What was asked for in a run folder.

    Raises
    ------
    RunError
        It is none.
    """
    try:
        config = dict(json.loads((folder / "config.json").read_text()))
    except (OSError, RecursionError, TypeError, ValueError) as error:
        raise RunError(f"{folder} is no run folder: {error}") from error
    return completed(config) if "recipe" in config else config


def read_training(folder: Path) -> dict[str, Any]:
    """What was asked for in a run folder of a classifier.

    Raises
    ------
    RunError
        It is none, or one of a denoiser.
    """
    config = read_config(folder)
    needed = ("task", "model", "readout", "init", "dt", "wobble", "recipe")
    missing = [key for key in needed if key not in config]
    if missing:
        raise RunError(
            f"{folder} is no run folder of `lava-ssm train`: its config.json has no "
            f"{', '.join(missing)}"
        )
    return config


def completed(config: dict[str, Any]) -> dict[str, Any]:
    """Add what could not be asked for when an older configuration was written."""
    wobble = {"mirror": False, **config.get("wobble", {})}
    return {"start": None, "join": 1, **config, "wobble": wobble}


def _check_unused(folder: Path) -> None:
    """Refuse a folder in which something would be overwritten."""
    found = [name for name in WRITTEN if (folder / name).exists()]
    if CHECKPOINT in found:
        raise RunError(
            f"{folder} holds a training already: --resume goes on with it; or choose another "
            "folder by --out"
        )
    if found:
        raise RunError(
            f"{folder} holds {', '.join(found)}, but no {CHECKPOINT} to go on with: choose "
            "another folder by --out, or move them away; or begin again with --resume, if they are "
            "of a training that was killed"
        )


def check_format(folder: Path) -> None:
    """Refuse a folder with a training of before, whose files would have to be unpickled."""
    old = [name for name in ("checkpoint.pt", "best.pt") if (folder / name).exists()]
    if old:
        raise RunError(
            f"{folder} holds {' and '.join(old)} of an older lava_ssm, which this one does not "
            "read: finish it with the one that wrote it, or train anew in another folder"
        )
