"""Where commands print: what users called their files is printed as it is."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from rich.console import Console
from rich.progress import Progress


def make_console(**options: Any) -> Console:
    """Make a console that takes no text for markup or for the name of an emoji."""
    return Console(markup=False, emoji=False, **options)


@contextmanager
def shown_once_started(progress: Progress) -> Iterator[None]:
    """Stop a bar in the end, if it was started: what is refused at once shows none."""
    try:
        yield
    finally:
        if progress.live.is_started:
            progress.stop()
