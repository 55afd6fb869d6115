"""Sequences as rows: their state, and the threads that share them."""

import _thread
import functools
import itertools
import math
import os
import weakref
from collections import Counter
from collections.abc import Callable, Sequence
from queue import SimpleQueue
from threading import Lock, Thread
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lava_ssm.engine.compiled.arguments import Arguments
from lava_ssm.engine.compiled.compiling import ready
from lava_ssm.engine.compiled.tokens import INTEGER, REAL, Tokens, array_type
from lava_ssm.engine.compiled.words import OVERFLOWED
from lava_ssm.engine.overflows import Tally
from lava_ssm.network import FixedNetwork

_MOST_THREADS = 256
"""Beyond this a system may refuse to make them."""
_empty = np.empty
_NONE = np.zeros(0)
"""No values to be rounded: tokens are mantissas."""


class Threads:
    """Runs a function on ranges of rows, each range on a thread of its own.

    The threads are made where they are used: a process that was forked makes new ones. (Those of
    `concurrent.futures` do not survive that Ctrl-C cuts off the handing out of work.)
    """

    def __init__(self, n_rows: int, n_threads: int) -> None:
        n = min(n_rows, n_threads, _MOST_THREADS)
        cuts = [round(n_rows * i / n) for i in range(n + 1)] if n else [0]
        self.ranges = [slice(i, j) for i, j in itertools.pairwise(cuts)]
        self._workers: _Workers | None = None

    def run(self, work: Callable[[int, slice], None]) -> None:
        """Call `work` with the number of each thread and its rows; wait for all."""
        if len(self.ranges) < 2:
            for i, rows in enumerate(self.ranges):
                work(i, rows)
            return
        if self._workers is None or self._workers.process != os.getpid():
            self._workers = _Workers(len(self.ranges))
        workers, cut_off = self._workers, False
        ended: SimpleQueue[BaseException | None] = SimpleQueue()

        def share(i: int) -> None:
            error = None
            with workers.gates[i]:
                try:
                    if not cut_off:
                        work(i, self.ranges[i])
                except BaseException as raised:
                    error = raised
            ended.put(error)

        try:
            for i, jobs in enumerate(workers.jobs):
                jobs.put(functools.partial(share, i))
            errors = [ended.get() for _ in workers.jobs]
        except BaseException:  # Ctrl-C: when this is left, nobody may still write into the state
            cut_off, self._workers = True, None
            for gate in workers.gates:
                _pass(gate)
            raise
        for error in filter(None, errors):
            raise error


class _Workers:
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


