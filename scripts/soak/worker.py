"""A part of the soak in a process of its own, so that nothing it does can stop the whole."""

import contextlib
import ctypes
import faulthandler
import os
import signal
import time
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

from scripts.soak.ends import Held, held
from scripts.soak.outcome import Outcome

SETTLED = 100
"""Cases after which nothing may grow any more: what is loaded once is loaded."""


@dataclass
class Done:
    """What a worker says of a case."""

    outcome: Outcome
    seconds: float
    grown: Held
    """Since all had settled."""
    has_settled: bool
    """Whether that is some cases ago."""


def work(part: str, pipe: Connection) -> None:
    """Run the cases that come in, until nothing comes any more."""
    os.setsid()  # Ctrl-C is for who has started the soak; what is started here ends with this
    faulthandler.register(signal.SIGUSR1)
    module = import_module(f"scripts.soak.{part}")
    before = None
    n = 0
    with contextlib.suppress(EOFError):
        while True:
            seed, failures = pipe.recv()
            start = time.monotonic()
            try:
                outcome = module.run(seed, failures)
            except Exception as error:
                outcome = Outcome(differences=[f"{type(error).__name__}: {error}"])
            seconds = time.monotonic() - start
            ctypes.CDLL(None).malloc_trim(0)  # what could be given back is no leak
            now = held(before)
            n += 1
            if before is None or n <= SETTLED:
                before = now
            pipe.send(Done(outcome, seconds, now - before, n > SETTLED))


class Worker:
    """A process that runs the cases of one part.

    Parameters
    ----------
    part
        A module of this package with a function `run`.
    """

    def __init__(self, part: str) -> None:
        context = get_context("spawn")
        self._pipe, other = context.Pipe()
        self._process = context.Process(target=work, args=(part, other), name=part)
        self._process.start()
        other.close()

    def run(self, seed: tuple[int, int], failures: Path, limit: float) -> Done | str:
        """Run a case; give what came of it, or say that it hung or died, which ends the worker."""
        try:
            self._pipe.send((seed, failures))
            if self._pipe.poll(limit):
                done: Done = self._pipe.recv()
                return done
        except (EOFError, OSError):
            self._process.join(5)
            return f"the process died: exit code {self._process.exitcode}"
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._process.pid or 0, signal.SIGUSR1)  # where it hangs, to standard error
            time.sleep(0.5)
        self.stop()
        return f"no end after {limit:.0f} s"

    def stop(self) -> None:
        """Kill the process and all that it has started."""
        self._pipe.close()
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._process.pid or 0, signal.SIGKILL)
        self._process.kill()
        self._process.join()
