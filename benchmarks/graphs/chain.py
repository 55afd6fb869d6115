"""A chain of Processes that do next to nothing, so that a step's time is the runtime's."""

from itertools import pairwise
from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

Shape = tuple[int, ...]


class Counter(AbstractProcess):
    """Sends the number of the time step."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape=shape)
        self.count = Var(shape=shape, init=0)
        self.s_out = OutPort(shape=shape)


@implements(proc=Counter, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyCounterModel(PyLoihiProcessModel):
    """Counts in int32."""

    count: np.ndarray = LavaPyType(np.ndarray, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def run_spk(self) -> None:
        """Count and send."""
        self.count += 1
        self.s_out.send(self.count)


class Relay(AbstractProcess):
    """Passes on what it receives and keeps the last of it."""

    def __init__(self, shape: Shape) -> None:
        super().__init__(shape=shape)
        self.last = Var(shape=shape, init=0)
        self.a_in = InPort(shape=shape)
        self.s_out = OutPort(shape=shape)


@implements(proc=Relay, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class PyRelayModel(PyLoihiProcessModel):
    """Passes on in the same time step."""

    last: np.ndarray = LavaPyType(np.ndarray, np.int32)
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)

    def run_spk(self) -> None:
        """Receive and send."""
        self.last = self.a_in.recv()
        self.s_out.send(self.last)


def chain(length: int, shape: Shape) -> list[Any]:
    """Return a Counter and the Relays behind it, connected, `length` Processes together."""
    processes: list[Any] = [Counter(shape), *(Relay(shape) for _ in range(length - 1))]
    for source, target in pairwise(processes):
        source.s_out.connect(target.a_in)
    return processes
