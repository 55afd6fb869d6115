"""The state space layer S5, discretised: one system of many inputs and outputs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lava_ssm.network.description import (
    WEIGHT_BITS,
    Exponent,
    biases,
    check_stable,
    complex_values,
    diagonal,
    exponents,
    matrix_nbytes,
    shaped,
    weights,
    zeros_or,
)
from lava_ssm.network.discretization import Discretization, discretized
from lava_ssm.network.layer import FixedLayer, FloatLayer, Layer
from lava_ssm.network.neurons import Affine, Recurrence
from lava_ssm.network.population import Connection, Matrix, Ones, Population
from lava_ssm.numerics import IntArray, RealArray, complexes, dequantize, flag, reals, word_range


class System(Layer):
    """What float and fixed S5 layers have in common: the shapes of `a` and `b`."""

    a: np.ndarray
    b: np.ndarray
    c: np.ndarray
    d: np.ndarray
    bias: np.ndarray

    @property
    def d_model(self) -> int:
        """Number of channels."""
        return int(self.b.shape[1])

    @property
    def d_state(self) -> int:
        """Number of complex states."""
        return int(self.a.shape[0])

    d_input = d_output = d_model

    def _synapses(self, input_exponent: int) -> tuple[Matrix, Matrix]:
        """To the states and from them, which have real parts, then imaginary ones."""
        raise NotImplementedError

    def _states(self) -> Recurrence:
        """Neurons of the states."""
        raise NotImplementedError

    def direct_shift(self, input_exponent: int) -> int:
        """Bits that the products d u are shifted to the right."""
        return 0

    def lowered(self, input_exponent: int = 0) -> tuple[Population, ...]:
        b, c = self._synapses(input_exponent)
        direct = Connection(None, Ones(self.d_model, self.d_model), "direct")
        neurons = Affine(self.d_model, self.d, self.direct_shift(input_exponent), self.bias)
        return (
            Population(self._states(), (Connection(None, b, "expansion"),), "states"),
            Population(neurons, (Connection(0, c, "reduction"), direct)),
        )

    @property
    def n_parameters(self) -> int:
        """Number of real parameters, two for each complex one; biases are those of a norm."""
        return 2 * self.d_state * (1 + 2 * self.d_model) + 3 * self.d_model

    def _check_shapes(self, a: tuple[int, ...], tail: tuple[int, ...]) -> None:
        if len(a) != 1 + len(tail) or 0 in a or a[1:] != tail:
            wanted = ", ".join(map(str, ("d_state", *tail)))
            raise ValueError(f"a must have shape ({wanted}), got {a}")
        shape = self.b.shape
        if len(shape) != 2 + len(tail) or shape[0] != a[0] or 0 in shape or shape[2:] != tail:
            wanted = ", ".join(map(str, (a[0], "d_model", *tail)))
            raise ValueError(f"b must have shape ({wanted}), got {shape}")
        wanted_c = (shape[1], a[0], *tail)
        if self.c.shape != wanted_c:
            raise ValueError(f"c must have shape {wanted_c}, got {self.c.shape}")


@dataclass(frozen=True, eq=False)
class S5(System, FloatLayer):
    """One system of `d_state` complex states between `d_model` inputs and as many outputs.

        x' = a x + B u + drive_bias
        y  = 2 Re(C r(x')) + d u + bias

    (Smith, Warrington, Linderman, "Simplified State Space Layers for Sequence Modeling", ICLR
    2023, section 3; each complex state stands for a conjugate pair.) r is the identity or, with
    `relu`, leaves a state where Re x > 0, or Re x = 0 and Im x > 0, and is zero elsewhere; the
    state that recurs is the one before it (Pierro et al., "Accelerating Linear Recurrent Neural
    Networks for the Edge with Unstructured Sparsity", arXiv 2502.01330). The biases are those
    that a normalisation of the input leaves, see `normalized`.

    Parameters
    ----------
    a
        The discretised diagonal, complex, (d_state,); |a| < 1.
    b, c
        Discretised input and output matrices, complex, (d_state, d_model), (d_model, d_state).
        Executors make use of their zeros.
    d
        Direct path, real, (d_model,); None: zero.
    drive_bias
        Complex, (d_state,); None: zero.
    bias
        Real, (d_model,); None: zero.
    relu
        Whether states are rectified on their way to the output.

    Raises
    ------
    TypeError, ValueError
        Shapes that do not fit, a value that is not finite, an unstable state (|a| >= 1).
    """

    a: NDArray[np.complex128]
    b: NDArray[np.complex128]
    c: NDArray[np.complex128]
    d: RealArray = None  # type: ignore[assignment]  # made zeros
    drive_bias: NDArray[np.complex128] = None  # type: ignore[assignment]  # made zeros
    bias: RealArray = None  # type: ignore[assignment]  # made zeros
    relu: bool = False

    def __post_init__(self) -> None:
        self._put(complexes, "a", "b", "c")
        self._check_shapes(self.a.shape, ())
        check_stable(np.abs(self.a))
        self._put(zeros_or(self.a.shape, complexes), "drive_bias")
        self._put(zeros_or((self.d_model,), reals), "d", "bias")
        self._put(flag, "relu")

    def _synapses(self, input_exponent: int) -> tuple[Matrix, Matrix]:
        b = np.concatenate([self.b.real, self.b.imag])
        return Matrix(b), Matrix(2 * np.concatenate([self.c.real, -self.c.imag], axis=1))

    def _states(self) -> Recurrence:
        return Recurrence(self.a, self.drive_bias, self.relu)

    @classmethod
    def from_continuous(
        cls,
        a: ArrayLike,
        b: ArrayLike,
        c: ArrayLike,
        d: ArrayLike | None,
        dt: ArrayLike,
        discretization: Discretization = "zoh",
        relu: bool = False,
    ) -> "S5":
        """Discretise a system in continuous time, as other programs train it.

            x'(t) = A x + B u,    y = 2 Re(C r(x)) + D u

            zoh:       a = exp(dt A),                         b = (a - 1) / A B
            bilinear:  a = (1 + dt A / 2) / (1 - dt A / 2),   b = dt / (1 - dt A / 2) B

        (Smith, Warrington, Linderman, ICLR 2023, section 3.) Of a program that has
        y = Re(C x) + D u, give C / 2.

        Parameters
        ----------
        a
            A, the diagonal, complex, (d_state,), Re(A) < 0; in the inverse of the unit of `dt`.
        b, c
            B and C, complex, (d_state, d_model), (d_model, d_state). Of real and imaginary parts
            on a last axis: `b[..., 0] + 1j * b[..., 1]`.
        d
            D, real, (d_model,); None: zero.
        dt
            The step, above 0 (not its logarithm): one, or one a state, (d_state,).
        discretization
            "zoh" (zero-order hold) or "bilinear".
        relu
            Whether states are rectified on their way to the output.

        Raises
        ------
        TypeError, ValueError
            As of `S5`; Re(A) >= 0, a step that is not above 0, an unknown discretisation.
        """
        recurrent, factor = discretized(a, dt, discretization)
        if factor.ndim != 1:
            raise ValueError(f"a must have shape (d_state), got {factor.shape}")
        drive = complexes(b, "b")
        if drive.ndim != 2 or len(drive) != len(factor):
            raise ValueError(f"b must have shape ({len(factor)}, d_model), got {drive.shape}")
        drive = factor[:, np.newaxis] * drive
        return cls(recurrent, drive, c, d, relu=relu)  # type: ignore[arg-type]

    def normalized(self, scale: ArrayLike, shift: ArrayLike) -> "S5":
        """Give the layer of which the input is `scale * u + shift` rather than u.

        A normalisation with fixed statistics in front of the layer is such a map: for a batch
        norm `network.scale_and_shift(mean, var, weight, bias, eps)` gives both. Layer norms, which
        depend on the token, are none. It costs nothing:

            B scale u + B shift,    d scale u + d shift

        Parameters
        ----------
        scale, shift
            Real, (d_model,).
        """
        k = shaped(scale, (self.d_model,), reals, "scale")
        t = shaped(shift, (self.d_model,), reals, "shift")
        return S5(
            self.a,
            self.b * k,
            self.c,
            self.d * k,
            self.drive_bias + self.b @ t,
            self.bias + self.d * t,
            self.relu,
        )


@dataclass(frozen=True, eq=False)
class FixedS5(System, FixedLayer):
    """An S5 layer in integers: a synapse, state neurons, a synapse, neurons.

    With the input's exponent e_u, p = param_exponent, e_x = state_exponent, k = state_shift,
    e_y = output_exponent, `>>` rounding down in synapses and with the network's rounding in
    neurons:

        drive = ((sum_j 2 B_ij u_j) >> (e_u + b_exponent + 1 - e_x)) + drive_bias     re and im
        x_re' = (a_re x_re >> p) - (a_im x_im >> p) + drive_re     brought to the state's bits
        x_im' = (a_re x_im >> p) + (a_im x_re >> p) + drive_im     brought to the state's bits
        m     = r(x') >> k                                         brought to a message's bits
        s     = (sum_n 2 (C_re m_re - C_im m_im)) >> (e_x - k + c_exponent - e_y)
        y     = s + ((d u) >> (e_u + d_exponent - e_y)) + bias

    (the 2 of a signed 8-bit weight in the last sum is that of y = 2 Re(C x)).

    Parameters
    ----------
    a
        Mantissas of 16 bits, (d_state, 2): real, imaginary; value = mantissa * 2**-p, |a| < 1.
    b, c
        Mantissas in [-128, 127] and, of c, in [-127, 127], (d_state, d_model, 2) and
        (d_model, d_state, 2).
    d
        Mantissas of 16 bits, (d_model,); None: zero.
    drive_bias, bias
        Mantissas of 24 bits, (d_state, 2) with exponent e_x and (d_model,) with e_y; None: zero.
    param_exponent
        Of a, in [0, 31].
    b_exponent, c_exponent
        One integer, or one a state (of b) or a channel (of c).
    d_exponent, state_exponent, output_exponent
        One integer each.
    state_shift
        Bits that a state is shifted to the right to become a message, in [0, 31].
    relu
        Whether states are rectified on their way to the output.

    Raises
    ------
    ValueError
        Shapes that do not fit, a mantissa or exponent out of range, an unstable state.
    """

    a: IntArray
    b: IntArray
    c: IntArray
    d: IntArray = None  # type: ignore[assignment]  # made zeros
    drive_bias: IntArray = None  # type: ignore[assignment]  # made zeros
    bias: IntArray = None  # type: ignore[assignment]  # made zeros
    param_exponent: int = 15
    b_exponent: Exponent = 7
    c_exponent: Exponent = 7
    d_exponent: int = 14
    state_exponent: int = 0
    state_shift: int = 0
    output_exponent: int = 0
    relu: bool = False

    def __post_init__(self) -> None:
        self._put(diagonal, "a")
        self._put(weights, "b", "c")
        self._check_shapes(self.a.shape, (2,))
        lowest = word_range(WEIGHT_BITS)[0]
        if self.c.min() == lowest:  # a synapse holds -c_im too
            raise ValueError(f"c: mantissas must lie in [{lowest + 1}, {-lowest - 1}]")
        self._put(zeros_or((self.d_model,), diagonal), "d")
        self._put(zeros_or(self.a.shape, biases), "drive_bias")
        self._put(zeros_or((self.d_model,), biases), "bias")
        self._put(exponents(allowed=(0, 31)), "param_exponent", "state_shift")
        self._put(exponents(self.d_state), "b_exponent")
        self._put(exponents(self.d_model), "c_exponent")
        self._put(exponents(), "d_exponent", "state_exponent", "output_exponent")
        self._put(flag, "relu")
        squared = (self.a * self.a).sum(axis=-1)
        one = np.int64(1) << (2 * self.param_exponent)
        check_stable(np.where(squared >= one, np.sqrt(squared / one), 0))

    @property
    def weights_in(self) -> IntArray:
        """B as the synapse has it, (2 d_state, d_model): real parts, then imaginary ones."""
        return np.concatenate([self.b[..., 0], self.b[..., 1]])

    @property
    def weights_out(self) -> IntArray:
        """C as the synapse has it, (d_model, 2 d_state): of real parts, of imaginary ones."""
        return np.concatenate([self.c[..., 0], -self.c[..., 1]], axis=1)

    @property
    def nbytes(self) -> int:
        """Bytes: of B and C see `matrix_nbytes`; two an entry of a and d, four a bias."""
        matrices = matrix_nbytes(self.weights_in) + matrix_nbytes(self.weights_out)
        return matrices + 2 * (self.a.size + self.d.size) + 4 * (2 * self.d_state + self.d_model)

    def drive_shift(self, input_exponent: int) -> Exponent:
        """Bits that the sums B u are shifted to the right, one or (2 d_state,): real, imaginary."""
        amount = self.b_exponent + (input_exponent + 1 - self.state_exponent)
        return np.tile(amount, 2) if isinstance(amount, np.ndarray) else amount

    @property
    def readout_shift(self) -> Exponent:
        """Bits that the sums C m are shifted to the right, one or (d_model,)."""
        return self.c_exponent + (self.state_exponent - self.state_shift - self.output_exponent)

    def _synapses(self, input_exponent: int) -> tuple[Matrix, Matrix]:
        b = Matrix(self.weights_in, self.drive_shift(input_exponent))
        return b, Matrix(self.weights_out, self.readout_shift)

    def _states(self) -> Recurrence:
        exponents = self.param_exponent, self.state_shift
        return Recurrence(self.a, self.drive_bias, self.relu, *exponents)

    def direct_shift(self, input_exponent: int) -> int:
        return input_exponent + self.d_exponent - self.output_exponent

    def dequantize(self, input_exponent: int | None = None) -> S5:
        return S5(
            complex_values(self.a, self.param_exponent),
            complex_values(self.b, np.reshape(self.b_exponent, (-1, 1, 1))),
            complex_values(self.c, np.reshape(self.c_exponent, (-1, 1, 1))),
            dequantize(self.d, self.d_exponent),
            complex_values(self.drive_bias, self.state_exponent),
            dequantize(self.bias, self.output_exponent),
            self.relu,
        )
