"""Runs the models of a graph by turns, in the thread that calls it.

A model is run until it is done or has to wait for a message; it waits in a greenlet, a call
stack of its own that is put aside, and the next model gets its turn. Models that never wait
share one greenlet, so that a graph in a good order (see `order`) runs without a single switch.
"""

import contextlib
from collections.abc import Callable, Iterator, Sequence
from typing import NoReturn

from lava.magma.core.model.py.model import PyLoihiProcessModel

from lava_ssm.extras import needed
from lava_ssm.runtime.channel import LocalPort
from lava_ssm.runtime.errors import Deadlock
from lava_ssm.runtime.numpy_random import RandomState, RandomStreams

with needed("greenlet"):
    import greenlet


class Task:
    """What is run by turns: the models of a graph and its VarPorts.

    Attributes
    ----------
    name
        Name and class of the Process, for error texts.
    model
        The ProcessModel, once it is built.
    outgoing
        The sending ends of the model's channels.
    needs
        The tasks whose messages it receives.
    random_state
        NumPy's global state as the model left it, None if it never changed it.
    seconds, calls
        Time in the model's methods and how many were called, where that is measured.
    """

    model: PyLoihiProcessModel
    __slots__ = ("calls", "model", "name", "needs", "outgoing", "random_state", "seconds")

    def __init__(self, name: str) -> None:
        self.name = name
        self.outgoing: Sequence[LocalPort] = ()
        self.needs: set[Task] = set()
        self.random_state: RandomState | None = None
        self.seconds = 0.0
        self.calls = 0


Turn = tuple[Task, Callable[[], object]]
Answer = tuple[Callable[[], bool], Turn]


class _Waiting:
    """A model that was put aside, and the port it waits for."""

    __slots__ = ("port", "task", "worker")

    def __init__(self, worker: "greenlet.greenlet", task: Task, port: LocalPort) -> None:
        self.worker = worker
        self.task = task
        self.port = port


class Scheduler:
    """Runs phases: every model's turn, until all are done; `streams` are their random numbers."""

    def __init__(self, streams: RandomStreams) -> None:
        self._streams = streams
        self.task: Task | None = None
        self._turns: Iterator[Turn] = iter(())
        self._waiting: list[_Waiting] = []
        self._idle: list[greenlet.greenlet] = []
        self.early: set[Task] = set()
        """The tasks that were seen to send before they waited."""

    @contextlib.contextmanager
    def run(self) -> Iterator[None]:
        """Run phases in the `with` block, in the thread that enters it."""
        self._hub = greenlet.getcurrent()
        with self._streams.run():
            try:
                yield
            finally:
                waiting, self._waiting = self._waiting, []
                for one in waiting:  # only after an error: models are left where they wait
                    with contextlib.suppress(Exception):
                        one.worker.throw(greenlet.GreenletExit)
                self._idle.clear()

    def run_phase(self, turns: Sequence[Turn], answers: Sequence[Answer] = ()) -> bool:
        """Give each task its turn; return whether one had to wait.

        `turns` are the tasks and what each has to do, `answers` what to do for the VarPorts that
        have requests, once no task can go on without. Deadlock: some are left and all of them wait.
        """
        self._turns = iter(turns)
        waited = False
        worker = self._worker()
        while True:
            port = worker.switch()
            if port is None:
                self._idle.append(worker)
                next_worker = self._next_worker(answers)
                if next_worker is None:
                    break
                worker = next_worker
            else:
                waited = True
                assert self.task is not None
                self._waiting.append(_Waiting(worker, self.task, port))
                worker = self._worker()
        return waited

    def _next_worker(self, answers: Sequence[Answer]) -> "greenlet.greenlet | None":
        """Return whom to give the next turn when no new one is left; None if all are done."""
        waiting = next((one for one in self._waiting if one.port.ready()), None)
        if waiting is None:
            busy = {one.task for one in self._waiting}
            requests = [turn for requested, turn in answers if requested() and turn[0] not in busy]
            if requests:
                self._turns = iter(requests)
                return self._worker()
            if not self._waiting:
                return None
            waiting = next((one for one in self._waiting if one.port.is_glance), None)
        if waiting is None:
            self._report_deadlock()
        self._waiting.remove(waiting)
        if waiting.task.random_state is not None:
            self._streams.install(waiting.task.random_state)
        return waiting.worker

    def wait(self, port: LocalPort) -> None:
        """Put the running model aside until `port` is ready (called by ports)."""
        task = self.task
        assert task is not None
        if task not in self.early and any(out._messages for out in task.outgoing):
            self.early.add(task)
        self._leave(task)
        self._hub.switch(port)
        self.task = task

    def _report_deadlock(self) -> NoReturn:
        waits = "\n".join(f"  {one.task.name}: {one.port.described}" for one in self._waiting)
        raise Deadlock(f"no model can go on, each waits for another:\n{waits}")

    def _worker(self) -> "greenlet.greenlet":
        return self._idle.pop() if self._idle else greenlet.greenlet(self._work, self._hub)

    def _work(self) -> None:
        """Run turns that nobody has taken yet; the body of each greenlet."""
        changed = self._streams.changed
        while True:
            for task, handler in self._turns:
                self.task = task
                if task.random_state is not None:
                    self._streams.install(task.random_state)
                handler()
                if changed() or task.random_state is not None:
                    task.random_state = self._streams.take()
            self._hub.switch(None)

    def _leave(self, task: Task) -> None:
        if self._streams.changed() or task.random_state is not None:
            task.random_state = self._streams.take()
