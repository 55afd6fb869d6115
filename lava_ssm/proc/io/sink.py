"""Collecting a graph's outputs."""

import contextlib
import math

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort
from lava.magma.core.process.process import AbstractProcess, ProcessParameters
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_ssm.numerics import check_memory, instance, integer, shown
from lava_ssm.proc import checks
from lava_ssm.proc.abstract_network import AbstractNetwork
from lava_ssm.proc.neuron import FIXED, FLOATING
from lava_ssm.proc.schedule import Schedule
from lava_ssm.proc.var_value import var_value
from lava_ssm.runtime import GraphStopped


class Sink(AbstractProcess):
    """Keeps the outputs of a network's tokens, and nothing of the steps between.

    Made by `lava_ssm.proc.sink`; its port `a_in` has the shape of an output, with the batch.
    """

    _runtime = None  # Lava's `__del__` asks for it, also of a Process whose checks failed

    def __init__(
        self,
        shape: tuple[int, ...],
        capacity: int,
        schedule: Schedule,
        tag: str,
        name: str | None = None,
    ) -> None:
        shape = checks.shape_of(shape)
        instance(schedule, Schedule, "schedule", "a Schedule")
        capacity = integer(capacity, "n_tokens", 1)
        check_memory(8 * capacity * math.prod(shape), f"n_tokens: a sink of {capacity} tokens")
        if tag not in (FIXED, FLOATING):
            raise ValueError(f"tag must be {FIXED!r} or {FLOATING!r}, got {shown(tag)}")
        super().__init__(schedule=schedule, capacity=capacity, name=name)
        self._is_fixed = tag == FIXED
        self.a_in = InPort(shape=shape)
        self.data = Var(shape=(capacity, *shape), init=0)
        self.count = Var(shape=(1,), init=0)

    def take(self) -> np.ndarray:
        """Take out the outputs that have come since the last call, between runs.

        Returns
        -------
        ndarray
            (tokens, d_output), with a batch (batch_size, tokens, d_output); int64 of a fixed
            network.

        Raises
        ------
        RuntimeError
            The graph is running, or was stopped.
        """
        n = int(var_value(self.count)[0])
        outputs = np.moveaxis(var_value(self.data)[:n], 0, -2)
        if n:
            with contextlib.suppress(GraphStopped):  # of a graph that failed: can be taken again
                self.count.set(np.zeros(1))
        return outputs.astype(np.int64) if self._is_fixed else outputs


class AbstractSinkModel(PyLoihiProcessModel):
    """Writes down the output that a step carries, if it is a token's."""

    def __init__(self, proc_params: ProcessParameters) -> None:
        super().__init__(proc_params)
        self.schedule: Schedule = proc_params["schedule"]
        self.capacity: int = proc_params["capacity"]

    def run_spk(self) -> None:
        """One time step."""
        output = self.a_in.recv()
        if self.schedule.token_at(self.time_step) is None:
            return
        n = int(self.count[0])
        if n == self.capacity:
            raise RuntimeError(
                f"the sink is full: it holds {n} tokens; take() them between runs, or make it "
                "with a larger n_tokens"
            )
        self.data[n] = output
        self.count[0] = n + 1


@implements(proc=Sink, protocol=LoihiProtocol)
@requires(CPU)
@tag(FIXED)
class PySinkModelFixed(AbstractSinkModel):
    """Mantissas, in 32-bit words."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    data: np.ndarray = LavaPyType(np.ndarray, np.int32)
    count: np.ndarray = LavaPyType(np.ndarray, np.int64)


@implements(proc=Sink, protocol=LoihiProtocol)
@requires(CPU)
@tag(FLOATING)
class PySinkModelFloat(AbstractSinkModel):
    """Values."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    data: np.ndarray = LavaPyType(np.ndarray, float)
    count: np.ndarray = LavaPyType(np.ndarray, np.int64)


def sink(net: AbstractNetwork, n_tokens: int) -> Sink:
    """Make a Process that collects the outputs of `net`.

    Parameters
    ----------
    net
        The graph; connect with `net.s_out.connect(collected.a_in)`.
    n_tokens
        Outputs that it can hold until `take` is called. One more makes `run` raise a RuntimeError.

    Raises
    ------
    TypeError
        `net` is no network's graph.
    ValueError
        `n_tokens` is not a positive integer.
    MemoryError
        There is no memory for so many.
    """
    instance(net, AbstractNetwork, "net", "an SSMNetwork or a FusedSSMNetwork")
    return Sink(net.s_out.shape, n_tokens, net.exit, net.tag)
