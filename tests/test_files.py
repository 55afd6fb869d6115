"""Files are complete or not there, whatever happens while they are written."""

import fcntl
import os
import resource
import signal
import stat
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

import lava_ssm
from lava_ssm import audio, files
from lava_ssm.network import Linear, Network

OLD, NEW = b"old", b"new" * 10_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    target = tmp_path / "target"
    target.write_bytes(OLD)
    return target


@contextmanager
def nobody() -> Iterator[Path]:
    """A folder of somebody who is not root, as whom the body runs; root may write anywhere."""
    with tempfile.TemporaryDirectory() as folder:
        was = os.geteuid()
        os.chmod(folder, 0o777)
        if was == 0:
            os.seteuid(65534)
        try:
            yield Path(folder)
        finally:
            os.seteuid(was)
            os.chmod(folder, 0o777)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    ("content", "written"), [(b"\0\n\r\n", b"\0\n\r\n"), ("é\n", b"\xc3\xa9\n")]
)
def test_bytes_and_text_are_written_as_they_are(
    tmp_path: Path, content: bytes | str, written: bytes
) -> None:
    for place in (tmp_path / "a", str(tmp_path / "b"), os.fsencode(tmp_path / "c")):
        files.write(place, content)  # type: ignore[arg-type]
        assert Path(os.fsdecode(place)).read_bytes() == written
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("given", [0o600, 0o640, 0o664, 0o666, 0o755])
def test_the_mode_of_a_file_stays(path: Path, given: int) -> None:
    path.chmod(given)
    files.write(path, NEW)
    assert (mode(path), path.read_bytes()) == (given, NEW)


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002])
def test_a_new_file_has_the_mode_of_any_new_file(tmp_path: Path, mask: int) -> None:
    before = os.umask(mask)
    try:
        files.write(tmp_path / "new", NEW)
    finally:
        os.umask(before)
    assert mode(tmp_path / "new") == 0o666 & ~mask


