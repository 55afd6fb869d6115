"""Layers make up for what quantising those before them did."""

from collections.abc import Iterator

import numpy as np
import pytest

from lava_ssm import engine
from lava_ssm.compress import Formats, quantize, signal_to_error
from lava_ssm.compress.drift import Drift, Signals
from lava_ssm.compress.kinds import kind_of
from lava_ssm.compress.ranges import Moments
from lava_ssm.network import (
    GELU,
    GLU,
    MLGRU,
    S5,
    Conv1d,
    FloatLayer,
    Gate,
    Linear,
    MinGRU,
    Network,
    ReLU,
    Residual,
    SelectiveSSM,
)
from lava_ssm.numerics import RealArray


def inputs(rng: np.random.Generator, d: int = 6) -> tuple[RealArray, RealArray]:
    """What enters a layer, and what enters it once those before are quantised."""
    u = rng.normal(1, 1, size=(3, 40, d)) @ rng.normal(size=(d, d))
    return u, u @ (np.eye(d) + rng.normal(0, 0.05, size=(d, d))) + rng.normal(0, 0.1, size=d)


@pytest.mark.parametrize("has_bias", [True, False])
def test_weights_that_follow_are_those_of_regularised_least_squares(has_bias: bool) -> None:
    """Of a row: the rows of the problem and those of its penalty below one another, by `lstsq`."""
    rng = np.random.default_rng(0)
    u, v = inputs(rng)
    weights, bias = rng.normal(size=(4, 6)), rng.normal(size=4) if has_bias else None
    weights[1, [0, 3]] = 0
    found, moved = Drift.of(u, v, Moments.of(u)).followed(weights, bias)
    u, v = u.reshape(-1, 6), v.reshape(-1, 6)
    if bias is not None:
        assert moved is not None
        np.testing.assert_allclose((v @ found.T + moved).mean(0), (u @ weights.T + bias).mean(0))
        u, v = u - u.mean(axis=0), v - v.mean(axis=0)
    energy = (v**2).sum(axis=0)
    penalty = np.diag(np.sqrt(0.01 * energy + 0.001 * energy.mean()))
    for row, of_row in zip(weights, found, strict=True):
        used = row != 0
        problem = np.concatenate([v[:, used], penalty[used][:, used]])
        wanted = np.concatenate([u @ row, penalty[used][:, used] @ row[used]])
        solved = np.linalg.lstsq(problem, wanted, rcond=None)[0]
        np.testing.assert_allclose(of_row[used], solved)
        assert not of_row[~used].any()


def layers_of(rng: np.random.Generator) -> Iterator[FloatLayer]:
    """One of each kind with matrices that its inputs enter by."""
    w = rng.normal(size=(3, 6, 6)) / 2
    b = rng.normal(size=(3, 6))
    yield Linear(w[0])
    yield Linear(w[0], b[0])
    yield Gate(w[0], b[0])
    yield GLU(w[0], w[1], b[0], b[1])
    yield MinGRU(w[0], w[1], b[0], b[1])
    yield MLGRU(*w, *b)
    a = 0.9 * np.exp(1j * rng.uniform(-1, 1, size=6))
    yield S5(a, w[0] + 1j * w[1], w[2] + 0j, np.zeros(6), b[0] + 1j * b[1], b[2])

    yield Conv1d(rng.normal(size=(6, 6, 3)) / 4, b[0])
    yield Conv1d(rng.normal(size=(4, 3, 2)) / 4, groups=2)
    # two channels of six inputs: the other four are a gate's and nothing's
    up, c = np.zeros((3, 1)), rng.normal(size=(2, 3))
    yield SelectiveSSM(
        -np.ones((3, 2)), c[:1], up, c, c[:, ::-1], np.zeros(3), b[0, :3], gated=True
    )


