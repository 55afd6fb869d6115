"""Quantisation: nearest mantissas, no overflow, and what cannot be met is said."""

import itertools
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import pyplot

from lava_ssm import quantize
from lava_ssm.compress import PAPER, W8A16, AccuracyWarning, Formats, report
from lava_ssm.compress.balance import between
from lava_ssm.compress.kinds import kind_of
from lava_ssm.compress.kinds.s4d import fixed_s4d
from lava_ssm.compress.parameters import weight_mantissas
from lava_ssm.compress.responses import response_sums
from lava_ssm.compress.weights import compensated
from lava_ssm.engine import OverflowWarning, run
from lava_ssm.network import (
    S4D,
    Conv1d,
    FixedLinear,
    FixedNetwork,
    FixedS4D,
    Gate,
    Linear,
    Network,
    Readout,
    ReLU,
    Tanh,
)
from lava_ssm.numerics import Arithmetic, Overflow, Rounding
from tests.networks import random_network


def random_s4d(rng: np.random.Generator, d_model: int = 5, d_state: int = 4) -> S4D:
    size = (d_model, d_state)
    a = rng.uniform(0.2, 0.999, size) * np.exp(1j * rng.uniform(-np.pi, np.pi, size))
    b, c = (rng.normal(size=size) + 1j * rng.normal(size=size) for _ in range(2))
    return S4D(a, 0.1 * b, c)


def test_mantissas_are_the_nearest() -> None:
    layer = random_s4d(np.random.default_rng(0))
    fixed = fixed_s4d(layer, Formats(param_exponent=12)).dequantize()
    for name in "abc":
        error = getattr(fixed, name) - getattr(layer, name)
        assert max(np.abs(error.real).max(), np.abs(error.imag).max()) <= 2**-13


def test_paper_truncates_toward_zero() -> None:
    layer = random_s4d(np.random.default_rng(0))
    fixed = fixed_s4d(layer, PAPER)
    expected = np.trunc(np.stack([layer.b.real, layer.b.imag], -1) * 4096)
    np.testing.assert_array_equal(fixed.b, expected)


@pytest.mark.parametrize("angle", [0.0, 0.4, np.pi / 4, np.pi / 2, 2.9, -1.3])
@pytest.mark.parametrize("p", [4, 8, 12])
def test_a_slow_state_stays_stable_at_its_nearest_stable_point(angle: float, p: int) -> None:
    a = (1 - 1e-9) * np.exp(1j * angle)
    one = np.ones((1, 1))
    fixed = fixed_s4d(S4D(one * a, one, one), Formats(param_exponent=p))
    found = fixed.a[0, 0]
    # all grid points near a, by brute force: the nearest of those inside the circle
    around = np.arange(-2, 3)
    re, im = np.meshgrid(
        np.floor(a.real * 2**p) + around, np.floor(a.imag * 2**p) + around, indexing="ij"
    )
    distance = np.abs(re + 1j * im - a * 2**p)
    distance[re**2 + im**2 >= 4.0**p] = np.inf
    assert np.abs(found[0] + 1j * found[1] - a * 2**p) == pytest.approx(distance.min(), abs=1e-9)


def test_auto_uses_all_bits_of_each_channel() -> None:
    layer = random_s4d(np.random.default_rng(0))
    layer = S4D(layer.a, layer.b, layer.c * np.array([1, 4, 16, 64, 256])[:, np.newaxis])
    fixed = fixed_s4d(layer, Formats(param_exponent="auto"))
    largest = np.abs(np.stack([fixed.a, fixed.b, fixed.c])).max(axis=(0, 2, 3))
    assert (largest >= 2**14).all()
    assert len(set(np.asarray(fixed.param_exponent).tolist())) == 5


def test_parameters_that_need_more_bits_are_named() -> None:
    layer = random_s4d(np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"param_exponent: c reaches .*at most \d+ for it, not"):
        fixed_s4d(S4D(layer.a, layer.b, 100 * layer.c), Formats(param_exponent=12, balance=False))


