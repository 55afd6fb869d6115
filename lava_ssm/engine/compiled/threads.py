"""Threads that share the rows of a batch."""

import _thread
import functools
import itertools
import os
import weakref
from collections.abc import Callable
from queue import SimpleQueue
from threading import Lock, Thread

_MOST_THREADS = 256
"""Beyond this a system may refuse to make them."""


class Threads:
    """Runs a function on ranges of rows, each range on a thread of its own.

    The threads are made where they are used: a process that was forked makes new ones. (Those of
    `concurrent.futures` do not survive that Ctrl-C cuts off the handing out of work.)
    """

    def __init__(self, n_rows: int, n_threads: int) -> None:
        n = min(n_rows, n_threads, _MOST_THREADS)
        cuts = [round(n_rows * i / n) for i in range(n + 1)] if n else [0]
        self.ranges = [slice(i, j) for i, j in itertools.pairwise(cuts)]
        self._workers: Workers | None = None

    def run(self, work: Callable[[int, slice], object]) -> None:
        """Call `work` with the number of each thread and its rows; wait for all.

        This thread does the first share: to wake another one takes as long as tens of tokens.
        """
        if len(self.ranges) < 2:
            for i, rows in enumerate(self.ranges):
                work(i, rows)
            return
        if self._workers is None or self._workers.process != os.getpid():
            self._workers = Workers(len(self.ranges) - 1)
        workers, cut_off = self._workers, False
        ended: SimpleQueue[BaseException | None] = SimpleQueue()

        def share(i: int, gate: Lock) -> None:
            error = None
            with gate:
                try:
                    if not cut_off:
                        work(i, self.ranges[i])
                except BaseException as raised:
                    error = raised
            ended.put(error)

        try:
            for i, (jobs, gate) in enumerate(zip(workers.jobs, workers.gates, strict=True), 1):
                jobs.put(functools.partial(share, i, gate))
            try:
                work(0, self.ranges[0])
                errors: list[BaseException | None] = []
            except Exception as error:  # the others go on, and it is raised below
                errors = [error]
            errors += [ended.get() for _ in workers.jobs]
        except BaseException:  # Ctrl-C: when this is left, nobody may still write into the state
            cut_off, self._workers = True, None
            for gate in workers.gates:
                _pass(gate)
            raise
        if any(errors):
            try:
                raise next(filter(None, errors))
            finally:
                errors.clear()  # else it would hold this frame, and that it


class Workers:
    """Threads of this process, each of which does the jobs of its queue until this is gone."""

    def __init__(self, n: int) -> None:
        self.process = os.getpid()
        self.gates = [Lock() for _ in range(n)]
        self.jobs: list[SimpleQueue[Callable[[], None] | None]] = [SimpleQueue() for _ in range(n)]
        weakref.finalize(self, _dismiss, self.jobs)
        # by a thread of its own: none but the first is ever interrupted by Ctrl-C, which
        # `Thread.start` does not survive
        _thread.start_new_thread(_start, (self.jobs,))


def _start(queues: "list[SimpleQueue[Callable[[], None] | None]]") -> None:
    for jobs in queues:
        Thread(target=_serve, args=(jobs,), daemon=True, name="lava_ssm").start()


def _serve(jobs: "SimpleQueue[Callable[[], None] | None]") -> None:
    while (job := jobs.get()) is not None:
        job()
        del job  # what it holds may go


def _dismiss(queues: "list[SimpleQueue[Callable[[], None] | None]]") -> None:
    for jobs in queues:
        jobs.put(None)


def _pass(gate: Lock) -> None:
    """Wait for who is behind a gate, however often Ctrl-C is pressed meanwhile."""
    while True:
        try:
            with gate:
                return
        except KeyboardInterrupt:
            continue
