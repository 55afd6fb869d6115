"""Random networks for tests."""

import numpy as np
from numpy.random import Generator

from lava_ssm.network import (
    GELU,
    S4D,
    S5,
    FixedGate,
    FixedLinear,
    FixedNetwork,
    FixedS4D,
    FixedS5,
    Gate,
    Linear,
    Network,
    Readout,
    ReLU,
    Residual,
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


def random_fixed_s5(
    rng: Generator,
    d_model: int,
    d_state: int,
    input_exponent: int,
    output_exponent: int,
    per_channel: bool = False,
    relu: bool = True,
    density: float = 1.0,
) -> FixedS5:
    p = 15
    radius = rng.uniform(0.2, 0.98, d_state) * 2**p
    angle = rng.uniform(-np.pi, np.pi, d_state)
    a = np.trunc(np.stack([radius * np.cos(angle), radius * np.sin(angle)], -1)).astype(int)
    b = rng.integers(-127, 128, (d_state, d_model, 2))
    c = rng.integers(-127, 128, (d_model, d_state, 2))
    b[rng.random(b.shape) >= density] = 0
    c[rng.random(c.shape) >= density] = 0
    state_exponent = input_exponent + int(rng.integers(0, 5))
    return FixedS5(
        a,
        b,
        c,
        d=rng.integers(-(2**14), 2**14, d_model),
        drive_bias=rng.integers(-500, 500, (d_state, 2)),
        bias=rng.integers(-50, 50, d_model),
        param_exponent=p,
        b_exponent=7 + rng.integers(0, 4, d_state) if per_channel else 8,
        c_exponent=7 + rng.integers(0, 4, d_model) if per_channel else 8,
        d_exponent=int(rng.integers(13, 16)),
        state_exponent=state_exponent,
        state_shift=int(rng.integers(0, 6)),
        output_exponent=output_exponent,
        relu=relu,
    )


def random_fixed_s5_network(
    rng: Generator,
    n_layers: int = 2,
    d_model: int = 6,
    d_state: int = 3,
    readout: Readout = Readout.EVERY_TOKEN,
    per_channel: bool = False,
    arithmetic: Arithmetic = CHIP,
    d_input: int = 5,
    d_output: int = 4,
    density: float = 1.0,
) -> FixedNetwork:
    """encoder, blocks of S5, gate and residual, decoder, with biases; exponents vary."""

    def linear(d_in: int, d_out: int, e_out: int) -> FixedLinear:
        plain = random_fixed_linear(rng, d_in, d_out, per_channel)
        weights = plain.weights * (rng.random(plain.weights.shape) < density)
        return FixedLinear(weights, plain.exponent, e_out, rng.integers(-100, 100, d_out))

    e = 8
    layers: list[FixedLinear | FixedS5 | FixedGate | Residual | ReLU] = [
        linear(d_input, d_model, e),
        ReLU(),
    ]
    for _ in range(n_layers):
        e_y, e_next = (int(v) for v in e + rng.integers(-2, 3, 2))
        relu = bool(rng.random() < 0.7)
        layers.append(random_fixed_s5(rng, d_model, d_state, e, e_y, per_channel, relu, density))
        if rng.random() < 0.7:
            layers.append(ReLU())
        gate = linear(d_model, d_model, e_y)
        bias = rng.integers(-5000, 5000, d_model)
        layers.append(FixedGate(gate.weights, gate.exponent, bias, e_next))
        layers.append(Residual(2))
        if rng.random() < 0.7:
            layers.append(ReLU())
        e = e_next
    layers.append(linear(d_model, d_output, e))
    return FixedNetwork(tuple(layers), readout, input_exponent=8, arithmetic=arithmetic)


def random_s5(rng: Generator, d_model: int, d_state: int, relu: bool = True) -> S5:
    a = rng.uniform(0.1, 0.99, d_state) * np.exp(1j * rng.uniform(-np.pi, np.pi, d_state))
    b, c = rng.normal(size=(2, d_state, d_model)) + 1j * rng.normal(size=(2, d_state, d_model))
    return S5(
        a,
        b / d_model,
        c.T / d_state,
        rng.normal(size=d_model),
        rng.normal(size=d_state) * (0.1 + 0.2j),
        rng.normal(size=d_model) / 10,
        relu,
    )


def random_s5_network(
    rng: Generator,
    n_layers: int = 2,
    d_model: int = 6,
    d_state: int = 3,
    readout: Readout = Readout.EVERY_TOKEN,
    relu: bool = True,
    d_input: int = 5,
    d_output: int = 4,
) -> Network:
    layers: list[S5 | Linear | Gate | Residual | ReLU | GELU] = [
        Linear(rng.normal(size=(d_model, d_input)) / d_input, rng.normal(size=d_model) / 10)
    ]
    for _ in range(n_layers):
        layers += [
            random_s5(rng, d_model, d_state, relu),
            ReLU() if relu else GELU(),
            Gate(rng.normal(size=(d_model, d_model)) / d_model, rng.normal(size=d_model)),
            Residual(2),
        ]
        if relu:
            layers.append(ReLU())
    layers.append(Linear(rng.normal(size=(d_output, d_model)) / d_model, rng.normal(size=d_output)))
    return Network(tuple(layers), readout)