def test_balancing_changes_no_output() -> None:
    layer = random_s4d(np.random.default_rng(0))
    x = np.random.default_rng(1).normal(size=(40, 5))
    same = kind_of(layer).scaled(layer, between(np.abs(layer.b), np.abs(layer.c)))
    np.testing.assert_allclose(Network((same,)).run(x), Network((layer,)).run(x), rtol=1e-12)
    ratio = np.abs(same.b) / np.abs(same.c)
    assert (ratio <= 2.0001).all()
    assert (ratio >= 0.4999).all()


@pytest.mark.parametrize("per_channel", [True, False])
def test_weights_use_their_eight_bits(per_channel: bool) -> None:
    weights = np.random.default_rng(0).normal(size=(4, 30)) * np.array([[1], [3], [10], [100]])
    fixed = FixedLinear(*weight_mantissas(weights, Formats(per_channel=per_channel)))
    rows = np.abs(fixed.weights).max(axis=1)
    assert (rows >= 64).all() if per_channel else rows[0] < 64
    assert isinstance(fixed.exponent, int) is not per_channel
    scale = np.abs(weights).max(axis=1, keepdims=True) if per_channel else np.abs(weights).max()
    assert (np.abs(fixed.dequantize().weights - weights) <= scale / 64 / 2 + 1e-12).all()


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), readout=st.sampled_from(Readout), scale=st.floats(1e-4, 1e4))
def test_calibrated_network_follows_the_float_one_without_overflow(
    seed: int, readout: Readout, scale: float
) -> None:
    rng = np.random.default_rng(seed)
    net = random_network(rng, readout=readout)
    x = scale * rng.normal(size=(4, 25, 2))
    fixed = quantize(net, x, Formats(param_exponent="auto"))
    # a spare bit: data twice as large fit too
    result = run(fixed, 2 * x)
    assert result.overflows.total == 0
    values, wanted = fixed.to_float(result.outputs), net.to_float(net.run(2 * x))
    noise = ((values - wanted) ** 2).sum() / (wanted**2).sum()
    # 8-bit weights in four matrices: some 30 dB, less where ReLUs leave little of a signal
    assert noise < 10**-2.2


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    n_layers=st.integers(1, 2),
    readout=st.sampled_from(Readout),
    rounding=st.sampled_from(Rounding),
    state_exponent=st.integers(0, 6),
)
def test_certified_network_cannot_be_made_to_overflow(
    seed: int, n_layers: int, readout: Readout, rounding: Rounding, state_exponent: int
) -> None:
    rng = np.random.default_rng(seed)
    net = random_network(rng, n_layers, d_model=4, d_state=2, readout=readout)
    fixed = quantize(
        net,
        rng.uniform(-1, 1, (3, 30, 2)),
        Formats(state_exponent=state_exponent),
        bound="certified",
        arithmetic=Arithmetic(rounding, Overflow.RAISE),
    )
    low, high = fixed.input_format.min_mantissa, fixed.input_format.max_mantissa
    t = np.arange(30)[:, np.newaxis] * np.ones((1, 2))
    frequencies = np.angle(net.layers[1].a).ravel()  # type: ignore[union-attr]
    worst = [
        np.where(rng.random((30, 2)) < 0.5, low, high),
        np.full((30, 2), high),
        # in step with the states: the inputs that drive them furthest
        *(np.where(np.cos(w * t) > 0, high, low) for w in frequencies),
    ]
    for x in worst:
        assert run(fixed, x).overflows.total == 0


