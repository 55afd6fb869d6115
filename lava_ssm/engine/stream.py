"""Streams: tokens one at a time or in pieces, the state carried across."""

import copy
import math
import os
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock, get_ident
from types import FrameType
from typing import TYPE_CHECKING, NoReturn, TypeVar
from weakref import WeakSet

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from lava_ssm.engine import reference
from lava_ssm.engine.backend import Backend, executor
from lava_ssm.engine.executor import ANY, SUMS, FirstOverflow
from lava_ssm.engine.overflows import Overflows, warn_of_first
from lava_ssm.engine.states import checked_state
from lava_ssm.engine.tokens import tokens_of
from lava_ssm.network import FixedNetwork, Network, Readout, check_network
from lava_ssm.numerics import (
    FixedPointOverflow,
    IntArray,
    as_array,
    check_memory,
    instance,
    integer,
    is_integer,
    shown,
)
from lava_ssm.tables import Shaped, Tabular

if TYPE_CHECKING:
    from rich.table import Table

T = TypeVar("T")
N = TypeVar("N", int, IntArray)

_MANY = 2**16
"""Numbers of an input from which on it is asked whether there is memory for them."""

_NO_CALL = -1
"""Tokens of the last call, of a stream that was not called yet."""

_MOST_DIMENSIONS = 28
"""Of a batch: NumPy's arrays have 32, those of states up to three more than the batch."""


