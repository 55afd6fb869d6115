"""Lava's stock runtime, made safe: one operating-system process a Process, but no hangs."""

import contextlib
import weakref
from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from lava.magma.compiler.channels.pypychannel import CspRecvPort, CspSendPort
from lava.magma.compiler.executable import Executable
from lava.magma.core.process.process import AbstractProcess
from lava.magma.runtime.mgmt_token_enums import (
    MGMT_COMMAND,
    MGMT_RESPONSE,
    enum_equal,
    enum_to_np,
)
from lava.magma.runtime.runtime_services.runtime_service import LoihiPyRuntimeService

from lava_ssm.runtime import variables
from lava_ssm.runtime.errors import GraphStopped
from lava_ssm.runtime.own_runtime import OwnRuntime
from lava_ssm.runtime.services import Services
from lava_ssm.runtime.support import label, refuse_complex_ports
from lava_ssm.runtime.var_block import VarBlock


class _Service(LoihiPyRuntimeService):
    """Lava's service for the Loihi protocol, which forgets a pause once it has handled it."""

    def _handle_pause(self) -> None:
        super()._handle_pause()
        self.pausing = self.req_pause = False


class HardenedRuntime(OwnRuntime):
    """Lava's Runtime with children that are watched, report, and never outlive their parent."""

    def __init__(self, executable: Executable, *args: object, **kwargs: object) -> None:
        super().__init__(executable, *args, **kwargs)
        self._services = Services()
        weakref.finalize(self, self._services.forget).atexit = False

    def initialize(self, node_cfg_idx: int = 0) -> None:
        """Fork the children and build the models in them; raise what a constructor raised."""
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

    def _begin(self, steps: int, blocking: bool) -> None:
        self._services.is_started = True
        self.interrupted = False
        self._services.send(enum_to_np(steps))
        if blocking:
            self.wait()

    def wait(self) -> None:
        """Wait until the run has ended; raise what a model raised, or `ProcessDied`."""
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

    def _receive(self, ports: Sequence[CspRecvPort]) -> tuple[CspRecvPort, np.ndarray]:
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

    def _refuse_ended(self, verb: str, reading: bool = False) -> None:
        if self._failure is not None:
            raise GraphStopped(
                f"cannot {verb}: the graph failed ({type(self._failure).__name__}: "
                f"{self._failure}) and its processes have ended. Build its Processes anew."
            ) from self._failure
        if self._services.has_ended:
            raise GraphStopped(f"cannot {verb}: the graph was stopped. Build its Processes anew.")

    def _read(self, var: variables.Declared) -> variables.Values:
        self._ask(var, MGMT_COMMAND.GET_DATA, enum_to_np(var.var_id))
        return self._block.take()

    def _write(self, var: variables.Declared, values: variables.Values) -> None:
        self._block.put(values)
        self._ask(var, MGMT_COMMAND.SET_DATA, enum_to_np(var.var_id), enum_to_np(0))
        self._block.raise_error()

    def _ask(self, var: variables.Declared, *message: np.ndarray) -> None:
        """Let the model of a Var get or set it, through the block of shared memory."""
        port = self._services.commands[var.service]
        for part in (message[0], enum_to_np(var.process_id), *message[1:]):
            port.send(part)
        self._receive([self._services.answers[var.service]])


def _external_ports(process: AbstractProcess) -> Iterable[CspSendPort | CspRecvPort]:
    for port in [*process.in_ports, *process.out_ports]:
        for name in ("external_pipe_csp_send_port", "external_pipe_csp_recv_port"):
            if hasattr(port, name):
                yield getattr(port, name)
