"""Random networks for tests."""

import numpy as np
from numpy.random import Generator

from lava_ssm.network import (
    S4D,
    FixedLinear,
    FixedNetwork,
    FixedS4D,
    Linear,
    Network,
    Readout,
    ReLU,
)
from lava_ssm.numerics import CHIP, Arithmetic


def random_fixed_s4d(
    rng: Generator, d_model: int, d_state: int, p: int = 12, per_channel: bool = False
) -> FixedS4D:
    radius = np.floor(0.7 * 2**p)
    a = rng.integers(-radius, radius + 1, (d_model, d_state, 2))
    b, c = rng.integers(-(2**p), 2**p + 1, (2, d_model, d_state, 2))
    if not per_channel:
        return FixedS4D(a, b, c, param_exponent=p)
    p_of_channel = rng.integers(p, p + 3, d_model)
    return FixedS4D(a, b, c, p_of_channel, state_exponent=rng.integers(0, 7, d_model))


def random_fixed_linear(
    rng: Generator, d_input: int, d_output: int, per_channel: bool = False
) -> FixedLinear:
    weights = rng.integers(-128, 128, (d_output, d_input))
    base = 7 + int(np.ceil(np.log2(d_input)))
    exponent = base + rng.integers(-2, 3, d_output) if per_channel else base
    return FixedLinear(weights, exponent)


def random_fixed_network(
    rng: Generator,
    n_layers: int = 2,
    d_model: int = 6,
    d_state: int = 3,
    readout: Readout = Readout.EVERY_TOKEN,
    per_channel: bool = False,
    arithmetic: Arithmetic = CHIP,
    d_input: int = 2,
    d_output: int = 4,
) -> FixedNetwork:
    layers: list[FixedS4D | FixedLinear | ReLU] = [
        random_fixed_linear(rng, d_input, d_model, per_channel)
    ]
    for _ in range(n_layers):
        layers.append(random_fixed_s4d(rng, d_model, d_state, per_channel=per_channel))
        if rng.random() < 0.7:
            layers.append(ReLU())
        layers.append(random_fixed_linear(rng, d_model, d_model, per_channel))
        if rng.random() < 0.7:
            layers.append(ReLU())
    layers.append(random_fixed_linear(rng, d_model, d_output, per_channel))
    return FixedNetwork(tuple(layers), readout, input_exponent=8, arithmetic=arithmetic)


def random_network(
    rng: Generator,
    n_layers: int = 2,
    d_model: int = 6,
    d_state: int = 3,
    readout: Readout = Readout.EVERY_TOKEN,
) -> Network:
    layers: list[S4D | Linear | ReLU] = [Linear(rng.normal(size=(d_model, 2)))]
    for _ in range(n_layers):
        size = (d_model, d_state)
        a = rng.uniform(0.1, 0.95, size) * np.exp(1j * rng.uniform(-np.pi, np.pi, size))
        b, c = (rng.normal(size=size) + 1j * rng.normal(size=size) for _ in range(2))
        layers += [
            S4D(a, b, c / d_state),
            ReLU(),
            Linear(rng.normal(size=(d_model, d_model)) / d_model),
            ReLU(),
        ]
    layers.append(Linear(rng.normal(size=(4, d_model))))
    return Network(tuple(layers), readout)
