"""How neurons with a state behave, in floating and in fixed point."""

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.process import ProcessParameters
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_ssm.engine.compiled import StateNeurons
from lava_ssm.engine.reference import floating
from lava_ssm.proc.neuron import (
    FIXED,
    FLOATING,
    AbstractFixedNeuronModel,
    AbstractFloatNeuronModel,
    AbstractNeuronModel,
)
from lava_ssm.proc.states.process import States


class AbstractStatesModel(AbstractNeuronModel):
    """The state in two Vars."""

    def reset(self) -> None:
        """Set the state to zero."""
        self.state_re[:] = 0
        self.state_im[:] = 0


@implements(proc=States, protocol=LoihiProtocol)
@requires(CPU)
@tag(FIXED)
class PyStatesModelFixed(AbstractStatesModel, AbstractFixedNeuronModel):
    """Bit-accurate: the integers of `lava_ssm.engine.reference.fixed.step`, as 32-bit words."""

    state_re: np.ndarray = LavaPyType(np.ndarray, np.int32)
    state_im: np.ndarray = LavaPyType(np.ndarray, np.int32)

    def __init__(self, proc_params: ProcessParameters) -> None:
        super().__init__(proc_params)
        params = (proc_params[name] for name in ("neurons", "arithmetic", "shift"))
        self.neurons = StateNeurons(*params)

    def fire(self, u: np.ndarray) -> np.ndarray:
        """One step of the recurrence."""
        return self.neurons.step(self.state_re, self.state_im, u, self.tally)


@implements(proc=States, protocol=LoihiProtocol)
@requires(CPU)
@tag(FLOATING)
class PyStatesModelFloat(AbstractStatesModel, AbstractFloatNeuronModel):
    """Floating point: `lava_ssm.engine.reference.floating.step`."""

    state_re: np.ndarray = LavaPyType(np.ndarray, float)
    state_im: np.ndarray = LavaPyType(np.ndarray, float)

    def fire(self, u: np.ndarray) -> np.ndarray:
        """One step of the recurrence."""
        neurons = self.proc_params["neurons"]
        state = np.stack([self.state_re, self.state_im], axis=-1).reshape(neurons.state_shape)
        state, out = floating.step(neurons, None, state, u, None)
        self.state_re[:], self.state_im[:] = state[..., 0].ravel(), state[..., 1].ravel()
        return out
