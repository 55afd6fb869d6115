"""Lava's stock runtime, made safe: one operating-system process a Process, but no hangs."""

import contextlib
import sys
import weakref
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_conditions import AbstractRunCondition, RunContinuous, RunSteps
from lava.magma.runtime.mgmt_token_enums import (
    MGMT_COMMAND,
    MGMT_RESPONSE,
    enum_equal,
    enum_to_np,
)
from lava.magma.runtime.runtime import Runtime
from lava.magma.runtime.runtime_services.runtime_service import LoihiPyRuntimeService

from lava_ssm.runtime import variables
from lava_ssm.runtime.errors import GraphStopped
from lava_ssm.runtime.services import Services
from lava_ssm.runtime.support import label, refuse_complex_ports
from lava_ssm.runtime.var_block import VarBlock


class _Service(LoihiPyRuntimeService):
    """Lava's service for the Loihi protocol, which forgets a pause once it has handled it."""

    def _handle_pause(self) -> None:
        super()._handle_pause()
        self.pausing = self.req_pause = False


class HardenedRuntime(Runtime):
    """Lava's Runtime with children that are watched, report, and never outlive their parent."""

    forgets_itself = True  # see `patches`

    def __init__(self, executable: Any, *args: Any, **kwargs: Any) -> None:
        super().__init__(executable, *args, **kwargs)
        self._services = Services()
        weakref.finalize(self, self._services.forget).atexit = False
        self._failure: BaseException | None = None
        self._is_running = False
        self._run_length = 0
        self.interrupted = False
        """Whether a model ended the last run before all its steps were done."""

    def __del__(self) -> None:
        """Lava stops the graph here; `Services.forget` does it, which is whole by then."""

    def initialize(self, node_cfg_idx: int = 0) -> None:
        """Fork the children and build the models in them.

        Raises
        ------
        Exception
            What the construction of a model raised.
        """
        refuse_complex_ports(self._executable)
        for builder in (self._executable.runtime_service_builders or {}).values():
            if builder.rs_class is LoihiPyRuntimeService:
                builder.rs_class = _Service
        self._block = VarBlock.for_graph(self._executable)
        services = self._services
        try:
            self._build_watchdog_manager()
            services.watchdogs = self._watchdog_manager
            self._messaging_infrastructure = services.children
            self._build_channels()
            self._build_sync_channels()
            services.commands, services.answers = self.runtime_to_service, self.service_to_runtime
            services.ports = self._open_ports
            self._build_processes()
            self._build_runtime_services()
            self._start_ports()
            services.children.wait_until_built()
        except BaseException as error:
            self._failure = error
            services.release()
            raise
        self._is_initialized = True

    def _build_processes(self) -> None:
        for process, builder in self._executable.proc_builders.items():
            process._runtime = self
            self._create_external_channels(process, builder)
            self._services.ports += _external_ports(process)
            self._services.children.fork(builder, label(process), self._block)

    def _build_runtime_services(self) -> None:
        for builder in (self._executable.runtime_service_builders or {}).values():
            self._services.children.fork(
                builder, f"'{builder.rs_class.__name__}' (runtime service)"
            )

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
        if self._is_running:
            if self._run_length == sys.maxsize:
                raise RuntimeError("the graph runs continuously: pause or stop it first")
            self.wait()
            self._refuse_ended("run")
        self.num_steps = self._run_length = steps
        self._is_started = self._is_running = self._services.is_started = True
        self.interrupted = False
        self._services.send(enum_to_np(steps))
        if run_condition.blocking:
            self.wait()

    def wait(self) -> None:
        """Wait until the run has ended.

        Raises
        ------
        Exception
            What a model raised, or `ProcessDied` for a child that was killed.
        """
        if not self._is_running:
            return
        running = list(self._services.answers)
        while running:
            port, reply = self._receive(running)
            if enum_equal(reply, MGMT_RESPONSE.DONE):
                running.remove(port)
            elif enum_equal(reply, MGMT_RESPONSE.REQ_PAUSE):
                self.interrupted = True
                self.pause()
                return
            elif enum_equal(reply, MGMT_RESPONSE.REQ_STOP):
                self.interrupted = True
                self.stop()
                return
        self._is_running = False

    def pause(self) -> None:
        """End a run after the time step that is under way."""
        if not self._is_running:
            return
        with self._noting_failure():
            self._services.send(MGMT_COMMAND.PAUSE)
            self._services.receive_from_all(MGMT_RESPONSE.PAUSED)
        self._is_running = False

    def stop(self) -> None:
        """End a run and the children; what a model raised meanwhile is raised here."""
        self._is_running = self._is_started = False
        with self._noting_failure():
            self._services.stop()

    def stop_at_exit(self) -> None:
        """End a run and the children within a short time, by force if need be."""
        self._services.forget()

    def _receive(self, ports: Sequence[Any]) -> tuple[Any, Any]:
        with self._noting_failure():
            return self._services.receive(ports)

    @contextlib.contextmanager
    def _noting_failure(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self._failure = error
            self._is_running = self._is_started = False
            raise

    def _refuse_ended(self, verb: str) -> None:
        if self._failure is not None:
            raise GraphStopped(
                f"cannot {verb}: the graph failed ({type(self._failure).__name__}: "
                f"{self._failure}) and its processes have ended. Build its Processes anew."
            ) from self._failure
        if self._services.has_ended:
            raise GraphStopped(f"cannot {verb}: the graph was stopped. Build its Processes anew.")

    def get_var(self, var_id: int, idx: Any = None) -> variables.Values | None:
        """Return the value of a Var, not while the graph runs."""
        if self._is_running:
            self.log.info("WARNING: Cannot Get a Var when the execution is going on")
            return None
        var_model = self._var_model(var_id, "get")
        command, answers = self._service_of(var_model)
        for message in (MGMT_COMMAND.GET_DATA, *_ids(var_model)):
            command.send(message)
        self._receive([answers])
        return variables.to_host(self._block.take(), var_model, idx)

    def set_var(self, var_id: int, value: Any, idx: Any = None) -> None:
        """Set the value of a Var, not while the graph runs."""
        if self._is_running:
            self.log.info("WARNING: Cannot Set a Var when the execution is going on")
            return
        var_model = self._var_model(var_id, "set")
        self._block.put(variables.from_host(value, idx, var_model.name))
        command, answers = self._service_of(var_model)
        for message in (MGMT_COMMAND.SET_DATA, *_ids(var_model), enum_to_np(0)):
            command.send(message)
        self._receive([answers])
        self._block.raise_error()

    def _var_model(self, var_id: int, verb: str) -> Any:
        var_models = self._executable.node_configs[0].var_models
        if var_id not in var_models:
            raise AssertionError(f"The Var with id <{var_id}> was not associated in the ProcModel.")
        self._refuse_ended(f"{verb} Var '{var_models[var_id].name}'")
        if not self._is_started:
            raise RuntimeError("Runtime has not started")
        return var_models[var_id]

    def _service_of(self, var_model: Any) -> tuple[Any, Any]:
        number = var_model.runtime_srv_id
        return self._services.commands[number], self._services.answers[number]


def _ids(var_model: Any) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    return enum_to_np(var_model.proc_id), enum_to_np(var_model.var_id)


def _external_ports(process: AbstractProcess) -> Iterable[Any]:
    for port in [*process.in_ports, *process.out_ports]:
        for name in ("external_pipe_csp_send_port", "external_pipe_csp_recv_port"):
            if hasattr(port, name):
                yield getattr(port, name)
