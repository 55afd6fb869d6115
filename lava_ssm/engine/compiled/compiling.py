"""Compilation of kernels: once, kept on disk, and not in silence."""

import hashlib
import os
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numba

from lava_ssm.engine.compiled.cache import Cache
from lava_ssm.engine.compiled.cpu import HAS_ROUNDING_MODE
from lava_ssm.engine.compiled.inner import Inner

F = TypeVar("F", bound=Callable[..., Any])

_REASON = "" if HAS_ROUNDING_MODE else "the rounding mode of this CPU cannot be set"
if numba.config.DISABLE_JIT:
    _REASON = "NUMBA_DISABLE_JIT is set"
IS_COMPILED = not _REASON
"""Whether Numba compiles: not where `NUMBA_DISABLE_JIT` is set, as for debuggers."""
if not IS_COMPILED:
    warnings.warn(
        f"{_REASON}: networks run on the reference, up to a thousand times slower",
        RuntimeWarning,
        stacklevel=1,
    )

_PATIENCE = 0.7
"""Seconds of compiling before the caller is told what takes so long."""
_told = False
_lock = threading.RLock()
if hasattr(os, "register_at_fork"):  # a process forked meanwhile would wait for ever
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
    )


_OPTIONS = {"nogil": True, "error_model": "numpy", "_nrt": False}
_INNER = {"pipeline_class": Inner, "no_cpython_wrapper": True, "no_cfunc_wrapper": True}


def compiled(function: F) -> F:
    """Compile with Numba, for use in kernels."""
    inner: F = numba.njit(**_OPTIONS, **_INNER)(function)
    return inner


def renamed(function: F, what: str) -> F:
    """Give a function of several a name of its own.

    Machine code finds functions by name: that of a kernel from disk, which another process has
    compiled, would find another one of the same.
    """
    function.__qualname__ += f"_of_{what}"
    return function


def choosing(name: str, functions: Sequence[Callable[..., Any]]) -> Callable[..., Any]:
    """Make a function for kernels, `chosen(number, *args)`: that of `functions`, of these."""
    *others, last = functions
    n = len(others)
    if n == 0:

        def only(number, *args):  # type: ignore[no-untyped-def]
            last(*args)

        return compiled(renamed(only, name))
    rest = choosing(name, others)

    def either(number, *args):  # type: ignore[no-untyped-def]
        if number == n:
            last(*args)
        else:
            rest(number, *args)

    return compiled(renamed(either, f"{name}_{n}"))


def compiled_float(function: F) -> F:
    """The same for float networks: sums in the order that is fastest, products fused with them."""
    loose = {"reassoc", "contract", "nsz"}
    inner: F = numba.njit(**_OPTIONS, **_INNER, fastmath=loose)(function)
    return inner


def kernel(function: Callable[..., Any]) -> Any:
    """Compile with Numba, to be called from Python: runs without the interpreter's lock.

    The machine code is kept on disk, see `Cache`.
    """
    outer: Any = numba.njit(**_OPTIONS)(function)
    if IS_COMPILED:
        outer._cache = Cache(function, _SOURCES)
    return outer


def ready(outer: Any, signature: tuple[Any, ...]) -> None:
    """Compile a kernel for arguments of these Numba types, or load it from disk, if need be."""
    if not IS_COMPILED or signature in outer.overloads:
        return
    with _lock:
        done = threading.Event()
        known = outer.stats.cache_misses.copy()
        threading.Thread(target=_tell_unless, args=(done, outer, known), daemon=True).start()
        try:
            outer.compile(signature)
        finally:
            done.set()


def _sources() -> bytes:
    """What changes with any source of this room, as functions call each other across files."""
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.rglob("*.py")):
        digest.update(file.read_bytes())
    return digest.digest()


_SOURCES = _sources()


def _tell_unless(done: threading.Event, outer: Any, known: Counter[Any]) -> None:
    """Say once that a kernel is being compiled, unless that is soon done, or it is on disk."""
    while not done.wait(_PATIENCE):
        if outer.stats.cache_misses != known:
            break
    else:
        return
    global _told
    if _told:
        return
    _told = True
    kept = "" if outer.stats.cache_path is None else "; kept on disk for the next time"
    text = f"lava_ssm: compiling the engine for this CPU, about 10 s{kept}"
    print(text, file=sys.stderr, flush=True)
