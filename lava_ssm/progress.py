"""Bars of progress that move on terminals and in notebooks."""

import time
from typing import Any

from rich.progress import Progress, TaskID

_EVERY = 0.2  # seconds between two pictures in a notebook


class MovingBar(Progress):
    """A bar that moves in a notebook too, where one of rich moves with ipywidgets alone.

    It takes what `rich.progress.Progress` takes. A notebook that is stored keeps its last state.
    """

    _cell: Any = None
    """What shows it in a notebook: a display of IPython."""
    _shown = 0.0

    def start(self) -> None:
        """Show it."""
        if self.disable or not self.console.is_jupyter:
            super().start()
            return
        from IPython.display import display

        self._cell = display(self._picture(), display_id=True)

    def update(self, task_id: TaskID, **changes: Any) -> None:
        """See `rich.progress.Progress.update`."""
        super().update(task_id, **changes)
        if self._cell is not None and time.monotonic() - self._shown > _EVERY:
            self._redraw()

    def stop(self) -> None:
        """Leave the last state standing."""
        if self._cell is not None:
            self._redraw()
        super().stop()

    def _redraw(self) -> None:
        self._shown = time.monotonic()
        self._cell.update(self._picture())

    def _picture(self) -> Any:
        return self.make_tasks_table(self.tasks)
