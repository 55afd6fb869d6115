"""What a graph contains that cannot be run, in one process or at all."""

from collections.abc import Iterator

import numpy as np
from lava.magma.compiler.builders.channel_builder import ChannelBuilderMp
from lava.magma.compiler.builders.py_builder import PyProcessBuilder
from lava.magma.compiler.channels.interfaces import ChannelType
from lava.magma.compiler.channels.pypychannel import CspRecvPort, CspSendPort
from lava.magma.compiler.channels.watchdog import NoOPWatchdogManager
from lava.magma.compiler.executable import Executable
from lava.magma.core.model.py.model import AbstractPyProcessModel, PyLoihiProcessModel
from lava.magma.core.process.process import AbstractProcess
from lava.magma.runtime.runtime_services.runtime_service import (
    LoihiPyRuntimeService,
    PyRuntimeService,
)


def label(process: AbstractProcess) -> str:
    """Return name and class of a Process, as texts and tables show them."""
    return f"'{process.name}' ({type(process).__name__})"


def needs_hardware(executable: Executable) -> bool:
    """Whether a graph has models or services that are not Python on the CPU."""
    services = (executable.runtime_service_builders or {}).values()
    return any(
        not isinstance(builder, PyProcessBuilder) for builder in executable.proc_builders.values()
    ) or any(not issubclass(service.rs_class, PyRuntimeService) for service in services)


def obstacles(executable: Executable) -> Iterator[str]:
    """Yield why a graph cannot be run in one process; nothing if it can."""
    for process, builder in executable.proc_builders.items():
        if not isinstance(builder, PyProcessBuilder):
            yield f"Process {label(process)} runs on hardware"
            continue
        model = builder.proc_model
        if not issubclass(model, PyLoihiProcessModel):
            yield f"model {model.__name__} of Process {label(process)} is asynchronous"
        elif model.run is not AbstractPyProcessModel.run or (
            model.start is not AbstractPyProcessModel.start
        ):
            yield f"model {model.__name__} of Process {label(process)} has a run loop of its own"
        elif any(port.external_pipe_flag for port in [*process.in_ports, *process.out_ports]):
            yield f"Process {label(process)} has an external pipe"
        elif any(
            isinstance(value, CspSendPort | CspRecvPort)
            for value in process.proc_params._parameters.values()
        ):
            yield f"Process {label(process)} has a channel to the host program"
    for service in (executable.runtime_service_builders or {}).values():
        if service.rs_class is not LoihiPyRuntimeService:
            yield f"the runtime service {service.rs_class.__name__} is not the Loihi protocol's"
    for channel in executable.channel_builders or []:
        if not isinstance(channel, ChannelBuilderMp) or channel.channel_type != ChannelType.PyPy:
            yield f"channel {type(channel).__name__} is not between two Python models"
    if not isinstance(executable.watchdog_manager_builder.build(), NoOPWatchdogManager):
        yield "use_watchdog watches the stock runtime's channels"


def refuse_complex_ports(executable: Executable) -> None:
    """Raise a TypeError for a RefPort or a Monitor on a complex Var: half of it would be lost."""
    for process, builder in executable.proc_builders.items():
        if not isinstance(builder, PyProcessBuilder):
            continue
        for port in builder.var_ports.values():
            if port.port_cls is None:
                continue
            declared = getattr(builder.proc_model, port.var_name).d_type
            if np.issubdtype(np.dtype(declared), np.complexfloating):
                raise TypeError(
                    f"Var '{port.var_name}' of Process {label(process)} is complex, and a RefPort "
                    "or Monitor is connected to it: Lava's channels would drop the imaginary "
                    "part. Keep the real and the imaginary part in two Vars."
                )
