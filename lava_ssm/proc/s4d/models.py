"""How the state neurons behave, in floating and in fixed point."""

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.type import LavaPyType
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
from lava_ssm.proc.s4d.process import S4D


class AbstractS4DModel(AbstractNeuronModel):
    """The state in two Vars."""

    def reset(self) -> None:
        """Set the state to zero."""
        self.state_re[:] = 0
        self.state_im[:] = 0


@implements(proc=S4D, protocol=LoihiProtocol)
@requires(CPU)
@tag(FIXED)
class PyS4DModelFixed(AbstractS4DModel, AbstractFixedNeuronModel):
    """Bit-accurate: the integers of `lava_ssm.engine.reference.fixed.s4d_neurons`."""

    state_re: np.ndarray = LavaPyType(np.ndarray, np.int32)
    state_im: np.ndarray = LavaPyType(np.ndarray, np.int32)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.neurons = StateNeurons(proc_params["layer"], proc_params["arithmetic"])

    def fire(self, u: np.ndarray) -> np.ndarray:
        """One step of the recurrence; outputs are sent as 32-bit words."""
        return self.neurons.step(self.state_re, self.state_im, u, self.tally)


@implements(proc=S4D, protocol=LoihiProtocol)
@requires(CPU)
@tag(FLOATING)
class PyS4DModelFloat(AbstractS4DModel, AbstractFloatNeuronModel):
    """Floating point: `lava_ssm.engine.reference.floating.s4d_neurons`."""

    state_re: np.ndarray = LavaPyType(np.ndarray, float)
    state_im: np.ndarray = LavaPyType(np.ndarray, float)

    def fire(self, u: np.ndarray) -> np.ndarray:
        """One step of the recurrence."""
        layer = self.proc_params["layer"]
        shape = (layer.d_model, layer.d_state)
        state = np.stack([self.state_re, self.state_im], axis=-1).reshape(*shape, 2)
        state, out = floating.s4d_neurons(layer, state, u.reshape(shape))
        self.state_re[:], self.state_im[:] = state[..., 0].ravel(), state[..., 1].ravel()
        return out.ravel()
