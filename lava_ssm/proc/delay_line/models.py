"""How delay lines behave, in floating and in fixed point."""

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_ssm.engine.reference.fixed import taps
from lava_ssm.proc.delay_line.process import DelayLine
from lava_ssm.proc.neuron import (
    FIXED,
    FLOATING,
    AbstractFixedNeuronModel,
    AbstractFloatNeuronModel,
    AbstractNeuronModel,
)


class AbstractDelayLineModel(AbstractNeuronModel):
    """`lava_ssm.engine.reference.fixed.taps`."""

    def reset(self) -> None:
        """Forget all messages."""
        self.messages[:] = 0

    def fire(self, a: np.ndarray) -> np.ndarray:
        """Take a token's messages."""
        neurons = self.proc_params["neurons"]
        state = self.messages.reshape(neurons.state_shape)
        state, sent = taps(neurons, state, a[:: neurons.length])
        self.messages[:] = state.ravel()
        return sent


@implements(proc=DelayLine, protocol=LoihiProtocol)
@requires(CPU)
@tag(FIXED)
class PyDelayLineModelFixed(AbstractDelayLineModel, AbstractFixedNeuronModel):
    """In integers."""

    messages: np.ndarray = LavaPyType(np.ndarray, np.int32)


@implements(proc=DelayLine, protocol=LoihiProtocol)
@requires(CPU)
@tag(FLOATING)
class PyDelayLineModelFloat(AbstractDelayLineModel, AbstractFloatNeuronModel):
    """In floating point."""

    messages: np.ndarray = LavaPyType(np.ndarray, float)
