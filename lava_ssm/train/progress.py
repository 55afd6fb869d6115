"""How a training is shown: a bar on a terminal and in a notebook, elsewhere a line now and then."""

import time

from rich.console import Console
from rich.progress import BarColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from lava_ssm.progress import MovingBar
from lava_ssm.train.loop import Epoch, Loop
from lava_ssm.train.recipe import Recipe

_SECONDS = 60.0
"""After so many without a line one is printed, where there is no bar."""


class Shown:
    """Shows how far a loop is, while it is entered.

    Parameters
    ----------
    loop
        What is shown.
    console
        Where; None: nowhere.
    """

    def __init__(self, loop: Loop[Recipe], console: Console | None) -> None:
        self._loop, self._console = loop, console
        columns = (
            TextColumn("epoch {task.fields[epoch]}"),
            BarColumn(),
            TextColumn("{task.fields[now]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
        )
        self._bar = console is not None and (console.is_terminal or console.is_jupyter)
        self._progress = MovingBar(*columns, console=console, disable=not self._bar)
        self._task = self._progress.add_task(
            "", total=loop.steps, completed=loop.step, epoch="", now=""
        )
        self._printed = time.monotonic()

    def __enter__(self) -> "Shown":
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def step(self, now: Epoch, ends: bool = False) -> None:
        """Show what a step gave; without a bar, a line if the epoch `ends` with it."""
        if self._console is None:
            return
        epoch = f"{now.number}/{self._loop.recipe.epochs}"
        text = f"loss {now.loss:.4f}, {self._loop.shown(now.score)}"
        self._progress.update(self._task, completed=self._loop.step, epoch=epoch, now=text)
        if not self._bar and (ends or time.monotonic() - self._printed >= _SECONDS):
            self.line(f"epoch {epoch}, step {self._loop.step} of {self._loop.steps}: {text}")

    def line(self, text: str) -> None:
        """Print a line."""
        if self._console is not None:
            self._console.print(text, soft_wrap=True)
        self._printed = time.monotonic()
