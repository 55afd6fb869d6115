"""Noisy speech: the layout of N-DNS, and a small set made of packages."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import soundfile
from G722 import G722

from lava_ssm import audio
from lava_ssm.data import DataDamagedError, ndns, stacked
from lava_ssm.data.mini_ndns import (
    NOISE_PACKAGES,
    PARTS,
    SPEECH_PACKAGES,
    MiniNDNS,
    _decode,
    _split,
    _unzip,
    make_mini_ndns,
)


def tone(seconds: float, frequency: float) -> np.ndarray:
    return 0.3 * np.sin(2 * np.pi * frequency * np.arange(int(16000 * seconds)) / 16000)


def layout(folder: Path, clips: int) -> Path:
    for kind in ("noisy", "clean"):
        (folder / kind).mkdir(parents=True)
    for i in range(clips):
        audio.write(folder / "clean" / f"clean_fileid_{i}.wav", tone(0.1, 200 + i))
        audio.write(folder / "noisy" / f"book_x_snr{i - 3}_tl-25_fileid_{i}.wav", tone(0.1, 300))
    return folder


def test_clips_are_found_by_number_with_their_ratio(tmp_path: Path) -> None:
    clips = ndns(layout(tmp_path / "training_set", 12))
    assert [clip.number for clip in clips] == list(range(12))
    assert [clip.snr for clip in clips[:4]] == [-3, -2, -1, 0]
    noisy, clean = stacked(clips)
    assert noisy.shape == clean.shape == (12, 1600)
    np.testing.assert_allclose(clean[3], tone(0.1, 203), atol=1e-4)


def test_what_is_no_data_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="must hold the folders 'noisy' and 'clean'"):
        ndns(tmp_path)
    folder = layout(tmp_path / "set", 2)
    (folder / "clean" / "clean_fileid_1.wav").unlink()
    with pytest.raises(FileNotFoundError, match="has no clean original"):
        ndns(folder)
    audio.write(folder / "clean" / "clean_fileid_1.wav", tone(0.2, 200))
    with pytest.raises(audio.AudioError, match="1600 samples, its clean original 3200"):
        stacked(ndns(folder))
    shutil.rmtree(folder / "noisy")
    (folder / "noisy").mkdir()
    with pytest.raises(FileNotFoundError, match="no file"):
        ndns(folder)


@pytest.mark.parametrize(
    ("name", "number", "snr"),
    [
        ("book_00000_chp_0009_reader_06709_0_x8Pzmr2Zvo4_snr5_tl-25_fileid_7.wav", 7, 5),
        ("book_1_sWsnr3aX_abc_snr12_tl-21_fileid_1.wav", 1, 12),
        ("book_1_snr3_abc_snr12_tl-21_fileid_1.wav", 1, 12),  # a noise's name looks like a field
        ("reader_1_snr-3_tl-21_fileid_2.wav", 2, -3),
        ("reader_1_snr-12_tl21_fileid_2.wav", 2, -12),
        ("snr0_tl-21_fileid_2.wav", 2, 0),
        ("x_snr4_snr8_fileid_3.wav", 3, 8),
        ("x_SNR4_TL-20_FILEID_3.WAV", 3, 4),
        ("x_snr4_tl-20_fileid_0012.wav", 12, 4),
        ("x_snr4x_tl-20_fileid_3.wav", 3, None),
        ("x_mysnr4_tl-20_fileid_3.wav", 3, None),
        ("x_snr_tl-20_fileid_3.wav", 3, None),
        ("x_snr--4_tl-20_fileid_3.wav", 3, None),
        ("x_snr4.5_tl-20_fileid_3.wav", 3, None),
        ("x_tl-20_snr7_fileid_3.wav", 3, 7),
        ("fileid_4_snr9_fileid_3.wav", 3, 9),
        ("fileid_3.wav", 3, None),
    ],
)
def test_the_ratio_is_a_field_of_the_name(
    name: str, number: int, snr: int | None, tmp_path: Path
) -> None:
    for kind, file in (("noisy", name), ("clean", f"clean_fileid_{number}.wav")):
        (tmp_path / kind).mkdir()
        (tmp_path / kind / file).touch()
    (clip,) = ndns(tmp_path)
    assert (clip.number, clip.snr, clip.noisy.name) == (number, snr, name)


def test_what_else_lies_in_a_folder_is_no_clip(tmp_path: Path) -> None:
    folder = layout(tmp_path, 2)
    for kind in ("noisy", "clean"):
        (folder / kind / "._book_x_snr1_fileid_7.wav").touch()  # macOS leaves such files
        (folder / kind / "x_snr1_fileid_8.wav").mkdir()
        for other in (
            "x_snr1_fileid_9.wav.part",
            "xfileid_9.wav",
            "x_fileid_9.mp3",
            "x_fileid_.wav",
        ):
            (folder / kind / other).touch()
    assert [clip.number for clip in ndns(folder)] == [0, 1]


def test_clean_originals_are_found_by_their_number(tmp_path: Path) -> None:
    folder = layout(tmp_path, 2)
    (folder / "clean" / "clean_fileid_1.wav").rename(folder / "clean" / "CLEAN_fileid_001.WAV")
    assert ndns(folder)[1].clean.name == "CLEAN_fileid_001.WAV"


@pytest.mark.parametrize("kind", ["noisy", "clean"])
def test_two_files_of_one_number_are_refused(kind: str, tmp_path: Path) -> None:
    folder = layout(tmp_path, 2)
    (folder / kind / "other_snr4_fileid_01.wav").touch()
    with pytest.raises(DataDamagedError, match=r"two files have the number 1: .*other_snr4"):
        ndns(folder)


# Packages as those of Debian look inside: a path of each voice and of each kind of noise.
_FILES = {
    "asterisk-core-sounds-en-g722": ["asterisk/sounds/en_US_f_Allison/{i}.g722"],
    "asterisk-core-sounds-es-g722": ["asterisk/sounds/es_MX_f_Allison/silence/{i}.g722"],
    "asterisk-core-sounds-fr-g722": ["asterisk/sounds/fr_CA_f_June/{i}.g722"],
    "asterisk-core-sounds-it-g722": ["asterisk/sounds/it_IT_m_Carlo/{i}.g722"],
    "asterisk-core-sounds-ru-g722": ["asterisk/sounds/ru_RU_f_IvrvoiceRU/{i}.g722"],
    "festvox-ru": ["festival/voices/russian/msu_ru_nsh_clunits/wav/{i}.wav"],
    "fillets-ng-data-nl": [
        "fillets-ng/sound/city/nl/vit-m-{i}.ogg",
        "fillets-ng/sound/wc/nl/v-{i}.ogg",
    ],
    "klettres-data": ["klettres/de/alpha/{i}.ogg", "klettres/ru/alpha/{i}.ogg"],
    "ktuberling-data": ["ktuberling/sounds/el/{i}.wav", "ktuberling/sounds/fr/{i}.wav"],
    "ufoai-sound": ["ufo/ambience/wind{i}.ogg", "ufo/ambience/radiomessage{i}.ogg"],
    "asterisk-moh-opsound-g722": ["asterisk/moh/song{i}.g722"],
    "fillets-ng-data": ["fillets-ng/music/rybky{i}.ogg", "fillets-ng/sound/share/bubbles{i}.ogg"],
    "sonic-pi-samples": ["sonic-pi/samples/drum{i}.flac"],
    "colobot-common-sounds": ["games/colobot/sounds/engine{i}.wav"],
    "lincity-ng-data": ["games/lincity-ng/music/default/{i}.ogg"],
}


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    if shutil.which("dpkg-deb") is None:
        pytest.skip("no dpkg-deb")
    folder = tmp_path_factory.mktemp("packages")
    rng = np.random.default_rng(0)
    for package in (*SPEECH_PACKAGES, *NOISE_PACKAGES):
        root = folder / package
        for pattern in _FILES[package]:
            for i in range(4):
                path = root / "usr/share" / pattern.format(i=i)
                path.parent.mkdir(parents=True, exist_ok=True)
                sound = tone(0.8, rng.uniform(120, 400)) * (1 + rng.normal(size=12800) / 10)
                sound += 0.2 * np.sin(2 * np.pi * 10 * np.arange(12800) / 16000)  # rumble
                if path.suffix == ".g722":
                    path.write_bytes(G722(16000, 64000).encode((sound * 2**14).astype(np.int16)))
                else:
                    rate = 44100 if path.suffix == ".flac" else 22050
                    soundfile.write(path, sound, rate)
        (root / "DEBIAN").mkdir()
        control = f"Package: {package}\nVersion: 1\nArchitecture: all\n"
        (root / "DEBIAN/control").write_text(f"{control}Maintainer: t <t@t>\nDescription: t\n")
        command = ["dpkg-deb", "-b", str(root), str(folder / f"{package}_1_all.deb")]
        subprocess.run(command, check=True, capture_output=True)
    return folder


RECIPE = MiniNDNS(clips=(6, 2, 4), seconds=1.0)


def test_a_small_set_is_made_the_same_each_time(packages: Path, tmp_path: Path) -> None:
    seen = []
    first = make_mini_ndns(tmp_path / "a", RECIPE, packages, lambda *now: seen.append(now))
    second = make_mini_ndns(tmp_path / "b", RECIPE, packages)
    names = sorted(str(p.relative_to(first)) for p in first.rglob("*.*"))
    assert names == sorted(str(p.relative_to(second)) for p in second.rglob("*.*"))
    for name in names:
        assert (first / name).read_bytes() == (second / name).read_bytes()
    assert sorted(p.name for p in (tmp_path / "a").iterdir()) == ["mini-ndns"]
    assert seen
    for part, count in zip(PARTS, (6, 2, 4), strict=True):
        clips = ndns(first / part)
        assert len(clips) == count
        for clip in clips:
            noisy, clean = clip.read()
            noise = noisy - clean
            measured = 10 * np.log10((clean**2).mean() / (noise**2).mean())
            assert measured == pytest.approx(clip.snr, abs=0.2)
            assert -5 <= clip.snr <= 20
            assert np.abs(noisy).max() <= 0.991
            power = np.abs(np.fft.rfft(clean)) ** 2  # a bin a hertz
            assert power[5:15].sum() < 1e-3 * power.sum()
    with pytest.raises(FileExistsError, match="is there already"):
        make_mini_ndns(tmp_path / "a", RECIPE, packages)


def test_no_voice_and_no_noise_is_in_two_parts(packages: Path, tmp_path: Path) -> None:
    about = json.loads((make_mini_ndns(tmp_path, RECIPE, packages) / "about.json").read_text())
    for kind in ("voices", "noises"):
        sets = [set(about[kind][part]) for part in PARTS]
        assert all(sets)
        assert not (sets[0] & sets[1] | sets[0] & sets[2] | sets[1] & sets[2])
    assert not any("radiomessage" in name for part in PARTS for name in about["noises"][part])
    assert "NSH" in about["voices"]["training_set"]
    for name in ("colobot", "lincity-ng"):
        assert any(name in noise for noise in about["noises"]["training_set"])


def test_those_who_may_be_heard_in_validation_and_test_are_not_heard_in_training() -> None:
    files = [
        f"usr/share/{pattern.format(i=i)}"
        for f in _FILES.values()
        for pattern in f
        for i in range(4)
    ]
    files = [f.replace("silence/", "") for f in files]
    speech, _ = _split(files, 0)
    found = [f for voices in speech["training_set"].values() for f in voices]
    assert any("klettres/de" in f for f in found)
    assert any("ktuberling/sounds/el" in f for f in found)
    assert not any(word in f for f in found for word in ("/ru/", "/fr", "nl/v-", "nl/vit-v-"))


def test_missing_packages_and_impossible_recipes_are_named(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match=r"no asterisk-core-sounds-en-g722_\*\.deb in"):
        make_mini_ndns(tmp_path, RECIPE, tmp_path)
    assert list(tmp_path.iterdir()) == []
    for package in (*SPEECH_PACKAGES, *NOISE_PACKAGES):
        (tmp_path / f"{package}_1_all.deb").write_bytes(b"no package")
    with pytest.raises(RuntimeError, match=r"dpkg-deb .* failed"):
        make_mini_ndns(tmp_path / "made", RECIPE, tmp_path)
    assert list((tmp_path / "made").iterdir()) == []
    with pytest.raises(ValueError, match="seed must not be negative"):
        MiniNDNS(seed=-1)
    with pytest.raises(ValueError, match="three numbers of at least 1"):
        MiniNDNS(clips=(1, 0, 1))
    with pytest.raises(ValueError, match=r"seconds must lie in \[0.5, 60\]"):
        MiniNDNS(seconds=0.1)
    with pytest.raises(ValueError, match="snr must be ascending"):
        MiniNDNS(snr=(5, -5))


@pytest.mark.parametrize("content", [b"", b"no zip", b"PK\3\4" + bytes(100)])
def test_a_damaged_file_in_a_package_is_named(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "base.pk3").write_bytes(content)
    with pytest.raises(RuntimeError, match=r"packages: base\.pk3 is damaged"):
        _unzip(tmp_path / "base.pk3")
    (tmp_path / "wind.ogg").write_bytes(content)
    with pytest.raises(RuntimeError, match=r"packages: wind\.ogg is damaged"):
        _decode(tmp_path / "wind.ogg")
