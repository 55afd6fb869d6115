"""Memory that a training lets go of and soon needs again."""

import contextlib
import ctypes
import threading
from collections.abc import Iterator

_TRIM_THRESHOLD, _MMAP_THRESHOLD, _MMAP_MAX = -1, -3, -4
"""Of mallopt(3)."""
_lock = threading.Lock()
_inside = 0
"""How many trainings keep memory now."""


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Have this process keep what it frees meanwhile, where GNU's C library serves it.

    That gives large pieces back to the system at once, which fills the next ones with zeros: up to
    a third of a training step's time. When the last training that asked for it ends, they are given
    back.
    """
    library = _library()
    if library is None:
        yield
        return
    try:
        _count(library, 1)
        yield
    finally:
        _count(library, -1)


def _count(library: ctypes.CDLL, more: int) -> None:
    """One training more, or less."""
    global _inside
    with _lock:
        _inside += more
        if more > 0:
            library.mallopt(_MMAP_MAX, 0)
            library.mallopt(_TRIM_THRESHOLD, -1)
        elif _inside == 0:
            # once they are set they no longer adapt: to where adapting would have ended
            library.mallopt(_MMAP_MAX, 1 << 16)
            library.mallopt(_MMAP_THRESHOLD, 1 << 25)
            library.mallopt(_TRIM_THRESHOLD, 1 << 26)
            library.malloc_trim(0)


def _library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):  # Windows has none of this name
        return None
    known = hasattr(library, "mallopt") and hasattr(library, "malloc_trim")
    return library if known else None
