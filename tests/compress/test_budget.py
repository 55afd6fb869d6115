"""Mixed precision: bits by what they cost, within bytes or at an accuracy."""

from typing import Any

import numpy as np
import pytest

from lava_ssm import compress, engine
from lava_ssm.compress import Formats, quantize, search_bits, signal_to_error
from lava_ssm.network import S4D, FixedLinear, FixedS4D, Linear, Network, ReLU, Residual


def network() -> Network:
    """Of three maps, the middle one adds little beside a path around it."""
    rng = np.random.default_rng(0)
    d, n = 16, 4
    a = rng.uniform(0.5, 0.95, (d, n)) * np.exp(1j * rng.uniform(-3, 3, (d, n)))
    b, c = (rng.normal(size=(d, n)) + 1j * rng.normal(size=(d, n)) for _ in range(2))
    w = rng.normal(size=(d, d)) / 4
    return Network(
        (
            Linear(rng.normal(size=(d, 3)), rng.normal(size=d)),
            S4D(a, b, c),
            ReLU(),
            Linear(w / 64, np.zeros(d)),
            Residual(1),
            Linear(rng.normal(size=(4, d)), np.zeros(4)),
        )
    )


X = np.random.default_rng(1).normal(size=(6, 50, 3))


def accuracy(fixed: object) -> float:
    return signal_to_error(network().run(X), fixed.to_float(engine.run(fixed, X).outputs))  # type: ignore[attr-defined, arg-type]


def test_bits_are_fewest_where_they_are_worth_least_and_the_accuracy_is_met() -> None:
    found = search_bits(network(), X, min_db=34)
    assert found.chosen.bits[2] < min(found.chosen.bits[0], found.chosen.bits[3])
    assert found.chosen.accuracy == accuracy(found.fixed) >= 34
    bits, layers = found.chosen.bits, [s.layer for s in found.fixed.stages]
    weights = 0.0
    for width, layer in zip(bits, layers, strict=True):
        if isinstance(layer, FixedLinear):
            assert layer.weights.min() >= -(2 ** (width - 1))
            assert layer.weights.max() < 2 ** (width - 1)
            weights += layer.weights.size * width / 8 + 4 * len(layer.weights)  # and biases
        if isinstance(layer, FixedS4D):
            assert layer.param_bits == width
            weights += 3 * layer.a.size * width / 8
    assert found.chosen.nbytes == compress.packed_nbytes(found.fixed) == np.ceil(weights)
    # all alike, within as many bytes, is worse
    assert found.chosen.nbytes < 0.8 * found.path[0].nbytes
    alike = quantize(network(), X, Formats(weight_bits=6, param_bits=12))
    assert compress.packed_nbytes(alike) >= found.chosen.nbytes or accuracy(alike) < 34
    assert "34" in str(found) or f"{found.chosen.accuracy:.1f} dB" in str(found)
    # what is estimated falls from step to step
    estimates = [point.accuracy for point in found.path]
    assert estimates == sorted(estimates, reverse=True)


def test_a_budget_is_kept() -> None:
    first = search_bits(network(), X, budget_bytes=10**6)
    assert first.chosen == first.path[0]
    found = search_bits(network(), X, budget_bytes=int(0.7 * first.chosen.nbytes))
    assert compress.packed_nbytes(found.fixed) <= 0.7 * first.chosen.nbytes
    assert found.fixed.made_by["weight_bits"]
    assert engine.run(found.fixed, X).overflows.total == 0


def test_messages_get_the_narrowest_word_that_does() -> None:
    found = search_bits(network(), X, min_db=25, message_bits=(6, 12, 16))
    assert found.fixed.arithmetic.message_bits in (12, 16)
    assert accuracy(found.fixed) >= 25


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({}, "give one of them"),
        ({"budget_bytes": 10, "min_db": 3}, "give one of them"),
        ({"budget_bytes": 10}, "budget_bytes: the network takes [0-9,]+ bytes with the fewest"),
        ({"min_db": 190}, "min_db: with the most bits [0-9.]+ dB"),
        ({"budget_bytes": True}, "budget_bytes"),
    ],
)
def test_what_cannot_be_met_is_said(given: dict[str, float], text: str) -> None:
    with pytest.raises((ValueError, TypeError), match=text):
        search_bits(network(), X, **given)  # type: ignore[arg-type]


def test_widths_are_one_or_one_a_layer() -> None:
    with pytest.raises(ValueError, match="weight_bits must be one, or one for each of 4 layers"):
        quantize(network(), X, Formats(weight_bits=(8, 4)))
    with pytest.raises(ValueError, match="weight_bits"):
        Formats(weight_bits=9)


@pytest.mark.parametrize("per_channel", [True, False])
@pytest.mark.parametrize("bits", [2, 3, 4, 6])
def test_weights_of_few_bits_stay_in_their_words(bits: int, per_channel: bool) -> None:
    fixed = quantize(network(), X, Formats(weight_bits=bits, per_channel=per_channel))
    for stage in fixed.stages:
        if isinstance(stage.layer, FixedLinear):
            assert np.abs(stage.layer.weights + 0.5).max() < 2 ** (bits - 1)
    rows = {t.name: t.bits for t in compress.report(network(), fixed, X).tensors}
    assert rows["0 Linear weights"] == bits


def test_one_width_of_messages_is_no_choice() -> None:
    wrong: Any = 16
    with pytest.raises(TypeError, match=r"message_bits must be several widths.*got 16"):
        search_bits(network(), X, min_db=25, message_bits=wrong)
