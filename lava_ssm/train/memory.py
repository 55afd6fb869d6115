"""Memory that a training lets go of and soon needs again."""

import contextlib
import ctypes
from collections.abc import Iterator

_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
"""Of mallopt(3)."""
_MOST = 2**31 - 1


@contextlib.contextmanager
def kept() -> Iterator[None]:
    """Have this process keep what it frees meanwhile, where GNU's C library serves it.

    That gives large pieces back to the system at once, which fills the next ones with zeros: up to
    a third of a training step's time. In the end they are given back.
    """
    library = _library()
    if library is None:
        yield
        return
    library.mallopt(_MMAP_MAX, 0)
    library.mallopt(_TRIM_THRESHOLD, _MOST)
    try:
        yield
    finally:
        library.mallopt(_MMAP_MAX, 1 << 16)  # as it begins
        library.mallopt(_TRIM_THRESHOLD, 1 << 17)
        library.malloc_trim(0)


def _library() -> ctypes.CDLL | None:
    try:
        library = ctypes.CDLL(None)
    except (OSError, TypeError):  # Windows has none of this name
        return None
    known = hasattr(library, "mallopt") and hasattr(library, "malloc_trim")
    return library if known else None
