"""Any chain of layers: Python's integers, the reference, machine code; floats to rounding."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.random import Generator

from lava_ssm import engine
from lava_ssm.network import (
    GELU,
    GLU,
    S4D,
    Activation,
    Conv1d,
    FixedConv1d,
    FixedGate,
    FixedGLU,
    FixedLayer,
    FixedLayerNorm,
    FixedLinear,
    FixedNetwork,
    FixedRMSNorm,
    FloatLayer,
    Gate,
    LayerNorm,
    Linear,
    Network,
    Readout,
    ReLU,
    Residual,
    RMSNorm,
    Sigmoid,
    SiLU,
    Tanh,
)
from lava_ssm.network.activation import Elementwise
from lava_ssm.numerics import Arithmetic, FixedPointOverflow, Overflow, Rounding
from tests.engine import plain
from tests.networks import (
    random_fixed_linear,
    random_fixed_s4d,
    random_fixed_s5,
    random_s5,
)

ACTIVATIONS = (ReLU(), ReLU(), GELU(), SiLU(), Sigmoid(), Tanh())


def fixed_layer(rng: Generator, e: int, d: int) -> FixedLayer:
    """Of any kind, between `d` channels, for messages of exponent `e`."""
    e_y = e + int(rng.integers(-2, 3))
    linear = random_fixed_linear(rng, d, d, per_channel=True)
    bias = rng.integers(-99, 99, d)
    match int(rng.integers(9)):
        case 0:
            return random_fixed_s4d(rng, d, int(rng.integers(1, 4)), per_channel=True)
        case 4:
            s4d = random_fixed_s4d(rng, d, int(rng.integers(1, 4)), per_channel=True)
            if rng.random() < 0.3:
                return replace(s4d, bias=bias)
            direct = rng.integers(-(2**15), 2**15, d)
            return replace(s4d, d=direct, d_exponent=int(rng.integers(-2, 15)), bias=bias)
        case 5:
            gate = random_fixed_linear(rng, d, d, per_channel=True)
            return FixedGLU(
                *(linear.weights, gate.weights, linear.exponent, gate.exponent),
                *(bias, 50 * bias, e + int(rng.integers(-2, 3)), e_y),
                rng.choice([Activation.SIGMOID, *Activation]),
            )
        case 6:
            norm = FixedRMSNorm if rng.random() < 0.5 else FixedLayerNorm
            return norm(
                rng.integers(-(2**15), 2**15, d),
                bias,
                weight_exponent=13,
                square_shift=2 * int(rng.integers(0, 6)),
                epsilon=int(rng.integers(1, 5000)),
                scale_exponent=int(rng.integers(12, 20)),
                product_shift=int(rng.integers(0, 12)),
                output_exponent=e_y,
            )
        case 7:
            groups, length = (d if rng.random() < 0.5 else 1), int(rng.integers(1, 5))
            weights = rng.integers(-128, 128, (d, d // groups, length))
            exponent = 8 + (rng.integers(-2, 3, d) if rng.random() < 0.5 else 0)
            return FixedConv1d(weights, exponent, e_y, bias, groups)
        case 1:
            return random_fixed_s5(rng, d, 3, e, e_y)
        case 2:
            return FixedGate(linear.weights, linear.exponent, rng.integers(-5000, 5000, d), e_y)
        case 3:
            return FixedLinear(linear.weights, linear.exponent, e_y, bias)
    return linear


def fixed_chain(rng: Generator, d: int, readout: Readout, rules: Arithmetic) -> FixedNetwork:
    """Layers of any kinds in any order, with residual paths over any number of them."""
    layers: list[FixedLayer | Residual | Elementwise] = []
    e = 8
    for n in range(int(rng.integers(1, 8))):
        layer = fixed_layer(rng, e, d)
        e = e if layer.output_exponent is None else layer.output_exponent
        layers.append(layer)
        if rng.random() < 0.5:
            layers.append(Residual(int(rng.integers(1, n + 2))))
        if rng.random() < 0.7:
            layers.append(ACTIVATIONS[rng.integers(len(ACTIVATIONS))])
    return FixedNetwork(tuple(layers), readout, input_exponent=8, arithmetic=rules)


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    d=st.sampled_from([1, 3, 17]),
    readout=st.sampled_from(Readout),
    rounding=st.sampled_from(Rounding),
    overflow=st.sampled_from([Overflow.WRAP, Overflow.SATURATE]),
    bits=st.sampled_from([(24, 16), (24, 24), (32, 32)]),
)
def test_any_chain_of_layers_gives_the_integers_of_python(
    seed: int,
    d: int,
    readout: Readout,
    rounding: Rounding,
    overflow: Overflow,
    bits: tuple[int, int],
) -> None:
    rng = np.random.default_rng(seed)
    net = fixed_chain(rng, d, readout, Arithmetic(rounding, overflow, *bits))
    top = min(net.input_format.max_mantissa, 2 ** int(rng.integers(2, 24)))
    x = rng.integers(-top, top + 1, (5, d))
    compiled, reference = (engine.run(net, x, backend=b) for b in ("compiled", "reference"))
    wanted = plain.Plain(net)
    outputs = wanted.run(x.tolist())
    for found in (compiled, reference):
        assert found.outputs.tolist() == outputs
        assert [state.tolist() for state in found.state] == wanted.state
        assert [+tally for _, tally in found.overflows.stages] == [+t for t in wanted.overflows]


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_any_chain_cut_anywhere_goes_on_from_its_state(seed: int) -> None:
    """Blocks of tokens, single tokens, a state that is given."""
    rng = np.random.default_rng(seed)
    net = fixed_chain(rng, 4, Readout.MEAN_OVER_TIME, Arithmetic())
    top = min(net.input_format.max_mantissa, 3000)
    x = rng.integers(-top, top + 1, (2, 150, 4))
    whole = engine.run(net, x, backend="reference").outputs
    stream = net.stream((2,), n_threads=2)
    cut = int(rng.integers(0, 140))
    pieces = [stream.run(x[:, :cut]), *(stream.step(x[:, t])[:, None] for t in (cut, cut + 1))]
    stream.state = stream.state
    pieces.append(stream.run(x[:, cut + 2 :]))
    np.testing.assert_array_equal(np.concatenate(pieces, axis=1), whole)


def test_an_overflow_anywhere_in_a_chain_raises_and_leaves_the_stream_as_it_was() -> None:
    rules = Arithmetic(overflow=Overflow.RAISE, message_bits=16)
    raised = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        net = fixed_chain(rng, 4, Readout.EVERY_TOKEN, rules)
        top = net.input_format.max_mantissa
        x = rng.integers(-top, top + 1, (30, 4))
        states = []
        for backend in ("compiled", "reference"):
            stream = net.stream(backend=backend)
            for tokens in (x[:2] // 1024, x):
                try:
                    stream.run(tokens)
                except FixedPointOverflow:
                    raised += 1
            states.append(stream.state)
        for a, b in zip(*states, strict=True):
            np.testing.assert_array_equal(a, b)
    assert raised > 10


def float_chain(rng: Generator, d: int) -> Network:
    layers: list[FloatLayer | Residual | Elementwise] = []
    for n in range(int(rng.integers(1, 8))):
        weights, bias = rng.normal(size=(d, d)) / d, rng.normal(size=d)
        a = 0.9 * np.exp(1j * rng.normal(size=(d, 3)))
        kinds = [
            *(Linear(weights), Linear(weights, bias), Gate(weights, bias)),
            GLU(weights, weights[::-1], bias, bias[::-1]),
            *(LayerNorm(1 + bias, bias), RMSNorm(1 + bias, eps=0.1)),
            *(Conv1d(weights[..., np.newaxis]), Conv1d(rng.normal(size=(d, 1, 4)), bias, d)),
            random_s5(rng, d, 3, bool(rng.integers(2))),
            *(S4D(a, a, a), S4D(a, a, a, bias), S4D(a, a, a, bias, bias)),
        ]
        layers.append(kinds[rng.integers(len(kinds))])
        if rng.random() < 0.5:
            layers.append(Residual(int(rng.integers(1, n + 2))))
        if rng.random() < 0.7:
            layers.append(ACTIVATIONS[rng.integers(len(ACTIVATIONS))])
    return Network(tuple(layers), list(Readout)[rng.integers(3)])


@pytest.mark.parametrize("seed", range(30))
def test_any_chain_of_float_layers_runs_compiled_as_in_the_reference(seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = float_chain(rng, 5)
    x = rng.normal(size=(2, 40, 5))
    compiled, reference = (engine.run(net, x, backend=b) for b in ("compiled", "reference"))
    scale = np.abs(reference.outputs).max()
    np.testing.assert_allclose(compiled.outputs, reference.outputs, rtol=0, atol=1e-11 * scale)
    for a, b in zip(compiled.state, reference.state, strict=True):
        np.testing.assert_allclose(a, b, rtol=0, atol=1e-11 * max(1, np.abs(b).max()))
    stream = net.stream((2,))
    pieces = [stream.run(x[:, :7]), stream.step(x[:, 7])[:, None]]
    stream.state = stream.state  # of filters comes back to rounding
    pieces.append(stream.run(x[:, 8:]))
    together = np.concatenate(pieces, axis=1)
    np.testing.assert_array_equal(together[:, :8], compiled.outputs[:, :8])
    np.testing.assert_allclose(together, compiled.outputs, rtol=0, atol=1e-11 * scale)
