"""What every command does with bad input, warnings and Ctrl-C."""

import functools
import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec

import typer

from lava_ssm import files
from lava_ssm.cli.console import make_console
from lava_ssm.extras import MissingPackageError

Given = ParamSpec("Given")


class RunError(ValueError):
    """A run folder that cannot be used as asked, or a training that cannot go on."""


def told_plainly(command: Callable[Given, None], *more: type[Exception]) -> Callable[Given, None]:
    """Make a command tell of errors, and of warnings, in a line on standard error.

    The exit code is 2 after an error of bad input, 130 after Ctrl-C.

    Parameters
    ----------
    more
        What else is bad input to this command.
    """
    errors: tuple[type[Exception], ...] = (
        ArithmeticError,
        MemoryError,
        MissingPackageError,
        OSError,
        TypeError,
        ValueError,
        *more,
    )

    @functools.wraps(command)
    def told(*args: Given.args, **kwargs: Given.kwargs) -> None:
        with warnings.catch_warnings():
            warnings.showwarning = _show_warning
            try:
                command(*args, **kwargs)
            except BrokenPipeError:  # whoever reads the output has heard enough
                raise
            except errors as error:
                text = str(error)
                if isinstance(error, MemoryError):
                    text = f"not enough memory: {text}".removesuffix(": ")
                say(text or type(error).__name__, "red")
                raise typer.Exit(2) from error
            except KeyboardInterrupt:
                say("Interrupted.", "red")
                raise typer.Exit(130) from None

    return told


def say(text: str, style: str) -> None:
    """Print a line on standard error."""
    make_console(stderr=True).print(text, style=style, highlight=False, soft_wrap=True)


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    say(f"Warning: {message}", "yellow")


def check_target(path: Path, option: str) -> None:
    """Refuse, before anything is computed, a file that cannot be written.

    Raises
    ------
    OSError
        See `lava_ssm.files.check`.
    """
    try:
        files.check(path)
    except OSError as error:
        raise type(error)(f"{option}: {str(error).removeprefix('path: ')}") from error


def check_folder(folder: Path, option: str) -> None:
    """Refuse, before anything is computed, a folder that cannot be made or written into.

    Raises
    ------
    NotADirectoryError
        It, or what it is to be made in, is something else.
    PermissionError
        Nothing may be written there.
    """
    there = folder.absolute()
    while not os.path.lexists(there):
        there = there.parent
    if not there.is_dir():
        raise NotADirectoryError(f"{option}: {str(there)!r} is no folder; choose another one")
    check_target(there / ".lava-ssm", option)  # a name that nothing has
