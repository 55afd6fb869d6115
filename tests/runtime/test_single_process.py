"""What is particular to running in one process."""

import os
import threading
import warnings
from typing import Any

import numpy as np
import pytest
from lava.magma.core.run_conditions import RunContinuous, RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.magma.runtime.runtime import Runtime
from lava.proc.io.injector import Injector

from lava_ssm import runtime
from lava_ssm.runtime.hardened import HardenedRuntime
from lava_ssm.runtime.single_process import SingleProcessRuntime
from tests.runtime.conftest import plain_lava
from tests.runtime.graphs.processes import (
    Counter,
    Deaf,
    Failing,
    Free,
    Holder,
    Prober,
    Reader,
    Relay,
    chain,
)

CFG = Loihi2SimCfg(select_tag="fixed_pt")


def ring() -> list[Relay]:
    first, second = Relay(name="first"), Relay(name="second")
    first.s_out.connect(second.a_in)
    second.s_out.connect(first.a_in)
    return [first, second]


def test_a_deadlock_names_the_ports_that_wait() -> None:
    with runtime.in_process(), pytest.raises(runtime.Deadlock) as caught:
        ring()[0].run(condition=RunSteps(1), run_cfg=CFG)
    assert str(caught.value).splitlines() == [
        "no model can go on, each waits for another:",
        "  'first' (Relay): a_in waits for a message of 'second' (Relay).s_out",
        "  'second' (Relay): a_in waits for a message of 'first' (Relay).s_out",
    ]


def test_a_full_channel_is_a_deadlock_that_names_it() -> None:
    counter, deaf = Counter(name="talker"), Deaf(name="deaf")
    counter.s_out.connect(deaf.a_in)
    with runtime.in_process(), pytest.raises(runtime.Deadlock, match="waits for room") as caught:
        counter.run(condition=RunSteps(100), run_cfg=CFG)
    assert "'talker' (Counter): s_out" in str(caught.value)
    assert counter.count.get()[0] == 65  # the channel holds 64, as in Lava


def test_reading_a_var_when_nobody_answers_is_a_deadlock() -> None:
    reader, counter = Reader(), Counter()
    reader.ref.connect_var(counter.count)
    with runtime.in_process(), pytest.raises(runtime.Deadlock, match=r"Reader\): ref waits"):
        reader.run(condition=RunSteps(2), run_cfg=CFG)


def test_a_model_that_probes_finds_the_message_of_this_step() -> None:
    prober, counter = Prober(), Counter()
    counter.s_out.connect(prober.a_in)
    with runtime.in_process():
        prober.run(condition=RunSteps(5), run_cfg=CFG)
    assert prober.found.get()[0] == 5


def test_models_run_in_the_process_and_thread_of_the_caller() -> None:
    processes = chain(3)
    children = set(os.listdir("/proc/self/task"))
    with runtime.in_process():
        processes[0].run(condition=RunSteps(3), run_cfg=CFG)
    assert set(os.listdir("/proc/self/task")) == children
    assert isinstance(processes[0].runtime, SingleProcessRuntime)


