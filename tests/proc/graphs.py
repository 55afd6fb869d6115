"""Building blocks of Lava graphs for tests."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink


@contextmanager
def stopped(*processes: AbstractProcess) -> Iterator[None]:
    try:
        yield
    finally:
        for process in processes:
            process.stop()


def record(source: Any, process: Any, steps: int, tag: str) -> np.ndarray:
    """Feed a process from a source for some steps; what it sent, (..., steps)."""
    sink = Sink(shape=process.s_out.shape, buffer=steps)
    source.s_out.connect(process.a_in)
    process.s_out.connect(sink.a_in)
    with stopped(process):
        process.run(RunSteps(steps), Loihi2SimCfg(select_tag=tag))
        return np.asarray(sink.data.get())
