"""Compiled networks, run from Python: to try what was built."""

import ctypes
from os import PathLike
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import ArrayLike

from lava_ssm import extras, files
from lava_ssm.numerics import IntArray, integers, shown

_STATUS = {1: "an integer of the token is beyond the input's format", 2: "an integer overflows"}


class _Host(Protocol):
    d_input: int
    d_output: int

    def reset(self) -> None: ...

    def run(self, tokens: np.ndarray, outputs: np.ndarray) -> int: ...


class Library:
    """A network that `write` compiled, `native` or `wasm`: one stream.

    Parameters
    ----------
    path
        The library, or the WebAssembly module (`.wasm`), which takes the extra `deploy`.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    OSError, ValueError
        It is no library of this kind.
    """

    def __init__(self, path: str | PathLike[str]) -> None:
        place = Path(files.name_of(path))
        if not place.is_file():
            raise FileNotFoundError(f"path: no file {str(path)!r}")
        self._host: _Host = _Module(place) if place.suffix == ".wasm" else _Shared(place)

    @property
    def d_input(self) -> int:
        """Integers of a token."""
        return self._host.d_input

    @property
    def d_output(self) -> int:
        """Integers of an output."""
        return self._host.d_output

    def reset(self) -> None:
        """Begin a sample."""
        self._host.reset()

    def run(self, tokens: ArrayLike) -> IntArray:
        """Take tokens (time, d_input), mantissas, and give outputs (time, d_output).

        Raises
        ------
        ValueError
            Tokens of another shape, or one that is refused: the state is that before it.
        """
        given = integers(tokens, "tokens")
        if given.ndim != 2 or given.shape[1] != self.d_input:
            raise ValueError(f"tokens must have shape (time, {self.d_input}), got {given.shape}")
        if given.size and not -(1 << 31) <= given.min() <= given.max() < 1 << 31:
            raise ValueError(f"tokens must fit 32 bits, got {shown(given.min())} to {given.max()}")
        outputs = np.zeros((len(given), self.d_output), np.int32)
        status = self._host.run(np.ascontiguousarray(given, np.int32), outputs)
        if status:
            raise ValueError(f"tokens: {_STATUS[status]}")
        return outputs.astype(np.int64)


class _Shared:
    """A library of this machine."""

    def __init__(self, path: Path) -> None:
        try:
            library = ctypes.CDLL(str(path.resolve()))
            self._reset, self._run = library.host_reset, library.host_run
            self.d_input, self.d_output = library.host_inputs(), library.host_outputs()
        except AttributeError:
            raise ValueError(f"path: {str(path)!r} is no network's library") from None
        self._run.argtypes = ctypes.c_void_p, ctypes.c_void_p, ctypes.c_int32
        self.reset()

    def reset(self) -> None:
        self._reset()

    def run(self, tokens: np.ndarray, outputs: np.ndarray) -> int:
        return int(self._run(tokens.ctypes.data, outputs.ctypes.data, len(tokens)))


class _Module:
    """A WebAssembly module."""

    def __init__(self, path: Path) -> None:
        with extras.needed("wasmtime"):
            import wasmtime
        self._store = wasmtime.Store()
        try:
            module = wasmtime.Module(self._store.engine, path.read_bytes())
            self._exports = wasmtime.Instance(self._store, module, []).exports(self._store)
            self.d_input, self.d_output = self._call("inputs"), self._call("outputs")
        except (wasmtime.WasmtimeError, KeyError) as error:
            raise ValueError(f"path: {str(path)!r} is no network's module: {error}") from None
        self._token, self._output = self._call("token"), self._call("output")
        self.reset()

    def _call(self, name: str) -> int:
        return int(self._exports[f"host_{name}"](self._store) or 0)  # type: ignore[operator]

    def reset(self) -> None:
        self._call("reset")

    def run(self, tokens: np.ndarray, outputs: np.ndarray) -> int:
        memory = self._exports["memory"]
        for token, output in zip(tokens, outputs, strict=True):
            memory.write(self._store, token.tobytes(), self._token)  # type: ignore[union-attr]
            status = self._call("step")
            if status:
                return status
            end = self._output + output.nbytes
            content = memory.read(self._store, self._output, end)  # type: ignore[union-attr]
            output[:] = np.frombuffer(content, np.int32)
        return 0
