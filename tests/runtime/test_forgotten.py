"""Graphs that nobody holds any more end and are freed, whatever they were doing."""

import gc
import subprocess
import sys
import threading
import time
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lava.magma.core.run_conditions import RunContinuous, RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg

from lava_ssm import runtime
from tests.runtime.conftest import Run
from tests.runtime.graphs.processes import Failing, chain

CFG = Loihi2SimCfg(select_tag="fixed_pt")
ROOT = Path(__file__).parent.parent.parent


def becomes(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize(
    "condition",
    [RunContinuous(), RunSteps(10**9, blocking=False), RunSteps(2)],
    ids=lambda c: type(c).__name__,
)
def test_a_forgotten_graph_ends_and_is_freed(on_runtime: Run, condition: Any) -> None:
    threads = threading.active_count()
    with on_runtime():
        processes = chain(3)
        processes[0].run(condition, CFG)
    processes[0].notes = processes  # a cycle of the user's
    watched = [weakref.ref(process) for process in processes]
    del processes
    gc.collect()
    assert [watch() for watch in watched] == [None] * 3
    assert becomes(lambda: threading.active_count() <= threads)


def test_a_part_of_a_graph_keeps_all_of_it_running() -> None:
    with runtime.in_process():
        processes = chain(3)
        processes[0].run(RunContinuous(), CFG)
    last = processes[-1].last
    del processes
    gc.collect()
    last.process.pause()
    before = last.get()[0]
    last.process.run(RunSteps(7))
    assert last.get()[0] == before + 7
    last.process.stop()


def test_a_failure_that_nobody_waited_for_is_said(on_runtime: Run) -> None:
    with on_runtime():
        processes = chain(3, last=Failing("raise", name="bad"))
        processes[0].run(RunSteps(10, blocking=False), CFG)
    time.sleep(0.3)
    del processes
    with pytest.warns(
        RuntimeWarning, match="nobody waited for it: ValueError: bad input\nin Process 'bad'"
    ):
        gc.collect()


def test_a_graph_that_could_not_be_built_cannot_be_run(on_runtime: Run) -> None:
    processes = chain(3, last=Failing("raise in constructor"))
    with on_runtime():
        with pytest.raises(ValueError, match="no such size"):
            processes[0].run(RunSteps(1), CFG)
        with pytest.raises(runtime.GraphStopped, match="no such size"):
            processes[0].run(RunSteps(1), CFG)


def test_nothing_is_left_whatever_ends_a_graph() -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "scripts.soak.ends", "1"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
