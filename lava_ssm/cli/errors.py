"""What every command does with bad input, warnings and Ctrl-C."""

import functools
import warnings
from collections.abc import Callable
from typing import ParamSpec

import typer

from lava_ssm.cli.console import make_console
from lava_ssm.extras import MissingPackageError
from lava_ssm.train.folder import Left

Given = ParamSpec("Given")


def told_plainly(command: Callable[Given, None], *more: type[Exception]) -> Callable[Given, None]:
    """Make a command tell of errors, and of warnings, in a line on standard error.

    The exit code is 2 after bad input, among it `more` kinds of errors, 130 after Ctrl-C, and 128
    and the signal's number after a training that a signal asked to stop.
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
            except Left as left:
                make_console().print(str(left))
                raise typer.Exit(128 + left.number) from None
            except KeyboardInterrupt:
                say("Interrupted.", "red")
                raise typer.Exit(130) from None

    return told


def say(text: str, style: str) -> None:
    """Print a line on standard error."""
    make_console(stderr=True).print(text, style=style, highlight=False, soft_wrap=True)


def _show_warning(message: Warning | str, *_: object, **__: object) -> None:
    say(f"Warning: {message}", "yellow")
