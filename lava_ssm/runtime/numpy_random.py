"""NumPy's global random state, one for each model.

In Lava's stock runtime each model lives in a forked process and draws from its own copy of the
state that NumPy's global generator had at the fork: two models that draw get the same numbers.
Here all models share one process. The state of the fork is put into the generator while models
run; a model that changed it is given what it made of it as its own state, and the state of the
fork is put back for the others. To see whether a model has drawn costs three reads of memory,
so that models that draw nothing pay next to nothing.
"""

import contextlib
import ctypes
import os
import threading
from collections.abc import Callable, Iterator
from typing import Any, TypeAlias

import numpy as np

RandomState: TypeAlias = Any
"""Of whichever of the two classes below read it, and nobody else's."""
_KEYS = 624  # words of the Mersenne twister
_TWISTER_BYTES = 4 * (_KEYS + 1)  # the words and the position in them
_GAUSS_OFFSET = 80  # in RandomState: the second normal variate of a pair, and whether there is one
_GAUSS_BYTES = 16


def _layout_is_known() -> bool:
    """Whether reading memory gives what NumPy says of its global generator."""
    generator = np.random.mtrand._rand
    if type(generator._bit_generator) is not np.random.MT19937:
        return False
    if type(generator).__basicsize__ < _GAUSS_OFFSET + _GAUSS_BYTES:
        return False
    saved = np.random.get_state()  # noqa: NPY002
    try:
        state = ("MT19937", np.arange(_KEYS, dtype=np.uint32), 17, 1, 0.625)
        np.random.set_state(state)  # noqa: NPY002
        raw = _RawState()
        read = (raw.position.value, raw.word.value, raw.has_spare.value, raw.spare.value)
        return read == (17, 1, 1, 0.625)
    finally:
        np.random.set_state(saved)  # noqa: NPY002


class _RawState:
    """The memory of NumPy's global generator: fast, for the layout of NumPy 1's RandomState."""

    def __init__(self) -> None:
        generator = np.random.mtrand._rand
        self._twister = generator._bit_generator.ctypes.state_address
        self._gauss = id(generator) + _GAUSS_OFFSET
        self.position = ctypes.c_int.from_address(self._twister + 4 * _KEYS)
        self.word = ctypes.c_uint32.from_address(self._twister + 4)
        self.has_spare = ctypes.c_int.from_address(self._gauss)
        self.spare = ctypes.c_double.from_address(self._gauss + 8)

    def read(self) -> RandomState:
        return (
            ctypes.string_at(self._twister, _TWISTER_BYTES),
            ctypes.string_at(self._gauss, _GAUSS_BYTES),
        )

    def write(self, state: RandomState) -> None:
        ctypes.memmove(self._twister, state[0], _TWISTER_BYTES)
        ctypes.memmove(self._gauss, state[1], _GAUSS_BYTES)

    def watch(self) -> Callable[[], bool]:
        """Return what tells whether the generator holds another state than it does now."""
        position, word, has_spare = self.position, self.word, self.has_spare
        now = position.value, word.value, has_spare.value
        # A draw moves the position or uses up the spare variate; a new seed changes the words.
        return lambda: position.value != now[0] or word.value != now[1] or has_spare.value != now[2]


class _SlowState:
    """The same through NumPy's functions: for any bit generator."""

    def read(self) -> RandomState:
        return np.random.get_state(legacy=False)  # noqa: NPY002

    def write(self, state: RandomState) -> None:
        np.random.set_state(state)  # noqa: NPY002

    def watch(self) -> Callable[[], bool]:
        now = repr(self.read())
        return lambda: repr(self.read()) != now


def _state() -> "_RawState | _SlowState":
    return _RawState() if _layout_is_known() else _SlowState()


class _Shared:
    """What all graphs of this Python share, since they share the generator."""

    lock = threading.RLock()
    runs = 0  # under way
    caller: RandomState = None  # the state to go back to after them
    installed: "RandomStreams | None" = None  # whose fork state the generator holds


def _forget_other_threads() -> None:
    """Give a process that was forked during runs of other threads, which it has not, its state."""
    if _Shared.lock._is_owned():  # type: ignore[attr-defined]
        return  # it was forked by a model
    _Shared.lock = threading.RLock()
    if _Shared.runs:
        _state().write(_Shared.caller)
    _Shared.runs, _Shared.installed = 0, None


os.register_at_fork(after_in_child=_forget_other_threads)


class RandomStreams:
    """Gives each model its own copy of the state that the global generator has now.

    `run()` is the context of a run: after it the generator holds the caller's state again. The
    object itself is the context of a time step: inside it the generator holds the state of the
    fork, and no other graph runs.
    """

    def __init__(self) -> None:
        with self._exclusive() as inside_a_model:
            self._state = _state()
            now = self._state.read()
            among_others = _Shared.runs > 0 and not inside_a_model
            self._fork = _Shared.caller if among_others else now
            self._state.write(self._fork)
            self.changed: Callable[[], bool] = self._state.watch()
            self._state.write(now)

    @staticmethod
    @contextlib.contextmanager
    def _exclusive() -> Iterator[bool]:
        """Let no graph run meanwhile; yield whether a model of a graph is the caller."""
        inside_a_model = _Shared.lock._is_owned()  # type: ignore[attr-defined]
        with _Shared.lock:
            yield inside_a_model

    @contextlib.contextmanager
    def run(self) -> Iterator[None]:
        """Keep the caller's state over a run; of the outer graph if a model runs a graph."""
        with self._exclusive() as inside_a_model:
            outer = (_Shared.installed, self._state.read()) if inside_a_model else None
            if _Shared.runs == 0:
                _Shared.caller = self._state.read()
            _Shared.runs += 1
        try:
            yield
        finally:
            with _Shared.lock:
                _Shared.runs -= 1
                if outer is not None:
                    _Shared.installed = outer[0]
                    self._state.write(outer[1])
                elif _Shared.runs == 0:
                    _Shared.installed = None
                    self._state.write(_Shared.caller)

    def __enter__(self) -> None:
        _Shared.lock.acquire()
        if _Shared.installed is not self:
            self._state.write(self._fork)
            _Shared.installed = self

    def __exit__(self, *exc: object) -> None:
        _Shared.lock.release()

    def install(self, own: RandomState) -> None:
        """Put a model's own state into the generator."""
        self._state.write(own)

    def take(self) -> RandomState:
        """Return what a model has made of the state, and put back that of the fork."""
        own = self._state.read()
        self._state.write(self._fork)
        return own
