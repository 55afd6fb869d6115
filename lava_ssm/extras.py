"""Packages that only a part of the library needs: the one place that says how to get each.

The core is what running, streaming, quantising, saving, mapping and estimating take; all else is
an extra, imported where it is needed.
"""

import importlib.util
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, nullcontext
from typing import Any

_EXTRAS = {
    "torch": "train",
    "sklearn": "data",
    "PIL": "data",
    "matplotlib": "plot",
    "soundfile": "audio",
    "G722": "audio",
    "lava": "lava",
    "greenlet": "lava",
    "ziglang": "deploy",
    "wasmtime": "deploy",
    "onnx": "exchange",
    "nir": "exchange",
}


class MissingPackageError(ImportError):
    """A package of an extra cannot be imported; the message is the command that installs it."""


@contextmanager
def needed(package: str) -> Iterator[None]:
    """Import a package of an extra in such a block, to tell who lacks it how to get it.

    Raises
    ------
    MissingPackageError
        It cannot be imported.
    """
    try:
        yield
    except MissingPackageError:
        raise
    except ImportError as error:
        raise MissingPackageError(
            f"{package} is needed for this and cannot be imported ({error}): {command(package)}",
            name=package,
        ) from error


def when_used(
    room: str, modules: Mapping[str, str], package: str | None = None
) -> Callable[[str], Any]:
    """Give a face's `__getattr__`: what is in these modules, by name, is loaded when it is used.

    Parameters
    ----------
    package
        Of an extra, which they need.
    """

    def attribute(name: str) -> Any:
        if name not in modules:
            raise AttributeError(f"module {room!r} has no attribute {name!r}")
        with nullcontext() if package is None else needed(package):
            return getattr(importlib.import_module(f"{room}.{modules[name]}"), name)

    return attribute


def check(package: str) -> None:
    """Refuse at once, without importing it, where a package is missing.

    Raises
    ------
    MissingPackageError
        It cannot be found.
    """
    with needed(package):
        if importlib.util.find_spec(package) is None:
            raise ModuleNotFoundError(f"No module named {package!r}")


def command(package: str) -> str:
    """Give the command that installs a package, with what else is used beside it."""
    if package == "lava" and sys.version_info >= (3, 11):
        return "lava-ssm install-lava"  # pip refuses it there
    return f'pip install "lava-ssm[{_EXTRAS[package]}]"'
