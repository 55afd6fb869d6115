"""How a fused network behaves, in floating and in fixed point."""

import math
from collections import deque

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.process import ProcessParameters
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_ssm.proc.fused.process import FusedSSMNetwork
from lava_ssm.proc.live_var import LiveVar
from lava_ssm.proc.neuron import FIXED, FLOATING
from lava_ssm.proc.schedule import Schedule


class AbstractFusedModel(PyLoihiProcessModel):
    """Takes a token on its turn, and sends its output `latency` steps later."""

    kind: type
    """Of a token, as the engine takes it."""

    def __init__(self, proc_params: ProcessParameters) -> None:
        super().__init__(proc_params)
        self.entry: Schedule = proc_params["entry"]
        self.exit: Schedule = proc_params["exit"]
        network, self.batch = proc_params["network"], proc_params["batch"]
        self.stream = network.stream(self.batch, n_threads=proc_params["n_threads"])
        self.silence = np.zeros((*self.batch, network.d_output))
        self.on_the_way: deque[np.ndarray] = deque()
        self.read = self.as_read = np.zeros(0)

    def run_spk(self) -> None:
        """One time step."""
        u = self.a_in.recv()
        token = self.entry.token_at(self.time_step)
        if token is not None:
            if self.entry.starts_sample(token):
                self.stream.reset()
            self.on_the_way.append(self.stream.step(u.astype(self.kind)))
        due = self.exit.token_at(self.time_step) is not None
        self.s_out.send(self.on_the_way.popleft() if due else self.silence)

    def fetch_state(self) -> np.ndarray:
        """Read the engine's state, (*batch, states of all layers, 2)."""
        flat = [np.zeros((*self.batch, 0, 2))]
        for x, neurons in zip(self.stream.state, self.stream.network.states, strict=True):
            pairs = x[..., np.newaxis] * (1, 0) if neurons.n_parts == 1 else x
            flat.append(pairs.reshape(*self.batch, -1, 2))
        self.read = np.concatenate(flat, axis=-2, dtype=np.float64)
        if not self.stream.state:
            self.read = np.zeros((*self.batch, 1, 2))
        self.as_read = self.read.copy()
        return self.read

    def on_var_update(self) -> None:
        """Hand a state that was set on to the engine: it was written into what was read last."""
        if np.array_equal(self.read, self.as_read):
            return
        self.as_read = self.read.copy()
        states: list[np.ndarray] = []
        first = 0
        for x, neurons in zip(self.stream.state, self.stream.network.states, strict=True):
            width = neurons.n_parts
            last = first + math.prod(neurons.state_shape) // width
            states.append(self.read[..., first:last, :width].astype(self.kind).reshape(x.shape))
            first = last
        self.stream.state = tuple(states)

    def fetch_overflows(self) -> np.ndarray:
        """Count the integers that overflowed."""
        return np.array([self.stream.overflows.total])


@implements(proc=FusedSSMNetwork, protocol=LoihiProtocol)
@requires(CPU)
@tag(FIXED)
class PyFusedSSMNetworkModelFixed(AbstractFusedModel):
    """Bit-accurate: the compiled engine's integers, sent as 32-bit words."""

    kind = np.int64
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    state: np.ndarray = LiveVar(float, "fetch_state")
    overflows: np.ndarray = LiveVar(float, "fetch_overflows")


@implements(proc=FusedSSMNetwork, protocol=LoihiProtocol)
@requires(CPU)
@tag(FLOATING)
class PyFusedSSMNetworkModelFloat(AbstractFusedModel):
    """Floating point."""

    kind = np.float64
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    state: np.ndarray = LiveVar(float, "fetch_state")
    overflows: np.ndarray = LiveVar(float, "fetch_overflows")
