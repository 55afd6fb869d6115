"""The operating-system processes of a graph on the stock runtime: forked, watched, ended."""

import contextlib
import mmap
import multiprocessing
import os
import pickle
import signal
import threading
import time
import traceback
from multiprocessing.connection import Connection
from typing import NoReturn

from lava.magma.compiler.builders.interfaces import AbstractProcessBuilder as Builder
from lava.magma.compiler.channels.interfaces import ChannelType
from lava.magma.compiler.channels.pypychannel import PyPyChannel

from lava_ssm.runtime.errors import Location, ProcessDied, locate
from lava_ssm.runtime.phases import location_of
from lava_ssm.runtime.var_block import VarBlock
from lava_ssm.runtime.variables import own_sparse_vars

_PARENT_SECONDS = 0.5  # between two looks of a child at whether its parent lives
_POLL_SECONDS = 0.01  # between two looks of the parent at pipes and exit codes
_REPORT_SECONDS = 1.0  # for the report of the child that caused another one to end

# Lava hands unpicklable builders to its children: no other start method will do.
_fork = multiprocessing.get_context("fork")


class ModelTraceback(Exception):
    """The traceback of an exception in a child, as text; the cause of what is raised."""

    def __str__(self) -> str:
        return f'\n"""\n{self.args[0]}"""'


class _Memory:
    """Anonymous memory shared with children that are forked later."""

    def __init__(self, size: int) -> None:
        self.buf = memoryview(mmap.mmap(-1, max(size, 1)))


class _SharedMemory:
    """Stands for Lava's manager of shared memory.

    Lava's has a process of its own and named blocks, and both outlive a killed parent.
    """

    def create_shared_memory(self, size: int) -> _Memory:
        """Return a block of `size` bytes."""
        return _Memory(size)


class _Child:
    """One operating-system process and the pipe it reports through."""

    def __init__(self, builder: Builder, name: str, block: VarBlock | None) -> None:
        self.name = name
        self.built = False
        self.error: BaseException | None = None
        self._reports, write_end = _fork.Pipe(duplex=False)
        self.process = _fork.Process(
            target=_live, args=(builder, name, block, write_end, os.getpid()), name=name
        )
        # Ctrl-C reaches the whole process group; a child ignores it, from its first moment on.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self.process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            write_end.close()

    @property
    def code(self) -> int | None:
        """The exit code, negative for a signal; None while the child lives."""
        return self.process.exitcode

    def look(self) -> None:
        """Take in what the child has reported."""
        with contextlib.suppress(EOFError, OSError):
            while self._reports.poll():
                report = self._reports.recv_bytes()
                if not report:
                    self.built = True
                    continue
                self.error, text = pickle.loads(report)
                self.error.__cause__ = ModelTraceback(text)

    def close(self) -> None:
        """End the child by force if it is still there, and free what belongs to it."""
        if self.process.is_alive():
            self.process.kill()
        self.process.join()
        self.process.close()
        self._reports.close()


class Children:
    """The children of one graph; for Lava's channel builders, its messaging infrastructure."""

    def __init__(self) -> None:
        self._children: list[_Child] = []
        self.smm = _SharedMemory()

    def channel_class(self, channel_type: ChannelType) -> type[PyPyChannel]:
        """Return the class of a channel between two Python models."""
        assert channel_type == ChannelType.PyPy, "graphs with hardware get Lava's own Runtime"
        return PyPyChannel

    def fork(self, builder: Builder, name: str, block: VarBlock | None = None) -> None:
        """Start a child that builds a model or a runtime service and runs it."""
        self._children.append(_Child(builder, name, block))

    def wait_until_built(self) -> None:
        """Wait until every child has built what it runs; raise what a constructor raised."""
        while True:
            self.raise_failure()
            if all(child.built for child in self._children):
                return
            time.sleep(_POLL_SECONDS / 10)

    def raise_failure(self, told: bool = False, stopping: bool = False) -> None:
        """Raise what went wrong in a child, if anything did.

        `told`: the runtime service told of an error, wait for the report of who caused it.
        `stopping`: the children were told to stop, one that has ended is no failure.
        """
        deadline = time.monotonic() + _REPORT_SECONDS
        while True:
            ended = [child for child in self._children if child.code is not None]
            for child in self._children:
                child.look()
            errors = [child.error for child in self._children if child.error is not None]
            if errors:
                raise min(errors, key=_time_step)
            if stopping:
                ended = [child for child in ended if child.code != 0]
            killed = [child for child in ended if (child.code or 0) < 0]
            if killed or (ended and time.monotonic() > deadline):
                _raise_died((killed or ended)[0])
            if not ended and not (told and time.monotonic() < deadline):
                return
            time.sleep(_POLL_SECONDS)

    def join(self, seconds: float) -> None:
        """Wait until the children have ended, `seconds` at most."""
        deadline = time.monotonic() + seconds
        for child in self._children:
            child.process.join(max(0.0, deadline - time.monotonic()))

    def kill(self) -> None:
        """End the children that are left, and free what belongs to them."""
        children, self._children = self._children, []
        for child in children:
            if child.process.is_alive():
                child.process.kill()
        for child in children:
            child.close()


def _time_step(error: BaseException) -> int:
    location = getattr(error, "location", None)
    return location.time_step if isinstance(location, Location) else 0


def _raise_died(child: _Child) -> NoReturn:
    code = child.code or 0
    how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with code {code}"
    raise ProcessDied(
        f"the operating-system process of Process {child.name} (pid {child.process.pid}) {how} "
        "while its graph was running."
    )


def _live(
    builder: Builder,
    name: str,
    block: VarBlock | None,
    reports: Connection,
    parent: int,
) -> None:
    """Build a model or a service and run it until it is told to stop: the body of a child."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    threading.Thread(target=_die_with_parent, args=(parent,), daemon=True).start()
    actor = None
    try:
        built = builder.build()
        if block is not None:
            own_sparse_vars(builder, built)
            block.serve(built)
        actor = built
        reports.send_bytes(b"")
        actor.start()
    except BaseException as error:
        if actor is not None and block is not None:
            locate(error, location_of(name, actor))
        elif block is not None:
            locate(error, Location(name, builder.proc_model.__name__, "construction", 0))
        reports.send_bytes(_report(error))
        raise SystemExit(1) from None


def _report(error: BaseException) -> bytes:
    text = traceback.format_exc()
    try:
        report = pickle.dumps((error, text))
        pickle.loads(report)
    except Exception:  # a class that cannot be sent: its name and text stay
        substitute = RuntimeError(f"{type(error).__name__}: {error}")
        substitute.location = getattr(error, "location", None)  # type: ignore[attr-defined]
        report = pickle.dumps((substitute, text))
    return report


def _die_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_PARENT_SECONDS)
    os._exit(1)
