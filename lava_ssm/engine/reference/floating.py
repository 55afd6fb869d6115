"""The same operations in floating point; rules and tallies are `fixed`'s, and not looked at."""

from typing import Any

import numpy as np

from lava_ssm.engine.reference.fixed import by_channel, flat, paired, taps
from lava_ssm.network import (
    Activation,
    Affine,
    Bilinear,
    Copies,
    Filters,
    GatedRecurrence,
    InverseSqrt,
    Matrix,
    Neurons,
    Product,
    Recurrence,
    SelectiveRecurrence,
    Stateless,
    Synapse,
    Taps,
)
from lava_ssm.numerics import RealArray


def step(
    neurons: Neurons, rules: None, state: RealArray, u: RealArray, tally: None
) -> tuple[RealArray, RealArray]:
    """One time step of neurons with states: the new state, and the messages that they send.

        Filters:          x' = a x + b u,       out = 2 Re(c x')
        Recurrence:       x' = a x + u + bias,  out = r(x')
        GatedRecurrence:  h' = c + sigmoid(s + bias) (h - c),  c = u + bias_u,  out = h'
        SelectiveRecurrence:  h' = exp(-rates s) h + u,  out = h'

    Shapes are those of `fixed.step`.
    """
    if isinstance(neurons, Taps):
        return taps(neurons, state, u)
    if isinstance(neurons, GatedRecurrence):
        s, c = np.split(u, 2, axis=-1)
        c = c if neurons.bias_u is None else c + neurons.bias_u
        state = c + _sigmoid(s + neurons.bias) * (state - c)
        return state, state
    if isinstance(neurons, SelectiveRecurrence):
        s, v = np.split(u, 2, axis=-1)
        state = np.exp(-neurons.rates * s) * state + v
        return state, state
    x = np.ascontiguousarray(state).view(complex)[..., 0]
    match neurons:
        case Filters(a, b, c):
            x = a * x
            x += b * by_channel(u, neurons.d_model)
            out = 2 * (c * x).real
            return _parts(x), out.reshape(*out.shape[:-2], neurons.n_neurons)
        case Recurrence(a, bias, relu):
            v = paired(u)
            x = a * x + (v[..., 0] + 1j * v[..., 1] + bias)
            positive = (x.real > 0) | ((x.real == 0) & (x.imag > 0))
            return _parts(x), flat(_parts(np.where(positive, x, 0j) if relu else x))
    raise TypeError(f"{type(neurons).__name__} neurons have no state")


def _sigmoid(v: RealArray) -> RealArray:
    from scipy.special import expit  # SciPy takes long to load, and integers do without

    return np.asarray(expit(v))


def _parts(x: np.ndarray) -> RealArray:
    """Real and imaginary parts on a new last axis."""
    return np.ascontiguousarray(x)[..., np.newaxis].view(float)


def output(neurons: Stateless, rules: None, s: RealArray, u: Any, tally: None) -> RealArray:
    """See `fixed.output`."""
    match neurons:
        case Affine():
            if neurons.direct is not None:
                s = s + neurons.direct * u
            return s if neurons.bias is None else s + neurons.bias
        case Product():
            v = u if neurons.bias_u is None else u + neurons.bias_u
            return np.asarray(v * _sigmoid(s + neurons.bias))
        case Bilinear():
            y = np.asarray(s * u)
            y = y if neurons.weights is None else y * neurons.weights
            return y if neurons.bias is None else y + neurons.bias
        case InverseSqrt():
            return 1 / np.sqrt(s + neurons.epsilon)


def residual(y: RealArray, earlier: RealArray, amount: int) -> RealArray:
    """Add an earlier message."""
    return y + earlier


def received(synapse: Synapse, u: RealArray, tally: None) -> RealArray:
    """See `fixed.received`."""
    if isinstance(synapse, Matrix):
        sums: RealArray = u @ synapse.weights.T
        return sums
    if isinstance(synapse, Copies):
        return u[..., synapse.index]
    if not synapse.sums:
        return u
    return np.asarray(by_channel(u, synapse.n_out).sum(axis=-1))


def message(
    y: RealArray, activation: Activation, rules: None, tally: None, exponent: int = 0
) -> RealArray:
    """What a receiving neuron sends on: activated, or as it is."""
    match activation:
        case Activation.NONE:
            return y
        case Activation.RELU:
            return np.maximum(y, 0.0)
        case Activation.TANH:
            return np.tanh(y)
        case Activation.SOFTPLUS:
            return np.logaddexp(0.0, y)
    from scipy import special  # SciPy takes long to load

    match activation:
        case Activation.GELU:
            return np.asarray(y * special.ndtr(y))
        case Activation.SILU:
            return np.asarray(y * special.expit(y))
        case Activation.SIGMOID:
            return np.asarray(special.expit(y))
        case Activation.POSITIVE:
            return np.asarray(np.maximum(y, 0.0) + special.expit(np.minimum(y, 0.0)))


def running_sum(total: RealArray, y: RealArray, rules: None, tally: None) -> RealArray:
    """Add a token's output to the running sum of a mean readout."""
    return total + y
