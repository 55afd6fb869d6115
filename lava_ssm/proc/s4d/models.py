"""How the state neurons behave, in floating and in fixed point."""

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from lava_ssm.engine.reference import fixed, floating
from lava_ssm.numerics import SYNAPSE_BITS, Overflow, to_bits
from lava_ssm.proc.neuron import (
    FIXED,
    FLOATING,
    AbstractFixedNeuronModel,
    AbstractFloatNeuronModel,
    AbstractNeuronModel,
)
from lava_ssm.proc.s4d.process import S4D


class AbstractS4DModel(AbstractNeuronModel):
    """The state in two Vars, seen as (d_model, d_state, 2)."""

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self.layer = proc_params["layer"]
        self.population = (self.layer.d_model, self.layer.d_state)

    def read_state(self) -> np.ndarray:
        """State (d_model, d_state, 2): real, imaginary."""
        return np.stack([self.state_re, self.state_im], -1).reshape(*self.population, 2)

    def write_state(self, x: np.ndarray) -> None:
        """Put (d_model, d_state, 2) into the Vars."""
        self.state_re[:] = x[..., 0].ravel()
        self.state_im[:] = x[..., 1].ravel()

    def reset(self) -> None:
        """Set the state to zero."""
        self.state_re[:] = 0
        self.state_im[:] = 0


@implements(proc=S4D, protocol=LoihiProtocol)
@requires(CPU)
@tag(FIXED)
class PyS4DModelFixed(AbstractS4DModel, AbstractFixedNeuronModel):
    """Bit-accurate: the arithmetic of `lava_ssm.engine.reference.fixed`."""

    state_re: np.ndarray = LavaPyType(np.ndarray, np.int32)
    state_im: np.ndarray = LavaPyType(np.ndarray, np.int32)

    def fire(self, u: np.ndarray) -> np.ndarray:
        """One step of the recurrence; outputs are sent as 32-bit words."""
        state, out = fixed.s4d_neurons(
            self.layer,
            self.proc_params["arithmetic"],
            self.read_state().astype(np.int64),
            u.astype(np.int64).reshape(self.population),
            self.tally,
        )
        self.write_state(state)
        # wrapped here or in the sum that follows: the sum is the same, modulo 2**32
        return to_bits(out, SYNAPSE_BITS, Overflow.WRAP).ravel()


@implements(proc=S4D, protocol=LoihiProtocol)
@requires(CPU)
@tag(FLOATING)
class PyS4DModelFloat(AbstractS4DModel, AbstractFloatNeuronModel):
    """Floating point."""

    state_re: np.ndarray = LavaPyType(np.ndarray, float)
    state_im: np.ndarray = LavaPyType(np.ndarray, float)

    def fire(self, u: np.ndarray) -> np.ndarray:
        """One step of the recurrence."""
        u = u.reshape(self.population)
        state, out = floating.s4d_neurons(self.layer, self.read_state(), u)
        self.write_state(state)
        return out.ravel()
