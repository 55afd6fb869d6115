"""Where commands print: what users called their files is printed as it is."""

import os
import shlex
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console, RenderableType
from rich.progress import Progress


def make_console(stderr: bool = False, width: int | None = None) -> Console:
    """Make a console that takes no text for markup or for the name of an emoji."""
    return Console(markup=False, emoji=False, stderr=stderr, width=width)


def quoted(path: str | os.PathLike[str]) -> str:
    """Give a path as a shell takes it, for whoever pastes what was printed."""
    return shlex.quote(os.fspath(path))


def show(table: RenderableType, least: int = 100) -> None:
    """Print a table whole: on a narrow terminal its lines are longer than those of the terminal."""
    console = make_console()
    console.width = max(console.width, least)
    console.print(table)


@contextmanager
def shown_once_started(progress: Progress) -> Iterator[None]:
    """Stop a bar in the end, if it was started: what is refused at once shows none."""
    try:
        yield
    finally:
        if progress.live.is_started:
            progress.stop()
