"""Spectra and back: token by token as whole, and what SciPy makes of them."""

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import stft

from lava_ssm import audio
from lava_ssm.audio import Analysis, Synthesis, analyse, synthesise
from lava_ssm.audio.spectra import WINDOW


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32), samples=st.integers(1, 3000))
def test_the_way_there_and_back_is_the_signal(seed: int, samples: int) -> None:
    x = np.random.default_rng(seed).normal(size=(2, samples))
    np.testing.assert_allclose(synthesise(analyse(x), samples), x, atol=1e-12)


def test_spectra_are_those_of_scipy() -> None:
    x = np.random.default_rng(0).normal(size=128 * 40)
    _, _, wanted = stft(x, window=WINDOW, nperseg=512, noverlap=384, padded=False, boundary=None)
    # SciPy divides by the window's sum; its first frame is the one that begins with x
    np.testing.assert_allclose(analyse(x)[3:40], wanted.T * WINDOW.sum(), atol=1e-10)


def test_streams_give_the_same_tokens_and_samples() -> None:
    x = np.random.default_rng(1).normal(size=128 * 20)
    analysis, synthesis = Analysis(), Synthesis()
    silence = np.zeros((3, 128))
    blocks = np.concatenate([x.reshape(-1, 128), silence])
    tokens = np.array([analysis.step(block) for block in blocks])
    np.testing.assert_allclose(tokens, analyse(x), atol=1e-12)
    samples = np.concatenate([synthesis.step(token) for token in tokens])
    np.testing.assert_allclose(samples[384:], x, atol=1e-12)  # 384 samples later
    assert np.abs(samples[:384]).max() < 1e-12


def test_a_token_needs_no_later_sample() -> None:
    rng = np.random.default_rng(2)
    x = rng.normal(size=2000)
    changed = x.copy()
    changed[1024:] = rng.normal(size=976)
    same, other = analyse(x), analyse(changed)
    np.testing.assert_array_equal(same[:8], other[:8])  # token 7 ends with sample 1023
    assert (same[8] != other[8]).any()


@pytest.mark.parametrize(
    "take",
    [analyse, Analysis().step, lambda x: audio.write("none/a.wav", x)],
    ids=["analyse", "step", "write"],
)
def test_integers_of_16_bit_sound_are_no_samples(take: Callable[[np.ndarray], object]) -> None:
    with pytest.raises(TypeError, match=r"must be floats, .* got int16; divide .* by 32768"):
        take(np.full(128, 1000, np.int16))


def test_wrong_shapes_are_named() -> None:
    with pytest.raises(ValueError, match=r"samples must have shape \(128,\), got \(64,\)"):
        Analysis().step(np.zeros(64))
    with pytest.raises(ValueError, match=r"spectrum must have shape \(257,\)"):
        Synthesis().step(np.zeros(256))
    with pytest.raises(ValueError, match="not be empty"):
        analyse(np.zeros(0))
    with pytest.raises(ValueError, match="finite"):
        analyse([0.0, np.nan])
    with pytest.raises(ValueError, match=r"\(\.\.\., 11, 257\) for 1000 samples"):
        synthesise(np.zeros((10, 257)), 1000)
