"""Where commands print: what users called their files is printed as it is."""

from typing import Any

from rich.console import Console


def make_console(**options: Any) -> Console:
    """Make a console that takes no text for markup or for the name of an emoji."""
    return Console(markup=False, emoji=False, **options)