def test_certificate_is_not_idle() -> None:
    # the same network with two fewer bits of room does overflow for the worst input
    one = np.ones((1, 1))
    net = Network((Linear([[1.0]]), S4D(0.99 * one, one, one)))
    x = np.ones((200, 1))
    fixed = quantize(net, x, bound="certified")
    encoder, s4d = fixed.layers
    assert isinstance(encoder, FixedLinear)
    assert encoder.output_exponent is not None
    finer = FixedLinear(encoder.weights, encoder.exponent, encoder.output_exponent + 2)
    tight = FixedNetwork((finer, s4d), fixed.readout, fixed.input_exponent, fixed.input_bits)
    full = np.full((2000, 1), fixed.input_format.max_mantissa)
    assert run(fixed, full).overflows.total == 0
    assert run(tight, full).overflows.total > 0


def test_impulse_response_sums_bound_the_output_tightly() -> None:
    layer = random_s4d(np.random.default_rng(2))
    positive, negative = response_sums(2 * layer.c * layer.b, layer.a)
    t = np.arange(20_000)
    k = np.stack([2 * (layer.c * layer.b * layer.a**i).real.sum(-1) for i in t[:2000]])
    low, high = np.clip(-k, 0, None).sum(0), np.clip(k, 0, None).sum(0)
    assert (positive >= high - 1e-9).all()
    assert (negative >= low - 1e-9).all()
    assert (positive <= 1.03 * (high + low)).all()


@pytest.mark.parametrize("a", [0.999, 0.9999, 0.99995])
def test_a_slow_state_that_nobody_hears_certifies_too(a: float) -> None:
    one = np.ones((1, 1))
    silent = Network((S4D(a * one, 0.01 * one, 1j * one),))
    formats = Formats(param_exponent=16, param_bits=24, state_exponent=2)
    fixed = quantize(silent, np.ones((5, 1)), formats, bound="certified")
    assert not fixed.run(np.ones((5, 1))).any()


def test_exponents_do_not_depend_on_the_data_that_is_run() -> None:
    rng = np.random.default_rng(0)
    net = random_network(rng)
    x = rng.normal(size=(5, 20, 2))
    fixed = quantize(net, x)
    alone = np.stack([fixed.run(sample) for sample in 0.1 * x])
    np.testing.assert_array_equal(alone, fixed.run(0.1 * x))


def test_one_exponent_for_what_meets_in_one_segment() -> None:
    rng = np.random.default_rng(0)
    fixed = quantize(random_network(rng, n_layers=2), rng.normal(size=(5, 20, 2)))
    e = fixed.exponents
    assert e[1] == e[2]  # through the first S4D layer
    assert e[3] == e[4]


def test_a_network_of_one_layer_quantises() -> None:
    rng = np.random.default_rng(0)
    x = rng.normal(size=(50, 5))
    net = Network((random_s4d(rng), ReLU()))
    fixed = quantize(net, x, Formats(param_exponent="auto"))
    assert isinstance(fixed.layers[0], FixedS4D)
    np.testing.assert_allclose(
        fixed.to_float(fixed.run(x)), net.run(x), atol=1e-3 * np.abs(net.run(x)).max()
    )


def test_what_made_a_network_is_kept() -> None:
    net = Network((Linear([[1.0]]),), made_by={"command": "train"})
    fixed = quantize(net, [[1.0]])
    assert fixed.made_by["command"] == "train"
    assert "calibrated" in fixed.made_by["quantize"]


@pytest.mark.parametrize(
    ("calibration", "text"),
    [
        (np.zeros((0, 2)), "not be empty"),
        (np.zeros(2), "time"),
        (np.zeros((5, 2)), "zeros say nothing about ranges"),
        (np.full((5, 2), 1e-310), r"must lie in \[1e-200, 1e200\]"),
        (np.ones((5, 3)), r"\(\.\.\., 2\)"),
        (np.full((5, 2), np.nan), "finite"),
    ],
)
def test_useless_calibration_data_are_refused(calibration: np.ndarray, text: str) -> None:
    net = random_network(np.random.default_rng(0))
    with pytest.raises(ValueError, match=text):
        quantize(net, calibration)