class Stream(Tabular):
    """A network running on tokens as they come.

    However a sequence is cut into pieces, the outputs are the same (the same integers, of a fixed
    network).

    Several threads may use one stream: their calls take turns. A call that does not end (Ctrl-C, no
    memory) leaves the stream as it was before; if that cannot be said, every further call says so,
    until `reset`. Copies, and streams that are unpickled, go their own way.

    Parameters
    ----------
    network
        Float or fixed.
    batch
        Shape of the batch of streams that run side by side; () for one.
    reset_every
        Tokens of a sample: the state is zero at each sample's first token. None: never.
    backend
        "compiled": machine code. "reference": NumPy, to be read and to be probed, up to a thousand
        times slower. The integers of a fixed network are the same. None: compiled, unless probed,
        or where Numba is told not to compile (`NUMBA_DISABLE_JIT`).
    n_threads
        Threads that a compiled batch is shared out among; the results do not depend on it. None:
        one for each core. Two or more: two share the neurons of a single sequence. That pays in
        networks that take 5 µs a token or more, if a core is free and tokens come in quick
        succession; between others the second thread sleeps.
    probe
        Shown the values inside the network as they arise, by the reference only.
    dtype
        Kind of the floats in which a float network is computed, float64 (None) or float32, in which
        values beyond 3.4e38 are infinite; outputs are float64. The reference has float64 only.

    Raises
    ------
    TypeError
        Not a network, or `batch` is no shape.
    ValueError
        `reset_every` or `n_threads` is not a positive integer, there is no such backend, or the
        compiled one is to be probed or cannot be had; or `dtype` is none that is had.
    MemoryError
        The state of such a batch is larger than the memory that is available.
    """

    def __init__(
        self,
        network: Network | FixedNetwork,
        batch: tuple[int, ...] = (),
        reset_every: int | None = None,
        backend: Backend | None = None,
        n_threads: int | None = 1,
        probe: reference.Probe | None = None,
        dtype: DTypeLike | None = None,
    ) -> None:
        check_network(network)
        self.network = network
        self.batch = _checked_batch(network, batch)
        self.reset_every = None if reset_every is None else integer(reset_every, "reset_every", 1)
        if n_threads is None:  # a sequence each
            threads = min(os.cpu_count() or 1, max(1, math.prod(self.batch)))
        else:
            threads = integer(n_threads, "n_threads", 1)
        self._executor = executor(network, self.batch, backend, threads, probe, dtype)
        takes_mean = network.readout is Readout.MEAN_OVER_TIME
        self._sums, self._divides = takes_mean and network.sums, takes_mean and not network.sums
        self._can_fail = isinstance(network, FixedNetwork) or probe is not None
        # of the last call: tokens of the sample before it, and its own; None: the last token alone
        self._last: tuple[int, int] | None = 0, _NO_CALL
        self.n_tokens = 0
        # see `Executor.overflowed`; a probe sees for itself
        self._warned_of = 0 if probe is None else ANY | SUMS
        self._executor.reset()
        self._prepare()

    def _prepare(self) -> None:
        """Make what a stream does not share with its copies."""
        self._lock = Lock()
        # which thread the last call was of, 0: of whoever asks; and the id of what it gave
        self._thread, self._given = 0, 0
        self._lost: str | None = None  # why the state is unknown
        self._step: Callable[[ArrayLike], np.ndarray | None] = self._executor.step
        _streams.add(self)

    def _alone(self, work: Callable[..., T], *given: object) -> T:
        """Call a function that uses the state while no other thread does."""
        if self._lock.locked():
            self._refuse_itself()
        with self._lock:
            if self._lost is not None and work != self._reset:
                self._refuse_lost()
            return work(*given)

    def _refuse_itself(self) -> None:
        if self._calls_of_this_thread() > 1:
            raise RuntimeError(
                "the stream is in the middle of a call, from which (a probe, a signal's handler) "
                "it cannot be called again"
            )

    def _calls_of_this_thread(self) -> int:
        """Count the calls of this stream that this thread is in (to note it in each takes time)."""
        n, entries = 0, (Stream._alone.__code__, Stream.step.__code__)
        frame: FrameType | None = sys._getframe()
        while frame is not None:
            n += frame.f_code in entries and frame.f_locals["self"] is self
            frame = frame.f_back
        return n

    def _refuse_lost(self, *given: object) -> NoReturn:
        raise RuntimeError(
            f"the stream was {self._lost} in the middle of a call, its state is not known: call "
            "reset() to begin a new sample"
        )

    def _lose(self, why: str) -> None:
        """Have every further call say that the state is unknown."""
        self._lost = self._lost or why
        self._step = self._refuse_lost

    def __getstate__(self) -> dict[str, object]:
        return self._alone(self._copied)

    def _copied(self) -> dict[str, object]:
        own = ("_lock", "_thread", "_given", "_lost", "_step")
        state = {name: value for name, value in self.__dict__.items() if name not in own}
        state["_executor"] = copy.deepcopy(self._executor, {id(self.network): self.network})
        return state

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._prepare()

    def __rich__(self) -> "Table":
        batch = f" side by side {self.batch}" if self.batch else ""
        tokens = f"{self.n_tokens:,} token{'s' * (self.n_tokens != 1)} so far"
        title = f"Stream{batch} of a {type(self.network).__name__}, {tokens}"
        return self.network.as_table(title)

    def reset(self) -> None:
        """Begin a new sample: the state is zero again. Overflows stay counted."""
        self._alone(self._reset)

    def _reset(self) -> None:
        self._lose("interrupted")
        self._last, self.n_tokens = self._last or (self.n_tokens - 1, 1), 0
        self._executor.reset()
        self._lost, self._step = None, self._executor.step

    @property
    def state(self) -> tuple[np.ndarray, ...]:
        """State of each layer that has one; a copy, may be set.

        Of an S4D (*batch, d_model, d_state, 2), of an S5 (*batch, d_state, 2): re, im. Of a Conv1d
        the messages of earlier tokens, oldest first, (*batch, d_input, length - 1). Of a MinGRU
        and an MLGRU h, (*batch, d_output). What the state of a float network is set to is kept to
        rounding. The running mean of a readout and the tokens so far are of no layer: a stream that
        is copied or pickled has all, and the very state.

        Raises
        ------
        TypeError
            What it is set to is no sequence, or are not real numbers, or, of a fixed network, not
            integers.
        ValueError
            Another number or shape of arrays, values that are not finite, or mantissas beyond the
            state's word.
        """
        return self._alone(lambda: tuple(self._executor.states))

    @state.setter
    def state(self, given: Sequence[ArrayLike]) -> None:
        network = self.network
        wanted = [(*self.batch, *shape) for shape in network.state_shapes]
        instance(given, Sequence, "state", "a sequence of arrays")
        if len(given) != len(wanted):
            raise ValueError(f"state must have {len(wanted)} arrays, one a layer, got {len(given)}")
        checked = [
            checked_state(x, shape, bits, f"state[{i}]")
            for i, (x, shape, bits) in enumerate(
                zip(given, wanted, network.state_bits, strict=True)
            )
        ]
        self._alone(self._undone_if_cut_off, self._executor.set_states, checked)

    @property
    def overflows(self) -> Overflows:
        """Overflows since the stream was made."""
        names = [type(stage.layer).__name__ for stage in self.network.stages]
        tallies = self._alone(lambda: [Counter(tally) for tally in self._executor.tallies])
        return Overflows(tuple(zip(names, tallies, strict=True)))

    def step(self, token: ArrayLike) -> np.ndarray:
        """Take one token (*batch, d_input) and give the output (*batch, d_output).

        For a fixed network floats are values and integers mantissas.

        Raises
        ------
        TypeError
            A token that is no array of integers or real numbers.
        ValueError
            A token of another shape, not finite, or beyond the input format.
        FixedPointOverflow
            A word overflows, and the rules say RAISE. The stream is as before.
        RuntimeError
            The stream is in the middle of a call already, or an earlier one was cut off in it.

        Warns
        -----
        OverflowWarning
            For the first time in this stream, an integer of a fixed network left its word, or the
            running sum of a mean readout did, after which its mean is wrong until `reset`.
        """
        if self._lock.locked():
            self._refuse_itself()
        with self._lock:  # as `_alone`, which takes longer
            if self.n_tokens != self.reset_every:
                try:
                    outputs = self._step(token)
                    if outputs is not None:
                        self._last = None
                        if self._divides:
                            outputs /= self._number(self.n_tokens)
                        if self._sums:
                            self._thread, self._given = get_ident(), id(outputs)
                        self.n_tokens += 1
                        return outputs
                except BaseException as stop:  # whether the state has moved on cannot be seen
                    self._lose("interrupted")
                    if not isinstance(stop, FirstOverflow):
                        raise
                    outputs = stop.outputs
                    self._gave(outputs, self.n_tokens, 1)
                    self.n_tokens += 1
                    self._lost, self._step = None, self._executor.step
            else:
                if self._lost is not None:
                    self._refuse_lost()
                outputs = None
            if outputs is None:
                outputs = self._step_in_full(token)
        self._warn_once(1)
        return outputs

    def _step_in_full(self, token: ArrayLike) -> np.ndarray:
        u = self._checked(token, "token", ())[..., np.newaxis, :]
        if self._can_fail or self.n_tokens == self.reset_every:
            return self._undone_if_cut_off(self._next, u)
        try:
            return self._next(u)
        except BaseException:
            self._lose("interrupted")
            raise

    def _warn_once(self, n: int) -> None:
        """Warn of the first overflow, and of the first of a running sum, in the last n tokens."""
        if self._executor.overflowed <= self._warned_of:
            return
        of_sum = self._executor.overflowed & SUMS > self._warned_of & SUMS
        self._warned_of = self._executor.overflowed
        where = f"at token {self.n_tokens}" if n == 1 else f"in the last {n} tokens"
        warn_of_first(self.overflows, where, of_sum)

    def _next(self, u: np.ndarray) -> np.ndarray:
        first = self.n_tokens
        outputs: np.ndarray = self._advance(u)[..., 0, :]
        self._gave(outputs, first, 1)
        return outputs

    def run(self, tokens: ArrayLike) -> np.ndarray:
        """Take tokens (*batch, time, d_input) and give their outputs (*batch, time, d_output).

        For a fixed network floats are values, rounded to the nearest mantissa of the input format,
        and integers are mantissas.

        Raises
        ------
        TypeError
            Tokens that are no array of integers or real numbers.
        ValueError
            Tokens of another shape, not finite, or beyond the input format.
        FixedPointOverflow
            A word overflows, and the rules say RAISE. The stream is as before.
        MemoryError
            More tokens than there is memory for. The stream is as before.
        RuntimeError
            The stream is in the middle of a call already, or an earlier one was cut off in it.

        Warns
        -----
        OverflowWarning
            For the first time in this stream, an integer of a fixed network left its word, or the
            running sum of a mean readout did, after which its mean is wrong until `reset`.
        """
        outputs = self._alone(self._undone_if_cut_off, self._run, tokens, "tokens")
        self._warn_once(outputs.shape[-2])
        return outputs

    def _run(self, tokens: ArrayLike, name: str) -> np.ndarray:
        u = self._checked(tokens, name, ("time",))
        first = self.n_tokens
        outputs = self._advance(u)
        self._gave(outputs, first, u.shape[-2])
        return outputs

    def _gave(self, outputs: np.ndarray, first: int, n: int) -> None:
        """Keep what `to_float` needs of a call: tokens of the sample before it, and its own."""
        self._last, self._thread, self._given = (first, n), get_ident(), id(outputs)

    def _undone_if_cut_off(self, work: Callable[..., T], *given: object) -> T:
        """Call what changes the state; if it does not end, the state is that of before."""
        before = self.n_tokens, self._last, self._executor.saved()
        try:
            return work(*given)
        except BaseException as stop:
            self._lose("interrupted")  # should this be cut off too
            if isinstance(stop, FixedPointOverflow):  # which tells of it
                self._warned_of = ANY | SUMS
            self.n_tokens, self._last, state = before
            self._executor.restore(state)
            self._lost, self._step = None, self._executor.step
            raise

    def to_float(self, outputs: ArrayLike) -> NDArray[np.float64]:
        """Logits of what the last call of `step` or `run` gave.

        Raises
        ------
        TypeError
            Outputs that are no array of integers or, of a float network, real numbers.
        ValueError
            There was no call yet; outputs of another shape than that call's; or, of running sums,
            those of another call than the last, which another thread has made.
        """
        values = as_array(outputs, "outputs")
        first, n = self._last or (self.n_tokens - 1, 1)
        if n == _NO_CALL:
            raise ValueError("outputs: nothing has come of the stream yet, call step or run first")
        if self._sums and self._thread not in (0, get_ident()) and self._given != id(outputs):
            raise ValueError(
                "outputs must be those of the last call, which another thread has made: "
                "`network.to_float(outputs, tokens)` takes the numbers of tokens"
            )
        numbers = self._numbers(first, n)
        if values.shape == (*self.batch, n, self.network.d_output):
            return self.network.to_float(values, numbers)
        if n == 1 and values.shape == (*self.batch, self.network.d_output):
            return self.network.to_float(values, numbers[0])
        raise ValueError(
            f"outputs must be those of the last call, of {n} tokens; got shape {values.shape}"
        )

    def _numbers(self, first: int, n: int) -> NDArray[np.int64]:
        """Give the number of each of n tokens in its sample, from 1."""
        return self._number(np.arange(first, first + n))

    def _number(self, before: N) -> N:
        return 1 + (before if self.reset_every is None else before % self.reset_every)

    def _checked(self, given: ArrayLike, name: str, time: tuple[str, ...]) -> np.ndarray:
        network, array = self.network, as_array(given, name)
        shape = array.shape
        wanted = len(self.batch) + len(time) + 1
        if len(shape) != wanted or shape[: len(self.batch)] != self.batch:
            expected = str((*self.batch, *time, network.d_input)).replace("'", "")
            raise ValueError(f"{name} must have shape {expected}, got shape {shape}")
        if array.size > _MANY:
            n_tokens = math.prod(shape[:-1])
            # as they are given, brought to the network's form, and what comes of them
            values = 2 * network.d_input + network.d_output + self._executor.values_per_token
            check_memory(8 * n_tokens * values, f"{name}: a run of {n_tokens} tokens")
        return tokens_of(network, array, name)

    def _advance(self, u: np.ndarray) -> np.ndarray:
        """Run checked tokens; of the running sums of a float network make means."""
        first, n = self.n_tokens, u.shape[-2]
        if self.reset_every is None or first + n <= self.reset_every:
            outputs = self._executor.advance(u)
            self.n_tokens += n
        else:
            outputs = self._over_samples(u, self.reset_every)
        if self._divides:
            outputs /= self._numbers(first, n)[:, np.newaxis] if n != 1 else self._number(first)
        return outputs

    def _over_samples(self, u: np.ndarray, reset_every: int) -> np.ndarray:
        n = u.shape[-2]
        pieces = []
        start = 0
        while start < n:
            if self.n_tokens == reset_every:
                self.n_tokens = 0
                self._executor.reset()
            stop = min(n, start + reset_every - self.n_tokens)
            pieces.append(self._executor.advance(u[..., start:stop, :]))
            self.n_tokens += stop - start
            start = stop
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces, axis=-2)


