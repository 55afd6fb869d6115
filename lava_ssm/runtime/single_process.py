"""The in-process runtime: all models of a graph in the process of the caller."""

import contextlib
import copy
import warnings
import weakref
from collections.abc import Callable, Iterator

from lava.magma.compiler.channels.watchdog import NoOPWatchdogManager
from lava.magma.compiler.executable import Executable
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyVarPort
from lava.magma.core.process.process import AbstractProcess, ProcessParameters
from lava.magma.runtime.mgmt_token_enums import MGMT_COMMAND

from lava_ssm.runtime import variables
from lava_ssm.runtime.errors import GraphStopped, Location, locate, unheard
from lava_ssm.runtime.execution import Domain, Execution, Replies
from lava_ssm.runtime.numpy_random import RandomStreams
from lava_ssm.runtime.own_runtime import OwnRuntime
from lava_ssm.runtime.ports import shorten
from lava_ssm.runtime.scheduler import Scheduler, Task
from lava_ssm.runtime.support import label, refuse_complex_ports

_EXIT_SECONDS = 2.0  # for a graph that runs in the background when the program ends


class SingleProcessRuntime(OwnRuntime):
    """Runs a compiled graph in the calling thread, or in one of its own if not blocking.

    Channels are queues, the phases are those of Lava's runtime service, and what happens in them
    are the models' own methods.
    """

    def __init__(self, executable: Executable, *args: object, **kwargs: object) -> None:
        super().__init__(executable, *args, **kwargs)
        self._execution = Execution()
        weakref.finalize(self, self._execution.forget).atexit = False
        self._tasks: dict[AbstractProcess, Task] = {}
        self._stopped = False

    @property
    def interrupted(self) -> bool:  # type: ignore[override]
        """Whether a model ended the last run before all its steps were done."""
        return self._execution.interrupted

    def initialize(self, node_cfg_idx: int = 0) -> None:
        """Build channels and models; a TypeError if a RefPort or a Monitor is on a complex Var."""
        refuse_complex_ports(self._executable)
        self._watchdog_manager = NoOPWatchdogManager()
        self._messaging_infrastructure = self._execution.infrastructure
        try:
            self._build_channels()
            self._describe_channels()
            for domain_of_lava in self._executable.runtime_service_builders or {}:
                domain = Domain()
                self._execution.domains.append(domain)
                # Lava's order comes from a set; this one is the same in every run.
                for process in sorted(domain_of_lava.processes, key=lambda process: process.id):
                    self._build_model(process, domain)
        except BaseException as error:
            self._failure = error
            raise
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
        task = Task(label(process))
        try:
            streams = self._execution.streams
            with streams.run(), streams:
                model = builder.build()
                variables.own_sparse_vars(builder, model)
                task.random_state = streams.take() if streams.changed() else None
        except Exception as error:
            locate(error, Location(task.name, builder.proc_model.__name__, "construction", 0))
            raise
        model.service_to_process = model.process_to_service = Replies(domain)
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
            shorten(port)
            port.start()
            if isinstance(port, PyVarPort) and port.csp_ports:
                requests = port._csp_recv_port
                domain.answers.append((requests.ready, (task, port.service)))

    def _is_alive(self) -> bool:
        return self._execution.is_alive

    def _begin(self, steps: int, blocking: bool) -> None:
        if blocking:
            try:
                self._execution.run(steps)
            except BaseException as error:
                self._failure = error
                raise
            finally:
                self._is_running = False
            self._stop_if_asked()
        else:
            self._execution.run_in_background(steps)

    @contextlib.contextmanager
    def scheduled_by(
        self, scheduler: Callable[[RandomStreams], Scheduler]
    ) -> Iterator[dict[AbstractProcess, Task]]:
        """Use another scheduler for the runs inside the `with` block, the tasks' times zero."""
        self._refuse_ended("profile")
        for task in self._tasks.values():
            task.seconds, task.calls = 0.0, 0
        with self._execution.scheduled_by(scheduler):
            yield dict(self._tasks)

    def wait(self) -> None:
        """Wait until a run that does not block has ended; raise what a model raised in it."""
        try:
            self._join()
        except BaseException:
            self._execution.halt = True
            raise
        self._stop_if_asked()

    def _join(self, seconds: float | None = None) -> None:
        failure = self._execution.join(seconds)
        self._is_running = self._execution.is_alive
        if failure is not None:
            self._failure = failure
            raise failure

    def pause(self) -> None:
        """End a run after the time step that is under way."""
        if not self._is_running:
            return
        self._execution.halt = True
        self.wait()
        if not self._stopped:
            self._execution.tell_models(MGMT_COMMAND.PAUSE)

    def stop(self) -> None:
        """End a run and release the models; what a model raised meanwhile is raised here."""
        self._stop()

    def stop_at_exit(self) -> None:
        """End a run within a short time; a model that takes longer is left behind."""
        try:
            self._stop(_EXIT_SECONDS)
        except Exception as error:
            warnings.warn(unheard(error), RuntimeWarning, stacklevel=2)

    def _stop(self, seconds: float | None = None) -> None:
        if self._stopped:
            return
        if self._execution.is_own_thread:
            self._stopped = True
            self._execution.forget()
            return
        self._execution.halt = True
        try:
            self._join(seconds)
        finally:
            if self._execution.stop(seconds):
                self._stopped = True
                self._is_running = self._is_started = False
                self._tasks.clear()
                self._open_ports.clear()

    def _stop_if_asked(self) -> None:
        if self._execution.take_stop():
            self.stop()

    def _refuse_ended(self, verb: str, reading: bool = False) -> None:
        if self._stopped:
            raise GraphStopped(f"cannot {verb}: the graph was stopped. Build its Processes anew.")
        if self._failure is not None and not reading:
            raise GraphStopped(
                f"cannot {verb}: the graph failed ({type(self._failure).__name__}: "
                f"{self._failure}). Its Vars can be read; to go on, build its Processes anew."
            ) from self._failure

    def _read(self, var: variables.Declared) -> variables.Values:
        return variables.read(self._model_of(var), var.name)

    def _write(self, var: variables.Declared, values: variables.Values) -> None:
        model = self._model_of(var)
        variables.write(model, var.name, values)
        model.on_var_update()

    def _model_of(self, var: variables.Declared) -> PyLoihiProcessModel:
        return next(
            task.model for process, task in self._tasks.items() if process.id == var.process_id
        )


def _isolated(parameters: ProcessParameters) -> ProcessParameters:
    """Return a copy of a Process's parameters, as a forked model would have one.

    What cannot be copied (open files, locks) is shared.
    """
    memo: dict[int, object] = {}
    copies = {}
    for name, value in parameters._parameters.items():
        try:
            copies[name] = copy.deepcopy(value, memo)
        except Exception:
            copies[name] = value
    return ProcessParameters(copies)
