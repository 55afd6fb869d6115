"""`profile` finds where the time goes."""

from typing import Any

import matplotlib
import numpy as np
import pytest
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense
from lava.proc.lif.process import LIF

from lava_ssm import runtime
from tests.runtime.graphs.processes import Free, chain

matplotlib.use("Agg")
CFG = Loihi2SimCfg(select_tag="fixed_pt")


class Clock:
    """Stands still but in models that were made slow: other work on the machine takes no time."""

    def __init__(self) -> None:
        self.now = 0.0

    def perf_counter(self) -> float:
        return self.now

    def slow_down(self, process: Any, seconds: float) -> None:
        """Let the model of a built graph take longer."""
        model = process.runtime._tasks[process].model
        run_spk = model.run_spk

        def slow() -> None:
            self.now += seconds
            run_spk()

        model.run_spk = slow


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr("lava_ssm.runtime.profiling.time", clock)
    return clock


def test_the_slow_process_comes_first_with_its_time(clock: Clock) -> None:
    processes = chain(4)
    processes[2].name = "slow"
    with runtime.in_process():
        processes[0].create_runtime(run_cfg=CFG)
    clock.slow_down(processes[2], 0.002)
    clock.slow_down(processes[1], 0.001)
    profile = runtime.profile(processes[0], 50)
    assert len(profile.processes) == 4
    first = profile.processes[0]
    assert (first.process, first.process_class, first.model) == ("slow", "Relay", "PyRelayModel")
    assert first.calls >= 50
    assert [p.seconds for p in profile.processes] == pytest.approx([0.1, 0.05, 0, 0])
    assert profile.seconds == pytest.approx(0.15)
    assert profile.runtime_seconds == pytest.approx(0)


def test_time_spent_waiting_is_not_the_models(clock: Clock) -> None:
    # Dense sends, then waits for LIF in the same step, whatever their order.
    lif, dense = LIF(shape=(4,)), Dense(weights=np.eye(4))
    lif.s_out.connect(dense.s_in)
    dense.a_out.connect(lif.a_in)
    with runtime.in_process():
        lif.create_runtime(run_cfg=CFG)
    clock.slow_down(lif, 0.002)
    profile = runtime.profile(lif, 50)
    seconds = {one.process_class: one.seconds for one in profile.processes}
    assert seconds == {"LIF": pytest.approx(0.1), "Dense": 0}


def test_profiling_changes_no_result_and_the_graph_goes_on() -> None:
    processes = chain(3)
    runtime.profile(processes[0], 20, CFG)
    processes[0].run(condition=RunSteps(5))
    assert processes[-1].last.get()[0] == 25
    assert runtime.profile(processes[0], 10).n_steps == 10
    assert processes[-1].last.get()[0] == 35


def test_it_prints_as_a_table_and_draws_as_bars() -> None:
    processes = chain(3)
    profile = runtime.profile(processes[0], 20, CFG)
    text = str(profile)
    for word in ("Counter", "PyRelayModel", "the runtime itself", "us a step", "20 time steps"):
        assert word in text
    assert "<td" in profile._repr_html_()
    axes = profile.plot()
    assert len(axes.patches) == 4
    assert profile.plot(axes) is axes


def test_a_graph_on_the_stock_runtime_is_refused() -> None:
    processes = chain(2)
    processes[0].run(condition=RunSteps(1), run_cfg=CFG)
    with pytest.raises(ValueError, match="build it within in_process"):
        runtime.profile(processes[0], 5)
    processes[0].stop()


def test_a_graph_that_cannot_run_in_process_is_refused() -> None:
    with pytest.raises(runtime.UnsupportedGraph, match="asynchronous"):
        runtime.profile(Free(), 5, CFG)
