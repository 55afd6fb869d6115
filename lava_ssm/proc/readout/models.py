"""How the readout of a mean over time behaves, in floating and in fixed point."""

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.process import ProcessParameters
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_ssm.engine.compiled import RunningSum
from lava_ssm.proc.neuron import FIXED, FLOATING
from lava_ssm.proc.readout.process import Readout
from lava_ssm.proc.relay.models import AbstractRelayModelFixed, AbstractRelayModelFloat


@implements(proc=Readout, protocol=LoihiProtocol)
@requires(CPU)
@tag(FIXED)
class PyReadoutModelFixed(AbstractRelayModelFixed):
    """Bit-accurate: the arithmetic of `lava_ssm.engine.reference.fixed`."""

    total: np.ndarray = LavaPyType(np.ndarray, np.int32)

    def __init__(self, proc_params: ProcessParameters) -> None:
        super().__init__(proc_params)
        self.sums = RunningSum(proc_params["arithmetic"])

    def reset(self) -> None:
        """Begin a new sum."""
        self.total[:] = 0

    def fire(self, u: np.ndarray) -> np.ndarray:
        """Add a token's message."""
        self.sums.step(self.total, super().fire(u), self.tally)
        return self.total


@implements(proc=Readout, protocol=LoihiProtocol)
@requires(CPU)
@tag(FLOATING)
class PyReadoutModelFloat(AbstractRelayModelFloat):
    """Floating point."""

    total: np.ndarray = LavaPyType(np.ndarray, float)

    def reset(self) -> None:
        """Begin a new sum."""
        self.total[:] = 0

    def fire(self, u: np.ndarray) -> np.ndarray:
        """Add a token's message."""
        self.total[:] = self.total + super().fire(u)
        return self.total / self.of_sample if self.proc_params["mean"] else self.total
