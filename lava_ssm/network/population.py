"""What a chip has of a network: populations of neurons, and the synapses between them."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from lava_ssm.network.activation import Activation
from lava_ssm.network.description import Exponent
from lava_ssm.network.neurons import Neurons
from lava_ssm.numerics import Arithmetic, IntArray
from lava_ssm.tables import Shaped

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix


@dataclass(frozen=True, eq=False)
class Matrix(Shaped):
    """Synapses with weights: s = W u, in fixed point (2 W u) >> shift, see `FixedLinear`.

    Parameters
    ----------
    weights
        W, real or mantissas of 8 bits, (n_out, n_in).
    shift
        One integer, or one an output.
    """

    weights: np.ndarray
    shift: Exponent = 0

    sums = False

    @property
    def n_in(self) -> int:
        """Number of inputs."""
        return int(self.weights.shape[1])

    @property
    def n_out(self) -> int:
        """Number of outputs."""
        return int(self.weights.shape[0])


@dataclass(frozen=True)
class Ones:
    """Synapses of weight one: an input to n_out / n_in neurons, or n_in / n_out to one.

    What sums is read by nothing else.
    """

    n_in: int
    n_out: int

    @property
    def sums(self) -> bool:
        """Whether messages are added up without weights."""
        return self.n_in > self.n_out

    def weights(self, kind: type) -> "csr_matrix":
        """As a matrix of ones, (n_out, n_in)."""
        from scipy.sparse import csr_matrix, identity, kron  # SciPy takes long to load

        n = min(self.n_in, self.n_out)
        return csr_matrix(kron(identity(n), np.ones((self.n_out // n, self.n_in // n))), dtype=kind)


@dataclass(frozen=True)
class Copies:
    """Synapses of weight one from some messages, each to several neurons.

    Neuron i receives message first + (i // each) % count.

    Parameters
    ----------
    n_in
        Messages of the source.
    n_out
        Neurons: a multiple of `count` times `each`.
    first, count
        Which messages they are from.
    each
        Neurons side by side that receive the same one.
    """

    n_in: int
    n_out: int
    first: int
    count: int
    each: int = 1

    sums = False

    @property
    def index(self) -> IntArray:
        """Number of the message that each neuron receives, (n_out,)."""
        return self.first + np.arange(self.n_out) // self.each % self.count

    @property
    def fan_out(self) -> IntArray:
        """Neurons that receive each message, (n_in,)."""
        return np.bincount(self.index, minlength=self.n_in)

    def weights(self, kind: type) -> "csr_matrix":
        """As a matrix of ones, (n_out, n_in)."""
        from scipy.sparse import csr_matrix  # SciPy takes long to load

        rows = np.arange(self.n_out)
        ones = (np.ones(self.n_out), (rows, self.index))
        return csr_matrix(ones, shape=(self.n_out, self.n_in), dtype=kind)


Synapse: TypeAlias = Matrix | Ones | Copies
"""What a connection does with the messages of its source."""


@dataclass(frozen=True, eq=False)
class Connection:
    """From one population to another.

    Parameters
    ----------
    source
        Number of the population that sends; None: the input (of the layer, or of the network).
    synapse
        What is between.
    name
        For graphs and tables.
    delay
        Time steps beyond the synapse's own: those of the longest way around which this one goes.
    """

    source: int | None
    synapse: Synapse
    name: str = "synapse"
    delay: int = 0


@dataclass(frozen=True, eq=False)
class Population:
    """Neurons of one operation that work at the same time.

    Parameters
    ----------
    neurons
        What they compute.
    inputs
        Connections onto them: the sum s, then, where the operation has one, the second input u.
    name
        `states` or `neurons`: unique in its stage.
    stage
        Number of the stage that they belong to.
    residual
        Connection of a residual path, whose messages are added to what the operation gives.
    residual_shift
        Bits that these are shifted to the right, rounding down.
    activation
        What follows that.
    exponent
        Of the messages that they send, where a layer ends.
    step
        Time steps from a token's entry to these neurons.
    message_bits
        Width of their messages, of neurons without a state; None: the network's.
    """

    neurons: Neurons
    inputs: tuple[Connection, ...]
    name: str = "neurons"
    stage: int = 0
    residual: Connection | None = None
    residual_shift: int = 0
    activation: Activation = Activation.NONE
    exponent: int = 0
    step: int = 0
    message_bits: int | None = None

    @property
    def connections(self) -> tuple[Connection, ...]:
        """All onto them, that of a residual path last."""
        return self.inputs if self.residual is None else (*self.inputs, self.residual)

    def rules(self, arithmetic: Arithmetic) -> Arithmetic:
        """Give the rules that they follow in a network of such ones."""
        if self.message_bits is None:
            return arithmetic
        return replace(arithmetic, message_bits=self.message_bits)


class Populations(list[Population]):
    """Those of a layer, one after the other."""

    def add(
        self,
        neurons: Neurons,
        name: str,
        *inputs: Connection,
        activation: Activation = Activation.NONE,
        exponent: int = 0,
        message_bits: int | None = None,
    ) -> int:
        """Add one, and give its number."""
        self.append(
            Population(
                neurons,
                inputs,
                name,
                activation=activation,
                exponent=exponent,
                message_bits=message_bits,
            )
        )
        return len(self) - 1
