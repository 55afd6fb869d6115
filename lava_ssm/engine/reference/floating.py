"""The same operations in floating point."""

import numpy as np

from lava_ssm.network import S4D, S5, Gate
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


def s5_neurons(layer: S5, state: RealArray, drive: RealArray) -> tuple[RealArray, RealArray]:
    """One time step of the state neurons: x' = a x + drive + drive_bias, and what they send.

    Parameters
    ----------
    state
        (..., d_state, 2): real, imaginary.
    drive
        B u, the same shape.

    Returns
    -------
    tuple
        The new state, and the rectified one (without `relu` the same), the same shape.
    """
    v = drive[..., 0] + 1j * drive[..., 1] + layer.drive_bias
    x = layer.a * (state[..., 0] + 1j * state[..., 1]) + v
    positive = (x.real > 0) | ((x.real == 0) & (x.imag > 0))
    sent = np.where(positive, x, 0j) if layer.relu else x
    return np.stack([x.real, x.imag], axis=-1), np.stack([sent.real, sent.imag], axis=-1)


def s5_drive(layer: S5, u: RealArray) -> RealArray:
    """B u of u (..., d_model): (..., d_state, 2)."""
    return np.stack([u @ layer.b.real.T, u @ layer.b.imag.T], axis=-1)


def s5_readout(layer: S5, sent: RealArray) -> RealArray:
    """2 Re(C x) of x (..., d_state, 2): (..., d_model)."""
    sums: RealArray = sent[..., 0] @ layer.c.real.T - sent[..., 1] @ layer.c.imag.T
    return 2 * sums


def s5_output(layer: S5, sums: RealArray, u: RealArray) -> RealArray:
    """Add the direct path and the bias to the sums over states, (..., d_model)."""
    return sums + layer.d * u + layer.bias


def gate(layer: Gate, sums: RealArray, u: RealArray) -> RealArray:
    """Multiply u by the sigmoid of the sums W u and the bias, (..., d_model)."""
    from scipy.special import expit  # SciPy takes long to load, and integers do without

    return u * expit(sums + layer.bias)


def message(y: RealArray, relu: bool, gelu: bool = False) -> RealArray:
    """What a receiving neuron sends on: rectified, by a GELU, or as it is."""
    if gelu:
        from scipy.special import erf

        return 0.5 * y * (1 + erf(y / np.sqrt(2)))
    return np.maximum(y, 0.0) if relu else y
