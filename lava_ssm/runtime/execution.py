"""The models of a graph in one process, and the loop that runs them."""

import contextlib
import os
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.runtime.mgmt_token_enums import MGMT_COMMAND

from lava_ssm.runtime.channel import LocalInfrastructure
from lava_ssm.runtime.errors import Deadlock, locate, unheard
from lava_ssm.runtime.handlers import handler
from lava_ssm.runtime.numpy_random import RandomStreams
from lava_ssm.runtime.order import best_order
from lava_ssm.runtime.phases import (
    ANSWERING,
    HOST,
    LEARNING,
    POST_MANAGEMENT,
    PRE_MANAGEMENT,
    SPIKING,
    location_of,
)
from lava_ssm.runtime.scheduler import Answer, Scheduler, Task, Turn

_Response = PyLoihiProcessModel.Response


class Domain:
    """The models of one synchronisation domain and what they asked for.

    The order of phases is that of Lava's `LoihiPyRuntimeService`.
    """

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self.answers: list[Answer] = []
        self.wanted: dict[float, bool] = {}
        self.pause = False
        self.stop = False

    def next_phase(self) -> float | None:
        """Return the phase that follows in this time step, None if it is over."""
        for phase in (PRE_MANAGEMENT, LEARNING, POST_MANAGEMENT) if self.wanted else ():
            if self.wanted.pop(phase, False):
                return phase
        return None


class Replies:
    """Stands for the channels between a model and its runtime service."""

    def __init__(self, domain: Domain) -> None:
        self._wanted = domain.wanted
        self._domain = domain

    def send(self, reply: np.ndarray) -> None:
        """Note what a model asks for at the end of a phase."""
        if reply is _Response.STATUS_DONE:
            return
        code = reply[0]
        if code == _Response.REQ_PRE_LRN_MGMT[0]:
            self._wanted[PRE_MANAGEMENT] = True
        elif code == _Response.REQ_LEARNING[0]:
            self._wanted[LEARNING] = True
        elif code == _Response.REQ_POST_LRN_MGMT[0]:
            self._wanted[POST_MANAGEMENT] = True
        elif code == _Response.REQ_PAUSE[0]:
            self._domain.pause = True
        elif code == _Response.REQ_STOP[0]:
            self._domain.stop = True

    def join(self) -> None:
        """Models join their channels when they stop."""


@dataclass
class _Plan:
    """What is done in a phase."""

    turns: Sequence[Turn]
    """The models' handlers, in the order they are run."""
    answers: Sequence[Answer]
    """For the VarPorts that are answered in this phase."""
    n_early: int = -1
    """What the order was made from: how many models were known to send before they receive."""


