"""Compilation of kernels: once, kept on disk, and not in silence."""

import hashlib
import os
import sys
import threading
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba

from lava_ssm.engine.compiled.cache import Cache

F = TypeVar("F", bound=Callable[..., Any])

IS_COMPILED = not numba.config.DISABLE_JIT
"""Whether Numba compiles: not where `NUMBA_DISABLE_JIT` is set, as for debuggers."""
if not IS_COMPILED:
    warnings.warn(
        "NUMBA_DISABLE_JIT is set: networks run on the reference, up to a thousand times slower",
        RuntimeWarning,
        stacklevel=1,
    )

_PATIENCE = 0.7
"""Seconds of compiling before the caller is told what takes so long."""
_lock = threading.RLock()
if hasattr(os, "register_at_fork"):  # a process forked meanwhile would wait for ever
    os.register_at_fork(
        before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
    )


def compiled(function: F) -> F:
    """Compile with Numba, for use in kernels."""
    inner: F = numba.njit(nogil=True, error_model="numpy", _nrt=False)(function)
    return inner


def compiled_float(function: F) -> F:
    """The same for float networks: sums in the order that is fastest, products fused with them."""
    loose = {"reassoc", "contract", "nsz"}
    inner: F = numba.njit(nogil=True, error_model="numpy", _nrt=False, fastmath=loose)(function)
    return inner


def kernel(function: Callable[..., Any]) -> Any:
    """Compile with Numba, to be called from Python: runs without the interpreter's lock.

    The machine code is kept on disk, see `Cache`.
    """
    outer: Any = numba.njit(nogil=True, error_model="numpy", _nrt=False)(function)
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
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.digest()


_SOURCES = _sources()


def _tell_unless(done: threading.Event, outer: Any, known: Counter[Any]) -> None:
    """Say that a kernel is being compiled, unless that is done soon, or it is loaded from disk."""
    while not done.wait(_PATIENCE):
        if outer.stats.cache_misses != known:
            break
    else:
        return
    kept = "" if outer.stats.cache_path is None else "; kept on disk for the next time"
    text = f"lava_ssm: compiling the engine for this CPU, about 20 s{kept}"
    print(text, file=sys.stderr, flush=True)
