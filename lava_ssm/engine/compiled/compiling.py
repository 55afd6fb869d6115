"""Compilation of kernels: once, kept on disk, and not in silence."""

import hashlib
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba

F = TypeVar("F", bound=Callable[..., Any])

_PATIENCE = 0.7
"""Seconds of compiling before the caller is told what takes so long."""
_lock = threading.Lock()


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

    The machine code is kept on disk (beside the module, or in the user's cache folder where that
    cannot be written to).
    """
    outer: Any = numba.njit(nogil=True, error_model="numpy", cache=True, _nrt=False)(function)
    # Numba would take old code from disk although a function that the kernel calls has changed in
    # another file: it looks at the kernel's own file alone.
    outer._cache._cache_file._source_stamp = _sources()
    return outer


def ready(outer: Any, signature: tuple[Any, ...]) -> None:
    """Compile a kernel for arguments of these Numba types, or load it from disk, if need be."""
    if signature in outer.overloads:
        return
    with _lock:
        done = threading.Event()
        known = outer.stats.cache_misses.copy()
        threading.Thread(target=_tell_unless, args=(done, outer, known), daemon=True).start()
        try:
            outer.compile(signature)
        finally:
            done.set()


def _sources() -> str:
    digest = hashlib.sha256()
    for file in sorted(Path(__file__).parent.glob("*.py")):
        digest.update(file.read_bytes())
    return digest.hexdigest()


def _tell_unless(done: threading.Event, outer: Any, known: Counter[Any]) -> None:
    """Say that a kernel is being compiled, unless that is done soon, or it is loaded from disk."""
    while not done.wait(_PATIENCE):
        if outer.stats.cache_misses != known:
            break
    else:
        return
    print(
        "lava_ssm: compiling the engine for this CPU, about 20 s; kept on disk for the next time",
        file=sys.stderr,
        flush=True,
    )