def test_the_umask_of_the_process_is_not_touched(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(mask: int) -> int:
        raise AssertionError("the umask is that of all threads")

    monkeypatch.setattr(os, "umask", refuse)
    files.write(path, NEW)
    files.write(path.with_name("other"), NEW)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_owner_of_a_file_stays(path: Path) -> None:
    os.chown(path, 12345, 23456)
    files.write(path, NEW)
    assert (path.stat().st_uid, path.stat().st_gid) == (12345, 23456)


@pytest.mark.parametrize("given", [0o600, 0o000, 0o640])
def test_a_private_file_is_never_readable_by_others(
    path: Path, given: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path.chmod(given)
    seen = []
    for name in ("write", "fsync", "replace"):
        real = getattr(os, name)

        def look(*args: object, real: Callable = real, **kwargs: object) -> object:
            parts = [p for p in path.parent.iterdir() if p != path]
            seen.extend(mode(p) for p in parts)
            return real(*args, **kwargs)

        monkeypatch.setattr(os, name, look)
    files.write(path, NEW)
    assert len(seen) >= 2
    assert all(found & ~given == 0 for found in seen)


@pytest.mark.parametrize("act", [files.check, lambda path: files.write(path, NEW)])
def test_a_file_that_may_not_be_written_stays(act: Callable) -> None:
    with nobody() as folder:
        path = folder / "target"
        path.write_bytes(OLD)
        path.chmod(0o444)
        with pytest.raises(PermissionError, match="target"):
            path.open("wb")
        with pytest.raises(PermissionError, match="target"):
            act(path)
        link = folder / "link"
        link.symlink_to(path)
        with pytest.raises(PermissionError, match="target"):
            act(link)
        assert (path.read_bytes(), mode(path)) == (OLD, 0o444)
        assert sorted(p.name for p in folder.iterdir()) == ["link", "target"]


@pytest.mark.parametrize("act", [files.check, lambda path: files.write(path, NEW)])
@pytest.mark.parametrize("name", ["old", "new"])
def test_a_folder_that_may_not_be_written_to_is_refused(act: Callable, name: str) -> None:
    with nobody() as folder:
        (folder / "closed").mkdir()
        (folder / "closed" / "old").write_bytes(OLD)
        (folder / "closed").chmod(0o555)
        try:
            with pytest.raises(PermissionError, match="closed"):
                act(folder / "closed" / name)
            assert os.listdir(folder / "closed") == ["old"]
            assert (folder / "closed" / "old").read_bytes() == OLD
        finally:
            (folder / "closed").chmod(0o777)


@pytest.mark.parametrize("act", [files.check, lambda path: files.write(path, NEW)])
@pytest.mark.parametrize(
    ("name", "kind", "text"),
    [
        ("absent/file", FileNotFoundError, "no folder '.*absent' to write '.*absent/file'"),
        ("dangling", FileNotFoundError, "no folder '.*absent'"),
        ("folder", IsADirectoryError, "must name a file, '.*folder' is a folder"),
        ("to-folder", IsADirectoryError, "must name a file"),
        ("folder/", IsADirectoryError, "must name a file"),
        ("new/", IsADirectoryError, "must name a file, '.*new/' names a folder"),
        (".", IsADirectoryError, "must name a file"),
        ("loop", OSError, "symbolic links"),
        ("target/file", OSError, "Not a directory|no folder"),
        ("x" * 256, OSError, "File name too long"),
    ],
)
def test_what_is_no_place_for_a_file_is_named(
    act: Callable, path: Path, name: str, kind: type, text: str
) -> None:
    folder = path.parent
    (folder / "folder").mkdir()
    (folder / "to-folder").symlink_to("folder")
    (folder / "dangling").symlink_to("absent/file")
    (folder / "loop").symlink_to("pool")
    (folder / "pool").symlink_to("loop")
    before = sorted(folder.iterdir())
    with pytest.raises(kind, match=text):
        act(f"{folder}/{name}")
    assert sorted(folder.iterdir()) == before
    assert path.read_bytes() == OLD


def test_no_name_is_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(FileNotFoundError):
        files.write("", NEW)
    assert not list(tmp_path.iterdir())


def test_a_look_at_a_place_changes_nothing(path: Path) -> None:
    before = path.stat()
    files.check(path)
    files.check(path.with_name("new"))
    assert path.stat().st_mtime_ns == before.st_mtime_ns
    assert [p.name for p in path.parent.iterdir()] == ["target"]


def test_links_are_followed(path: Path) -> None:
    folder = path.parent
    (folder / "links").mkdir()
    (folder / "links" / "one").symlink_to("../target")
    (folder / "two").symlink_to("links/one")
    (folder / "dangling").symlink_to("links/new")
    files.write(folder / "two", NEW)
    files.write(folder / "dangling", NEW)
    assert path.read_bytes() == (folder / "links" / "new").read_bytes() == NEW
    assert all((folder / name).is_symlink() for name in ("two", "links/one", "dangling"))
    assert not path.is_symlink()


def test_another_hard_link_keeps_the_old_content(path: Path) -> None:
    other = path.with_name("other")
    other.hardlink_to(path)
    files.write(path, NEW)
    assert (path.read_bytes(), other.read_bytes()) == (NEW, OLD)


@pytest.mark.skipif(not Path("/dev/fd").is_dir(), reason="open files have no paths here")
def test_a_pipe_without_a_name_is_written_to() -> None:
    out, into = os.pipe()
    files.check(f"/dev/fd/{into}", ending=".wav")  # /dev/stdout is such a path
    files.write(f"/dev/fd/{into}", NEW)
    os.close(into)
    with open(out, "rb") as pipe:
        assert pipe.read() == NEW


def test_a_pipe_is_written_to(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    files.check(pipe)
    files.write(pipe, NEW)
    reader.join()
    assert got == [NEW]
    assert stat.S_ISFIFO(pipe.stat().st_mode)
    assert list(tmp_path.iterdir()) == [pipe]


def test_a_device_is_written_to(tmp_path: Path) -> None:
    link = tmp_path / "full"
    link.symlink_to("/dev/full")
    files.write("/dev/null", NEW)
    for full in ("/dev/full", link):
        with pytest.raises(OSError, match="No space left"):
            files.write(full, NEW)
    assert stat.S_ISCHR(os.stat("/dev/full").st_mode)
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    assert list(tmp_path.iterdir()) == [link]


@pytest.mark.parametrize("name", ["x" * 255, "é" * 127 + "x", "." + "y" * 254])
def test_names_may_be_as_long_as_the_system_takes_them(tmp_path: Path, name: str) -> None:
    for content in (OLD, NEW):
        files.write(tmp_path / name, content)
        assert (tmp_path / name).read_bytes() == content
    assert os.listdir(tmp_path) == [name]


def test_writers_at_once_do_not_disturb_each_other(path: Path) -> None:
    contents = [bytes([65 + i]) * 20_000 for i in range(8)]
    seen: set[bytes] = set()

    def write(content: bytes) -> None:
        for _ in range(40):
            files.write(path, content)
            seen.add(path.read_bytes())  # of this or of another writer, but whole

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(write, contents))
    assert seen <= set(contents)
    assert os.listdir(path.parent) == ["target"]


@pytest.mark.parametrize("where", ["fsync", "replace", "chown", "utime"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError, OSError(5, "broken")])
def test_whatever_interrupts_a_writer_the_old_file_stays(
    path: Path, where: str, error: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    if where == "chown" and isinstance(error, OSError):
        pytest.skip("who is not root may not give files away: no error")

    def interrupt(*args: object, **kwargs: object) -> None:
        raise error

    monkeypatch.setattr(os, where, interrupt)
    with pytest.raises(type(error) if isinstance(error, OSError) else error):
        files.write(path, NEW)
    assert path.read_bytes() == OLD
    assert os.listdir(path.parent) == ["target"]


def test_ctrl_c_stays_a_keyboard_interrupt(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.fsync

    def fsync(descriptor: int) -> None:
        real(descriptor)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(os, "fsync", fsync)
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in the background
    try:
        with pytest.raises(KeyboardInterrupt):
            files.write(path, NEW)
    finally:
        signal.signal(signal.SIGINT, before)
    assert path.read_bytes() == OLD
    assert os.listdir(path.parent) == ["target"]


def test_a_full_disk_leaves_the_old_file(path: Path) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, hard))  # as a full disk: half of it fits
    try:
        with pytest.raises(OSError, match=r"File too large: '.*target'"):
            files.write(path, NEW)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.read_bytes() == OLD
    assert os.listdir(path.parent) == ["target"]


KILLED = """
import os, signal, sys
import lava_ssm
from lava_ssm import audio, files
from lava_ssm.network import Linear, Network

os.fsync = lambda descriptor: os.kill(os.getpid(), signal.SIGKILL)
files.write(sys.argv[1], b"never")
"""


def test_what_killed_writers_left_is_cleared_away(path: Path) -> None:
    for _ in range(2):
        done = subprocess.run([sys.executable, "-c", KILLED, str(path)])
        assert done.returncode == -signal.SIGKILL
    assert path.read_bytes() == OLD
    left = set(os.listdir(path.parent)) - {"target"}
    assert len(left) == 1  # the second writer removed what the first had left
    files.write(path.with_name("other"), NEW)
    assert sorted(os.listdir(path.parent)) == ["other", "target"]


def test_what_others_are_writing_or_own_is_not_cleared_away(path: Path) -> None:
    folder = path.parent
    busy, notes, locked = (folder / f".lava-ssm-{x}" for x in ("abc.part", "notes", "d.part"))
    for other in (busy, notes, locked):
        other.write_bytes(b"")
    (folder / ".lava-ssm-e.part").mkdir()
    with busy.open("wb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        files.write(path, NEW)
        assert busy.exists()
    assert notes.exists()
    assert (folder / ".lava-ssm-e.part").is_dir()
    assert not locked.exists()  # nobody holds it


def test_a_figure_takes_the_format_of_its_name(tmp_path: Path) -> None:
    starts = {"a.png": b"\x89PNG", "a.pdf": b"%PDF", "a.svg": b"<?xml", "a": b"\x89PNG"}
    for name, start in starts.items():
        files.write_figure(tmp_path / name, Figure(), dpi=50)
        assert (tmp_path / name).read_bytes().startswith(start)
    (tmp_path / "a.xyz").write_bytes(OLD)
    with pytest.raises(ValueError, match="xyz"):
        files.write_figure(tmp_path / "a.xyz", Figure(), dpi=50)
    assert (tmp_path / "a.xyz").read_bytes() == OLD


@pytest.mark.parametrize("path", [None, 3, 0.5, ["net"], Path])
def test_what_is_no_path_is_named(path: Any) -> None:
    network = Network((Linear([[1.0]]),))
    for use in (lava_ssm.load, network.save, audio.read, lambda p: files.write(p, b"")):
        with pytest.raises(TypeError, match=r"path must be a text or a pathlib\.Path, got"):
            use(path)
