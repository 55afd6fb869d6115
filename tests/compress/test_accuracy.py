"""What accuracy quantisation reached is said, and where it is lost if it is poor."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from lava_ssm import engine
from lava_ssm.compress import (
    PAPER,
    W8A16,
    AccuracyWarning,
    Formats,
    error_causes,
    quantize,
    report,
    signal_to_error,
)
from lava_ssm.network import (
    S4D,
    S5,
    FixedLinear,
    FixedNetwork,
    FixedS4D,
    LayerNorm,
    Linear,
    Network,
    Readout,
    ReLU,
    RMSNorm,
)
from lava_ssm.numerics import Arithmetic, Overflow
from tests.compress.test_equalise import uneven
from tests.networks import random_network


def test_a_network_that_is_no_longer_itself_is_warned_of() -> None:
    net, x = uneven(dt=1e-6)
    with pytest.warns(AccuracyWarning, match=r"have 0\.0 dB .* lost by 1 S4D [bc] \("):
        quantize(net, x, PAPER)


def test_the_tensor_by_which_most_is_lost_is_named() -> None:
    # a row of one exponent whose small weights hear what is loud
    weights = np.array([[1.0, 1e-3], [1e-3, 1e-3]])
    x = np.random.default_rng(0).normal(size=(4, 50, 2)) * [1e-3, 1]
    net = Network((Linear(weights), Linear(np.eye(2))))
    formats = Formats(per_channel=False, search=False, balance=False, compensate=False)
    with pytest.warns(AccuracyWarning, match=r"lost by 0 Linear weights .*per_channel=True"):
        quantize(net, x, formats)


def test_more_bits_are_no_remedy_where_a_layer_has_as_many_always() -> None:
    a = np.array([1 - 2e-6, 0.5])  # of 15 bits behind the point, whose last is 3e-5
    b = np.array([[1e-3], [1e-9]], complex)
    net = Network((S5(a, b, b.T, np.zeros(1), np.zeros(2), np.zeros(1), False),))
    x = np.abs(np.random.default_rng(0).normal(size=(2, 100_000, 1)))
    with pytest.warns(AccuracyWarning, match="lost by 0 S5 a ") as seen:
        quantize(net, x, Formats(search=False))
    assert "param_bits" not in str(seen[0].message)


def test_the_output_of_a_report_is_that_of_means_and_no_share_is_beyond_one() -> None:
    rng = np.random.default_rng(5)
    net = random_network(rng, readout=Readout.MEAN_OVER_TIME)
    x = rng.normal(size=(4, 60, net.d_input))
    fixed = quantize(net, x)
    tensors = report(net, fixed, x).tensors
    assert tensors[-1].sqnr == pytest.approx(
        signal_to_error(net.run(x), fixed.to_float(fixed.run(x)))
    )
    lowest = Network((Linear(np.array([[-1.0, 0.2]])),))
    made = quantize(lowest, x[..., :2])
    layer = replace(made.layers[0], weights=np.array([[-128, 3]]))
    made = FixedNetwork((layer,), made.readout, made.input_exponent)
    used = {t.name: t.used for t in report(lowest, made, x[..., :2]).tensors}
    assert used["0 Linear weights"] == 1.0


def test_of_weights_of_few_bits_more_are_the_remedy() -> None:
    rng = np.random.default_rng(0)
    net, x = Network((Linear(rng.normal(size=(4, 6))),)), rng.normal(size=(4, 50, 6))
    with pytest.warns(
        AccuracyWarning, match=r"Formats\(weight_bits=8\).*alone: weights \d"
    ) as seen:
        fixed = quantize(net, x, Formats(weight_bits=2))
    alone = error_causes(net, fixed, x)["weights"]
    assert f"alone: weights {alone:.1f} dB" in str(seen[0].message)
    assert signal_to_error(net.run(x), fixed.dequantize().run(x)) == pytest.approx(alone)


def test_causes_are_told_apart() -> None:
    """Weights on their grid, a that 16 bits do not hold, words far too small for the inputs."""
    half = Linear(np.array([[0.5]]))
    poles = np.array([[1 - 1e-6]])
    net = Network((half, S4D(poles, poles, np.array([[2.0**-9]]))))
    x = np.ones((1, 200, 1))
    layers = (FixedLinear([[64]], 7, 4), FixedS4D([[[32767, 0]]], [[[32767, 0]]], [[[64, 0]]], 15))
    causes = error_causes(net, FixedNetwork(layers, input_exponent=4), x)
    assert causes["weights"] == np.inf
    # n terms of a^n: a = 1 - 2^-15, and 1 - 2^-15 for b
    n, grid = np.arange(200), 1 - 2.0**-15
    real = poles[0, 0] * np.cumsum(poles[0, 0] ** n)
    parameters = signal_to_error(real, grid * np.cumsum(grid**n))
    assert causes["parameters"] == pytest.approx(parameters)
    assert causes["words"] < parameters - 20
    text = str(report(net, FixedNetwork(layers, input_exponent=4), x))
    assert f"parameters {parameters:.1f} dB" in text.replace("\n", " ")


def test_words_that_are_too_small_are_named() -> None:
    one = np.ones((2, 1))
    net = Network((S4D(0.5 * one, one, 2.0**-18 * one),))
    x = np.random.default_rng(0).normal(size=(2, 50, 2))
    with pytest.warns(AccuracyWarning, match=r"lost by the integers' words .*: give messages more"):
        quantize(net, x, Formats(search=False), arithmetic=W8A16)


def test_what_was_reached_is_told() -> None:
    rng = np.random.default_rng(0)
    net, x = random_network(rng), rng.normal(size=(4, 30, 2))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        fixed = quantize(net, x)
    found = fixed.to_float(engine.run(fixed, x).outputs)
    reached = signal_to_error(net.run(x), found)
    assert fixed.made_by["accuracy"].startswith(f"{reached:.1f} dB")
    assert f"{reached:.1f} dB at the output" in str(report(net, fixed, x))


@pytest.mark.parametrize("kind", [LayerNorm, RMSNorm])
def test_weights_of_norms_are_compared_at_their_scale(kind: type[LayerNorm | RMSNorm]) -> None:
    rng = np.random.default_rng(0)
    net, x = Network((kind(rng.normal(size=24)),)), rng.normal(size=(4, 30, 24))
    rows = {t.name: t.sqnr for t in report(net, quantize(net, x), x).tensors}
    # 16 bits: half a unit of at most 2^15
    assert rows[f"0 {kind.__name__} weights"] > 80  # type: ignore[operator]


def test_what_saturation_costs_is_told() -> None:
    net = Network((Linear(np.array([[2.1]])),))
    rules = Arithmetic(message_bits=8, overflow=Overflow.SATURATE)
    fixed = FixedNetwork((FixedLinear([[64]], 5),), arithmetic=rules)  # 2 u, at most 127
    found = report(net, fixed, np.array([[100.0], [20.0]]))
    cost = 10 * np.log10((83**2 + 2**2) / (10**2 + 2**2))
    assert found.overflow_cost == pytest.approx(cost)
    assert f"integers that left them cost {cost:.1f} dB" in str(found).replace("\n", " ")
    assert report(net, fixed, np.array([[20.0]])).overflow_cost is None


def test_messages_are_clipped_where_that_is_more_accurate() -> None:
    rng = np.random.default_rng(0)
    net = Network((Linear(rng.normal(size=(6, 3))), ReLU(), Linear(rng.normal(size=(2, 6)))))
    x = rng.normal(size=(4, 100, 3))
    x[0, 0] *= 4  # one token for which all others would be coarse
    reached = {}
    for rule in (Overflow.WRAP, Overflow.SATURATE):
        fixed = quantize(net, x, arithmetic=Arithmetic(message_bits=8, overflow=rule))
        reached[rule] = signal_to_error(net.run(x), fixed.to_float(engine.run(fixed, x).outputs))
    assert reached[Overflow.SATURATE] > reached[Overflow.WRAP] + 1
    assert engine.run(fixed, x).overflows.total > 0
    assert "dB if no integer left its word" in fixed.made_by["accuracy"]


def test_messages_of_16_bits_have_headroom_while_accuracy_is_enough() -> None:
    rng = np.random.default_rng(1)
    net, x = random_network(rng), rng.normal(size=(4, 30, 2))
    fixed = quantize(net, x, arithmetic=W8A16)
    outputs = fixed.to_float(engine.run(fixed, x).outputs)
    assert signal_to_error(net.run(x), outputs) > 42
    assert report(net, fixed, x).headroom > 4


def test_slow_poles_that_16_bits_do_not_hold_are_made_up_for() -> None:
    """Of several draws of data: single ones differ by two dB."""
    gains = []
    for seed in range(3):
        net, x = uneven(dt=1e-5)
        x, other = np.random.default_rng(seed).normal(size=(2, *x.shape))
        reached = {}
        for compensate in (False, True):
            fixed = quantize(net, x, Formats(compensate=compensate), input_range=8.0)
            outputs = fixed.to_float(engine.run(fixed, other).outputs)
            reached[compensate] = signal_to_error(net.run(other), outputs)
        gains.append(reached[True] - reached[False])
    assert np.mean(gains) > 2


@pytest.mark.parametrize("kind", [LayerNorm, RMSNorm])
def test_quiet_tokens_pass_a_norm_in_messages_of_16_bits(kind: type[LayerNorm | RMSNorm]) -> None:
    """Their squares, next to those of tokens 2^6 times louder, would not fit 16 bits."""
    rng = np.random.default_rng(8)
    net = Network((Linear(rng.normal(size=(16, 16)) / 4), kind(np.ones(16), eps=1e-9)))
    x = rng.normal(size=(8, 50, 16)) * 2.0 ** rng.uniform(-6, 0, size=(8, 50, 1))
    fixed = quantize(net, x, arithmetic=W8A16)
    found = fixed.to_float(engine.run(fixed, x).outputs)
    assert signal_to_error(net.run(x), found) > 40