_streams: WeakSet[Stream] = WeakSet()
"""Those of this process, for `_after_fork`."""


def _after_fork() -> None:
    """In the new process, give up what threads were doing that are not in it."""
    for stream in tuple(_streams):
        if stream._lock.locked() and not stream._calls_of_this_thread():
            stream._lock = Lock()
            stream._lose("forked")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def _checked_batch(network: Network | FixedNetwork, batch: tuple[int, ...]) -> tuple[int, ...]:
    """Give a batch's shape, if there is memory for the state of so many streams."""
    is_shape = isinstance(batch, Sequence) and not isinstance(batch, str | bytes)
    if not is_shape or not all(is_integer(n) and 0 <= n < 2**63 for n in batch):
        raise TypeError(f"batch must be a shape, such as () or (8,), got {shown(batch)}")
    if len(batch) > _MOST_DIMENSIONS:
        raise ValueError(f"batch must have at most {_MOST_DIMENSIONS} dimensions, got {len(batch)}")
    shape = tuple(int(n) for n in batch)
    states = sum(map(math.prod, network.state_shapes))
    # each number twice: while a call is under way, the state before it is kept
    n_bytes = 8 * math.prod(shape) * (2 * states + 3 * network.d_output + network.d_input)
    check_memory(n_bytes, f"batch: the state of streams of shape {shape}")
    return shape


