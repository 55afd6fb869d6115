"""From a continuous system to the recurrence of its samples."""

from typing import Literal, TypeAlias, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lava_ssm.numerics import complexes, one_of, reals

Discretization: TypeAlias = Literal["zoh", "bilinear"]
"""Zero-order hold (the input stands still during a step), or the bilinear (Tustin) method."""


def discretized(
    a: ArrayLike, dt: ArrayLike, discretization: Discretization
) -> tuple[NDArray[np.complex128], NDArray[np.complex128]]:
    """Discretise x'(t) = A x + B u with a diagonal A: x_k = a x_{k-1} + (f B) u_k.

        zoh:       a = exp(dt A),                         f = (exp(dt A) - 1) / A
        bilinear:  a = (1 + dt A / 2) / (1 - dt A / 2),   f = dt / (1 - dt A / 2)

    (Smith, Warrington, Linderman, "Simplified State Space Layers for Sequence Modeling", ICLR
    2023, section 3 and appendix; Gu, Gupta, Goel, Ré, NeurIPS 2022, section 3.)

    Parameters
    ----------
    a
        A, real or complex, (rows, ...), Re(A) < 0; in the inverse of the unit of `dt`.
    dt
        The step, above 0: one for all, or one a row, (rows,).

    Returns
    -------
    tuple
        a and f, complex, the shape of `a`.

    Raises
    ------
    TypeError, ValueError
        Values that are not finite, Re(A) >= 0, a step that is not above 0 or of another shape, or
        an unknown discretisation.
    """
    one_of(discretization, get_args(Discretization), "discretization")
    big_a = complexes(a, "a")
    if big_a.ndim == 0:
        raise ValueError("a must have an axis of states or channels, got one number")
    if (big_a.real >= 0).any():
        raise ValueError(
            "a: the continuous diagonal must have Re(a) < 0, its states decay; "
            f"got Re(a) up to {big_a.real.max():.6g}"
        )
    step = reals(dt, "dt")
    if step.shape not in ((), big_a.shape[:1]):
        raise ValueError(
            f"dt must be one number or have shape {big_a.shape[:1]}, got shape {step.shape}"
        )
    if (step <= 0).any():
        raise ValueError(f"dt must be above 0, got {step.min():g}")
    if step.ndim:
        step = step.reshape(-1, *[1] * (big_a.ndim - 1))
    z = step * big_a
    if discretization == "zoh":
        return np.exp(z), np.expm1(z) / big_a
    return (1 + z / 2) / (1 - z / 2), step / (1 - z / 2)
