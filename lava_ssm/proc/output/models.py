"""How the last neurons of a layer behave, in floating and in fixed point."""

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyInPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.process import ProcessParameters
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_ssm.engine.compiled import OutputNeurons, RunningSum
from lava_ssm.engine.reference import floating
from lava_ssm.proc.neuron import (
    FIXED,
    FLOATING,
    AbstractFixedNeuronModel,
    AbstractFloatNeuronModel,
    AbstractNeuronModel,
)
from lava_ssm.proc.output.process import Output


class AbstractOutputModel(AbstractNeuronModel):
    """Receives what comes beside the synapse's sum."""

    def receive(self) -> tuple[np.ndarray, ...]:
        """Take what has come at the ports."""
        return self.a_in.recv(), self.u_in.recv(), self.r_in.recv()

    def reset(self) -> None:
        """Begin a new sum."""
        self.total[:] = 0


@implements(proc=Output, protocol=LoihiProtocol)
@requires(CPU)
@tag(FIXED)
class PyOutputModelFixed(AbstractOutputModel, AbstractFixedNeuronModel):
    """Bit-accurate: the arithmetic of `lava_ssm.engine.reference.fixed`."""

    u_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    r_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    total: np.ndarray = LavaPyType(np.ndarray, np.int32)

    def __init__(self, proc_params: ProcessParameters) -> None:
        super().__init__(proc_params)
        inputs = (proc_params[name] for name in ("neurons", "arithmetic", "shift", "u_shift"))
        ends = (proc_params[name] for name in ("residual_shift", "activation", "exponent"))
        self.neurons = OutputNeurons(*inputs, *ends)
        self.sums = RunningSum(proc_params["arithmetic"]) if proc_params["sums"] else None

    def fire(self, a: np.ndarray, u: np.ndarray, r: np.ndarray) -> np.ndarray:
        """Take what a token's messages have summed to."""
        y = self.neurons.step(a, u, r, self.tally)
        if self.sums is None:
            return y
        self.sums.step(self.total, y, self.tally)
        return self.total


@implements(proc=Output, protocol=LoihiProtocol)
@requires(CPU)
@tag(FLOATING)
class PyOutputModelFloat(AbstractOutputModel, AbstractFloatNeuronModel):
    """Floating point: `lava_ssm.engine.reference.floating`."""

    u_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    r_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    total: np.ndarray = LavaPyType(np.ndarray, float)

    def fire(self, a: np.ndarray, u: np.ndarray, r: np.ndarray) -> np.ndarray:
        """Take what a token's messages have summed to."""
        params = self.proc_params
        y = floating.output(params["neurons"], None, a, u, None) + r
        y = floating.message(y, params["activation"], None, None)
        if params["sums"]:
            self.total[:] = self.total + y
            return self.total / self.of_sample
        return y
