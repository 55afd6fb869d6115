"""Quantisation of S5 networks: exponents that fit, errors that are as small as bits allow."""

import numpy as np
import pytest

from lava_ssm import compress, engine
from lava_ssm.compress import W8A16, Formats, error_shares, quantize, signal_to_error
from lava_ssm.compress.kinds.s5 import fixed_s5
from lava_ssm.network import S5, Gate, Linear, Network, Readout, ReLU
from lava_ssm.numerics import SIGMOID
from tests.networks import random_s5, random_s5_network


def data(seed: int, d_input: int, time: int = 200) -> np.ndarray:
    """Magnitudes that come and go, as those of sound do."""
    rng = np.random.default_rng(seed)
    envelope = 1 + np.sin(np.arange(time) / 15)[:, np.newaxis]
    return np.abs(rng.normal(size=(4, time, d_input))) * envelope


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("readout", Readout)
def test_calibrated_integers_are_near_and_overflow_nowhere(
    per_channel: bool, readout: Readout
) -> None:
    net = random_s5_network(np.random.default_rng(0), 3, 24, 16, readout=readout)
    fixed = quantize(net, data(0, 5), Formats(per_channel=per_channel), arithmetic=W8A16)
    assert fixed.arithmetic.message_bits == 16
    x = data(1, 5)
    result = engine.run(fixed, x)
    assert result.overflows.total == 0
    exact = fixed.dequantize()
    arithmetic = signal_to_error(exact.to_float(exact.run(x)), fixed.to_float(result.outputs))
    assert arithmetic >= 35
    assert signal_to_error(net.to_float(net.run(x)), fixed.to_float(result.outputs)) >= 25


def test_what_is_rectified_away_takes_no_bits_of_messages() -> None:
    """Channels that reach far below zero; what is sent of them is small."""
    rng = np.random.default_rng(2)
    weights = np.abs(rng.normal(size=(6, 3)))
    weights[:3] *= -40
    net = Network((Linear(weights, np.full(6, 0.5)), ReLU(), Linear(rng.normal(size=(2, 6)))))
    x = data(0, 3)
    fixed = quantize(net, x, Formats(balance=False, headroom=False), arithmetic=W8A16)
    sent = np.maximum(x @ weights.T + 0.5, 0).max()
    assert fixed.exponents[1] == np.floor(np.log2(32767 / (2 * sent)))
    assert -40 * np.abs(x).max() < -(2.0 ** (15 - fixed.exponents[1]))  # no message of 16 bits
    assert engine.run(fixed, data(1, 3)).overflows.total == 0


def test_an_input_whose_end_is_known_needs_no_spare_bit() -> None:
    net = random_s5_network(np.random.default_rng(0), 1, 24, 16)
    x = data(0, 5)
    top = float(2 ** np.ceil(np.log2(x.max())))
    spared, full = (quantize(net, x, arithmetic=W8A16, input_range=r) for r in (None, top))
    assert full.input_format.max == top - 2.0**-full.input_format.exponent
    assert full.input_format.exponent > spared.input_format.exponent
    assert f"input_range={top}" in full.made_by["quantize"]
    assert engine.run(full, np.minimum(x, full.input_format.max)).overflows.total == 0


def test_an_input_range_that_holds_too_little_is_refused() -> None:
    net, x = random_s5_network(np.random.default_rng(0), 1, 24, 16), data(0, 5)
    for wrong in (x.max() / 2, 0.0, np.inf, np.nan):
        with pytest.raises(ValueError, match=r"input_range must lie in \[.*, 1e200\]"):
            quantize(net, x, arithmetic=W8A16, input_range=wrong)
    with pytest.raises(ValueError, match="input_range: is for bound='calibrated'"):
        quantize(net, x, bound="certified", input_range=100.0)


def test_parameters_are_the_nearest_mantissas() -> None:
    layer = random_s5(np.random.default_rng(1), 7, 5)
    fixed = fixed_s5(layer, Formats(per_channel=True))
    values = fixed.dequantize()
    assert (np.abs(values.a - layer.a) <= 2.0**-16 * np.sqrt(2) + 1e-12).all()
    for key in "bc":
        real, found = getattr(layer, key), getattr(values, key)
        top = np.maximum(np.abs(real.real), np.abs(real.imag)).max(axis=1, keepdims=True)
        step = np.exp2(np.ceil(np.log2(top)) - 7) / 2  # 8 bits up to the next power of two
        assert (np.abs((found - real).real) <= 2 * step + 1e-12).all()
        assert (np.abs((found - real).imag) <= 2 * step + 1e-12).all()
    assert np.abs(values.d - layer.d).max() <= np.abs(layer.d).max() * 2.0**-14


def test_a_state_next_to_the_unit_circle_stays_inside() -> None:
    a = np.array([1 - 1e-7, (1 - 1e-7) * np.exp(0.3j), -1 + 1e-7])
    layer = S5(a, np.ones((3, 1)), np.ones((1, 3)))
    assert (np.abs(fixed_s5(layer, Formats()).dequantize().a) < 1).all()


def test_a_gates_bias_beyond_the_sigmoid_saturates() -> None:
    net = quantize(Network((Gate(np.eye(2), [1e9, -1e9]),)), np.ones((5, 2)))
    assert np.abs(net.dequantize().layers[0].bias).min() > 1000
    np.testing.assert_allclose(net.to_float(net.run([[1.0, 1.0]])), [[1, 0]], atol=1e-3)