class Execution:
    """Runs the models of a graph in the calling thread, or in one of its own.

    It refers neither to the Processes of the graph nor to its Runtime: a thread that runs it does
    not keep alive a graph that was forgotten, and ends with it.
    """

    def __init__(self) -> None:
        self._owner_pid = os.getpid()
        self.streams = RandomStreams()
        self.scheduler = Scheduler(self.streams)
        self.infrastructure = LocalInfrastructure(self.scheduler)
        self.domains: list[Domain] = []
        self.halt = False
        """Set to end a run after the time step that is under way."""
        self.interrupted = False
        """Whether a model ended the last run before all its steps were done."""
        self.is_started = False
        self.failed = False
        self._plans: dict[tuple[float | None, ...], _Plan] = {}
        self._running = threading.RLock()
        self._thread: threading.Thread | None = None
        self._thread_runs = False
        self._failure: BaseException | None = None
        self._forgotten = False
        self._releases = [1]  # taken out by whoever releases the models: an atomic step

    def run(self, steps: int) -> None:
        """Run `steps` time steps, fewer if `halt` is set or a model asks for a pause or stop."""
        self.halt = self.interrupted = False
        self.is_started = True
        self._run(steps)

    def run_in_background(self, steps: int) -> None:
        """Begin `run` in a thread."""
        self.halt = self.interrupted = False
        self.is_started = self._thread_runs = True
        self._thread = threading.Thread(
            target=self._background, args=(steps,), name="lava graph", daemon=True
        )
        self._thread.start()

    @property
    def is_alive(self) -> bool:
        """Whether the thread of the last run works."""
        return self._thread is not None and self._thread.is_alive()

    @property
    def is_own_thread(self) -> bool:
        """Whether the caller is a model that runs in the background."""
        return self._thread is threading.current_thread()

    def join(self, seconds: float | None = None) -> BaseException | None:
        """Wait until a run in the background has ended; return what a model raised in it, once."""
        if self._thread is not None and not self.is_own_thread:
            self._thread.join(seconds)
            if self._thread.is_alive():
                return None
            self._thread = None
        failure, self._failure = self._failure, None
        return failure

    def _background(self, steps: int) -> None:
        try:
            self._run(steps)
        except BaseException as error:
            self._failure = error
        self._thread_runs = False
        if self._forgotten:
            self._end_forgotten()

    def _run(self, steps: int) -> None:
        try:
            with self._running, self.scheduler.run():
                for _ in range(steps):
                    with self.streams:
                        self._step()
                    if self.halt or self._asked_to_end():
                        break
                else:
                    with self.streams:
                        self._run_phases([HOST] * len(self.domains))
                    return
        except BaseException as error:
            self.failed = True
            task = self.scheduler.task
            if isinstance(error, Exception) and not isinstance(error, Deadlock) and task:
                locate(error, location_of(task.name, task.model))
            raise
        self.interrupted = not self.halt
        if any(domain.pause for domain in self.domains):
            self.tell_models(MGMT_COMMAND.PAUSE)

    def _asked_to_end(self) -> bool:
        # asked after each step: any() would take four times as long
        for domain in self.domains:  # noqa: SIM110
            if domain.pause or domain.stop:
                return True
        return False

    def take_stop(self) -> bool:
        """Return whether a model asked to stop the graph, and forget its wishes."""
        stops = any(domain.stop for domain in self.domains)
        for domain in self.domains:
            domain.pause = domain.stop = False
        return stops

    def _step(self) -> None:
        self._run_phases([SPIKING] * len(self.domains))
        while True:
            phases = [domain.next_phase() for domain in self.domains]
            if not any(phases):
                return
            self._run_phases(phases)

    def _run_phases(self, phases: Sequence[float | None]) -> None:
        """Run one phase of each domain that has one, all domains together."""
        key = tuple(phases)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = self._plan(phases)
        waited = self.scheduler.run_phase(plan.turns, plan.answers)
        early = self.scheduler.early
        if waited and plan.n_early != len(early):
            plan.turns, plan.n_early = best_order(plan.turns, early), len(early)

    def _plan(self, phases: Sequence[float | None]) -> _Plan:
        running = [
            (domain, phase)
            for domain, phase in zip(self.domains, phases, strict=True)
            if phase is not None
        ]
        turns = [
            (task, handler(task.model, phase)) for domain, phase in running for task in domain.tasks
        ]
        answering = [domain for domain, phase in running if phase in ANSWERING]
        return _Plan(turns, [answer for domain in answering for answer in domain.answers])

    @contextlib.contextmanager
    def scheduled_by(self, make: Callable[[RandomStreams], Scheduler]) -> Iterator[None]:
        """Use another scheduler for the runs inside the `with` block."""
        before = self.scheduler
        self.scheduler = self.infrastructure.scheduler = make(self.streams)
        try:
            yield
        finally:
            self.scheduler = self.infrastructure.scheduler = before

    def tell_models(self, command: np.ndarray) -> None:
        """Run the models' handlers of a command."""
        for domain in self.domains:
            for task in domain.tasks:
                task.model._cmd_handlers[command[0]]()

    def stop(self, seconds: float | None = None) -> bool:
        """End a run in another thread and release the models; return whether it ended in time."""
        self.halt = True
        if os.getpid() == self._owner_pid:  # no run goes on in a process that was forked
            if not self._running.acquire(timeout=-1 if seconds is None else seconds):
                return False
            self._running.release()
        self._release()
        return True

    def _release(self) -> None:
        """Let go of the models, once, and tell those that ran and did not fail to stop."""
        try:
            self._releases.pop()
        except IndexError:
            return
        try:
            if self.is_started and not self.failed:
                self.tell_models(MGMT_COMMAND.STOP)
        finally:
            self.is_started = False
            self.scheduler.task = None
            self.domains.clear()
            self._plans.clear()

    def forget(self) -> None:
        """End because the graph is garbage; may be called in any thread and at any moment.

        So it waits for nobody: a run that is under way ends by itself, after its time step.
        """
        if os.getpid() != self._owner_pid:
            return  # a process that was forked from that of the graph
        self._forgotten = self.halt = True
        if not self._thread_runs:
            self._end_forgotten()

    def _end_forgotten(self) -> None:
        failure = self.join()
        if failure is not None:
            warnings.warn(unheard(failure), RuntimeWarning, stacklevel=2)
        self._release()