def test_bad_requests_are_refused() -> None:
    net = random_network(np.random.default_rng(0))
    x = np.ones((5, 2))
    with pytest.raises(ValueError, match="one of calibrated, certified"):
        quantize(net, x, bound="safe")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="float Network"):
        quantize(quantize(net, x), x)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="param_exponent"):
        Formats(param_exponent=40)
    for wrong in (Rounding.FLOOR, "nearest"):
        with pytest.raises(ValueError, match="NEAREST or TOWARD_ZERO"):
            Formats(rounding=wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="compensate: needs"):
        Formats(rounding=Rounding.TOWARD_ZERO)
    with pytest.raises(ValueError, match="state_exponent must be 'auto' or lie"):
        Formats(state_exponent=-1)
    with pytest.raises(ValueError, match="param_bits must be an integer"):
        Formats(param_bits=8.5)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="formats must be a Formats"):
        quantize(net, x, "paper")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="arithmetic must be an Arithmetic"):
        quantize(net, x, arithmetic="chip")  # type: ignore[arg-type]


def correlated(rng: np.random.Generator, n: int = 400, channels: int = 12) -> np.ndarray:
    """Inputs of a layer as rectified messages are: few directions, all of one sign."""
    mixed = rng.normal(size=(n, 4)) @ rng.normal(size=(4, channels))
    return np.maximum(mixed + 0.1 * rng.normal(size=(n, channels)), 0)


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), bits=st.integers(3, 8))
def test_weights_rounded_together_are_never_worse(seed: int, bits: int) -> None:
    together, alone = errors_of_rounding(np.random.default_rng(seed), bits)
    assert (together <= alone * (1 + 1e-9)).all()


def test_weights_rounded_together_are_better_where_inputs_are_alike() -> None:
    errors = [errors_of_rounding(np.random.default_rng(seed), 8) for seed in range(20)]
    together, alone = np.sum(errors, axis=(0, 2))
    assert together < 0.3 * alone


@pytest.mark.parametrize("groups", [1, 4])
@pytest.mark.parametrize("biased", [False, True])
def test_taps_are_rounded_with_regard_to_each_other(groups: int, biased: bool) -> None:
    """A smooth input: what one tap's rounding changes, its neighbours make up for."""
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(8, 4 // groups, 5))
    net = Network((Conv1d(weights, rng.normal(size=8) if biased else None, groups),))
    x = np.cumsum(rng.normal(size=(8, 60, 4)), axis=1)
    together, alone = (
        error_of(quantize(net, x, Formats(compensate=given)), net, x) for given in (True, False)
    )
    assert together < 0.5 * alone


def errors_of_rounding(rng: np.random.Generator, bits: int) -> tuple[np.ndarray, np.ndarray]:
    """Squared output error of each row, rounded together and each weight on its own."""
    u, weights = correlated(rng), rng.normal(size=(6, 12))
    exponent = np.full(6, bits - 4)
    scale = 2.0 ** exponent[:, np.newaxis]
    together = compensated(weights / 4, bits, exponent, u.T @ u)
    alone = np.clip(np.rint(weights / 4 * scale), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1)
    off = [m / scale - weights / 4 for m in (together, alone)]
    errors = [((o @ u.T) ** 2).sum(axis=1) for o in off]
    return errors[0], errors[1]


def test_three_weights_rounded_together_are_the_best_of_all_roundings() -> None:
    # inputs that are nearly equal: what one weight is rounded up, another makes up for
    rng = np.random.default_rng(3)
    u = rng.normal(size=(200, 1)) + 0.05 * rng.normal(size=(200, 3))
    weights = np.array([[0.4, 0.4, 0.4]])
    found = compensated(weights, 8, np.zeros(1, int), u.T @ u)
    all_of_them = [np.array(m) for m in itertools.product((0, 1), repeat=3)]
    errors = [(((m - weights) @ u.T) ** 2).sum() for m in all_of_them]
    assert (((found - weights) @ u.T) ** 2).sum() == pytest.approx(min(errors))
    assert found.sum() == 1  # rounded alone, all would be zero


def test_weights_that_are_zero_stay_zero_when_rounded_together() -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(9, 12))
    weights[rng.random(weights.shape) < 0.8] = 0
    x = correlated(rng)
    fixed = quantize(Network((Linear(weights),)), x, Formats(compensate=True))
    found = fixed.dequantize().layers[0].weights
    assert (found[weights == 0] == 0).all()
    # the others still make up for each other's rounding
    alone = quantize(Network((Linear(weights),)), x, Formats(compensate=False))
    exact = x @ weights.T
    error, before = (((net.dequantize().run(x) - exact) ** 2).sum() for net in (fixed, alone))
    assert error < before


