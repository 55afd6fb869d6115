"""Denoising: a stream is the whole, the mask does what it says."""

import numpy as np
import pytest

from lava_ssm.audio import Denoiser, analyse, denoise
from lava_ssm.compress import W8A16, quantize
from lava_ssm.network import FixedLinear, FixedNetwork, Linear, Network
from tests.networks import random_s5_network


def test_a_mask_of_zero_leaves_the_sound_and_one_of_minus_one_nothing() -> None:
    x = np.random.default_rng(0).normal(size=(2, 1500)) / 10
    nothing = Network((Linear(np.zeros((257, 257))),))
    np.testing.assert_allclose(denoise(nothing, x), x, atol=1e-12)
    silent = Network((Linear(np.zeros((257, 257)), -np.ones(257)),))
    np.testing.assert_allclose(denoise(silent, x), 0, atol=1e-12)


@pytest.mark.parametrize("is_fixed", [False, True])
def test_a_stream_is_the_whole_384_samples_later(is_fixed: bool) -> None:
    rng = np.random.default_rng(1)
    network = random_s5_network(rng, 1, 16, 8, d_input=257, d_output=257)
    x = rng.normal(size=128 * 12) / 10
    net = (
        quantize(network, np.abs(rng.normal(size=(1, 50, 257))) * 5, arithmetic=W8A16)
        if is_fixed
        else network
    )
    stream = Denoiser(net)
    blocks = np.concatenate([x.reshape(-1, 128), np.zeros((3, 128))])
    samples = np.concatenate([stream.step(block) for block in blocks])
    np.testing.assert_allclose(samples[384:], denoise(net, x), atol=1e-10)


def test_sound_louder_than_the_input_format_saturates() -> None:
    # masks of 2^-20 times the magnitudes, which reach 2^8 - 2^-15
    layer = FixedLinear(np.eye(257, dtype=int), 20, output_exponent=30)
    net = FixedNetwork((layer,), input_exponent=15)
    loud = 1e3 * np.random.default_rng(2).normal(size=1000)
    assert np.abs(analyse(loud)).max() > 2**8
    np.testing.assert_allclose(denoise(net, loud), loud, rtol=2**-11, atol=1)


def test_networks_that_give_no_masks_are_refused() -> None:
    with pytest.raises(ValueError, match=r"257 channels in and out.*\(1, 1\)"):
        Denoiser(Network((Linear([[1.0]]),)))
    with pytest.raises(ValueError, match="read out every token"):
        Denoiser(Network((Linear(np.eye(257)),), "mean"))
    with pytest.raises(TypeError, match="network must be"):
        denoise("net", np.zeros(1000))  # type: ignore[arg-type]
