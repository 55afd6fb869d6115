"""Where the continuous system of an S4D layer starts.

Gu, Gupta, Goel, Ré, "On the Parameterization and Initialization of Diagonal State Space Models",
NeurIPS 2022, section 4.
"""

from enum import Enum

import numpy as np
from numpy.typing import NDArray

Complex = NDArray[np.complex128]


class Initialization(Enum):
    """Name of an initialisation of A and B."""

    LIN = "lin"
    """S4D-Lin: A_n = -1/2 + i pi n, B_n = 1."""
    LEGS = "legs"
    """S4D-LegS: the eigenvalues of the normal part of HiPPO-LegS."""
    REAL = "real"
    """S4D-Real: A_n = -(n + 1), B_n = 1, all parameters real."""

    def system(self, d_state: int) -> tuple[Complex, Complex]:
        """A and B of one channel, complex, (d_state,), before discretisation."""
        n = np.arange(d_state)
        match self:
            case Initialization.LIN:
                return -0.5 + 1j * np.pi * n, np.ones(d_state, complex)
            case Initialization.REAL:
                return -(n + 1.0) + 0j, np.ones(d_state, complex)
            case Initialization.LEGS:
                return _legs(d_state)


def _legs(d_state: int) -> tuple[Complex, Complex]:
    """A and B of S4D-LegS: in the basis of `normal_hippo`, less the rank-one part."""
    a, v = normal_hippo(d_state)
    return a, v.conj().T @ np.sqrt(2 * np.arange(2 * d_state) + 1.0)


def normal_hippo(d_state: int) -> tuple[Complex, Complex]:
    """Diagonalise HiPPO-LegS of 2 d_state states, less its rank-one part; keep one of each pair.

    A_nk = -(sqrt((2n+1)(2k+1)) for n > k, n+1 for n = k, else 0), B_n = sqrt(2n+1), and
    A + B B^T / 2 is normal: -1/2 on the diagonal plus a skew-symmetric matrix.

    Returns
    -------
    tuple
        Eigenvalues with a positive imaginary part, ascending, (d_state,), and their eigenvectors,
        (2 d_state, d_state).
    """
    b = np.sqrt(2 * np.arange(2 * d_state) + 1.0)
    outer = np.outer(b, b) / 2
    skew = np.triu(outer, 1) - np.tril(outer, -1)
    # skew-symmetric, so i * skew is Hermitian: skew = V (-i w) V^H
    w, v = np.linalg.eigh(1j * skew)
    upper = np.argsort(-w[w < 0])  # eigenvalues of skew with a positive imaginary part, ascending
    return -0.5 - 1j * w[w < 0][upper], v[:, w < 0][:, upper]
