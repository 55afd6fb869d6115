"""The in-process runtime: all models of a graph in the process of the caller."""

import contextlib
import copy
import os
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from lava.magma.compiler.builders.py_builder import PyProcessBuilder
from lava.magma.compiler.channels.watchdog import NoOPWatchdogManager
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyVarPort
from lava.magma.core.process.process import AbstractProcess, ProcessParameters
from lava.magma.core.run_conditions import AbstractRunCondition, RunContinuous, RunSteps
from lava.magma.runtime.mgmt_token_enums import MGMT_COMMAND
from lava.magma.runtime.runtime import Runtime
from scipy.sparse import csr_matrix

from lava_ssm.runtime import variables
from lava_ssm.runtime.channel import LocalInfrastructure
from lava_ssm.runtime.errors import Deadlock, GraphStopped, Location, locate
from lava_ssm.runtime.handlers import handler
from lava_ssm.runtime.in_ports import receive_directly
from lava_ssm.runtime.numpy_random import RandomStreams
from lava_ssm.runtime.order import best_order
from lava_ssm.runtime.phases import (
    ANSWERING,
    HOST,
    LEARNING,
    POST_MANAGEMENT,
    PRE_MANAGEMENT,
    SPIKING,
    location_of,
)
from lava_ssm.runtime.scheduler import Answer, Scheduler, Task, Turn
from lava_ssm.runtime.support import label, refuse_complex_ports

_Response = PyLoihiProcessModel.Response
_EXIT_SECONDS = 2.0  # for a graph that runs in the background when the program ends


class Domain:
    """The models of one synchronisation domain and what they asked for.

    The order of phases is that of Lava's `LoihiPyRuntimeService`.
    """

    def __init__(self) -> None:
        self.tasks: list[Task] = []
        self.answers: list[Answer] = []
        self.wanted: dict[float, bool] = {}
        self.pause = False
        self.stop = False

    def next_phase(self) -> float | None:
        """Return the phase that follows in this time step, None if it is over."""
        for phase in (PRE_MANAGEMENT, LEARNING, POST_MANAGEMENT) if self.wanted else ():
            if self.wanted.pop(phase, False):
                return phase
        return None


@dataclass
class _Plan:
    """What is done in a phase."""

    turns: Sequence[Turn]
    """The models' handlers, in the order they are run."""
    answers: Sequence[Answer]
    """For the VarPorts that are answered in this phase."""
    n_early: int = -1
    """What the order was made from: how many models were known to send before they receive."""


class _Replies:
    """Stands for the channels between a model and its runtime service."""

    def __init__(self, domain: Domain) -> None:
        self._wanted = domain.wanted
        self._domain = domain

    def send(self, reply: Any) -> None:
        """Note what a model asks for at the end of a phase."""
        if reply is _Response.STATUS_DONE:
            return
        code = reply[0]
        if code == _Response.REQ_PRE_LRN_MGMT[0]:
            self._wanted[PRE_MANAGEMENT] = True
        elif code == _Response.REQ_LEARNING[0]:
            self._wanted[LEARNING] = True
        elif code == _Response.REQ_POST_LRN_MGMT[0]:
            self._wanted[POST_MANAGEMENT] = True
        elif code == _Response.REQ_PAUSE[0]:
            self._domain.pause = True
        elif code == _Response.REQ_STOP[0]:
            self._domain.stop = True

    def join(self) -> None:
        """Models join their channels when they stop."""