def test_runs_from_several_threads_at_once() -> None:
    graphs = [chain(3) for _ in range(4)]
    with runtime.in_process():
        for processes in graphs:
            processes[0].create_runtime(run_cfg=CFG)
    threads = [
        threading.Thread(target=processes[0].run, args=(RunSteps(200),)) for processes in graphs
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [processes[-1].last.get()[0] for processes in graphs] == [200] * 4


def test_a_run_that_does_not_block_is_waited_for_by_the_next() -> None:
    processes = chain(3)
    with runtime.in_process():
        processes[0].run(condition=RunSteps(1000, blocking=False), run_cfg=CFG)
        processes[0].run(condition=RunSteps(5))
    assert processes[-1].last.get()[0] == 1005


def test_a_second_run_beside_a_continuous_one_is_refused() -> None:
    processes = chain(2)
    with runtime.in_process():
        processes[0].run(condition=RunContinuous(), run_cfg=CFG)
    with pytest.raises(RuntimeError, match="pause or stop it first"):
        processes[0].run(condition=RunSteps(5))
    processes[0].stop()


def test_a_failed_graph_cannot_be_continued_or_set() -> None:
    processes = chain(3, last=Failing("raise"))
    with runtime.in_process(), pytest.raises(ValueError, match="bad input"):
        processes[0].run(condition=RunSteps(5), run_cfg=CFG)
    with pytest.raises(runtime.GraphStopped, match="ValueError: bad input"):
        processes[0].run(condition=RunSteps(5))
    with pytest.raises(runtime.GraphStopped, match="cannot set Var 'last'"):
        processes[1].last.set(np.zeros(4))
    assert processes[1].last.get()[0] == 3
    processes[0].stop()


@pytest.mark.parametrize("steps", [-1, -5])
def test_a_negative_number_of_steps_is_refused(steps: int) -> None:
    with runtime.in_process(), pytest.raises(ValueError, match="num_steps must be 0 or more"):
        Counter().run(condition=RunSteps(steps), run_cfg=CFG)


def test_parameters_are_the_models_own() -> None:
    class Notes(list[int]):
        pass

    notes, lock = Notes(), threading.Lock()
    holder = Holder(notes=notes, lock=lock)
    with runtime.in_process():
        holder.run(condition=RunSteps(1), run_cfg=CFG)
    tasks: Any = holder.runtime._tasks
    parameters = tasks[holder].model.proc_params
    assert parameters["notes"] is not notes
    assert parameters["lock"] is lock  # cannot be copied


def pipe() -> Any:
    injector, relay = Injector(shape=(4,)), Relay()
    injector.out_port.connect(relay.a_in)
    return injector


@pytest.mark.parametrize(
    ("graph", "reason"), [(Free, "asynchronous"), (pipe, "has an external pipe")]
)
def test_a_graph_that_cannot_be_run_here_falls_back_with_one_warning(
    graph: Any, reason: str
) -> None:
    process = graph()
    with runtime.in_process(), pytest.warns(RuntimeWarning, match=reason) as warned:
        process.create_runtime(run_cfg=Loihi2SimCfg())
    assert len([one for one in warned if one.category is RuntimeWarning]) == 1
    assert isinstance(process.runtime, HardenedRuntime)
    process.stop()


def test_an_asynchronous_graph_runs_after_falling_back() -> None:
    process = Free()
    with runtime.in_process(), pytest.warns(RuntimeWarning):
        process.run(condition=RunSteps(7), run_cfg=CFG)
    assert process.steps.get()[0] == 7
    process.stop()


def test_strict_refuses_instead_of_falling_back() -> None:
    with (
        runtime.in_process(strict=True),
        pytest.raises(runtime.UnsupportedGraph, match=r"PyFreeModel .* is asynchronous"),
    ):
        Free().run(condition=RunSteps(1), run_cfg=CFG)


def runtime_of_new_graph() -> type:
    counter = Counter()
    counter.create_runtime(run_cfg=CFG)
    try:
        return type(counter.runtime)
    finally:
        counter.stop()


def test_each_choice_holds_where_it_was_made() -> None:
    assert runtime_of_new_graph() is HardenedRuntime
    with runtime.in_process():
        assert runtime_of_new_graph() is SingleProcessRuntime
        with plain_lava():
            assert runtime_of_new_graph() is SingleProcessRuntime
    runtime.install()
    assert runtime_of_new_graph() is SingleProcessRuntime
    runtime.uninstall()
    assert runtime_of_new_graph() is HardenedRuntime


def test_without_hygiene_lava_is_as_it_was() -> None:
    with plain_lava():
        counter = Counter()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            counter.run(condition=RunSteps(1), run_cfg=CFG)
        assert type(counter.runtime) is Runtime
        counter.stop()


def test_a_graph_stays_in_process_after_the_block() -> None:
    processes = chain(3)
    with runtime.in_process():
        processes[0].run(condition=RunSteps(1), run_cfg=CFG)
    processes[0].run(condition=RunSteps(4))
    assert processes[-1].last.get()[0] == 5
