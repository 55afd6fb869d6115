"""Graphs that end in every way there is, and what each kind leaves behind.

Nothing should be left: no memory, thread, process, handle, semaphore or block of shared memory.
`python -m scripts.soak.ends 1000` runs a thousand graphs, a kind after the other in turn.
"""

import contextlib
import gc
import itertools
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from lava.magma.core.run_conditions import RunContinuous, RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg

from lava_ssm import runtime
from lava_ssm.network import FixedLinear, FixedNetwork
from lava_ssm.proc import FusedSSMNetwork, Sink, SSMNetwork, sink, source

MEGABYTE = 2**20
SETTLE_SECONDS = 5.0  # for threads and processes that were told to end
_CFG = Loihi2SimCfg(select_tag="fixed_pt")
_HALF = FixedNetwork((FixedLinear([[64]]),))  # outputs are inputs halved
_MANY = 10**5  # tokens: more than are sent before a graph ends


def _counting() -> Iterator[np.ndarray]:
    return (np.array([2 * i]) for i in itertools.count())


def _graph(
    tokens: Any = None, n_tokens: int = 1000, kind: type = FusedSSMNetwork
) -> tuple[Any, Sink]:
    """Return a network between a source and a sink, not run yet."""
    net = kind(_HALF)
    tokens_in = source(_counting() if tokens is None else tokens, net)
    collected = sink(net, n_tokens)
    tokens_in.s_out.connect(net.a_in)
    net.s_out.connect(collected.a_in)
    return net, collected


class Unplugged(Exception):
    """What a source of these graphs raises."""


def _unplugged() -> Iterator[np.ndarray]:
    yield from ([2 * i] for i in range(5))
    raise Unplugged("the microphone is unplugged")


@contextlib.contextmanager
def _raising(error: type[BaseException]) -> Iterator[None]:
    try:
        yield
    except error:
        return
    raise AssertionError(f"{error.__name__} was not raised")


def all_well() -> None:
    """Run to the end, take the outputs, stop."""
    net, collected = _graph()
    net.run(RunSteps(20), _CFG)
    assert collected.take()[:, 0].tolist() == list(range(19))
    net.stop()


def expanded() -> None:
    """The same with synapses and neurons as Processes of their own."""
    net, collected = _graph(kind=SSMNetwork)
    net.run(RunSteps(20), _CFG)
    assert collected.take()[:, 0].tolist() == list(range(19))
    net.stop()


def source_raises() -> None:
    """An iterator of tokens raises; the graph is not stopped."""
    net, _ = _graph(_unplugged())
    with _raising(Unplugged):
        net.run(RunSteps(20), _CFG)


def sink_full() -> None:
    """A sink has no room; the graph is stopped then."""
    net, _ = _graph(n_tokens=5)
    with _raising(RuntimeError):
        net.run(RunSteps(20), _CFG)
    net.stop()


def ctrl_c() -> None:
    """Ctrl-C in the middle of a run, and stop."""
    net, _ = _graph(n_tokens=_MANY)
    net.run(RunSteps(1), _CFG)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    try:
        with _raising(KeyboardInterrupt):
            net.run(RunSteps(_MANY))
    finally:
        timer.join()
        signal.signal(signal.SIGINT, before)
    net.stop()


def dropped_while_running() -> None:
    """A run that does not block is forgotten under way."""
    net, _ = _graph(n_tokens=_MANY)
    net.run(RunSteps(_MANY, blocking=False), _CFG)


def continuous_and_dropped() -> None:
    """A graph that runs for ever is forgotten."""
    net, _ = _graph(n_tokens=_MANY)
    net.run(RunContinuous(), _CFG)


def dropped_in_a_cycle() -> None:
    """A graph that runs for ever is forgotten, and something that it refers to refers to it."""
    net, collected = _graph(n_tokens=_MANY)
    net.notes = [net, collected]
    net.run(RunContinuous(), _CFG)


def dropped_by_a_thread() -> None:
    """A thread builds a graph, runs it for ever and ends."""

    def body() -> None:
        _graph(n_tokens=_MANY)[0].run(RunContinuous(), _CFG)

    thread = threading.Thread(target=body)
    thread.start()
    thread.join()


def dropped_in_a_fork() -> None:
    """A process that was forked forgets the graph, and its parent does."""
    net, _ = _graph(n_tokens=_MANY)
    net.run(RunContinuous(), _CFG)
    child = os.fork()
    if child == 0:
        del net
        gc.collect()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0


def stopped_early() -> None:
    """A run that does not block is stopped."""
    net, _ = _graph(n_tokens=_MANY)
    net.run(RunSteps(_MANY, blocking=False), _CFG)
    net.stop()


def paused() -> None:
    """A graph is paused, read and forgotten."""
    net, collected = _graph(n_tokens=_MANY)
    net.run(RunContinuous(), _CFG)
    net.pause()
    collected.take()


def raising_in_the_background() -> None:
    """A run that does not block raises, which `wait` raises again; forgotten."""
    net, _ = _graph(_unplugged())
    net.run(RunSteps(20, blocking=False), _CFG)
    with _raising(Unplugged):
        net.wait()


def raising_unheard() -> None:
    """A run that does not block raises, and nobody asks; a warning says so."""
    net, _ = _graph(_unplugged())
    net.run(RunSteps(20, blocking=False), _CFG)
    time.sleep(0.05)


def never_run() -> None:
    """Connected and forgotten."""
    _graph()


