"""How gated states behave, in floating and in fixed point."""

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyInPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_ssm.engine.reference import fixed, floating
from lava_ssm.numerics import Rounding, shift
from lava_ssm.proc.gated_states.process import GatedStates
from lava_ssm.proc.neuron import (
    FIXED,
    FLOATING,
    AbstractFixedNeuronModel,
    AbstractFloatNeuronModel,
    AbstractNeuronModel,
)


class AbstractGatedStatesModel(AbstractNeuronModel):
    """Receives what enters the state beside the gate's sum."""

    def receive(self) -> tuple[np.ndarray, ...]:
        """Take what has come at the ports."""
        return self.a_in.recv(), self.u_in.recv()

    def reset(self) -> None:
        """Set the state to zero."""
        self.state[:] = 0


@implements(proc=GatedStates, protocol=LoihiProtocol)
@requires(CPU)
@tag(FIXED)
class PyGatedStatesModelFixed(AbstractGatedStatesModel, AbstractFixedNeuronModel):
    """Bit-accurate: the integers of `lava_ssm.engine.reference.fixed.step`."""

    u_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    state: np.ndarray = LavaPyType(np.ndarray, np.int32)

    def fire(self, a: np.ndarray, u: np.ndarray) -> np.ndarray:
        """One step of the recurrence."""
        params = self.proc_params
        received = [
            shift(v.astype(np.int64), params[name], Rounding.FLOOR)
            for v, name in ((a, "shift"), (u, "u_shift"))
        ]
        state, sent = fixed.step(
            params["neurons"],
            params["arithmetic"],
            self.state.astype(np.int64),
            np.concatenate(received),
            self.tally,
        )
        self.state[:] = state
        return sent.astype(np.int32)


@implements(proc=GatedStates, protocol=LoihiProtocol)
@requires(CPU)
@tag(FLOATING)
class PyGatedStatesModelFloat(AbstractGatedStatesModel, AbstractFloatNeuronModel):
    """Floating point: `lava_ssm.engine.reference.floating.step`."""

    u_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    state: np.ndarray = LavaPyType(np.ndarray, float)

    def fire(self, a: np.ndarray, u: np.ndarray) -> np.ndarray:
        """One step of the recurrence."""
        both = np.concatenate([a, u])
        state, sent = floating.step(self.proc_params["neurons"], None, self.state, both, None)
        self.state[:] = state
        return sent
