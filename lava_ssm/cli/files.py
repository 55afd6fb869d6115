"""Files that are complete or not there."""

import os
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory


def write(path: Path, how: Callable[[Path], object]) -> None:
    """Let `how` write a file aside, then put it in its place."""
    with TemporaryDirectory(dir=path.parent, prefix=f".{path.name}.") as aside:
        part = Path(aside) / path.name
        how(part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
