"""The second of two threads that share the neurons of a sequence; see `turns`."""

import functools
import os
from collections.abc import Callable, Sequence
from time import perf_counter, sleep
from typing import Any
from weakref import WeakSet

import numpy as np
from numpy.typing import NDArray

from lava_ssm.engine.compiled.arguments import Arguments
from lava_ssm.engine.compiled.threads import Workers
from lava_ssm.engine.compiled.turns import begin_anew, is_awake

_SOON, _MANY = 2e-4, 8
"""Seconds between tokens, and how many of them, that make it worth while to wake the thread."""


class Second:
    """Has the second thread awake where that pays.

    It is made when it is first needed, sleeps between tokens that come seldom, and ends with this.
    A process that was forked makes a new one.

    Parameters
    ----------
    kernel
        See `advancing`.
    arguments, words
        Of both threads; see `turns`.
    none
        Arrays of no values, of no tokens and of no outputs.
    """

    def __init__(
        self,
        kernel: Callable[..., int],
        arguments: Sequence[Arguments],
        words: NDArray[np.int64],
        none: Sequence[np.ndarray],
    ) -> None:
        self._words = words
        # arrays live as long as the thread may write into them
        self._help = functools.partial(_help, kernel, arguments, none)
        self._workers: Workers | None = None
        self._last, self._n_soon = 0.0, 0
        self._can = _n_cores() > 1
        _seconds.add(self)

    def missed(self) -> None:
        """Know that a token had to do without the thread; wake it if they come quickly."""
        if not self._can:
            return
        now = perf_counter()
        self._n_soon = self._n_soon + 1 if now - self._last < _SOON else 0
        self._last = now
        if self._n_soon == _MANY:
            self.wake()
            for _ in range(3):  # else Python would give it its turn milliseconds later
                sleep(_SOON / 4)
                if is_awake(self._words):
                    break
            self._n_soon, self._last = 0, perf_counter()

    def wake(self) -> None:
        """Have the second thread awake soon."""
        if not self._can:
            return
        if self._workers is None:
            try:
                self._workers = Workers(1)
            except RuntimeError:  # no more threads in this process
                self._can = False
                return
        (jobs,) = self._workers.jobs
        if jobs.empty():
            jobs.put(self._help)

    def forget(self) -> None:
        """Know that the thread is not in this process."""
        self._workers = None
        begin_anew(self._words)


def _help(
    kernel: Callable[..., int], arguments: Sequence[Arguments], none: Sequence[np.ndarray]
) -> None:
    kernel(arguments[1].table, *none)


def _n_cores() -> int:
    """Give how many cores this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


_seconds: WeakSet[Any] = WeakSet()
"""Those of this process."""


def _after_fork() -> None:
    for second in tuple(_seconds):
        second.forget()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)
