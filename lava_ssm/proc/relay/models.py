"""How relays behave, in floating and in fixed point."""

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.process.process import ProcessParameters
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_ssm.engine.compiled import Relays
from lava_ssm.proc.neuron import (
    FIXED,
    FLOATING,
    AbstractFixedNeuronModel,
    AbstractFloatNeuronModel,
)
from lava_ssm.proc.relay.process import Relay


@implements(proc=Relay, protocol=LoihiProtocol)
@requires(CPU)
@tag(FIXED)
class PyRelayModelFixed(AbstractFixedNeuronModel):
    """Bit-accurate: the integers of `lava_ssm.engine.reference.fixed.message`."""

    def __init__(self, proc_params: ProcessParameters) -> None:
        super().__init__(proc_params)
        self.relays = Relays(*(proc_params[name] for name in ("relu", "shift", "arithmetic")))

    def fire(self, u: np.ndarray) -> np.ndarray:
        """Shift, rectify, bring to the message's bits."""
        return self.relays.step(u, self.tally)


@implements(proc=Relay, protocol=LoihiProtocol)
@requires(CPU)
@tag(FLOATING)
class PyRelayModelFloat(AbstractFloatNeuronModel):
    """Floating point."""

    def fire(self, u: np.ndarray) -> np.ndarray:
        """Rectify."""
        return np.maximum(u, 0) if self.proc_params["relu"] else u