def test_a_layer_that_heard_nothing_is_rounded_to_the_nearest() -> None:
    weights = np.random.default_rng(0).normal(size=(3, 4))
    found = compensated(weights, 8, np.full(3, 4), np.zeros((4, 4)))
    np.testing.assert_array_equal(found, np.rint(weights * 16))


# a gate's sums have 12 fraction bits and 32 in all: they hold less than 2^19
BEYOND_A_GATE = Network((Linear(np.eye(2)), Gate(np.eye(2) * 2.0**20, np.zeros(2))))


@pytest.mark.parametrize("overflow", Overflow)
def test_what_no_exponent_holds_is_refused_and_named(overflow: Overflow) -> None:
    x = np.random.default_rng(0).uniform(0.6, 1, (3, 10, 2))
    with pytest.raises(
        ValueError,
        match=r"integers of stage 1 \(FixedGate\) leave their words: 60 synapse; .* scale down",
    ):
        quantize(BEYOND_A_GATE, x, arithmetic=Arithmetic(overflow=overflow))
    smaller = quantize(BEYOND_A_GATE, x / 4, arithmetic=Arithmetic(overflow=overflow))
    assert smaller.arithmetic.overflow is overflow
    assert run(smaller, x / 4).overflows.total == 0


def test_what_rounding_adds_to_quiet_outputs_has_room_too() -> None:
    """The table of tanh answers 1e-4 with 1e-3, the middle of its first step."""
    net = Network((Linear(1e-4 * np.eye(16)), Tanh(), Linear(np.full((2, 16), 0.9))))
    x = np.random.default_rng(0).uniform(-1, 1, (3, 40, 16))
    with pytest.warns(AccuracyWarning, match="the integers' words"):
        fixed = quantize(net, x, arithmetic=W8A16)
    assert run(fixed, x).overflows.total == 0


def test_a_state_exponent_that_is_given_may_overflow_with_a_warning() -> None:
    x = np.random.default_rng(0).uniform(0.6, 1, (3, 10, 2))
    with pytest.warns(OverflowWarning, match=r"stage 1 \(FixedGate\): 60 synapse"):
        quantize(BEYOND_A_GATE, x, PAPER)


def test_exponents_are_searched_for_networks_that_raise_on_overflow() -> None:
    rng = np.random.default_rng(3)
    net, x = random_network(rng), rng.normal(size=(4, 50, 2))
    raising = quantize(net, x, arithmetic=Arithmetic(overflow=Overflow.RAISE))
    assert raising.exponents == quantize(net, x).exponents


def error_of(fixed: FixedNetwork, network: Network, x: np.ndarray) -> float:
    wanted = network.to_float(network.run(x))[:, -1]
    return float(((fixed.to_float(fixed.run(x))[:, -1] - wanted) ** 2).sum())


@pytest.mark.parametrize("seed", range(5))
def test_searched_exponents_are_no_worse_on_what_they_were_chosen_by(seed: int) -> None:
    rng = np.random.default_rng(seed)
    net = random_network(rng, readout=Readout.LAST_TOKEN)
    x = rng.normal(size=(16, 30, 2))
    plain, searched = (quantize(net, x, Formats(search=given)) for given in (False, True))
    assert error_of(searched, net, x) <= error_of(plain, net, x)