def test_gate_is_as_near_as_the_tables_error() -> None:
    net = Network((Gate(np.eye(3) / 2, [0.5, -0.5, 0.0]),))
    x = np.random.default_rng(2).uniform(-4, 4, (500, 3))
    fixed = quantize(net, x)
    error = np.abs(fixed.to_float(fixed.run(x)) - fixed.dequantize().run(x))
    assert (error <= np.abs(x) * (SIGMOID.error + 1e-3) + 1e-5).all()


def test_every_tensors_share_of_the_error_is_told() -> None:
    net = random_s5_network(np.random.default_rng(3), 1, 12, 8)
    fixed = quantize(net, data(0, 5), Formats(compensate=False), arithmetic=W8A16)
    shares = error_shares(net, fixed, data(1, 5))
    named = {"0 Linear weights", "1 S5 a", "1 S5 b", "1 S5 c", "1 S5 d", "2 Gate weights"}
    assert named <= set(shares)
    # errors of tensors that make up for nothing add up: all are no smaller than half the worst
    assert shares["all"] <= min(shares[name] for name in named) + 3
    assert shares["total"] <= min(shares["all"], shares["arithmetic"]) + 3
    text = str(compress.report(net, fixed, data(1, 5)))
    assert "1 S5 state" in text
    assert "2 Gate weights" in text


def test_large_biases_that_cancel_leave_what_their_words_can_hold() -> None:
    net = Network((Linear([[1.0]], [1e6]), Linear([[1.0]], [-1e6])))
    fixed = quantize(net, np.full((1, 5, 1), 0.5))
    assert abs(fixed.to_float(fixed.run([[0.5]]))[0, 0] - 0.5) < 4


def test_channels_that_hardly_vary_do_not_take_the_others_bits() -> None:
    # a batch norm divides by sqrt(var + 1e-5): that of a channel that stands still by 1/316
    rng = np.random.default_rng(6)
    layer = random_s5(rng, 8, 4)
    spread = np.array([1e-5, 1, 1, 1, 1, 1, 1, 1])
    scale = 1 / np.sqrt(spread**2 + 1e-5)
    net = Network((layer.normalized(scale, -5 * scale),))
    x = 5 + spread * rng.normal(size=(3, 200, 8))
    for per_channel in (False, True):
        fixed = quantize(net, x, Formats(per_channel=per_channel))
        assert signal_to_error(net.run(x), fixed.to_float(fixed.run(x))) > 25


def test_linear_networks_with_biases_are_quantised() -> None:
    rng = np.random.default_rng(5)
    net = Network((Linear(rng.normal(size=(8, 3)), rng.normal(size=8)), ReLU()))
    x = rng.normal(size=(50, 3))
    fixed = quantize(net, x)
    assert signal_to_error(net.run(x), fixed.to_float(fixed.run(x))) > 35


@pytest.mark.parametrize("scale", [1e-150, 1e-30, 1e30])
def test_weights_of_any_size_find_their_scale(scale: float) -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(5, 3))
    x = rng.normal(size=(40, 3))
    fixed = [
        quantize(
            Network((Linear(s * weights, np.zeros(5)), Linear(np.eye(5)))), x, arithmetic=W8A16
        )
        for s in (2.0 ** round(np.log2(scale)), 1.0)
    ]
    np.testing.assert_array_equal(fixed[0].run(x), fixed[1].run(x))  # the exponents alone differ


def test_a_scale_beyond_all_formats_is_named() -> None:
    x = np.ones((10, 2))
    small = Network((Linear(np.full((2, 2), 1e-305), np.zeros(2)),))
    with pytest.raises(ValueError, match=r"layers\[0\] \(Linear\): weights: .* got 1e-305"):
        quantize(small, x, arithmetic=W8A16)
    huge = Linear(np.full((2, 2), 1e300), np.zeros(2))
    large = Network((huge, huge))
    with (
        np.errstate(over="ignore"),
        pytest.raises(ValueError, match="leave the range of doubles"),
    ):
        quantize(large, x, arithmetic=W8A16)


def test_signal_to_error_knows_no_smallest_signal() -> None:
    wanted = np.array([3.0, -4.0])
    for scale in (1e-200, 1.0, 1e200):
        found = signal_to_error(scale * wanted, scale * wanted * 0.9)
        assert found == pytest.approx(20)
    assert signal_to_error(wanted, wanted) == np.inf
    assert signal_to_error([0.0], [0.0]) == np.inf
    assert signal_to_error([0.0], [1.0]) == -np.inf


def test_weights_rounded_together_are_nearer_on_inputs_that_are_alike() -> None:
    net = random_s5_network(np.random.default_rng(1), 1, 24, 16)
    mixed = np.random.default_rng(2).normal(size=(3, 5))  # five inputs, of three dimensions
    x, fresh = (np.random.default_rng(s).normal(size=(6, 200, 3)) @ mixed for s in (3, 4))
    together, alone = (
        quantize(net, x, Formats(per_channel=False, compensate=compensate))
        for compensate in (True, False)
    )
    wanted = net.run(fresh)
    reached = [signal_to_error(wanted, f.to_float(f.run(fresh))) for f in (together, alone)]
    for name in "bc":
        layers = (
            next(la for la in f.layers if hasattr(la, "b_exponent")) for f in (together, alone)
        )
        one, other = (getattr(la, name) for la in layers)
        assert 0 < np.abs(one - other).max() <= 8  # some units: rounded otherwise, not others
    assert reached[0] > reached[1] + 1
