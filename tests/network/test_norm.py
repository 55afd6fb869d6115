"""Normalisations of a token: what they compute, what they refuse."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from lava_ssm import engine
from lava_ssm.compress import W8A16
from lava_ssm.network import (
    FixedLayerNorm,
    FixedNetwork,
    FixedRMSNorm,
    LayerNorm,
    Network,
    RMSNorm,
)


def test_a_layer_norm_takes_mean_and_deviation_away() -> None:
    rng = np.random.default_rng(0)
    w, b, u = rng.normal(size=7), rng.normal(size=7), rng.normal(3, 2, size=(2, 5, 7))
    centred = u - u.mean(axis=-1, keepdims=True)
    wanted = w * centred / np.sqrt(u.var(axis=-1, keepdims=True) + 0.1) + b
    net = Network((LayerNorm(w, b, 0.1),))
    np.testing.assert_allclose(net.run(u, backend="reference"), wanted, rtol=1e-12)


def test_an_rms_norm_keeps_the_mean() -> None:
    rng = np.random.default_rng(0)
    w, u = rng.normal(size=7), rng.normal(3, 2, size=(5, 7))
    wanted = w * u / np.sqrt((u**2).mean(axis=-1, keepdims=True) + 1e-5)
    found = Network((RMSNorm(w),)).run(u, backend="reference")
    np.testing.assert_allclose(found, wanted, rtol=1e-12)


def test_a_fixed_layer_norm_by_hand() -> None:
    """Four channels: mean 2^6, deviation 2^6; 1 / sqrt(4 2^12) is 2^-7, to Lava's precision."""
    norm = FixedLayerNorm(
        [1 << 14, 1 << 14, 1 << 13, -(1 << 14)],
        [0, 5, 0, 0],
        weight_exponent=13,  # sqrt(4) = 2
        mean_shift=2,
        scale_exponent=20,
        product_shift=5,
        output_exponent=8,
    )
    net = FixedNetwork((norm,), input_exponent=5)
    found = net.run(np.array([[0, 128, 0, 128]]), backend="reference")
    # v = 4 2^12 + 1, brought to 2^12: InvSqrt gives 4095; r = (4095 >> -1), c r >> 5
    r = 2 * 4095
    c = np.array([-64, 64, -64, 64])
    t = np.trunc(c * r / 2**5)
    y = np.trunc(t * np.array([2, 2, 1, -2]) * 2**13 / 2 ** (15 + 13 - 8))
    np.testing.assert_array_equal(found, [y + np.array([0, 5, 0, 0])])
    assert np.abs(net.to_float(found) - [[-1, 1 + 5 / 256, -0.5, -1]]).max() < 0.01


def test_a_quiet_token_is_limited_not_wrapped() -> None:
    norm = FixedRMSNorm(
        [1 << 14], epsilon=1, scale_exponent=40, product_shift=15, output_exponent=20
    )
    net = FixedNetwork((norm,))
    r = 2**23 - 1  # all that 24 bits hold of 2^40 / sqrt(2)
    assert net.run(np.array([[1]])).item() == (r >> 15 << 14) >> (40 - 15 - 20)
    assert net.run(np.array([[0]])).item() == 0
    assert engine.run(net, np.array([[1]])).overflows.total == 0


def test_squares_and_root_may_be_wider_than_messages() -> None:
    """(300^2 + 400^2) = 500^2, of which 16 bits hold neither square, nor the root's inverse."""
    given = {"epsilon": 1, "scale_exponent": 29, "product_shift": 20, "output_exponent": 9}
    norm = FixedRMSNorm([1 << 14, 1 << 14], None, 14, **given)
    narrow = FixedNetwork((norm,), arithmetic=W8A16)
    wide = FixedNetwork((replace(norm, inner_bits=24),), arithmetic=W8A16)
    tokens = np.array([[300, 400]])
    found = wide.to_float(wide.run(tokens, backend="reference"))
    np.testing.assert_allclose(found, [[0.6, 0.8]], atol=2 / 512)
    assert engine.run(wide, tokens, backend="reference").overflows.total == 0
    assert engine.run(narrow, tokens, backend="reference").overflows.total == 2


def test_what_a_fixed_norm_stands_for() -> None:
    norm = FixedRMSNorm([1 << 14, 0, 0, 0], [3] * 4, 13, 4, 1 << 10, 15, 3, output_exponent=2)
    values = norm.dequantize(input_exponent=6)
    assert values.weights.tolist() == [1, 0, 0, 0]
    assert values.bias.tolist() == [0.75] * 4
    assert values.eps == 2**10 * 2**4 / 2**12 / 4
    with pytest.raises(ValueError, match="input_exponent"):
        norm.dequantize()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"weights": [[1.0]]}, r"weights must have shape \(d_model,\), got \(1, 1\)"),
        ({"weights": []}, "weights must have shape"),
        ({"bias": [1.0]}, r"bias must have shape \(2,\)"),
        ({"eps": 0.0}, "eps"),
        ({"eps": -1.0}, "eps"),
    ],
)
@pytest.mark.parametrize("kind", [LayerNorm, RMSNorm])
def test_what_a_float_norm_refuses(kind: Any, given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        kind(**{"weights": [1.0, 2.0], **given})


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"weights": [1 << 15, 0]}, "weights: mantissas"),
        ({"square_shift": 3}, "square_shift must be even, got 3"),
        ({"square_shift": 64}, "square_shift"),
        ({"epsilon": 0}, "epsilon"),
        ({"epsilon": 1 << 24}, "epsilon"),
        ({"product_shift": -1}, "product_shift"),
        ({"output_exponent": 1001}, "output_exponent"),
        ({"mean_shift": 25}, "mean_shift"),
        ({"inner_bits": 33}, "inner_bits"),
    ],
)
def test_what_a_fixed_norm_refuses(given: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        FixedLayerNorm(**{"weights": [1, 2], **given})


def test_an_output_that_would_be_shifted_too_far_to_the_left_is_refused() -> None:
    with pytest.raises(ValueError, match="shifts what is weighted to the left by 17"):
        FixedNetwork((FixedRMSNorm([1], output_exponent=17),))
