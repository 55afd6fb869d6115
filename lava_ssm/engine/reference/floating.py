"""The same operations in floating point."""

import numpy as np

from lava_ssm.network import S4D
from lava_ssm.numerics import RealArray


def s4d_neurons(layer: S4D, state: RealArray, u: RealArray) -> tuple[RealArray, RealArray]:
    """One time step of the state neurons: x' = a x + b u, out = 2 Re(c x') for each state.

    Parameters
    ----------
    state
        (..., d_model, d_state, 2): real, imaginary.
    u
        Input, (..., d_model, d_state) or (..., d_model, 1).

    Returns
    -------
    tuple
        The new state, and each state's output (..., d_model, d_state).
    """
    x = layer.a * (state[..., 0] + 1j * state[..., 1]) + layer.b * u
    return np.stack([x.real, x.imag], axis=-1), 2 * (layer.c * x).real


def message(y: RealArray, relu: bool) -> RealArray:
    """What a receiving neuron sends on: rectified or not."""
    return np.maximum(y, 0) if relu else y
