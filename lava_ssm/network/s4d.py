"""The diagonal state space layer S4D, discretised."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lava_ssm.network.description import (
    Exponent,
    biases,
    bits,
    check_stable,
    complex_values,
    dequantized_bias,
    diagonal,
    exponents,
    mantissas,
    none_or,
    zeros_or,
)
from lava_ssm.network.discretization import Discretization, discretized
from lava_ssm.network.layer import FixedLayer, FloatLayer, Layer
from lava_ssm.network.neurons import Affine, ByChannel, Filters
from lava_ssm.network.population import Connection, Ones, Population
from lava_ssm.numerics import IntArray, RealArray, complexes, dequantize, reals


class Diagonal(ByChannel, Layer):
    """What float and fixed diagonal layers have in common: the shape of `a`."""

    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    d: np.ndarray | None
    bias: np.ndarray | None

    d_input = d_output = ByChannel.d_model

    def _filters(self) -> Filters:
        return Filters(self.a, self.b, self.c)

    def _direct_shift(self) -> int:
        return 0

    def lowered(self, input_exponent: int = 0) -> tuple[Population, ...]:
        """See `Layer`: each channel goes to all of its states, whose outputs are added up."""
        states = self._filters()
        expansion = Connection(None, Ones(self.d_model, states.n_neurons), "expansion")
        reduction = Connection(0, Ones(states.n_neurons, self.d_model), "reduction")
        direct = Connection(None, Ones(self.d_model, self.d_model), "direct")
        inputs = (reduction,) if self.d is None else (reduction, direct)
        neurons = Affine(self.d_model, self.d, self._direct_shift(), self.bias)
        return Population(states, (expansion,), "states"), Population(neurons, inputs)

    @property
    def _n_others(self) -> int:
        """Number of entries of d and bias."""
        return sum(v.size for v in (self.d, self.bias) if v is not None)


@dataclass(frozen=True, eq=False)
class S4D(Diagonal, FloatLayer):
    """One diagonal system of `d_state` complex states for each of `d_model` channels.

        x' = a x + b u
        y  = 2 Re(sum_n c_n x'_n) + d u + bias          (with the new state)

    (Gu, Gupta, Goel, Ré, "On the Parameterization and Initialization of Diagonal State Space
    Models", NeurIPS 2022, section 3; each complex state stands for a conjugate pair.) A real
    state is a complex one with imaginary parts zero.

    Parameters
    ----------
    a, b, c
        The discretised diagonal, input and output vectors, complex, (d_model, d_state); |a| < 1.
    d, bias
        Direct path and bias, real, (d_model,), or None.

    Raises
    ------
    ValueError
        Shapes that differ, a value that is not finite, an unstable state (|a| >= 1).
    """

    a: NDArray[np.complex128]
    b: NDArray[np.complex128]
    c: NDArray[np.complex128]
    d: RealArray | None = None
    bias: RealArray | None = None

    def __post_init__(self) -> None:
        self._put(complexes, "a", "b", "c")
        _check_shapes(self.a.shape, self.b.shape, self.c.shape, 2, "(d_model, d_state)")
        check_stable(np.abs(self.a))
        self._put(none_or(zeros_or((self.d_model,), reals)), "d", "bias")

    @classmethod
    def from_continuous(
        cls,
        a: ArrayLike,
        b: ArrayLike,
        c: ArrayLike,
        dt: ArrayLike,
        discretization: Discretization = "zoh",
        d: ArrayLike | None = None,
    ) -> "S4D":
        """Discretise systems in continuous time, as other programs train them.

            x'(t) = A x + B u,    y = 2 Re(sum_n C_n x_n) + D u

            zoh:       a = exp(dt A),                         b = B (a - 1) / A
            bilinear:  a = (1 + dt A / 2) / (1 - dt A / 2),   b = dt B / (1 - dt A / 2)

        (Gu, Gupta, Goel, Ré, NeurIPS 2022, section 3.)

        Parameters
        ----------
        a, b, c
            A, B, C, complex, (d_model, d_state), Re(A) < 0; A in the inverse of the unit of `dt`.
        dt
            The step, above 0 (not its logarithm): one, or one a channel, (d_model,).
        discretization
            "zoh" (zero-order hold) or "bilinear".
        d
            D, real, (d_model,), or None.

        Raises
        ------
        TypeError, ValueError
            As of `S4D`; Re(A) >= 0, a step that is not above 0, an unknown discretisation.
        """
        recurrent, factor = discretized(a, dt, discretization)
        drive = complexes(b, "b")
        output = complexes(c, "c")
        _check_shapes(recurrent.shape, drive.shape, output.shape, 2, "(d_model, d_state)")
        return cls(recurrent, factor * drive, output, d)  # type: ignore[arg-type]

    @property
    def n_parameters(self) -> int:
        """Number of real parameters: two for each complex one."""
        return 6 * self.a.size + self._n_others


@dataclass(frozen=True, eq=False)
class FixedS4D(Diagonal, FixedLayer):
    """An S4D layer in the integers of Loihi 2's neuron.

    With p = param_exponent, s = state_exponent, and `>>` a shift with the network's rounding:

        v     = u << s
        x_re' = (a_re x_re >> p) - (a_im x_im >> p) + (b_re v >> p)     brought to the state's bits
        x_im' = (a_re x_im >> p) + (a_im x_re >> p) + (b_im v >> p)     brought to the state's bits
        out   = 2 ((c_re x_re' >> p) - (c_im x_im' >> p)) >> s          for each state
        s     = sum over a channel's states of out                      (32 bits, wraps)
        y     = s + ((d u) >> d_exponent) + bias

    so the output has the input's exponent.

    Parameters
    ----------
    a, b, c
        Mantissas, integers of `param_bits`, shape (d_model, d_state, 2): real, imaginary;
        value = mantissa * 2**-param_exponent; |a| < 1.
    param_exponent
        Fraction bits of a, b, c: one integer in [0, 31], or one a channel.
    state_exponent
        Fraction bits that a state has beyond its input: one integer in [0, 31], or one a channel.
    param_bits
        Width of a mantissa of a, b, c, 2 to 24.
    d, bias
        Mantissas of 16 and of 24 bits, (d_model,), or None; the bias has the input's exponent.
    d_exponent
        Of d, any integer; None where there is no d.

    Raises
    ------
    ValueError
        Shapes that differ, a mantissa or exponent out of range, an unstable state (|a| >= 1).
    """

    a: IntArray
    b: IntArray
    c: IntArray
    param_exponent: Exponent = 12
    state_exponent: Exponent = 6
    param_bits: int = 16
    d: IntArray | None = None
    bias: IntArray | None = None
    d_exponent: int | None = None

    def __post_init__(self) -> None:
        self._put(bits(2, 24), "param_bits")  # so that no product or sum can leave int64
        self._put(lambda v, name: mantissas(v, self.param_bits, name), "a", "b", "c")
        _check_shapes(self.a.shape, self.b.shape, self.c.shape, 3, "(d_model, d_state, 2)")
        if self.a.shape[2] != 2:
            raise ValueError(
                f"a, b, c must have shape (d_model, d_state, 2): real, imaginary; "
                f"got {self.a.shape}"
            )
        self._put(exponents(self.d_model, (0, 31)), "param_exponent", "state_exponent")
        # |a| < 1 exactly: re^2 + im^2 < 2^(2 p), all of it below 2^63
        squared = np.einsum("...i,...i", self.a, self.a)
        one = np.int64(1) << (2 * np.reshape(self.param_exponent, (-1, 1)))
        unstable = squared >= one
        if unstable.any():
            check_stable(np.where(unstable, np.sqrt(squared / one), 0))
        self._put(none_or(zeros_or((self.d_model,), diagonal)), "d")
        self._put(none_or(zeros_or((self.d_model,), biases)), "bias")
        if (self.d is None) != (self.d_exponent is None):
            raise ValueError("d, d_exponent: give both of them or none")
        self._put(none_or(exponents()), "d_exponent")

    @property
    def n_parameters(self) -> int:
        """Number of mantissas."""
        return 3 * self.a.size + self._n_others

    @property
    def nbytes(self) -> int:
        """Bytes: each of a, b, c in the fewest that hold `param_bits`, two of d, four of a bias."""
        others = sum(n * v.size for n, v in ((2, self.d), (4, self.bias)) if v is not None)
        return 3 * self.a.size * -(-self.param_bits // 8) + others

    def _filters(self) -> Filters:
        exponents = self.param_exponent, self.state_exponent
        return Filters(self.a, self.b, self.c, *exponents, self.param_bits)

    def _direct_shift(self) -> int:
        return 0 if self.d_exponent is None else self.d_exponent

    def dequantize(self, input_exponent: int | None = None) -> S4D:
        exponent = np.reshape(self.param_exponent, (-1, 1, 1))
        a, b, c = (complex_values(v, exponent) for v in (self.a, self.b, self.c))
        d = None if self.d is None else dequantize(self.d, self._direct_shift())
        return S4D(a, b, c, d, dequantized_bias(self.bias, input_exponent))


def _check_shapes(
    a: tuple[int, ...], b: tuple[int, ...], c: tuple[int, ...], ndim: int, wanted: str
) -> None:
    if not (a == b == c) or len(a) != ndim or 0 in a:
        raise ValueError(f"a, b, c must have one shape {wanted}, got {a}, {b}, {c}")
