"""How the state neurons of an S5 layer behave, in floating and in fixed point."""

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_ssm.engine.reference import fixed, floating
from lava_ssm.numerics import Rounding, shift
from lava_ssm.proc.neuron import (
    FIXED,
    FLOATING,
    AbstractFixedNeuronModel,
    AbstractFloatNeuronModel,
    AbstractNeuronModel,
)
from lava_ssm.proc.s5.process import S5


class AbstractS5Model(AbstractNeuronModel):
    """The state in two Vars; real parts, then imaginary ones, in the ports."""

    def reset(self) -> None:
        """Set the state to zero."""
        self.state_re[:] = 0
        self.state_im[:] = 0

    def paired(self, flat: np.ndarray) -> np.ndarray:
        """(2 d_state,) to (d_state, 2)."""
        return np.stack(np.split(flat, 2), axis=-1)

    def keep(self, state: np.ndarray, sent: np.ndarray) -> np.ndarray:
        """Keep the new state, and give what is sent as the ports have it."""
        self.state_re[:], self.state_im[:] = state[:, 0], state[:, 1]
        return sent.T.ravel()


@implements(proc=S5, protocol=LoihiProtocol)
@requires(CPU)
@tag(FIXED)
class PyS5ModelFixed(AbstractS5Model, AbstractFixedNeuronModel):
    """Bit-accurate: the integers of `lava_ssm.engine.reference.fixed.s5_neurons`."""

    state_re: np.ndarray = LavaPyType(np.ndarray, np.int32)
    state_im: np.ndarray = LavaPyType(np.ndarray, np.int32)

    def fire(self, u: np.ndarray) -> np.ndarray:
        """One step of the recurrence."""
        layer, rules = self.proc_params["layer"], self.proc_params["arithmetic"]
        drive = shift(u.astype(np.int64), self.proc_params["shift"], Rounding.FLOOR)
        state = np.stack([self.state_re, self.state_im], axis=-1).astype(np.int64)
        parts = fixed.s5_neurons(layer, rules, state, self.paired(drive), self.tally)
        return self.keep(*parts).astype(np.int32)


@implements(proc=S5, protocol=LoihiProtocol)
@requires(CPU)
@tag(FLOATING)
class PyS5ModelFloat(AbstractS5Model, AbstractFloatNeuronModel):
    """Floating point: `lava_ssm.engine.reference.floating.s5_neurons`."""

    state_re: np.ndarray = LavaPyType(np.ndarray, float)
    state_im: np.ndarray = LavaPyType(np.ndarray, float)

    def fire(self, u: np.ndarray) -> np.ndarray:
        """One step of the recurrence."""
        state = np.stack([self.state_re, self.state_im], axis=-1)
        parts = floating.s5_neurons(self.proc_params["layer"], state, self.paired(u))
        return self.keep(*parts)