@dataclass(frozen=True)
class Run(Shaped):
    """What came of running whole sequences.

    Parameters
    ----------
    outputs
        What the network emitted at each token, (..., time, d_output).
    state
        Of each layer that has one, after the last token: of an S4D (..., d_model, d_state, 2),
        of an S5 (..., d_state, 2): real, imaginary.
    overflows
        How many integers left their words, and where; none in a float network.
    """

    outputs: np.ndarray
    state: tuple[np.ndarray, ...]
    overflows: Overflows


def run(
    network: Network | FixedNetwork,
    x: ArrayLike,
    reset_every: int | None = None,
    backend: Backend | None = None,
    n_threads: int | None = None,
    probe: reference.Probe | None = None,
    dtype: DTypeLike | None = None,
) -> Run:
    """Run whole sequences x (..., time, d_input) from the zero state.

    Parameters
    ----------
    x
        For a fixed network floats are values and integers mantissas.
    reset_every
        Tokens of a sample, where `time` holds several back to back. None: one sample.
    backend, n_threads, probe, dtype
        See `Stream`. A batch is shared out among all cores by default.

    Raises
    ------
    TypeError
        Not a network, or `x` is no array of integers or real numbers.
    ValueError
        A wrong shape, a value that is not finite, or beyond the input format's range.
    MemoryError
        More tokens than there is memory for.
    """
    check_network(network)
    tokens = as_array(x, "x")
    shape = tokens.shape
    if len(shape) < 2:
        raise ValueError(f"x must have shape (..., time, {network.d_input}), got shape {shape}")
    stream = Stream(network, shape[:-2], reset_every, backend, n_threads, probe, dtype)
    outputs = stream._run(tokens, "x")
    return Run(outputs, stream.state, stream.overflows)
