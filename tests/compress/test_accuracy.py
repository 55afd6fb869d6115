"""What accuracy quantisation reached is said, and where it is lost if it is poor."""

import warnings

import numpy as np
import pytest

from lava_ssm import engine
from lava_ssm.compress import (
    PAPER,
    W8A16,
    AccuracyWarning,
    Formats,
    quantize,
    report,
    signal_to_error,
)
from lava_ssm.network import S4D, Linear, Network
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
