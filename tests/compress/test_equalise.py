"""Powers of two move across layers: quiet outputs and uneven channels lose nothing."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_ssm import engine
from lava_ssm.compress import (
    W8A16,
    AccuracyWarning,
    Formats,
    error_shares,
    quantize,
    report,
    signal_to_error,
)
from lava_ssm.compress.equalise import aligned, equalised
from lava_ssm.compress.kinds import Rules
from lava_ssm.compress.quantize import _ways as ways
from lava_ssm.compress.ranges import observe
from lava_ssm.network import S4D, Linear, Network, Readout, ReLU
from lava_ssm.numerics import CHIP, Arithmetic
from tests.networks import random_float_chain


def uneven(dt: float = 0.01, spread: int = 0, d: int = 16) -> tuple[Network, np.ndarray]:
    """An S4D between linear layers; of its channels some have 2^spread times the others' size."""
    rng = np.random.default_rng(0)
    k = np.exp2(rng.integers(-spread, spread + 1, d))
    shape = (d, 8)
    c = rng.normal(size=shape) + 1j * rng.normal(size=shape)
    a = -0.5 + 1j * np.pi * np.arange(8) * np.ones(shape)
    encoder, decoder = rng.normal(size=(d, 4)), rng.normal(size=(4, d)) / 4
    s4d = S4D.from_continuous(a, np.ones(shape), c, dt)
    net = Network((Linear(encoder * k[:, np.newaxis]), s4d, ReLU(), Linear(decoder / k)))
    return net, rng.normal(size=(8, 200, 4))


def reached(net: Network, x: np.ndarray, rules: Arithmetic, per_channel: bool = True) -> float:
    fixed = quantize(net, x, Formats(per_channel=per_channel), arithmetic=rules)
    fresh = np.random.default_rng(9).normal(size=x.shape)
    return signal_to_error(net.run(fresh), fixed.to_float(engine.run(fixed, fresh).outputs))


@pytest.mark.parametrize("rules", [CHIP, W8A16], ids=["24 bits", "16 bits"])
@pytest.mark.parametrize("dt", [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0])
def test_quiet_outputs_do_not_vanish(dt: float, rules: Arithmetic) -> None:
    assert reached(*uneven(dt), rules) > 38
    assert reached(*uneven(dt), rules, per_channel=False) > 33


