"""What layers have in common that are made of linear maps of one input, each with a bias."""

from typing import ClassVar

import numpy as np

from lava_ssm.network.description import (
    Exponent,
    biases,
    exponents,
    matrix_nbytes,
    weights,
    zeros_or,
)
from lava_ssm.network.layer import FixedLayer, FloatLayer
from lava_ssm.network.linear import LinearMap
from lava_ssm.network.population import Matrix
from lava_ssm.numerics import RealArray, dequantize, reals


class Maps(LinearMap):
    """Float or fixed: matrices of one shape, and biases, by the names of their fields."""

    matrices: ClassVar[tuple[str, ...]] = ("weights", "gate")
    biases: ClassVar[tuple[str, ...]] = ("bias", "gate_bias")
    bias: np.ndarray

    @property
    def n_parameters(self) -> int:
        """Number of weights and biases."""
        return sum(int(getattr(self, name).size) for name in (*self.matrices, *self.biases))

    def _synapses(self, input_exponent: int) -> tuple[Matrix, ...]:
        """One for each matrix."""
        return tuple(Matrix(getattr(self, name)) for name in self.matrices)

    def _check_shape(self) -> None:
        super()._check_shape()
        for name in self.matrices[1:]:
            shape = getattr(self, name).shape
            if shape != self.weights.shape:
                raise ValueError(
                    f"weights, {name} must have one shape (d_output, d_input), got "
                    f"{self.weights.shape}, {shape}"
                )


class FloatMaps(Maps, FloatLayer):
    """In floating point."""

    def __post_init__(self) -> None:
        self._put(reals, *self.matrices)
        self._check_shape()
        self._put(zeros_or((self.d_output,), reals), *self.biases)


class FixedMaps(Maps, FixedLayer):
    """In integers: a matrix has an exponent, or one an output channel, its sum has one too.

    The exponent of a field `gate` is the field `gate_exponent`, that of the weights `exponent`.
    """

    def __post_init__(self) -> None:
        self._put(weights, *self.matrices)
        self._check_shape()
        self._put(zeros_or((self.d_output,), biases), *self.biases)
        self._put(exponents(self.d_output), *map(exponent_of, self.matrices))

    @property
    def sum_exponents(self) -> tuple[int, ...]:
        """Of each matrix's sums, and of the bias that is added."""
        raise NotImplementedError

    @property
    def nbytes(self) -> int:
        """Bytes of the weights, see `matrix_nbytes`, and four a bias."""
        matrices = sum(matrix_nbytes(getattr(self, name)) for name in self.matrices)
        return matrices + 4 * len(self.biases) * self.d_output

    def _synapses(self, input_exponent: int) -> tuple[Matrix, ...]:
        made = []
        for name, e in zip(self.matrices, self.sum_exponents, strict=True):
            own: Exponent = getattr(self, exponent_of(name))
            made.append(Matrix(getattr(self, name), own + (input_exponent + 1 - e)))
        return tuple(made)

    def _values(self) -> list[RealArray]:
        """Matrices of the float layer, then its biases."""
        values = []
        for name in self.matrices:
            of_rows = np.reshape(getattr(self, exponent_of(name)), (-1, 1))
            values.append(dequantize(getattr(self, name), of_rows))
        for name, e in zip(self.biases, self.sum_exponents, strict=True):
            values.append(dequantize(getattr(self, name), e))
        return values


def exponent_of(matrix: str) -> str:
    """Name of the field with the exponents of a matrix."""
    return "exponent" if matrix == "weights" else f"{matrix}_exponent"
