"""Causal convolutions along time."""

from dataclasses import dataclass

import numpy as np

from lava_ssm.network.description import Exponent
from lava_ssm.network.linear import FixedMap, FloatMap, LinearMap
from lava_ssm.network.neurons import Affine, Taps
from lava_ssm.network.population import Connection, Matrix, Ones, Population
from lava_ssm.numerics import IntArray, RealArray, integer

LONGEST = 256
"""Tokens that a kernel may reach over."""


class Convolution(LinearMap):
    """What float and fixed convolutions have in common: taps, and the synapse behind them."""

    groups: int

    @property
    def d_input(self) -> int:
        """Number of input channels."""
        return int(self.weights.shape[1]) * self.groups

    @property
    def length(self) -> int:
        """Tokens that the kernel reaches over."""
        return int(self.weights.shape[2])

    @property
    def matrix(self) -> np.ndarray:
        """Weights as the synapse behind the taps has them, (d_output, d_input * length)."""
        d_output, of_group, length = self.weights.shape
        rows = np.arange(d_output).reshape(self.groups, -1)  # outputs of a group
        whole = np.zeros((d_output, self.groups, of_group * length), self.weights.dtype)
        for group, outputs in enumerate(rows):
            whole[outputs, group] = self.weights[outputs].reshape(len(outputs), -1)
        return whole.reshape(d_output, -1)

    def lowered(self, input_exponent: int = 0) -> tuple[Population, ...]:
        n, taps = self.d_input, []
        if self.length > 1:
            onto = Connection(None, Ones(n, n * self.length), "to_taps")
            taps.append(Population(Taps(n, self.length), (onto,), "taps"))
        synapse = Matrix(self.matrix, self.shift(input_exponent))
        inputs = (Connection(0 if taps else None, synapse),)
        return (*taps, Population(Affine(self.d_output, bias=self.bias), inputs))

    def _check_shape(self) -> None:
        self._set("groups", integer(self.groups, "groups", 1))
        shape = self.weights.shape
        if len(shape) != 3 or self.weights.size == 0:
            raise ValueError(
                f"weights must have shape (d_output, d_input / groups, length), got shape {shape}"
            )
        if shape[0] % self.groups:
            raise ValueError(f"groups: {self.groups} do not divide {shape[0]} output channels")
        if shape[2] > LONGEST:
            raise ValueError(f"weights: a kernel has at most {LONGEST} taps, got {shape[2]}")


@dataclass(frozen=True, eq=False)
class Conv1d(FloatMap, Convolution):
    """y_t = sum_k W_k u_(t - length + 1 + k) + b, a causal convolution; u is 0 before its start.

    (As `torch.nn.Conv1d` computes it of tokens with length - 1 zeros before them.)

    Parameters
    ----------
    weights
        W, real, (d_output, d_input / groups, length): the last is the present token's; at most 256.
    bias
        b, real, (d_output,), or None.
    groups
        Of channels that see only each other: d_input of them, of one channel each, are a depthwise
        convolution.

    Raises
    ------
    ValueError
        A wrong shape, groups that do not fit, or a value that is not finite.
    """

    weights: RealArray
    bias: RealArray | None = None
    groups: int = 1


@dataclass(frozen=True, eq=False)
class FixedConv1d(FixedMap, Convolution):
    """A causal convolution in integers: earlier messages, and a synapse of them all.

        y = (sum_k sum_j 2 m_ijk u_j of (length - 1 - k) tokens ago) >> s_i (+ b_i)

    with s_i as of a `FixedLinear`.

    Parameters
    ----------
    weights
        Mantissas m, integers in [-128, 127], (d_output, d_input / groups, length).
    exponent
        Of the weights: one integer, or one an output channel.
    output_exponent
        Of the outgoing messages; None leaves the input's.
    bias
        Mantissas of 24 bits of the output's exponent, (d_output,), or None.
    groups
        See `Conv1d`.
    """

    weights: IntArray
    exponent: Exponent = 7
    output_exponent: int | None = None
    bias: IntArray | None = None
    groups: int = 1

    def dequantize(self, input_exponent: int | None = None) -> Conv1d:
        return Conv1d(*self._values(input_exponent), self.groups)