@pytest.mark.parametrize("number", range(10))
def test_every_kind_with_matrices_follows(number: int) -> None:
    """Nearly all of an error that is linear in the inputs is made up for, but of factors."""
    rng = np.random.default_rng(number)
    u, v = inputs(rng)
    layer = list(layers_of(rng))[number]
    follows, _ = kind_of(layer).following(layer, Drift.of(u, v, Moments.of(u)))
    wanted = Network((layer,)).run(u)
    lost, left = (signal_to_error(wanted, Network((one,)).run(v)) for one in (layer, follows))
    assert left > lost + (0.5 if isinstance(layer, Gate | SelectiveSSM) else 6)


def test_what_stages_send_is_what_the_network_makes() -> None:
    rng = np.random.default_rng(1)
    layers = (
        Linear(rng.normal(size=(5, 3)), rng.normal(size=5)),
        GELU(),
        Gate(rng.normal(size=(5, 5)), rng.normal(size=5)),
        Residual(1),
        ReLU(),
        Linear(rng.normal(size=(5, 5))),
        Residual(2),
    )
    net, x = Network(layers), rng.normal(size=(2, 20, 3))
    signals = Signals(net.stages, x)
    for stage in net.stages:
        signals.send(stage.layer)
    np.testing.assert_allclose(signals.last, net.run(x, backend="reference"), rtol=1e-12)


def test_what_wide_layers_lose_those_behind_them_make_up_for() -> None:
    """Of 3 inputs 64 channels have far more than is needed to form what 8 bits took from them."""
    rng = np.random.default_rng(2)

    def dense(p: int, q: int) -> Linear:
        return Linear(rng.normal(size=(p, q)) / np.sqrt(q), rng.normal(size=p) / 4)

    w, g = rng.normal(size=(2, 64, 64)) / 8
    layers = (dense(64, 3), ReLU(), dense(64, 64), ReLU(), GLU(w, g, np.zeros(64), np.zeros(64)))
    net = Network((*layers, ReLU(), dense(4, 64)))
    x, fresh = rng.normal(size=(2, 8, 100, 3))
    fixed = quantize(net, x)
    found = fixed.to_float(engine.run(fixed, fresh).outputs)
    assert signal_to_error(net.run(fresh), found) > 55


def test_few_bits_are_left_as_they_were_trained() -> None:
    rng = np.random.default_rng(3)
    ternary = rng.integers(-1, 2, size=(6, 8)).astype(float)
    net = Network(
        (Linear(rng.normal(size=(8, 3))), ReLU(), Linear(ternary), ReLU(), Linear(ternary.T))
    )
    fixed = quantize(net, rng.normal(size=(4, 50, 3)), Formats())
    values = fixed.dequantize().layers[2]
    assert isinstance(values, Linear)
    np.testing.assert_array_equal(values.weights, ternary)


def test_what_a_convolution_hears_is_what_its_taps_send() -> None:
    """Behind layers without a loss its matrix stays, and moments are those of earlier tokens."""
    rng = np.random.default_rng(5)
    u = rng.normal(size=(2, 30, 4))
    layer = Conv1d(rng.normal(size=(6, 2, 3)), rng.normal(size=6), groups=2)
    found, moments = kind_of(layer).following(layer, Drift.of(u, u, Moments.of(u)))
    np.testing.assert_allclose(found.weights, layer.weights)
    late = np.pad(u, ((0, 0), (2, 0), (0, 0)))
    gram = np.einsum("btik,btjl->ikjl", *[np.stack([late[:, k : k + 30] for k in range(3)], 3)] * 2)
    assert moments.taps is not None
    np.testing.assert_allclose(moments.taps.gram, gram.reshape(12, 12))


def test_channels_that_only_pass_their_token_stay_exact() -> None:
    rng = np.random.default_rng(7)
    u, v = inputs(rng)
    weights, bias = rng.normal(size=(6, 1, 3)), rng.normal(size=6)
    weights[3:], bias[3:] = [0, 0, 1], 0
    layer = Conv1d(weights, bias, groups=6)
    after, _ = kind_of(layer).following(layer, Drift.of(u, v, Moments.of(u)))
    np.testing.assert_array_equal(after.weights[3:], weights[3:])
    np.testing.assert_array_equal(after.bias[3:], 0)
    assert (after.weights[:3] != weights[:3]).any()