def test_searched_exponents_are_better_where_ranges_mislead() -> None:
    rng = np.random.default_rng(0)
    net = random_network(rng, readout=Readout.LAST_TOKEN)
    x = rng.normal(size=(16, 30, 2))
    plain, searched = (quantize(net, x, Formats(search=given)) for given in (False, True))
    assert error_of(searched, net, x) < 0.98 * error_of(plain, net, x)


def test_each_channel_takes_the_state_bits_that_are_left_to_it() -> None:
    rng = np.random.default_rng(0)
    one = np.ones((3, 1))
    gain = np.array([[1.0], [0.1], [0.01]])
    net = Network((Linear(gain * np.ones((3, 2))), S4D(0.5 * one, one, one), ReLU()))
    x = np.abs(rng.normal(size=(8, 20, 2)))
    fixed = quantize(net, x, Formats(search=False))
    layer = fixed.layers[1]
    assert isinstance(layer, FixedS4D)
    first, second, third = np.asarray(layer.state_exponent)
    assert first < second < third
    result = run(fixed, 1.9 * x)
    assert result.overflows.stages[1][1]["state"] == result.overflows.stages[1][1]["input"] == 0


def test_a_certificate_chooses_its_state_exponents() -> None:
    rng = np.random.default_rng(0)
    net = random_network(rng, n_layers=1, d_model=4, d_state=2)
    x = rng.uniform(-1, 1, (3, 30, 2))
    chosen = error_of(quantize(net, x, bound="certified"), net, x)
    for s in (8, 6, 4, 2, 0):
        same = quantize(net, x, Formats(state_exponent=s), bound="certified")
        assert chosen <= 1.05 * error_of(same, net, x)


