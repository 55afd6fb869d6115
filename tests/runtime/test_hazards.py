"""What hangs or fails on plain Lava, in a Python of its own with a time limit.

Each case runs in process and on the stock runtime with hygiene.
"""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

ROOT = Path(__file__).parent.parent.parent
LIMIT = 30  # seconds; plain Lava stays for ever

PRELUDE = """
import gc, multiprocessing, os, signal, sys, threading, time

# a job started in the background ignores Ctrl-C, and its children do
signal.signal(signal.SIGINT, signal.default_int_handler)
{before}
import numpy as np
from lava_ssm import runtime
from tests.runtime.graphs.processes import *
from tests.runtime.graphs.processes import chain
from lava.magma.core.run_conditions import RunContinuous, RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg

CFG = Loihi2SimCfg(select_tag="fixed_pt")
{choice}

def raised_by(action):
    before = time.monotonic()
    try:
        action()
    except BaseException as error:
        assert time.monotonic() - before < 2, "too late"
        return error
    raise SystemExit("nothing was raised")
"""
CHOICE = {
    "in process": "runtime.install()",
    "stock": "",
    "plain": "runtime.set_hygiene(False)",  # to see what the cases do on plain Lava
}


class Script:
    """A Python of its own, in a process group of its own."""

    def __init__(self, choice: str, code: str, before: str = "") -> None:
        code = PRELUDE.format(before=before, choice=CHOICE[choice]) + code
        self.process = subprocess.Popen(
            [sys.executable, "-c", code],
            cwd=ROOT,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def wait_for(self, line: str) -> None:
        assert self.process.stdout is not None
        assert self.process.stdout.readline().strip() == line

    def finish(self) -> tuple[int, str, str]:
        """Return exit code, output and errors; fail if it hangs or leaves children behind."""
        out, err = self.process.communicate(timeout=LIMIT)
        self.expect_nobody_left()
        return self.process.returncode, out.strip(), err.strip()

    def expect_nobody_left(self) -> None:
        deadline = time.monotonic() + 5
        while self.group():
            assert time.monotonic() < deadline, "children outlive their parent"
            time.sleep(0.05)

    def group(self) -> list[int]:
        members = []
        for process in psutil.process_iter(["pid", "status"]):
            try:
                if (
                    process.info["status"] != psutil.STATUS_ZOMBIE
                    and os.getpgid(process.info["pid"]) == self.process.pid
                ):
                    members.append(process.info["pid"])
            except ProcessLookupError:
                continue
        return members

    def kill(self) -> None:
        if self.group():
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.communicate()


@pytest.fixture(params=["in process", "stock"])
def choice(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def start(choice: str) -> Iterator["Starter"]:
    starter = Starter(choice)
    yield starter
    for script in starter.scripts:
        script.kill()


class Starter:
    """Starts scripts on one runtime and ends what is left of them."""

    def __init__(self, choice: str) -> None:
        self.choice = choice
        self.scripts: list[Script] = []

    def __call__(self, code: str, before: str = "") -> Script:
        self.scripts.append(Script(self.choice, code, before))
        return self.scripts[-1]


@pytest.mark.parametrize("place", ["end", "middle"])
def test_an_exception_of_a_model_reaches_the_caller(start: Starter, place: str) -> None:
    code, out, err = start(
        f"""
processes = chain(3, last=Failing("raise", name="bad"))
if {place!r} == "middle":
    behind = [Relay() for _ in range(3)]
    processes[-1].s_out.connect(behind[0].a_in)
    behind[0].s_out.connect(behind[1].a_in)
    behind[1].s_out.connect(behind[2].a_in)
error = raised_by(lambda: processes[0].run(RunSteps(10), CFG))
assert type(error) is ValueError
print(error)
print(error.location.time_step, error.location.phase)
again = raised_by(lambda: processes[0].run(RunSteps(1)))
print(type(again).__name__)
processes[0].stop()
"""
    ).finish()
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "bad input",
        "in Process 'bad' (Failing), model PyFailingModel, spiking phase, time step 3",
        "3 spiking phase",
        "GraphStopped",
    ]


def test_an_exception_in_a_later_phase_is_named_so(start: Starter) -> None:
    code, out, err = start(
        """
processes = chain(3, last=Failing("raise after", name="bad"))
print(raised_by(lambda: processes[0].run(RunSteps(10), CFG)))
"""
    ).finish()
    assert (code, err) == (0, "")
    assert out.splitlines()[1].endswith("post-management phase, time step 3")


def test_an_exception_in_a_constructor_reaches_the_caller(start: Starter) -> None:
    code, out, err = start(
        """
processes = chain(3, last=Failing("raise in constructor", name="bad"))
print(raised_by(lambda: processes[0].run(RunSteps(10), CFG)))
"""
    ).finish()
    assert (code, err) == (0, "")
    assert out.splitlines()[0] == "no such size"
    assert "'bad' (Failing)" in out
    assert "construction" in out


def test_an_exception_without_a_message_of_its_own_keeps_its_text(start: Starter) -> None:
    code, out, err = start(
        """
import traceback
processes = chain(3, last=Failing("raise KeyError", name="bad"))
error = raised_by(lambda: processes[0].run(RunSteps(10), CFG))
print(repr(error))
text = "".join(traceback.format_exception(error))
assert "in Process 'bad' (Failing)" in text and "self._fail" in text, text
"""
    ).finish()
    assert (code, out, err) == (0, "KeyError('missing')", "")


def test_an_exception_that_cannot_be_sent_keeps_its_name_and_text(start: Starter) -> None:
    code, out, err = start(
        """
processes = chain(3, last=Failing("raise own", name="bad"))
error = raised_by(lambda: processes[0].run(RunSteps(10), CFG))
print(type(error).__name__)
print(error)
"""
    ).finish()
    assert (code, err) == (0, "")
    name = {"in process": "OwnError", "stock": "RuntimeError"}[start.choice]
    assert out.splitlines()[0] == name
    assert "out of spikes" in out
    assert "'bad' (Failing)" in out


def test_an_exception_in_the_background_is_raised_by_wait(start: Starter) -> None:
    code, out, err = start(
        """
processes = chain(3, last=Failing("raise"))
processes[0].run(RunSteps(10, blocking=False), CFG)
time.sleep(0.3)
print(type(raised_by(processes[0].wait)).__name__)
processes[0].stop()
"""
    ).finish()
    assert (code, out, err) == (0, "ValueError", "")


def test_vars_can_be_read_after_a_model_failed(start: Starter) -> None:
    code, out, err = start(
        """
processes = chain(3, last=Failing("raise"))
raised_by(lambda: processes[0].run(RunSteps(10), CFG))
try:
    print(processes[1].last.get()[0], processes[2].state.get()[0])
    error = raised_by(lambda: processes[1].last.set(np.zeros(4)))
except runtime.GraphStopped as stopped:
    print(stopped)
else:
    assert type(error) is runtime.GraphStopped
"""
    ).finish()
    assert (code, err) == (0, "")
    if start.choice == "in process":
        assert out == "3.0 3.0"
    else:  # the models were in processes that have ended
        assert out.startswith("cannot get Var 'last': the graph failed (ValueError: bad input")


@pytest.mark.parametrize("choice", ["stock"], indirect=True)
def test_a_child_that_is_killed_ends_the_run(start: Starter) -> None:
    code, out, err = start(
        """
processes = chain(4, last=Failing("die", name="victim"))
print(raised_by(lambda: processes[0].run(RunSteps(10), CFG)))
processes[0].stop()
"""
    ).finish()
    assert (code, err) == (0, "")
    assert "'victim' (Failing)" in out
    assert "was killed by SIGKILL" in out


@pytest.mark.parametrize("choice", ["stock"], indirect=True)
def test_a_runtime_service_that_is_killed_ends_the_run(start: Starter) -> None:
    code, out, err = start(
        """
import psutil
processes = chain(3)
processes[0].run(RunContinuous(), CFG)
service = max(psutil.Process().children(), key=lambda child: child.pid)
service.kill()
print(raised_by(processes[0].wait))
"""
    ).finish()
    assert (code, err) == (0, "")
    assert "(runtime service)" in out


def test_ctrl_c_ends_a_run_cleanly(start: Starter) -> None:
    script = start(
        """
processes = chain(4)
processes[0].run(RunSteps(1), CFG)
print("running", flush=True)
try:
    processes[0].run(RunSteps(10**9))
except KeyboardInterrupt:
    before = time.monotonic()
    processes[0].stop()
    print("stopped", time.monotonic() - before < 2)
"""
    )
    script.wait_for("running")
    time.sleep(0.3)
    os.killpg(script.process.pid, signal.SIGINT)
    assert script.finish() == (0, "stopped True", "")


def test_ctrl_c_that_nobody_handles_prints_one_traceback(start: Starter) -> None:
    script = start(
        """
processes = chain(4)
processes[0].run(RunContinuous(), CFG)
print("running", flush=True)
processes[0].wait()
"""
    )
    script.wait_for("running")
    time.sleep(0.3)
    os.killpg(script.process.pid, signal.SIGINT)
    code, _, err = script.finish()
    assert code == -signal.SIGINT
    assert err.count("Traceback") == 1


def test_children_end_when_the_parent_is_killed(start: Starter) -> None:
    script = start(
        """
processes = chain(4)
processes[0].run(RunContinuous(), CFG)
print("running", flush=True)
time.sleep(1000)
"""
    )
    script.wait_for("running")
    script.process.kill()
    script.process.wait()
    script.expect_nobody_left()


@pytest.mark.parametrize("condition", ["RunSteps(5)", "RunContinuous()"])
@pytest.mark.parametrize("end", ["", "raise ZeroDivisionError", "sys.exit(3)"])
def test_a_script_that_ends_without_stop_ends(start: Starter, condition: str, end: str) -> None:
    code, _, err = start(
        f"""
processes = chain(4)
processes[0].run({condition}, CFG)
{end}
"""
    ).finish()
    assert code == {"": 0, "sys.exit(3)": 3}.get(end, 1)
    assert err.count("Traceback") == ("raise" in end)


def test_a_graph_that_is_built_but_never_run_can_be_stopped(start: Starter) -> None:
    assert start(
        """
processes = chain(4)
processes[0].create_runtime(CFG)
processes[0].stop()
"""
    ).finish() == (0, "", "")


def test_a_graph_that_was_stopped_says_so(start: Starter) -> None:
    code, out, err = start(
        """
processes = chain(4)
processes[0].run(RunSteps(2), CFG)
processes[0].stop()
processes[0].stop()
print(raised_by(lambda: processes[0].run(RunSteps(2))))
"""
    ).finish()
    assert (code, err) == (0, "")
    assert out == "cannot run: the graph was stopped. Build its Processes anew."


def test_a_forgotten_graph_that_is_collected_in_a_child_harms_nobody(start: Starter) -> None:
    code, out, err = start(
        """
from lava.magma.core.process.process import ProcessServer
gc.disable()
forgotten = chain(3)
forgotten[0].run(RunSteps(2), CFG)
ProcessServer().reset_server()
del forgotten
processes = chain(3, last=Failing("collect garbage"))
processes[0].run(RunSteps(5), CFG)
print(processes[1].last.get())
processes[0].stop()
gc.collect()
import psutil
gc.collect()
print(len(psutil.Process().children()))
"""
    ).finish()
    assert (code, out, err) == (0, "[5. 5. 5. 5.]\n0", "")


def test_a_forgotten_graph_that_is_collected_by_another_ones_model_harms_nobody(
    start: Starter,
) -> None:
    code, out, err = start(
        """
gc.disable()
chain(3)[0].run(RunContinuous(), CFG)
chain(3)[0].run(RunSteps(10**9, blocking=False), CFG)
processes = chain(3, last=Failing("collect garbage"))
processes[0].run(RunSteps(5), CFG)
print(processes[1].last.get())
processes[0].stop()
"""
    ).finish()
    assert (code, out, err) == (0, "[5. 5. 5. 5.]", "")


def test_a_process_that_was_forked_while_a_graph_runs_can_run_its_own(start: Starter) -> None:
    code, out, err = start(
        """
import warnings
warnings.simplefilter("ignore", DeprecationWarning)  # Python 3.12 warns of any fork beside threads
np.random.seed(3)
wanted = np.random.rand()
np.random.seed(3)
running = chain(3)
running[0].run(RunContinuous(), CFG)
for _ in range(5):
    child = os.fork()
    if child == 0:
        signal.alarm(10)
        same = np.random.rand() == wanted
        processes = chain(3)
        processes[0].run(RunSteps(5), CFG)
        same &= processes[2].last.get()[0] == 5
        processes[0].stop()
        del running
        gc.collect()
        os._exit(0 if same else 1)
    print(os.waitpid(child, 0)[1])
running[0].pause()
before = running[0].count.get()[0]
running[0].run(RunSteps(3))
print(running[0].count.get()[0] - before)
running[0].stop()
"""
    ).finish()
    assert (code, out.split(), err) == (0, ["0"] * 5 + ["3.0"], "")


def test_a_failure_in_the_background_is_said_when_the_program_ends(start: Starter) -> None:
    code, _, err = start(
        """
processes = chain(3, last=Failing("raise"))
processes[0].run(RunSteps(10, blocking=False), CFG)
time.sleep(0.5)
"""
    ).finish()
    assert code == 0
    assert "nobody waited for it: ValueError: bad input" in err


def test_a_graph_runs_on_after_a_pause(start: Starter) -> None:
    code, out, err = start(
        """
processes = chain(3)
processes[0].run(RunContinuous(), CFG)
time.sleep(0.2)
for _ in range(3):
    processes[0].pause()
    before = processes[0].count.get()[0]
    processes[0].run(RunSteps(5))
    assert processes[2].last.get()[0] == processes[0].count.get()[0] == before + 5
    processes[0].run(RunSteps(2, blocking=False))
    time.sleep(0.1)
processes[0].pause()
assert processes[2].last.get()[0] == before + 7
processes[0].stop()
"""
    ).finish()
    assert (code, out, err) == (0, "", "")


def test_a_pause_that_a_model_asks_for_ends_the_run_there(start: Starter) -> None:
    code, out, err = start(
        """
processes = chain(3, last=Failing("pause"))
processes[0].run(RunSteps(10), CFG)
print(processes[0].count.get()[0])
processes[0].run(RunSteps(10))
print(processes[0].count.get()[0])
processes[0].stop()
"""
    ).finish()
    assert (code, out, err) == (0, "3.0\n13.0", "")


def test_a_stop_that_a_model_asks_for_ends_the_graph(start: Starter) -> None:
    code, out, err = start(
        """
processes = chain(3, last=Failing("stop"))
processes[0].run(RunSteps(10), CFG)
print(type(raised_by(lambda: processes[0].run(RunSteps(10)))).__name__)
"""
    ).finish()
    assert (code, out, err) == (0, "GraphStopped", "")


@pytest.mark.parametrize("method", ["spawn", "forkserver", "fork"])
def test_a_start_method_chosen_before_is_kept(start: Starter, method: str) -> None:
    code, out, err = start(
        """
processes = chain(3)
processes[0].run(RunSteps(5), CFG)
print(processes[2].last.get()[0], multiprocessing.get_start_method())
print(multiprocessing.resource_tracker._resource_tracker._pid)  # of what outlives a process
processes[0].stop()
""",
        before="import multiprocessing.resource_tracker\n"
        f"multiprocessing.set_start_method({method!r})",
    ).finish()
    assert (code, out, err) == (0, f"5.0 {method}\nNone", "")


def test_complex_vars_are_refused(start: Starter) -> None:
    code, out, err = start(
        """
from lava.proc.monitor.process import Monitor
holder = Holder()
holder.run(RunSteps(1), CFG)
for action in (holder.waves.get, lambda: holder.waves.set(np.ones(2)),
               lambda: holder.floats.set(np.full((2, 3), 1j))):
    error = raised_by(action)
    print(type(error).__name__, str(error).split(",")[0])
print(holder.floats.get()[0, 0])
holder.stop()
watched, monitor = Holder(name="watched"), Monitor()
monitor.probe(watched.waves, 5)
print(raised_by(lambda: watched.run(RunSteps(1), CFG)))
"""
    ).finish()
    assert (code, err) == (0, "")
    assert out.splitlines()[:4] == [
        "TypeError Var 'waves' is complex (complex128)",
        "TypeError Var 'waves' is complex (complex128)",
        "TypeError Var 'floats' is complex (complex128)",
        "0.5",
    ]
    assert "Var 'waves' of Process 'watched' (Holder) is complex" in out


def test_a_graph_built_in_a_thread_outlives_it(start: Starter) -> None:
    code, out, err = start(
        """
processes = chain(3)
thread = threading.Thread(target=lambda: processes[0].run(RunSteps(5), CFG))
thread.start()
thread.join()
time.sleep(1)
processes[0].run(RunSteps(5))
print(processes[2].last.get()[0])
processes[0].stop()
"""
    ).finish()
    assert (code, out, err) == (0, "10.0", "")