@pytest.mark.parametrize("rules", [CHIP, W8A16], ids=["24 bits", "16 bits"])
@pytest.mark.parametrize("spread", [3, 5, 10, 20])
def test_channels_of_different_size_keep_their_bits(spread: int, rules: Arithmetic) -> None:
    assert reached(*uneven(spread=spread), rules) > 38
    assert reached(*uneven(spread=spread), rules, per_channel=False) > 33


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_an_equalised_network_computes_the_same(seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = random_float_chain(rng)
    x = rng.normal(size=(3, 20, net.d_input))
    level, moments = equalised(net, observe(net, x), Formats(), float(rng.choice([0, 0.5, 1])))
    np.testing.assert_allclose(level.run(x), net.run(x), rtol=1e-9, atol=1e-12)
    seen = observe(level, x).moments
    for of, wanted in zip(moments, seen, strict=True):
        np.testing.assert_allclose(of.gram, wanted.gram, rtol=1e-9, atol=1e-12)


def test_reports_compare_at_the_scales_that_tensors_have() -> None:
    net, x = uneven(spread=10)
    fixed = quantize(net, x)
    alike = aligned(net, fixed)
    np.testing.assert_allclose(alike.run(x), net.run(x), rtol=1e-9)
    with pytest.raises(AssertionError):  # they were moved
        np.testing.assert_allclose(fixed.dequantize().layers[0].weights, net.layers[0].weights, 0.1)  # type: ignore[union-attr]
    rows = {t.name: t.sqnr for t in report(net, fixed, x).tensors}
    assert min(rows[f"{i} {name}"] for i, name in ((0, "Linear weights"), (1, "S4D message"))) > 35
    assert min(error_shares(net, fixed, x).values()) > 35


def test_what_is_told_of_scales_survives_a_file(tmp_path) -> None:  # type: ignore[no-untyped-def]
    from lava_ssm import load

    net, x = uneven(spread=5)
    fixed = quantize(net, x)
    fixed.save(tmp_path / "net.safetensors")
    np.testing.assert_allclose(
        aligned(net, load(tmp_path / "net.safetensors")).run(x), net.run(x), rtol=1e-9
    )


def test_ways_are_compared_with_the_exponents_that_they_end_with() -> None:
    """Before exponents are searched, the equalised network is the worse one here."""
    rng, d = np.random.default_rng(33), 8

    def states() -> S4D:
        a = np.broadcast_to(-0.5 + 1j * np.pi * np.arange(4), (d, 4))
        c = rng.normal(size=(d, 4)) + 1j * rng.normal(size=(d, 4))
        return S4D.from_continuous(a, np.ones((d, 4)), c, np.exp(rng.uniform(-6, -2, d)))

    layers: list[Linear | S4D | ReLU] = [Linear(rng.normal(size=(d, 2)))]
    for _ in range(2):
        layers += [states(), ReLU(), Linear(rng.normal(size=(d, d)) / d**0.5), ReLU()]
    net = Network((*layers, Linear(rng.normal(size=(3, d)))), Readout.MEAN_OVER_TIME)
    x = rng.normal(size=(8, 40, 2)).cumsum(1) / 4
    wanted = net.run(x)[:, -1]
    with_it, without = (
        signal_to_error(wanted, fixed.to_float(engine.run(fixed, x).outputs)[:, -1])
        for fixed in (quantize(net, x, Formats(balance=balance)) for balance in (True, False))
    )
    assert with_it > without + 3


@pytest.mark.parametrize("rules", [CHIP, W8A16], ids=["24 bits", "16 bits"])
@pytest.mark.parametrize("per_channel", [True, False])
def test_scaling_and_clipping_are_never_worse_than_neither(
    rules: Arithmetic, per_channel: bool
) -> None:
    formats = Formats(per_channel=per_channel, headroom=False)
    cases = [uneven(dt, spread) for dt in (1e-5, 0.1) for spread in (0, 5)]
    for seed in range(12):
        rng = np.random.default_rng(seed)
        net = random_float_chain(rng)
        cases.append((net, 10.0 ** rng.uniform(-2, 2) * rng.normal(size=(4, 30, net.d_input))))
    for net, x in cases:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", AccuracyWarning)
            chosen = quantize(net, x, formats, arithmetic=rules)
        plain = ways(net, engine.as_sequences(net, x), Rules(formats, rules))[0]
        assert plain.error(chosen) <= plain.error(plain.calibrated(None))


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("what", ["a weight", "a row", "a token"])
def test_what_is_far_larger_than_all_else_takes_no_bits_of_that(
    what: str, per_channel: bool
) -> None:
    net, x = uneven()
    weights = net.layers[0].weights.copy()  # type: ignore[union-attr]
    match what:
        case "a weight":
            weights[5, 2] *= 64
        case "a row":
            weights[5] *= 64
        case _:  # of the calibration data
            x[2, 7] *= 64
    net = Network((Linear(weights), *net.layers[1:]))
    assert reached(net, x, CHIP, per_channel) > 40


def test_a_network_is_left_alone_where_it_does_not_help() -> None:
    net, x = uneven()
    alone = quantize(net, x, Formats(balance=False))
    assert "scales" not in alone.made_by
    assert replace(alone, made_by={}) == alone


def test_a_channel_that_is_hardly_ever_positive_is_not_blown_up() -> None:
    rng = np.random.default_rng(0)
    layers = Linear(np.array([[1.0], [-1.0]])), ReLU(), Linear(rng.normal(size=(3, 2)))
    net, x = Network(layers), rng.uniform(-1, 0.01, (4, 50, 1))
    level, _ = equalised(net, observe(net, x), Formats(), columns=0)
    first = level.layers[0]
    assert isinstance(first, Linear)
    scales = np.abs(first.weights[:, 0])
    assert scales[0] <= 8 * scales[1]  # it sends a hundredth, of sums as large