def test_report_draws_where_accuracy_is_lost(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    net = random_network(rng, n_layers=1)
    x = rng.normal(size=(4, 25, 2))
    made = report(net, quantize(net, x), x)
    figure = made.plot()
    signal, bits = figure.axes
    names = [label.get_text() for label in signal.get_yticklabels()]
    assert names == ["input", "0 Linear", "1 S4D", "2 Linear", "3 Linear", "output"]
    assert len(bits.patches) == 2 * len(made.tensors)
    figure.savefig(tmp_path / "report.png")
    assert (tmp_path / "report.png").stat().st_size > 10_000
    pyplot.close(figure)


def test_report_measures_every_tensor() -> None:
    rng = np.random.default_rng(0)
    net = random_network(rng, n_layers=1)
    x = rng.normal(size=(4, 25, 2))
    fixed = quantize(net, x, Formats(headroom=False))
    found = {t.name: t for t in report(net, fixed, x).tensors}
    assert list(found) == [
        "input",
        "0 Linear weights",
        "0 Linear message",
        "1 S4D a",
        "1 S4D b",
        "1 S4D c",
        "1 S4D state",
        "1 S4D message",
        "2 Linear weights",
        "2 Linear message",
        "3 Linear weights",
        "3 Linear message",
        "output",
    ]
    out = fixed.to_float(fixed.run(x)) - net.run(x)
    expected = 10 * np.log10((net.run(x) ** 2).sum() / (out**2).sum())
    assert found["output"].sqnr == pytest.approx(expected)
    assert found["1 S4D state"].bits == 24
    assert 0.1 < found["1 S4D state"].used <= 0.5
    assert found["0 Linear weights"].used > 0.5
    assert found["1 S4D b"].sqnr is not None
    assert found["1 S4D b"].sqnr > 50  # compared at the scale that balancing gave it
    assert "SQNR" in str(report(net, fixed, x))
    with pytest.raises(ValueError, match="layers"):
        report(Network(net.layers[:1]), fixed, x)


def test_a_network_whose_exponents_follow_the_input_is_reported_on() -> None:
    layer = FixedLinear([[64, 32]], 7, bias=[3])
    fixed = FixedNetwork((layer,), input_exponent=4)
    found = report(fixed.dequantize(), fixed, np.ones((5, 2)))
    assert found.tensors[1].name == "0 Linear weights"
    assert found.tensors[1].sqnr == np.inf


def test_a_state_exponent_that_leaves_nothing_of_messages_is_refused() -> None:
    rng = np.random.default_rng(0)
    network, x = random_network(rng), rng.uniform(0, 1, (2, 30, 2))
    quantize(network, x, Formats(state_exponent=12))
    with pytest.raises(
        ValueError, match=r"state_exponent: with 24 the states of stage 1 need \d+ bits .* have 24"
    ):
        quantize(network, x, Formats(state_exponent=24))


def test_a_parameter_exponent_that_does_not_fit_says_how_many_bits_it_needs() -> None:
    layer = S4D(np.array([[0.5]]), np.array([[1.0]]), np.array([[40.0]]))
    with pytest.raises(ValueError, match=r"layers\[0\] .* c reaches 40; 16 .* needs 19"):
        quantize(Network((layer,)), np.ones((1, 5, 1)), Formats(param_exponent=12, balance=False))


def test_a_row_with_one_large_weight_that_hears_nothing_keeps_bits_for_the_others() -> None:
    rng = np.random.default_rng(0)
    weights = np.array([[1.0, 0.011, -0.007, 0.003], [0.02, 0.011, -0.007, 0.003]])
    x = rng.normal(size=(1, 200, 4)) * [1e-4, 1, 1, 1]
    exact = x @ weights.T
    errors = []
    for search in (True, False):
        fixed = quantize(Network((Linear(weights),)), x, Formats(search=search, compensate=False))
        errors.append(float(((fixed.dequantize().run(x) - exact)[..., 0] ** 2).sum()))
    assert errors[0] < errors[1] / 10


def test_a_row_of_zeros_leaves_the_others_their_bits() -> None:
    rng = np.random.default_rng(0)
    weights = rng.normal(size=(6, 8)) / 512
    weights[2] = 0
    x = rng.normal(size=(2, 40, 8))
    for layer in (Linear(weights), Linear(weights, np.zeros(6))):
        fixed = quantize(Network((layer,)), x).layers[0]
        assert isinstance(fixed, FixedLinear)
        assert fixed.exponent[2] == np.delete(fixed.exponent, 2).max()
        assert not fixed.weights[2].any()
    nothing = quantize(Network((Linear(0 * weights),)), x)
    assert not nothing.run(x).any()


def test_headroom_takes_bits_that_are_worth_little() -> None:
    rng = np.random.default_rng(4)
    net, x = random_network(rng, readout=Readout.EVERY_TOKEN), rng.normal(size=(16, 30, 2))
    ends = float(8 * np.abs(x).max())
    tight, wide = (
        quantize(net, x, Formats(headroom=given), input_range=ends) for given in (False, True)
    )
    assert run(tight, 7 * x).overflows.total > 0
    assert run(wide, 7 * x).overflows.total == 0
    assert error_of(wide, net, x) <= 1.05 * error_of(tight, net, x)
    reports = [report(net, fixed, x).headroom for fixed in (tight, wide)]
    assert 1.5 < reports[0] < 7 < reports[1]
    saturating = quantize(
        net, x, arithmetic=Arithmetic(overflow=Overflow.SATURATE), input_range=ends
    )
    assert error_of(saturating, net, 7 * x) < error_of(tight, net, 7 * x) / 5


def test_the_remedy_for_what_is_certified_is_not_to_certify() -> None:
    rng = np.random.default_rng(0)
    layers = [layer for _ in range(6) for layer in (Linear(rng.normal(size=(24, 24))), ReLU())]
    with pytest.warns(AccuracyWarning, match="take bound='calibrated'"):
        quantize(
            Network(tuple(layers)),
            rng.normal(size=(4, 20, 24)),
            bound="certified",
            arithmetic=W8A16,
        )
