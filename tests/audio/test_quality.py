"""SI-SNR by its definition; sound files that can be used and that cannot."""

from pathlib import Path

import numpy as np
import pytest
import soundfile

from lava_ssm.audio import AudioError, read, si_snr, write


def test_si_snr_of_orthogonal_noise_is_the_ratio_of_powers() -> None:
    t = np.arange(1600)
    clean, noise = np.sin(2 * np.pi * t / 16), np.cos(2 * np.pi * t / 16)
    assert si_snr(clean + 0.1 * noise, clean) == pytest.approx(20, abs=1e-9)
    assert si_snr(7 * (clean + 0.1 * noise) + 3, clean) == pytest.approx(20, abs=1e-9)


def test_si_snr_of_each_signal_of_a_batch() -> None:
    rng = np.random.default_rng(0)
    clean = rng.normal(size=(3, 1000))
    # by hand: the part along the clean signal, and the rest
    z = clean + rng.normal(size=(3, 1000)) * np.array([[0.1], [1], [3]])
    expected = []
    for a, s in zip(
        z - z.mean(1, keepdims=True), clean - clean.mean(1, keepdims=True), strict=True
    ):
        along = (a @ s) / np.sqrt(s @ s)
        expected.append(10 * np.log10(along**2 / (a @ a - along**2)))
    np.testing.assert_allclose(si_snr(z, clean), expected)


def test_silence_and_perfection_have_their_limits() -> None:
    s = np.sin(np.arange(100.0))
    assert si_snr(np.zeros(100), s) == -np.inf
    with pytest.raises(ValueError, match="clean: a silent signal has no SI-SNR"):
        si_snr(s, np.zeros(100))
    with pytest.raises(ValueError, match="one shape"):
        si_snr(s, s[:50])


def test_what_is_written_can_be_read(tmp_path: Path) -> None:
    x = np.random.default_rng(0).uniform(-0.9, 0.9, 1000)
    write(tmp_path / "a.wav", x)
    np.testing.assert_allclose(read(tmp_path / "a.wav"), x, atol=2**-15)
    write(tmp_path / "loud.wav", 10 * x)  # what does not fit is clipped
    assert np.abs(read(tmp_path / "loud.wav")).max() <= 1
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.wav", "loud.wav"]


def test_writing_sound_keeps_links_and_modes(tmp_path: Path) -> None:
    write(tmp_path / "a.wav", np.zeros(600))
    (tmp_path / "a.wav").chmod(0o600)
    (tmp_path / "link.wav").symlink_to("a.wav")
    write(tmp_path / "link.wav", np.full(700, 0.5))
    assert (tmp_path / "link.wav").is_symlink()
    assert (tmp_path / "a.wav").stat().st_mode & 0o777 == 0o600
    assert len(read(tmp_path / "a.wav")) == 700


@pytest.mark.parametrize(
    ("samples", "rate", "kind", "text"),
    [
        (np.zeros(8000), 8000, "PCM_16", "has 8000 samples a second, 16000 are needed"),
        (np.zeros((8000, 2)), 16000, "PCM_16", "has 2 channels, one is needed"),
        (np.zeros(511), 16000, "PCM_16", "has 511 samples, less than the 512 of one frame"),
        (np.full(600, np.nan), 16000, "FLOAT", "not finite"),
    ],
)
def test_files_that_cannot_be_used_are_refused(
    tmp_path: Path, samples: np.ndarray, rate: int, kind: str, text: str
) -> None:
    soundfile.write(tmp_path / "bad.wav", samples, rate, kind)
    with pytest.raises(AudioError, match=rf"bad\.wav.*{text}"):
        read(tmp_path / "bad.wav")


def test_what_is_no_sound_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(AudioError, match="no sound file that can be read"):
        read(tmp_path / "text.wav")
    with pytest.raises(FileNotFoundError, match="no sound file"):
        read(tmp_path / "absent.wav")
    with pytest.raises(FileNotFoundError, match="no folder"):
        write(tmp_path / "absent" / "a.wav", np.zeros(600))