def built_and_dropped() -> None:
    """Built, not started, forgotten."""
    _graph()[0].create_runtime(_CFG)


def built_in_vain() -> None:
    """The construction of a model raises."""
    net, collected = _graph()
    collected.proc_params.overwrite("schedule", None)  # what the model cannot do without
    collected.proc_params._parameters.pop("capacity")
    with _raising(KeyError):
        net.run(RunSteps(1), _CFG)


def child_killed() -> None:
    """The operating-system process of a Process is killed under way."""
    others = set(psutil.Process().children())
    net, _ = _graph(n_tokens=_MANY)
    net.run(RunSteps(_MANY, blocking=False), _CFG)
    next(child for child in psutil.Process().children() if child not in others).kill()
    with _raising(runtime.ProcessDied):
        net.wait()


_EVERYWHERE = (
    all_well,
    expanded,
    source_raises,
    sink_full,
    ctrl_c,
    dropped_while_running,
    continuous_and_dropped,
    dropped_in_a_cycle,
    dropped_by_a_thread,
    dropped_in_a_fork,
    stopped_early,
    paused,
    raising_in_the_background,
    raising_unheard,
    never_run,
    built_and_dropped,
    built_in_vain,
)


def _in_process(end: Callable[[], None]) -> Callable[[], None]:
    def run() -> None:
        with runtime.in_process():
            end()

    return run


def _name(end: Callable[[], None]) -> str:
    return end.__name__.replace("_", " ")


ENDS: dict[str, Callable[[], None]] = {
    **{f"{_name(end)}, in process": _in_process(end) for end in _EVERYWHERE},
    **{f"{_name(end)}, stock": end for end in (*_EVERYWHERE, child_killed)},
}
"""Each builds a graph and ends it in its way; to be called in the main thread."""


@dataclass(frozen=True)
class Held:
    """What this Python holds."""

    megabytes: float
    """Resident memory."""
    threads: int
    processes: int
    """Children."""
    handles: int
    """Open file descriptors."""
    shared: int
    """Semaphores and blocks of shared memory, with a name or without."""

    def __sub__(self, before: "Held") -> "Held":
        return Held(*(a - b for a, b in zip(astuple(self), astuple(before), strict=True)))

    @property
    def but_memory(self) -> tuple[int, ...]:
        """All that must not grow by a single one."""
        return astuple(self)[1:]


def _now() -> Held:
    this = psutil.Process()
    maps = Path("/proc/self/maps").read_text().splitlines()
    return Held(
        this.memory_info().rss / MEGABYTE,
        this.num_threads(),
        len(this.children()),
        this.num_fds(),
        sum("/dev/shm/" in line or "/dev/zero" in line for line in maps),
    )


def held(as_before: Held | None = None) -> Held:
    """Collect garbage and count; threads and processes that end get time to be no more than before.

    Parameters
    ----------
    as_before
        What was held before.
    """
    deadline = time.monotonic() + SETTLE_SECONDS
    while True:
        gc.collect()  # also what earlier collections left: exceptions of graphs that they ended
        now = _now()
        if as_before is None or time.monotonic() > deadline:
            return now
        if all(a <= b for a, b in zip(now.but_memory, as_before.but_memory, strict=True)):
            return now
        time.sleep(0.01)


@dataclass(frozen=True)
class Left:
    """What graphs of one kind left behind, all together."""

    name: str
    n_graphs: int
    seconds: float
    held: Held


def run_ends(names: Sequence[str] = tuple(ENDS), rounds: int = 10) -> list[Left]:
    """Let graphs end in each of the ways, `rounds` times in turn, and count what is left.

    What is loaded once is not counted.
    """
    for runtime_name in ("in process", "stock"):
        ENDS[f"all well, {runtime_name}"]()
    time.sleep(0.5)
    gc.collect()
    gc.freeze()  # what is loaded need not be searched each time
    before = held()
    left = {name: Held(0.0, 0, 0, 0, 0) for name in names}
    seconds = dict.fromkeys(names, 0.0)
    for _ in range(rounds):
        for name in names:
            start = time.monotonic()
            ENDS[name]()
            now = held(before)
            seconds[name] += time.monotonic() - start
            grown = now - before
            left[name] = Held(
                *(a + b for a, b in zip(astuple(left[name]), astuple(grown), strict=True))
            )
            before = now
    gc.unfreeze()
    return [Left(name, rounds, seconds[name], left[name]) for name in names]


def leaks(left: Iterable[Left], megabytes: float = 20.0) -> list[str]:
    """Return what is wrong: kinds of end that left something, and too much memory of all."""
    left = list(left)
    grown = sum(one.held.megabytes for one in left)
    wrong = [f"{one.name}: left {one.held}" for one in left if max(one.held.but_memory) > 0]
    return wrong + [f"all: {grown:.1f} MB"] * (grown > megabytes)


def table(left: Iterable[Left]) -> str:
    """Return what each kind left behind as a table."""
    lines = [f"{'graphs':>36} {'n':>6}    MB  threads  processes  handles  shared  ms a graph"]
    for one in left:
        h = one.held
        lines.append(
            f"{one.name:>36} {one.n_graphs:6} {h.megabytes:5.1f} {h.threads:8} {h.processes:10} "
            f"{h.handles:8} {h.shared:7} {1000 * one.seconds / one.n_graphs:11.0f}"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    n_graphs = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    what_is_left = run_ends(rounds=-(-n_graphs // len(ENDS)))
    print(table(what_is_left))
    sys.exit("\n".join(leaks(what_is_left)) or None)
