"""Machine code of kernels on disk: whole, made of these sources for this CPU, or not taken."""

import hashlib
import os
import pickle
import platform
import warnings
from collections.abc import Callable
from typing import Any

import numba
from numba.core import serialize
from numba.core.caching import CompileResultCacheImpl, NullCache

from lava_ssm import files

_DIGEST = hashlib.sha256().digest_size


class Cache(NullCache):
    """What Numba asks for a kernel's machine code, and gives it to.

    Files lie where Numba keeps its own: in `NUMBA_CACHE_DIR`, else beside the module, else in the
    user's cache folder. Nothing that is wrong with them is an error: the kernel is compiled again,
    and one warning names the folder. (Numba's own cache trusts what it reads, looks at no source
    but the kernel's own, and ends with an error where nothing can be written.)

    Parameters
    ----------
    function
        The kernel.
    sources
        What changes with the sources that it is made of.
    """

    def __init__(self, function: Callable[..., Any], sources: bytes) -> None:
        self._sources = sources
        self._name = f"{function.__module__}.{function.__qualname__}"
        self._impl: Any = None
        try:
            self._impl = CompileResultCacheImpl(function)
            self._folder = str(self._impl.locator.get_cache_path())
        except Exception as error:  # no place, or another Numba
            self._impl = None
            self._problem = str(error)

    @property
    def cache_path(self) -> str | None:
        """The folder, or None."""
        return None if self._impl is None else self._folder

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """Give the compiled kernel of a signature, None if there is none that can be used."""
        if self._impl is None:
            return None
        try:
            target_context.refresh()
            path = self._path(sig, target_context.codegen())
            with open(path, "rb") as file:
                content = file.read()
            payload = self._checked(content)
            if payload is None:
                return None
            return self._impl.rebuild(target_context, pickle.loads(payload))
        except FileNotFoundError:
            return None
        except Exception as error:
            _warn(self._folder, f"{type(error).__name__}: {error}")
            return None

    def _checked(self, content: bytes) -> bytes | None:
        """Give what is behind the stamp and the checksum; None of other sources."""
        stamp, digest = content[:_DIGEST], content[_DIGEST : 2 * _DIGEST]
        payload = content[2 * _DIGEST :]
        if hashlib.sha256(stamp + payload).digest() != digest:
            raise ValueError("a file is damaged")
        return payload if stamp == self._sources else None

    def save_overload(self, sig: Any, data: Any) -> None:
        """Keep the compiled kernel of a signature."""
        if self._impl is None:
            _warn(None, self._problem)
            return
        try:
            if not self._impl.check_cachable(data):
                return
            payload = serialize.dumps(self._impl.reduce(data))
            digest = hashlib.sha256(self._sources + payload).digest()
            os.makedirs(self._folder, exist_ok=True)
            files.write(self._path(sig, data.codegen), self._sources + digest + payload)
        except Exception as error:
            _warn(self._folder, f"{type(error).__name__}: {error}")

    def _path(self, sig: Any, codegen: Any) -> str:
        """One file for each signature, CPU and version of what compiles."""
        made_for = (sig, codegen.magic_tuple(), numba.__version__, platform.python_version())
        digest = hashlib.sha256(repr((self._name, made_for)).encode()).hexdigest()
        return os.path.join(self._folder, f"{self._name}-{digest[:20]}.nbc")


_warned = False


def _warn(folder: str | None, problem: str) -> None:
    """Say once what is the matter with a folder."""
    global _warned
    if _warned:
        return
    _warned = True
    where = "no folder can be written to" if folder is None else f"that in {folder!r} is of no use"
    warnings.warn(
        f"the engine is compiled without machine code from disk: {where} ({problem}); "
        "NUMBA_CACHE_DIR may name another folder",
        RuntimeWarning,
        stacklevel=2,
    )