class Rows:
    """What the executors share: state by rows, one a sequence, and their threads.

    Parameters
    ----------
    batch
        Shape of the batch of sequences.
    n_threads
        Sequences are shared out among so many; the results do not depend on it.
    n_states, real
        Number of states of a sequence, and their type.
    kernel
        Its last arguments are tokens and outputs.
    """

    values_per_token = 0
    _bound: Sequence[tuple[Any, ...]]
    """What the kernel is given before these, on each thread."""

    def __init__(
        self,
        network: Any,
        batch: tuple[int, ...],
        n_threads: int,
        n_states: int,
        real: Any,
        kernel: Any,
    ) -> None:
        self._network, self._batch, self._kernel = network, batch, kernel
        rows = math.prod(batch)
        self._threads = Threads(rows, n_threads)
        self._n_threads = max(1, len(self._threads.ranges))
        self._re, self._im = (np.zeros((rows, n_states), real) for _ in "ri")
        kind = np.int64 if isinstance(network, FixedNetwork) else np.float64
        self._totals = np.zeros((rows, network.d_output), kind)
        self._counts = np.zeros((self._n_threads, len(network.stages), len(OVERFLOWED)), np.int64)

    def _carried(self) -> tuple[NDArray[Any], ...]:
        """What a reset sets to zero; the kernel is given views of these arrays."""
        return self._re, self._im, self._totals

    def reset(self) -> None:
        """See `Executor`."""
        for x in self._carried():
            x[...] = 0

    def saved(self) -> tuple[NDArray[Any], ...]:
        """See `Executor`."""
        return tuple([x.copy() for x in self._carried()])  # a generator would take longer

    def restore(self, saved: tuple[NDArray[Any], ...]) -> None:
        """See `Executor`."""
        for mine, value in zip(self._carried(), saved, strict=True):
            mine[...] = value

    def __reduce__(self) -> tuple[Any, ...]:
        # copies and unpickled ones are made anew: a copy of a view is no view of the copy
        made = self._network, self._batch, self._n_threads
        return type(self), made, (self._carried(), self._counts)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.restore(state[0])
        self._counts[...] = state[1]

    @property
    def tallies(self) -> Sequence[Tally]:
        """See `Executor`."""
        return [
            Counter({what: int(n) for what, n in zip(OVERFLOWED, row, strict=True) if n})
            for row in self._counts.sum(axis=0)
        ]

    def advance(self, tokens: NDArray[Any]) -> NDArray[Any]:
        """See `Executor`: calls the kernel on each thread's rows."""
        kernel, bound = self._kernel, self._bound
        if not (tokens.flags.c_contiguous and tokens.flags.writeable):
            tokens = tokens.copy()  # else Numba would compile anew
        *batch, n_tokens, d_input = tokens.shape
        rows = tokens.reshape(len(self._re), n_tokens, d_input)
        outputs = np.empty((len(rows), n_tokens, self._network.d_output), self._totals.dtype)
        if len(bound) == 1:
            kernel(*bound[0], rows, outputs)
        else:
            self._threads.run(lambda i, part: kernel(*bound[i], rows[part], outputs[part]))
        return outputs.reshape(*batch, n_tokens, outputs.shape[-1])

    def _ready(self) -> None:
        """Compile the kernel for what it is bound to."""
        kind = array_type(self._totals.dtype, 3)
        given = (array_type(x.dtype, x.ndim) for x in self._bound[0])
        ready(self._kernel, (*given, kind, kind))


class FixedRows(Rows):
    """What the executors of fixed networks share besides: a kernel that takes a table of arrays.

    The kernel's arguments before tokens are values to be rounded, see `advance.advance`.
    """

    def __init__(
        self,
        network: FixedNetwork,
        batch: tuple[int, ...],
        n_threads: int,
        n_states: int,
        real: Any,
        kernel: Any,
    ) -> None:
        super().__init__(network, batch, n_threads, n_states, real, kernel)
        rows = len(self._re)
        self._tokens = Tokens(network.input_format, (*batch, network.d_input))
        self._token = np.zeros((rows, 1, network.d_input), np.int64)
        self._step_shape = rows, 1, network.d_output
        self._output_shape = *batch, network.d_output

    def _bind(self, arguments: Sequence[Arguments], *others: NDArray[Any]) -> None:
        """Keep what the kernel is given: arrays of each thread, and others, one row a thread."""
        self._arguments = arguments  # keeps alive what tables tell of
        given = [(part.table, *(x[i] for x in others)) for i, part in enumerate(arguments)]
        self._bound = [(*arrays, _NONE) for arrays in given]
        self._given = given[0] if len(given) == 1 else None  # for `step`, which gives values
        self._ready()

    def step(self, token: Any) -> NDArray[np.int64] | None:
        """See `Executor`; None where several threads share the rows, too."""
        given = self._given
        if given is None:
            return None
        values = self._tokens.flat(token)
        if values is None:
            return None
        outputs = _empty(self._step_shape, INTEGER)
        if values.dtype is REAL:
            done = self._kernel(*given, values, self._token, outputs)
        else:
            done = self._kernel(*given, _NONE, values.reshape(self._token.shape), outputs)
        return outputs.reshape(self._output_shape) if done else None
