"""Certified bounds: whatever the input, no integer of any kind of layer leaves its word."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lava_ssm import engine, quantize
from lava_ssm.compress import PAPER, W8A16, ExponentError, Formats, signal_to_error
from lava_ssm.compress.bounds import bounds
from lava_ssm.compress.interval import Interval
from lava_ssm.network import (
    GLU,
    MLGRU,
    S4D,
    S5,
    Activation,
    FixedNetwork,
    FixedS5,
    Gate,
    GatedRecurrence,
    Linear,
    MinGRU,
    Network,
    Product,
    Readout,
    ReLU,
    Residual,
    SelectiveRecurrence,
    SelectiveSSM,
)
from lava_ssm.numerics import Arithmetic, Overflow, Rounding
from tests.networks import random_float_chain, random_network

TIME = 40


def worst_inputs(net: Network, fixed: FixedNetwork, rng: np.random.Generator) -> list[np.ndarray]:
    """Inputs that drive the insides as far as an input of two values can.

    Each is made of the impulse response of a state, a sum or a message: turned round, its signs are
    the input that adds all of it up.
    """
    low, high = fixed.input_format.min_mantissa, fixed.input_format.max_mantissa
    size = fixed.input_format.max
    responses: dict[tuple[int, str], list[np.ndarray]] = {}

    def see(n: int, what: str, values: np.ndarray) -> None:
        token = values.ndim == 1 or what == "state"
        shown.setdefault((n, what), []).append(values.reshape(1 if token else TIME, -1))

    for channel in range(net.d_input):
        shown: dict[tuple[int, str], list[np.ndarray]] = {}
        x = np.zeros((TIME, net.d_input))
        x[0, channel] = size
        engine.run(net, x, probe=see)
        for key, rows in shown.items():
            responses.setdefault(key, []).append(np.concatenate(rows))
    worst = [np.full((TIME, net.d_input), end) for end in (low, high)]
    worst.append(rng.choice([low, high], (TIME, net.d_input)))
    for of_inputs in responses.values():
        k = np.stack(of_inputs, axis=-1)[::-1]  # (time, neurons, d_input)
        loudest = int(np.argmax(np.abs(k).sum(axis=(0, 2))))
        signs = k[:, loudest] >= 0
        worst += [np.where(signs, high, low), np.where(signs, low, high)]
    return worst


def no_exponents(net: Network, x: np.ndarray, rounding: Rounding, bits: int) -> bool:
    """Whether the rules of arithmetic leave none: where a step of 0 forgets nothing, what rounding
    away from zero adds has no end; a gate's sum has 12 fraction bits, of 32; and a step, times the
    15 bits of its rate, 4 fraction bits.
    """
    if rounding is not Rounding.TOWARD_ZERO and any(
        isinstance(layer, SelectiveSSM) for layer in net.layers
    ):
        return True
    ends = np.full(net.d_input, 2 * np.abs(x).max())
    peaks = bounds(net, Interval(-ends, ends), TIME, {}).peaks
    gates, steps = Product | GatedRecurrence, SelectiveRecurrence
    return any(
        peaks[p.stage][p.name, "sum"].max() > 2**18
        for p in net.lowered
        if isinstance(p.neurons, gates)
    ) or any(
        peaks[p.stage][p.name, "sum"].max() * np.abs(p.neurons.rates).max() > 2.0 ** (bits + 8)
        for p in net.lowered
        if isinstance(p.neurons, steps)
    )


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    readout=st.sampled_from(Readout),
    rounding=st.sampled_from(Rounding),
    bits=st.sampled_from([16, 24]),
    per_channel=st.booleans(),
)
# inputs that stand still; a product that is shifted as far as it may be
@example(2_976_190_008, Readout.EVERY_TOKEN, Rounding.TOWARD_ZERO, 16, False)
@example(90_262, Readout.EVERY_TOKEN, Rounding.TOWARD_ZERO, 24, False)
# products of large factors, and of small ones; a norm behind large values; entries of a table
@example(124, Readout.LAST_TOKEN, Rounding.FLOOR, 16, False)
@example(249, Readout.LAST_TOKEN, Rounding.FLOOR, 16, False)
@example(2_075, Readout.EVERY_TOKEN, Rounding.FLOOR, 24, False)
@example(714, Readout.MEAN_OVER_TIME, Rounding.TOWARD_ZERO, 24, True)
@example(450, Readout.LAST_TOKEN, Rounding.NEAREST, 24, True)
@example(229_465_439, Readout.EVERY_TOKEN, Rounding.TOWARD_ZERO, 16, False)  # steps of 2**39
@pytest.mark.filterwarnings("ignore:calibration")
def test_no_input_makes_any_chain_of_layers_overflow(
    seed: int, readout: Readout, rounding: Rounding, bits: int, per_channel: bool
) -> None:
    rng = np.random.default_rng(seed)
    net = replace(random_float_chain(rng), readout=readout)
    rules = Arithmetic(rounding, Overflow.RAISE, message_bits=bits)
    x = rng.uniform(-1, 1, (3, TIME, net.d_input)) * 10.0 ** rng.uniform(-2, 2)
    try:
        fixed = quantize(net, x, Formats(per_channel=per_channel), "certified", rules)
    except ExponentError:
        assert no_exponents(net, x, rounding, bits)
        return
    for tokens in worst_inputs(net, fixed, rng):
        assert engine.run(fixed, tokens).overflows.total == 0


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    rounding=st.sampled_from(Rounding),
    bits=st.sampled_from([16, 24]),
    search=st.booleans(),
)
@example(13, Rounding.TOWARD_ZERO, 16, False)  # large sums behind a product, in order:
@example(94, Rounding.TOWARD_ZERO, 16, False)  # a norm
@example(158, Rounding.FLOOR, 24, False)  # a factor a channel
@example(252, Rounding.FLOOR, 16, False)  # a gated linear unit behind a sigmoid
@example(43, Rounding.NEAREST, 16, True)  # channels so far apart that b cannot take it in
@pytest.mark.filterwarnings("ignore:calibration")
def test_exponents_are_such_as_layers_take(
    seed: int, rounding: Rounding, bits: int, search: bool
) -> None:
    rng = np.random.default_rng(seed)
    net = random_float_chain(rng)
    x = rng.uniform(-1, 1, (3, TIME, net.d_input)) * 10.0 ** rng.uniform(-9, 9)
    try:
        fixed = quantize(
            net, x, Formats(search=search), "calibrated", Arithmetic(rounding, message_bits=bits)
        )
    except ExponentError:  # such as for sums of a gate, see `no_exponents`
        return
    except ValueError as error:  # products of products of data of 1e9
        if "leave the range of doubles" not in str(error):
            raise
        return
    assert engine.run(fixed, x).overflows.total == 0


EACH = {
    "S5": lambda d: S5([0.9, 0.8j], np.full((2, d), 1 + 0.3j), np.full((d, 2), 0.4 - 0.2j)),
    "S5 relu": lambda d: S5(
        [0.9, 0.8j], np.full((2, d), 1 + 0.3j), np.full((d, 2), 0.4 - 0.2j), relu=True
    ),
    "S4D": lambda d: S4D(
        np.full((d, 2), 0.9j), np.ones((d, 2)), np.ones((d, 2)), np.full(d, -0.7), np.full(d, 0.3)
    ),
    "Gate": lambda d: Gate(np.eye(d), np.ones(d)),
    "GLU": lambda d: GLU(np.ones((d, d)), np.eye(d), np.ones(d), np.ones(d)),
    **{
        f"GLU with {f.value}": lambda d, f=f: GLU(
            np.ones((d, d)), np.eye(d), np.ones(d), np.ones(d), f
        )
        for f in Activation
    },
    "MinGRU": lambda d: MinGRU(np.eye(d), np.ones((d, d)), np.ones(d), np.ones(d)),
    "MLGRU": lambda d: MLGRU(np.eye(d), np.ones((d, d)), np.eye(d), np.ones(d), np.ones(d)),
    "SelectiveSSM": lambda d: SelectiveSSM(
        -np.ones((d, 2)), np.ones((1, d)), np.ones((d, 1)), *np.ones((2, 2, d)), np.ones(d)
    ),
    "Linear": lambda d: Linear(np.ones((d, d)), np.ones(d)),
}


@pytest.mark.parametrize("kind", EACH)
@pytest.mark.parametrize("bits", [16, 24])
def test_every_kind_is_certified_and_near(kind: str, bits: int) -> None:
    rng = np.random.default_rng(0)
    encoder, decoder = Linear(rng.normal(size=(3, 2))), Linear(rng.normal(size=(2, 3)))
    net = Network((encoder, EACH[kind](3), Residual(1), ReLU(), decoder))
    x = rng.uniform(-1, 1, (4, 60, 2))
    fixed = quantize(net, x, bound="certified", arithmetic=Arithmetic(message_bits=bits))
    assert signal_to_error(net.run(x), fixed.to_float(fixed.run(x))) > 25


def test_the_certificate_of_an_s5_layer_is_not_idle() -> None:
    # two more bits of the state, and the worst input makes it overflow
    net = Network((S5([0.99], [[1.0]], [[1.0]]),))
    fixed = quantize(net, np.ones((200, 1)), bound="certified")
    layer = fixed.layers[0]
    assert isinstance(layer, FixedS5)
    tight = replace(layer, state_exponent=layer.state_exponent + 2, state_shift=layer.state_shift)
    full = np.full((2000, 1), fixed.input_format.min_mantissa)
    assert engine.run(fixed, full).overflows.total == 0
    assert engine.run(replace(fixed, layers=(tight,)), full).overflows.total > 0


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_values_of_float_networks_lie_within_their_bounds(seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = random_float_chain(rng)
    x = rng.choice([-1.0, 0.7, 1.0], (TIME, net.d_input))
    ends = np.ones(net.d_input)
    found = bounds(net, Interval(-ends, ends), TIME, {})

    def see(n: int, what: str, values: np.ndarray) -> None:
        p = net.lowered[n]
        limits = found.peaks[p.stage].get((p.name, what))
        if limits is None or values.ndim == 1:  # added up at once, or not looked at
            return
        if what == "state":
            values = values.reshape(len(limits), -1)
            assert (np.abs(values).max(axis=1) <= limits * (1 + 1e-9) + 1e-12).all()
        else:
            assert (np.abs(values).max(axis=0) <= limits * (1 + 1e-9) + 1e-12).all()

    engine.run(net, x, probe=see)


def test_what_has_no_certificate_is_refused() -> None:
    gate = Gate(np.eye(2) * 2.0**20, np.zeros(2))  # its sums have 12 fraction bits, and 32 in all
    with pytest.raises(ExponentError, match="no exponents are certified: synapse of stage 1 may"):
        quantize(Network((Linear(np.eye(2)), gate)), np.ones((5, 2)), bound="certified")


def test_a_state_exponent_that_is_asked_for_is_kept() -> None:
    net = random_network(np.random.default_rng(0), 1)
    fixed = quantize(net, np.ones((5, 2)), PAPER, "certified")
    assert fixed.layers[1].state_exponent == 6  # type: ignore[union-attr]


def test_messages_of_16_bits_are_certified_too() -> None:
    net = random_network(np.random.default_rng(0), 1)
    x = np.random.default_rng(1).uniform(-1, 1, (2, 30, 2))
    assert quantize(net, x, bound="certified", arithmetic=W8A16).arithmetic is W8A16
