"""The Processes of a lowered graph: as the chip takes them, and in floating point."""

from abc import ABC, abstractmethod
from typing import ClassVar

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
    """What a graph is made of, one method for each kind of Process.

    `summed_exp` is the `weight_exp` of synapses from states to channels, behind the states' own
    shift to the right.
    """

    summed_exp: ClassVar[int]

    @abstractmethod
    def synapses(
        self, weights: np.ndarray | csr_matrix, weight_exp: int, name: str, ones: bool = False
    ) -> AbstractProcess:
        """Stock `Dense` of a full matrix (d_output, d_input), `Sparse` of a sparse one.

        Signs are mixed, or weights are all one.
        """

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

    Sign modes are always given, for Lava would guess them from the values; mixed signs would turn
    ones into zeros.
    """

    summed_exp = 0

    def synapses(
        self, weights: np.ndarray | csr_matrix, weight_exp: int, name: str, ones: bool = False
    ) -> AbstractProcess:
        return _kind_of(weights)(
            weights=weights,
            weight_exp=weight_exp,
            sign_mode=SignMode.EXCITATORY if ones else SignMode.MIXED,
            num_message_bits=MESSAGE_BITS,
            name=name,
        )

    def relay(self, size: int, relu: bool, name: str) -> AbstractProcess:
        """Stock graded neurons, which send whatever is beyond their threshold."""
        return (GradedReluVec if relu else GradedVec)(shape=(size,), vth=0)


class FloatParts(Parts):
    """The same in floating point: weight times 2^weight_exp, our relays, upstream's `S4dModel`.

    That model has no shift of its own: the synapses behind it make up for it.
    """

    summed_exp = -STATE_EXPONENT

    def synapses(
        self, weights: np.ndarray | csr_matrix, weight_exp: int, name: str, ones: bool = False
    ) -> AbstractProcess:
        scaled = weights * 2.0**weight_exp
        return _kind_of(weights)(weights=scaled, num_message_bits=MESSAGE_BITS, name=name)

    def relay(self, size: int, relu: bool, name: str) -> AbstractProcess:
        """Our relay."""
        return Relay(shape=(size,), relu=relu, tag="floating_pt", name=name)


def _kind_of(weights: np.ndarray | csr_matrix) -> type[AbstractProcess]:
    return Dense if isinstance(weights, np.ndarray) else Sparse


def _complex(mantissas: IntArray, exponent: int | IntArray) -> NDArray[np.complex128]:
    """Values (d_model * d_state,) that times 2^exponent are the mantissas exactly."""
    values = dequantize(mantissas, int(np.max(exponent)))  # (d_model, d_state, 2)
    return np.asarray(values[..., 0] + 1j * values[..., 1]).ravel()
