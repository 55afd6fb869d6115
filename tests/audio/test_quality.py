"""SI-SNR by its definition; sound files that can be used and that cannot."""

import contextlib
import shlex
import struct
import tracemalloc
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


TONE = (1e4 * np.sin(np.arange(4000) / 10)).astype("<i2").tobytes()


def wav(
    riff: int, size: int, *, before: bytes = b"", behind: bytes = b"", sound: bytes = TONE
) -> bytes:
    """A WAV whose header says these sizes."""
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, 16000, 32000, 2, 16)
    head = b"RIFF" + struct.pack("<I", riff) + b"WAVE" + form + before
    return head + b"data" + struct.pack("<I", size) + sound + behind


LIST = b"LIST" + struct.pack("<I", 5) + b"INFO " + b"\0"


@pytest.mark.parametrize(
    "content",
    [
        wav(0, 0),  # recorders write both sizes at the end
        wav(36, 0),
        wav(0xFFFFFFFF, 0xFFFFFFFF),
        wav(0xFFFFFFFF, 0),
        wav(0, 0xFFFFFFFF),
        wav(0x80000023, 0x7FFFFFFF),
        wav(0, 0, before=LIST),
        wav(36 + 8000, 8000, sound=TONE[:3000]),  # a copy that was cut off
        wav(36 + 8000, 8000, sound=b""),
    ],
)
def test_a_recording_that_was_cut_off_is_said_to_be(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "it's a recording.wav"
    path.write_bytes(content)
    with pytest.raises(AudioError, match="has an unfinished header") as caught:
        read(path)
    advice = str(caught.value).split("`")[1]
    assert shlex.split(advice)[:5] == ["ffmpeg", "-ignore_length", "1", "-i", str(path)]


@pytest.mark.parametrize(
    "content",
    [
        wav(36 + 8000, 8000),
        wav(36 + 8000 + 14, 8000, before=LIST),
        wav(36 + 8000 + 14, 8000, behind=LIST),
        wav(36 + 8000, 8000, behind=b"\0"),
    ],
)
def test_a_whole_recording_is_read(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(content)
    np.testing.assert_array_equal(
        read(tmp_path / "a.wav"), np.frombuffer(TONE, "<i2").astype(float) / 2**15
    )


def test_an_empty_recording_is_not_called_unfinished(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav(36 + 14, 0, sound=b"", behind=LIST))
    with pytest.raises(AudioError, match="has 0 samples"):
        read(tmp_path / "a.wav")


@pytest.mark.parametrize(
    "form",
    [
        (1, 0, 16000, 32000, 2, 16),
        (1, 65535, 16000, 32000, 2, 16),
        (1, 1, 0, 0, 2, 16),
        (1, 1, 4294967295, 32000, 2, 16),
        (1, 1, 16000, 32000, 0, 0),
        (1, 1, 16000, 32000, 65535, 65535),
        (65535, 1, 16000, 32000, 2, 16),
        (0, 0, 0, 0, 0, 0),
    ],
)
def test_absurd_headers_are_refused(form: tuple[int, ...], tmp_path: Path) -> None:
    content = bytearray(wav(36 + 8000, 8000))
    content[20:36] = struct.pack("<HHIIHH", *form)
    (tmp_path / "a.wav").write_bytes(content)
    with pytest.raises(AudioError, match=r"a\.wav"):
        read(tmp_path / "a.wav")


@pytest.mark.parametrize("name", ["two words.wav", "it's.wav", 'a "b" $c;d.wav', "-x.wav", "ä.wav"])
@pytest.mark.parametrize(("samples", "rate"), [(np.zeros(9000), 8000), (np.zeros((900, 2)), 16000)])
def test_the_advice_can_be_typed_as_it_is(
    name: str, samples: np.ndarray, rate: int, tmp_path: Path
) -> None:
    soundfile.write(tmp_path / name, samples, rate)
    with pytest.raises(AudioError) as caught:
        read(tmp_path / name)
    advice = shlex.split(str(caught.value).split("`")[1])
    assert advice[advice.index("-i") + 1] == str(tmp_path / name)


def test_a_header_of_more_samples_than_memory_holds_costs_none(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "a.flac", np.zeros(4000), 16000)
    content = bytearray((tmp_path / "a.flac").read_bytes())
    # STREAMINFO: 36 bits, the number of samples, end at byte 26
    content[21] |= 0x0F
    content[22:26] = b"\xff" * 4
    (tmp_path / "a.flac").write_bytes(content)
    tracemalloc.start()
    with contextlib.suppress(AudioError):
        assert len(read(tmp_path / "a.flac")) == 4000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10e6


def test_a_file_that_may_not_be_read_is_not_called_no_sound(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "a.wav", np.zeros(600))

    def refused(*_: object) -> None:
        raise PermissionError(13, "Permission denied", "a.wav")

    monkeypatch.setattr("builtins.open", refused)
    with pytest.raises(PermissionError, match=r"a\.wav"):
        read(tmp_path / "a.wav")


def test_what_is_no_sound_is_refused(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(AudioError, match="no sound file that can be read"):
        read(tmp_path / "text.wav")
    with pytest.raises(FileNotFoundError, match="no sound file"):
        read(tmp_path / "absent.wav")
    with pytest.raises(FileNotFoundError, match="no folder"):
        write(tmp_path / "absent" / "a.wav", np.zeros(600))
