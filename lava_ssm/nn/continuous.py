"""What layers of states have in common: steps, and the way back to a system in continuous time."""

import math
from typing import get_args

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from lava_ssm.network.discretization import Discretization
from lava_ssm.numerics import RealArray, one_of, real_number

Complex = NDArray[np.complex128]


def check_steps(dt_min: float, dt_max: float, discretization: str) -> None:
    """Refuse what is no range of steps, and no discretisation."""
    least = real_number(dt_min, "dt_min", "(0, inf)")
    if real_number(dt_max, "dt_max", "(0, inf)") < least:
        raise ValueError(f"dt_min, dt_max: need 0 < dt_min <= dt_max, got {dt_min}, {dt_max}")
    one_of(discretization, get_args(Discretization), "discretization")


def log_steps(n: int, dt_min: float, dt_max: float) -> nn.Parameter:
    """Logarithms of steps, drawn evenly from a range, (n,)."""
    return nn.Parameter(torch.rand(n) * math.log(dt_max / dt_min) + math.log(dt_min))


def continuous(
    a: Complex, b: Complex, by_channel: bool = False
) -> tuple[RealArray, Complex, Complex]:
    """Give log(dt), A and B of a system of which a and b are the ZOH: A = log(a) / dt.

    Many systems have the same samples. Each state gets the step at which Re(A) is -1/2, as HiPPO
    begins; with one step a channel, the median of its states.

    Parameters
    ----------
    a
        (d_state,) or, by channel, (d_model, d_state).
    b
        The shape of a, with an axis of inputs or without.
    """
    # neither a state that forgets at once (a = 0) nor one that stands still has a useful logarithm
    size = np.clip(np.abs(a), 1e-12, 1 - 1e-12)
    log_a = np.log(size) + 1j * np.angle(a)
    dt = -2 * (np.median(log_a.real, axis=1, keepdims=True) if by_channel else log_a.real)
    big_a = log_a / dt
    factor = big_a / np.expm1(log_a)
    big_b = b * factor.reshape(*a.shape, *[1] * (b.ndim - a.ndim))
    return np.log(dt[:, 0] if by_channel else dt), big_a, big_b


def parts(values: Complex) -> RealArray:
    """Real and imaginary parts on a new last axis."""
    return np.stack([values.real, values.imag], axis=-1)
