"""Many graphs in one Python leave nothing behind."""

import gc
import threading

import numpy as np
import psutil
import pytest
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.lif.process import LIF

from tests.runtime.conftest import Run
from tests.runtime.graphs.processes import chain

CFG = Loihi2SimCfg(select_tag="fixed_pt")
MEGABYTE = 2**20


def build_run_stop() -> None:
    processes = chain(3, last=LIF(shape=(4,)))
    dense = Dense(weights=np.eye(4))
    processes[-1].s_out.connect(dense.s_in)
    processes[0].run(condition=RunSteps(1), run_cfg=CFG)
    processes[0].stop()


@pytest.mark.parametrize("n_graphs", [200])
def test_graphs_leave_no_memory_handles_or_threads(n_graphs: int, on_runtime: Run) -> None:
    this = psutil.Process()

    def held() -> tuple[float, int, int, int]:
        gc.collect()
        for thread in threading.enumerate():  # Lava's ports do not wait for theirs to end
            if thread is not threading.current_thread():
                thread.join(1)
        memory = this.memory_info().rss / MEGABYTE
        return memory, this.num_fds(), threading.active_count(), len(this.children())

    stock = on_runtime.__name__ != "in_process"
    with on_runtime():
        for _ in range(5):
            build_run_stop()
        before = held()
        for _ in range(n_graphs // 10 if stock else n_graphs):
            build_run_stop()
        after = held()
    assert after[1:] == before[1:]
    assert after[0] - before[0] < 10  # megabytes: 50 for a thousand graphs
