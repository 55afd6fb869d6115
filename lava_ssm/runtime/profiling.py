"""Where the time of a graph goes: seconds for each Process."""

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import RunConfig
from rich.table import Table

from lava_ssm.extras import needed
from lava_ssm.runtime.channel import LocalPort
from lava_ssm.runtime.conditions import check_steps, ready
from lava_ssm.runtime.scheduler import Scheduler
from lava_ssm.runtime.selection import in_process
from lava_ssm.runtime.single_process import SingleProcessRuntime
from lava_ssm.tables import Tabular, empty_table

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@dataclass(frozen=True)
class ProcessTime:
    """The time of one Process."""

    process: str
    """Name of the Process and of those it is part of, outermost first."""
    process_class: str
    """Class of the Process."""
    model: str
    """Class of its ProcessModel."""
    seconds: float
    """Time in the model's methods, all phases together."""
    calls: int
    """How often one of them was called."""


@dataclass(frozen=True)
class Profile(Tabular):
    """What `profile` measured. Prints as a table; in a notebook it shows as one."""

    n_steps: int
    """Time steps that were run."""
    seconds: float
    """Duration of the run."""
    processes: tuple[ProcessTime, ...]
    """The Processes of the graph, the most expensive first."""

    @property
    def runtime_seconds(self) -> float:
        """What is left of the run: the runtime itself."""
        return self.seconds - sum(process.seconds for process in self.processes)

    def __rich__(self) -> Table:
        texts, numbers = ("Process", "class", "model"), ("us a step", "share", "calls a step")
        table = empty_table(
            f"{self.n_steps:,} time steps in {self.seconds:.3g} s",
            {**dict.fromkeys(texts, False), **dict.fromkeys(numbers, True)},
        )
        for one in self.processes:
            table.add_row(
                one.process,
                one.process_class,
                one.model,
                self._per_step(one.seconds),
                f"{one.seconds / self.seconds:.1%}",
                f"{one.calls / self.n_steps:.3g}",
            )
        table.add_section()
        table.add_row(
            "the runtime itself",
            "",
            "",
            self._per_step(self.runtime_seconds),
            f"{self.runtime_seconds / self.seconds:.1%}",
            "",
        )
        return table

    def _per_step(self, seconds: float) -> str:
        return f"{1e6 * seconds / self.n_steps:.1f}"

    def plot(self, axes: "Axes | None" = None) -> "Axes":
        """Draw microseconds a step as a bar for each Process; return the axes.

        Parameters
        ----------
        axes
            Where to draw; by default a figure of its own.
        """
        with needed("matplotlib"):
            from matplotlib import pyplot

        names = [f"{one.process} ({one.process_class})" for one in self.processes]
        seconds = [one.seconds for one in self.processes]
        names.append("the runtime itself")
        seconds.append(self.runtime_seconds)
        if axes is None:
            height = 1 + 0.3 * len(names)
            axes = pyplot.subplots(figsize=(7, height), layout="constrained")[1]
        bars = axes.barh(names, [1e6 * value / self.n_steps for value in seconds])
        bars[-1].set_color("0.6")
        axes.invert_yaxis()
        axes.set_xlabel("µs a time step")
        return axes


class _TimingScheduler(Scheduler):
    """Adds up the time between a model's getting its turn and its giving it back."""

    def _work(self) -> None:
        while True:
            for task, handler in self._turns:
                self.task = task
                if task.random_state is not None:
                    self._streams.install(task.random_state)
                task.calls += 1
                self._since = time.perf_counter()
                handler()
                task.seconds += time.perf_counter() - self._since
                self._leave(task)
            self._hub.switch(None)

    def wait(self, port: LocalPort) -> None:
        assert self.task is not None
        self.task.seconds += time.perf_counter() - self._since
        super().wait(port)
        self._since = time.perf_counter()


def profile(
    net: AbstractProcess,
    n_steps: int,
    run_cfg: RunConfig | None = None,
    *,
    compile_config: dict[str, object] | None = None,
) -> Profile:
    """Run a graph in one process and measure the time of each Process.

    The graph is not stopped afterwards. Time in a model's methods is its own; time it waits for
    messages is not.

    Parameters
    ----------
    net, n_steps, run_cfg, compile_config
        As of `run`, which raises the same.

    Raises
    ------
    ValueError
        Also where the graph was built on Lava's stock runtime.
    UnsupportedGraph
        The graph cannot be run in one process.
    """
    n_steps = check_steps(n_steps)
    with in_process(strict=True):
        ready(net, run_cfg, compile_config)
    runtime = net.runtime
    if not isinstance(runtime, SingleProcessRuntime):
        raise ValueError("net was built on the stock runtime: build it within in_process()")
    with runtime.scheduled_by(_TimingScheduler) as tasks:
        before = time.perf_counter()
        net.run(condition=RunSteps(n_steps))
        seconds = time.perf_counter() - before
        times = [
            ProcessTime(
                _full_name(process),
                type(process).__name__,
                type(task.model).__name__,
                task.seconds,
                task.calls,
            )
            for process, task in tasks.items()
        ]
    times.sort(key=lambda one: -one.seconds)
    return Profile(n_steps, seconds, tuple(times))


def _full_name(process: AbstractProcess) -> str:
    names = [process.name]
    while process.parent_proc is not None:
        process = process.parent_proc
        names.append(process.name)
    return "/".join(reversed(names))
