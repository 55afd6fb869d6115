"""The Processes of a lowered graph: as the chip takes them, and in floating point."""

from abc import ABC, abstractmethod

import numpy as np
from lava.magma.core.process.process import AbstractProcess
from lava.proc.dense.process import Dense
from lava.proc.graded.process import GradedReluVec, GradedVec
from lava.proc.s4d.process import S4d
from lava.proc.sparse.process import Sparse
from lava.utils.weightutils import SignMode
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from lava_ssm.network import Filters
from lava_ssm.numerics import IntArray, dequantize
from lava_ssm.proc.relay.process import Relay

ON_CHIP = (Dense, Sparse, S4d, GradedVec, GradedReluVec)
"""Processes of upstream Lava that a lowered graph is made of."""

STATE_EXPONENT = 6
"""Bits that the chip's S4d neuron shifts by: its input to the left, its output to the right."""
MESSAGE_BITS = 24


class Parts(ABC):
    """What a graph is made of, one method for each kind of Process."""

    @abstractmethod
    def dense(self, weights: np.ndarray, weight_exp: int, name: str) -> AbstractProcess:
        """Synapses of a full matrix (d_output, d_input), mixed signs."""

    @abstractmethod
    def sparse(self, weights: csr_matrix, weight_exp: int, name: str) -> AbstractProcess:
        """Synapses of a sparse matrix, mixed signs."""

    @abstractmethod
    def ones(self, weights: csr_matrix, weight_exp: int, name: str) -> AbstractProcess:
        """Synapses that are all one."""

    @abstractmethod
    def reduction(self, weights: csr_matrix, name: str) -> AbstractProcess:
        """Synapses from states to channels, behind the states' own shift to the right."""

    def states(self, neurons: Filters, name: str) -> AbstractProcess:
        """Neurons of complex states, flat."""
        a, b, c = (_complex(v, neurons.param_exponent) for v in (neurons.a, neurons.b, neurons.c))
        return S4d(
            shape=a.shape,
            a=a,
            b=b,
            c=c,
            s4_exp=int(np.max(neurons.param_exponent)),
            inp_exp=int(np.max(neurons.state_exponent)),
        )

    @abstractmethod
    def relay(self, size: int, relu: bool, name: str) -> AbstractProcess:
        """Neurons between two synapses."""


class ChipParts(Parts):
    """As the chip takes them: integer weights and a `weight_exp`, thresholds of zero.

    Sign modes are always given, for Lava would guess them from the values.
    """

    def dense(self, weights: np.ndarray, weight_exp: int, name: str) -> AbstractProcess:
        """Stock `Dense`."""
        return Dense(
            weights=weights,
            weight_exp=weight_exp,
            sign_mode=SignMode.MIXED,
            num_message_bits=MESSAGE_BITS,
            name=name,
        )

    def sparse(self, weights: csr_matrix, weight_exp: int, name: str) -> AbstractProcess:
        """Stock `Sparse`."""
        return self._sparse(weights, weight_exp, SignMode.MIXED, name)

    def ones(self, weights: csr_matrix, weight_exp: int, name: str) -> AbstractProcess:
        """Stock `Sparse`; mixed signs would turn ones into zeros."""
        return self._sparse(weights, weight_exp, SignMode.EXCITATORY, name)

    def reduction(self, weights: csr_matrix, name: str) -> AbstractProcess:
        """Stock `Sparse`: the neuron itself has shifted."""
        return self.ones(weights, 0, name)

    def relay(self, size: int, relu: bool, name: str) -> AbstractProcess:
        """Stock graded neurons, which send whatever is beyond their threshold."""
        return (GradedReluVec if relu else GradedVec)(shape=(size,), vth=0)

    @staticmethod
    def _sparse(weights: csr_matrix, weight_exp: int, mode: SignMode, name: str) -> Sparse:
        return Sparse(
            weights=weights,
            weight_exp=weight_exp,
            sign_mode=mode,
            num_message_bits=MESSAGE_BITS,
            name=name,
        )


class FloatParts(Parts):
    """The same in floating point: weight times 2^weight_exp, our relays, upstream's `S4dModel`.

    That model has no shift of its own: the synapses behind it make up for it.
    """

    def dense(self, weights: np.ndarray, weight_exp: int, name: str) -> AbstractProcess:
        """Stock `Dense`."""
        scaled = weights * 2.0**weight_exp
        return Dense(weights=scaled, num_message_bits=MESSAGE_BITS, name=name)

    def sparse(self, weights: csr_matrix, weight_exp: int, name: str) -> AbstractProcess:
        """Stock `Sparse`."""
        scaled = csr_matrix(weights * 2.0**weight_exp)
        return Sparse(weights=scaled, num_message_bits=MESSAGE_BITS, name=name)

    def ones(self, weights: csr_matrix, weight_exp: int, name: str) -> AbstractProcess:
        """Stock `Sparse`."""
        return self.sparse(weights, weight_exp, name)

    def reduction(self, weights: csr_matrix, name: str) -> AbstractProcess:
        """Stock `Sparse`, with the neuron's shift."""
        return self.sparse(weights, -STATE_EXPONENT, name)

    def relay(self, size: int, relu: bool, name: str) -> AbstractProcess:
        """Our relay."""
        return Relay(shape=(size,), relu=relu, tag="floating_pt", name=name)


def _complex(mantissas: IntArray, exponent: int | IntArray) -> NDArray[np.complex128]:
    """Values (d_model * d_state,) that times 2^exponent are the mantissas exactly."""
    values = dequantize(mantissas, int(np.max(exponent)))  # (d_model, d_state, 2)
    return np.asarray(values[..., 0] + 1j * values[..., 1]).ravel()