class SingleProcessRuntime(Runtime):
    """Runs a compiled graph in the calling thread, or in one of its own if not blocking.

    It takes the place of Lava's Runtime: a Process creates it, starts it with a RunCondition,
    and asks it for Vars. Channels are queues, the phases are those of Lava's runtime service,
    and what happens in them are the models' own methods.
    """

    def __init__(self, executable: Any, *args: Any, **kwargs: Any) -> None:
        self._owner_pid = os.getpid()
        self._is_started = False
        super().__init__(executable, *args, **kwargs)
        self._tasks: dict[AbstractProcess, Task] = {}
        self._domains: list[Domain] = []
        self._plans: dict[tuple[float | None, ...], _Plan] = {}
        self._thread: threading.Thread | None = None
        self._run_length = 0
        self._halt = False
        self._failure: BaseException | None = None
        self._undelivered = False
        self._stopped = False
        self.interrupted = False
        """Whether a model ended the last run before all its steps were done."""

    def __del__(self) -> None:
        if self._owner_pid == os.getpid():  # not in a process that was forked from this one
            super().__del__()

    def initialize(self, node_cfg_idx: int = 0) -> None:
        """Build channels and models.

        Raises
        ------
        TypeError
            A RefPort or a Monitor is connected to a complex Var.
        """
        refuse_complex_ports(self._executable)
        self._watchdog_manager = NoOPWatchdogManager()
        self._streams = RandomStreams()
        self._scheduler = Scheduler(self._streams)
        self._messaging_infrastructure = LocalInfrastructure(self._scheduler)
        self._build_channels()
        self._describe_channels()
        for domain_of_lava in self._executable.runtime_service_builders or {}:
            domain = Domain()
            self._domains.append(domain)
            # Lava's order comes from a set; this one is the same in every run.
            for process in sorted(domain_of_lava.processes, key=lambda process: process.id):
                self._build_model(process, domain)
        self._note_needs()
        self._is_initialized = True

    def _describe_channels(self) -> None:
        ports = iter(self._open_ports)
        for channel, source, target in zip(
            self._executable.channel_builders or [], ports, ports, strict=True
        ):
            sending = f"{label(channel.src_process)}.{source.name}"
            receiving = f"{label(channel.dst_process)}.{target.name}"
            source.described = f"{source.name} waits for room in the channel to {receiving}"
            target.described = f"{target.name} waits for a message of {sending}"

    def _note_needs(self) -> None:
        """Tell each task whose messages it receives; answers of VarPorts are not among them."""
        for channel in self._executable.channel_builders or []:
            receiver = channel.dst_process
            if channel.dst_port_initializer.name in receiver.in_ports.member_names:
                self._tasks[receiver].needs.add(self._tasks[channel.src_process])

    def _build_model(self, process: AbstractProcess, domain: Domain) -> None:
        process._runtime = self
        builder = copy.copy(self._executable.proc_builders[process])
        builder.proc_params = _isolated(builder.proc_params)
        task = Task(label(process), None)
        try:
            with self._streams.run(), self._streams:
                model = builder.build()
                task.random_state = self._streams.take() if self._streams.changed() else None
        except Exception as error:
            locate(error, Location(task.name, builder.proc_model.__name__, "construction", 0))
            raise
        _copy_sparse_vars(builder, model)
        model.service_to_process = model.process_to_service = _Replies(domain)
        task.model = model
        task.outgoing = [
            port
            for name in [*builder.py_ports, *builder.ref_ports, *builder.var_ports]
            for port in builder.csp_ports.get(name, [])
            if hasattr(port, "send")
        ]
        self._tasks[process] = task
        domain.tasks.append(task)
        for port in model.py_ports:
            receive_directly(port)
            port.start()
            if isinstance(port, PyVarPort) and port.csp_ports:
                requests = port._csp_recv_port
                domain.answers.append((requests.ready, (task, port.service)))

    def start(self, run_condition: AbstractRunCondition) -> None:
        """Run a graph, see `AbstractProcess.run`.

        Raises
        ------
        GraphStopped
            It was stopped, or one of its models failed.
        """
        self._refuse_ended("run")
        if not isinstance(run_condition, RunSteps | RunContinuous):
            raise ValueError(f"Wrong type of run_condition : {type(run_condition)}")
        steps = sys.maxsize
        if isinstance(run_condition, RunSteps):
            steps = int(run_condition.num_steps)
            if steps < 0:
                raise ValueError(f"num_steps must be 0 or more, not {steps}")
        if self._thread is not None:
            if self._run_length == sys.maxsize and self._thread.is_alive():
                raise RuntimeError("the graph runs continuously: pause or stop it first")
            self.wait()
        self.num_steps = self._run_length = steps
        self._is_started = self._is_running = True
        self._halt = False
        if run_condition.blocking:
            try:
                self._run_steps(steps)
            finally:
                self._is_running = False
            self._stop_if_asked()
        else:
            self._thread = threading.Thread(
                target=self._run_in_background, args=(steps,), name="lava graph", daemon=True
            )
            self._thread.start()

    def _run_in_background(self, steps: int) -> None:
        try:
            self._run_steps(steps)
        except BaseException:
            self._undelivered = True

    def _run_steps(self, steps: int) -> None:
        self.interrupted = False
        try:
            with self._scheduler.run():
                for _ in range(steps):
                    with self._streams:
                        self._step()
                    if self._halt or self._asked_to_end():
                        break
                else:
                    with self._streams:
                        self._run_phases([HOST] * len(self._domains))
                    return
        except BaseException as error:
            self._failure = error
            task = self._scheduler.task
            if isinstance(error, Exception) and not isinstance(error, Deadlock) and task:
                locate(error, location_of(task.name, task.model))
            raise
        self.interrupted = not self._halt
        if any(domain.pause for domain in self._domains):
            self._tell_models(MGMT_COMMAND.PAUSE)

    def _asked_to_end(self) -> bool:
        # asked after each step: any() would take four times as long
        for domain in self._domains:  # noqa: SIM110
            if domain.pause or domain.stop:
                return True
        return False

    def _step(self) -> None:
        self._run_phases([SPIKING] * len(self._domains))
        while True:
            phases = [domain.next_phase() for domain in self._domains]
            if not any(phases):
                return
            self._run_phases(phases)

    def _run_phases(self, phases: Sequence[float | None]) -> None:
        """Run one phase of each domain that has one, all domains together."""
        key = tuple(phases)
        plan = self._plans.get(key)
        if plan is None:
            plan = self._plans[key] = self._plan(phases)
        waited = self._scheduler.run_phase(plan.turns, plan.answers)
        early = self._scheduler.early
        if waited and plan.n_early != len(early):
            plan.turns, plan.n_early = best_order(plan.turns, early), len(early)

    def _plan(self, phases: Sequence[float | None]) -> "_Plan":
        running = [
            (domain, phase)
            for domain, phase in zip(self._domains, phases, strict=True)
            if phase is not None
        ]
        turns = [
            (task, handler(task.model, phase)) for domain, phase in running for task in domain.tasks
        ]
        answering = [domain for domain, phase in running if phase in ANSWERING]
        return _Plan(turns, [answer for domain in answering for answer in domain.answers])

    @contextlib.contextmanager
    def scheduled_by(
        self, scheduler: Callable[[RandomStreams], Scheduler]
    ) -> Iterator[dict[AbstractProcess, Task]]:
        """Use another scheduler for the runs inside the `with` block, the tasks' times zero."""
        self._refuse_ended("profile")
        before = self._scheduler
        for task in self._tasks.values():
            task.seconds, task.calls = 0.0, 0
        self._use(scheduler(self._streams))
        try:
            yield dict(self._tasks)
        finally:
            self._use(before)

    def _use(self, scheduler: Scheduler) -> None:
        self._scheduler = self._messaging_infrastructure.scheduler = scheduler

    def wait(self) -> None:
        """Wait until a run that does not block has ended; raise what a model raised in it."""
        thread = self._thread
        if thread is not None:
            try:
                thread.join()
            except BaseException:
                self._halt = True
                raise
            self._thread = None
        self._is_running = False
        self._deliver_failure()
        self._stop_if_asked()

    def pause(self) -> None:
        """End a run after the time step that is under way."""
        if not self._is_running:
            return
        self._halt = True
        self.wait()
        if not self._stopped:
            self._tell_models(MGMT_COMMAND.PAUSE)

    def stop(self) -> None:
        """End a run and release the models; what a model raised meanwhile is raised here."""
        if self._stopped:
            return
        self._halt = True
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join()
            self._thread = None
        self._release()

    def stop_at_exit(self) -> None:
        """End a run within a short time; a model that takes longer is left behind."""
        self._halt = True
        if self._thread is not None:
            self._thread.join(_EXIT_SECONDS)
            if self._thread.is_alive():
                return
        self.stop()

    def _release(self) -> None:
        self._is_running = False
        self._stopped = True
        try:
            if self._is_started and self._failure is None:
                self._tell_models(MGMT_COMMAND.STOP)
        finally:
            self._is_started = False
            if self._is_initialized:
                self._scheduler.task = None
            self._tasks.clear()
            self._domains.clear()
            self._plans.clear()
            self._open_ports.clear()
        self._deliver_failure()

    def _tell_models(self, command: Any) -> None:
        for task in self._tasks.values():
            task.model._cmd_handlers[command[0]]()

    def _stop_if_asked(self) -> None:
        asked_to_stop = any(domain.stop for domain in self._domains)
        for domain in self._domains:
            domain.pause = domain.stop = False
        if asked_to_stop:
            self.stop()

    def _deliver_failure(self) -> None:
        if self._undelivered:
            self._undelivered = False
            assert self._failure is not None
            raise self._failure

    def _refuse_ended(self, verb: str) -> None:
        if self._stopped:
            raise GraphStopped(f"cannot {verb}: the graph was stopped. Build its Processes anew.")
        if self._failure is not None:
            raise GraphStopped(
                f"cannot {verb}: the graph failed ({type(self._failure).__name__}: "
                f"{self._failure}). Its Vars can be read; to go on, build its Processes anew."
            ) from self._failure

    def get_var(self, var_id: int, idx: Any = None) -> variables.Values | None:
        """Return the value of a Var; also after a model failed, not while the graph runs."""
        if self._is_running:
            self.log.info("WARNING: Cannot Get a Var when the execution is going on")
            return None
        var_model = self._var_model(var_id)
        if self._stopped:
            self._refuse_ended(f"get Var '{var_model.name}'")
        model = self._model_of(var_model)
        return variables.to_host(variables.read(model, var_model.name), var_model, idx)

    def set_var(self, var_id: int, value: Any, idx: Any = None) -> None:
        """Set the value of a Var, not while the graph runs."""
        if self._is_running:
            self.log.info("WARNING: Cannot Set a Var when the execution is going on")
            return
        var_model = self._var_model(var_id)
        self._refuse_ended(f"set Var '{var_model.name}'")
        model = self._model_of(var_model)
        variables.write(model, var_model.name, variables.from_host(value, idx, var_model.name))
        model.on_var_update()

    def _var_model(self, var_id: int) -> Any:
        var_models = self._executable.node_configs[0].var_models
        if var_id not in var_models:
            raise AssertionError(f"The Var with id <{var_id}> was not associated in the ProcModel.")
        return var_models[var_id]

    def _model_of(self, var_model: Any) -> Any:
        if not self._is_started:
            raise RuntimeError("Runtime has not started")
        for process, task in self._tasks.items():
            if process.id == var_model.proc_id:
                return task.model
        raise AssertionError(f"no model holds Var '{var_model.name}'")


def _isolated(parameters: ProcessParameters) -> ProcessParameters:
    """Return a copy of a Process's parameters, as a forked model would have one.

    What cannot be copied (open files, locks) is shared.
    """
    memo: dict[int, Any] = {}
    copies = {}
    for name, value in parameters._parameters.items():
        try:
            copies[name] = copy.deepcopy(value, memo)
        except Exception:
            copies[name] = value
    return ProcessParameters(copies)


def _copy_sparse_vars(builder: PyProcessBuilder, model: Any) -> None:
    """Give a model its own copy of sparse Vars, which Lava's builder hands over as they are."""
    for name, initial in builder.vars.items():
        if isinstance(initial.value, csr_matrix):
            setattr(model, name, initial.value.copy())
