"""A run that shows how far it is."""

import time

from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import RunConfig
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    ProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.progress import Task as Bar
from rich.text import Text

from lava_ssm.numerics import flag
from lava_ssm.progress import MovingBar
from lava_ssm.runtime.conditions import check_steps, ready

_SHOW_SECONDS = 0.1  # of running between two updates of the bar


class _Speed(ProgressColumn):
    def render(self, task: Bar) -> Text:
        speed = task.finished_speed or task.speed
        return Text("" if speed is None else f"{speed:,.0f} steps/s")


def run(
    net: AbstractProcess,
    n_steps: int,
    run_cfg: RunConfig | None = None,
    *,
    progress: bool = True,
    compile_config: dict[str, object] | None = None,
) -> None:
    """Run a graph for `n_steps` time steps and show steps done, steps a second and time left.

    The same as `net.run(RunSteps(n_steps), run_cfg)` on either runtime, in slices; a run that a
    model pauses or stops ends there.

    Parameters
    ----------
    net
        Any Process of the graph.
    n_steps
        Number of time steps, 1 or more.
    run_cfg
        Selects the ProcessModels; may be left out once the graph is built.
    progress
        Show the progress bar.
    compile_config
        Options of Lava's compiler.

    Raises
    ------
    TypeError
        `net` is no Process, `run_cfg` no run configuration, `progress` no flag.
    ValueError
        `n_steps` is out of range, or `run_cfg` is missing.
    Exception
        What a model raised.
    """
    n_steps = check_steps(n_steps)
    flag(progress, "progress")
    ready(net, run_cfg, compile_config)
    if not progress:
        net.run(condition=RunSteps(n_steps))
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Speed(),
        TimeRemainingColumn(),
    )
    with MovingBar(*columns) as bar:
        shown = bar.add_task("time steps", total=n_steps)
        done, size = 0, 1
        while done < n_steps:
            size = min(size, n_steps - done)
            before = time.perf_counter()
            net.run(condition=RunSteps(size))
            seconds = time.perf_counter() - before
            done += size
            bar.update(shown, completed=done)
            if getattr(net.runtime, "interrupted", False):
                return
            # Towards slices of equal time, at most four times longer than the last.
            size = max(1, min(4 * size, int(size * _SHOW_SECONDS / max(seconds, 1e-9))))
