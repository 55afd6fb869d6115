"""Files that are complete or not there: the one way in which this library writes them."""

import io
import os
import secrets
import shutil
import stat
import tempfile
from contextlib import suppress
from os import PathLike
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.figure import Figure

try:
    import fcntl
except ImportError:  # Windows: there a file that is open cannot be removed by another
    fcntl = None  # type: ignore[assignment]

_PREFIX, _SUFFIX = ".lava-ssm-", ".part"


def write(path: str | PathLike[str], content: bytes | str) -> None:
    """Write a file in one go: it is complete, or what was there before stays.

    The content goes to a new file beside the target, which then takes the target's place and its
    mode. A symbolic link is followed. What is no regular file (a pipe, a device) is written to
    directly. Of several writers the last one wins. Such new files of writers that were killed are
    removed.

    Parameters
    ----------
    path
        The file. Other hard links to it keep the old content.
    content
        Text is written as UTF-8.

    Raises
    ------
    FileNotFoundError
        There is no such folder.
    IsADirectoryError
        It is a folder itself.
    PermissionError
        The file is read-only, or its folder is.
    OSError
        Whatever else `open(path, "wb")` refuses; or the disk is full.
    """
    data = content.encode() if isinstance(content, str) else content
    target, replaced = _target(path)
    if replaced is not None and not stat.S_ISREG(replaced.st_mode):
        with open(target, "wb") as file:
            file.write(data)
        return
    folder = os.path.dirname(target)
    _clear(folder)
    # nobody may read the new file who may not read the old one
    descriptor, part = _new(folder, 0o666 if replaced is None else replaced.st_mode & 0o666)
    try:
        with open(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if replaced is not None:
                _take_over(target, replaced, part)
            os.fsync(file.fileno())
            os.replace(part, target)
    except OSError as error:
        if error.errno is not None:
            error.filename = error.filename or os.fspath(path)
        raise
    finally:
        with suppress(FileNotFoundError):  # it has taken its place
            os.unlink(part)


def write_figure(path: str | PathLike[str], figure: "Figure", dpi: float) -> None:
    """Write a figure of matplotlib's as `write` does, in the format that the path ends with.

    Raises
    ------
    ValueError
        A format that matplotlib does not know.
    OSError
        As `write` does.
    """
    content, kind = io.BytesIO(), os.path.splitext(name_of(path))[1][1:] or "png"
    known = figure.canvas.get_supported_filetypes()
    if kind.lower() not in known:
        raise ValueError(f"a figure must end in one of {', '.join(known)}, got {name_of(path)}")
    figure.savefig(content, format=kind, dpi=dpi)
    write(path, content.getvalue())


def name_of(path: str | PathLike[str]) -> str:
    """A path as a text.

    Raises
    ------
    TypeError
        It is none.
    """
    try:
        return os.fsdecode(path)
    except TypeError:
        raise TypeError(
            f"path must be a text or a pathlib.Path, got {type(path).__name__}"
        ) from None


def check(path: str | PathLike[str], name: str = "path", ending: str = "") -> None:
    """Refuse, before anything is computed, a place where `write` cannot write.

    Parameters
    ----------
    name
        What the path is called in messages.
    ending
        How it must end, in large or small letters; a device or a pipe may be called anything.

    Raises
    ------
    OSError
        As `write` does.
    ValueError
        It ends in another way.
    """
    try:
        _check(path)
    except OSError as error:
        if name == "path":
            raise
        raise type(error)(f"{name}: {str(error).removeprefix('path: ')}") from error
    is_special = os.path.exists(path) and not os.path.isfile(path)
    if not is_special and not name_of(path).lower().endswith(ending):
        raise ValueError(f"{name} must end in {ending}, got {name_of(path)}")


def is_stdout(path: str | PathLike[str]) -> bool:
    """Whether it is what this process prints to, as /dev/stdout is."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(1))
    except OSError:  # there is no such file, or nothing to print to
        return False


def check_folder(folder: str | PathLike[str], name: str = "folder") -> None:
    """Refuse, before anything is computed, a folder that cannot be made or written into.

    Parameters
    ----------
    name
        What the folder is called in messages.

    Raises
    ------
    NotADirectoryError
        It, or what it is to be made in, is something else.
    PermissionError
        Nothing may be written there.
    OSError
        No folder can be made there.
    """
    there = wanted = os.path.abspath(folder)
    while not os.path.lexists(there):
        there = os.path.dirname(there)
    if not os.path.isdir(there):
        raise NotADirectoryError(f"{name}: {there!r} is no folder; choose another one")
    check(os.path.join(there, ".lava-ssm"), name)  # a name that nothing has
    if there != wanted:
        try:
            os.rmdir(tempfile.mkdtemp(prefix=_PREFIX, dir=there))
        except OSError as error:  # as in /proc, where all may write and nothing can be made
            why = f"{name}: no folder can be made in {there!r} ({error.strerror}); choose another"
            raise type(error)(why) from error


def _check(path: str | PathLike[str]) -> None:
    target, replaced = _target(path)
    folder = os.path.dirname(target)
    written_directly = replaced is not None and not stat.S_ISREG(replaced.st_mode)
    as_who_runs = os.access in os.supports_effective_ids
    may = os.access(folder, os.W_OK | os.X_OK, effective_ids=as_who_runs)
    if not written_directly and not may:
        raise PermissionError(f"path: nothing may be written into the folder {folder!r}")


def _target(path: str | PathLike[str]) -> tuple[str, os.stat_result | None]:
    """What a path leads to, and the file that is there."""
    name = name_of(path)
    target = os.path.realpath(name)
    try:
        found = os.stat(name)
    except FileNotFoundError:
        folder = os.path.dirname(target)
        if not name or not os.path.isdir(folder):
            raise FileNotFoundError(f"path: no folder {folder!r} to write {name!r} into") from None
        if name.endswith((os.sep, os.altsep or os.sep)):
            raise IsADirectoryError(f"path must name a file, {name!r} names a folder") from None
        return target, None
    if stat.S_ISDIR(found.st_mode):
        raise IsADirectoryError(f"path must name a file, {name!r} is a folder")
    if not stat.S_ISREG(found.st_mode):
        return name, found  # what leads to a pipe, as /dev/stdout, may lead to no other path
    os.close(os.open(target, os.O_WRONLY))  # refused where opening it to write would be
    return target, found


def _new(folder: str, mode: int) -> tuple[int, str]:
    """Make a new file with a short name of its own, locked as long as it is open."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)
    while True:
        part = os.path.join(folder, f"{_PREFIX}{secrets.token_hex(6)}{_SUFFIX}")
        descriptor = os.open(part, flags, mode)
        try:
            if fcntl is not None:
                with suppress(OSError):  # this file system has no locks, for the others neither
                    fcntl.flock(descriptor, fcntl.LOCK_EX)
            if os.fstat(descriptor).st_nlink:
                return descriptor, part
            os.close(descriptor)  # another writer took it for a dead one's, before it was locked
        except BaseException:
            os.close(descriptor)
            with suppress(FileNotFoundError):
                os.unlink(part)
            raise


def _clear(folder: str) -> None:
    """Remove the new files of writers that were killed: those that nobody holds locked."""
    try:
        names = [name for name in os.listdir(folder) if name.startswith(_PREFIX)]
    except OSError:  # a folder may be written to without being readable
        return
    for name in names:
        if name.endswith(_SUFFIX):
            with suppress(OSError):
                _remove_if_dead(os.path.join(folder, name))


def _remove_if_dead(part: str) -> None:
    if fcntl is None:
        os.unlink(part)
        return
    descriptor = os.open(part, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.unlink(part)
    finally:
        os.close(descriptor)


def _take_over(target: str, replaced: os.stat_result, part: str) -> None:
    """Give the new file the mode, the owner and the further attributes of the old one."""
    with suppress(OSError, AttributeError):  # the owner: for root alone
        os.chown(part, replaced.st_uid, replaced.st_gid)
    shutil.copystat(target, part)
    os.utime(part)
