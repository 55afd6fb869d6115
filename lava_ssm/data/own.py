"""Data of one's own: an .npz file, a .csv file, or a folder of .csv or sound files."""

import csv
import hashlib
import json
import re
import warnings
from collections.abc import Iterable, Iterator, Mapping
from itertools import pairwise
from os import PathLike
from pathlib import Path
from typing import TypeAlias
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from lava_ssm.data.source import DataNotFoundError
from lava_ssm.data.split import Split, TokenData, mixing

Sample: TypeAlias = tuple[str, NDArray[np.float32], str]
"""Where it is from, its tokens (time, d_input), its class."""
_TEST = 0.2
"""Share of the samples that are the test set, where there is none."""
_OF_NUMBERS = set("0123456789+-.")
_SOUNDS = {".wav", ".flac", ".ogg"}


def own(path: str | PathLike[str]) -> TokenData:
    """Read data of one's own.

    All sequences have the same length; classes are the sorted labels. Where there is no test set,
    it is a fifth of the samples, stratified by class, always the same one. Training samples come
    shuffled, always alike; those of a test set that is there stay in their order.

    Parameters
    ----------
    path
        One of

        - an .npz file of arrays `x` (samples, time) or (samples, time, channels) and `y`
          (samples,), whole numbers or texts; perhaps `x_test` and `y_test` beside them,
        - a .csv or .tsv file with a header and a column `label`: a sample a row, whose other
          columns are its tokens; or, with a column `sample`, a token a row, whose other columns
          are its channels. Perhaps a column `split` that holds `train` or `test`,
        - a folder with a folder for each class, or with folders `train` and `test` of such ones: in
          it a file for each sample, .csv of a token a row, or sound (mono, 16 kHz), whose tokens
          are the 257 magnitudes of its spectra (`audio.analyse`).

    Raises
    ------
    DataNotFoundError
        There is nothing at this path.
    ValueError
        The content is none of these, sequences differ in length, or a label is missing or a number
        that is also written otherwise; the message says where.
    """
    place = Path(path)
    if not place.exists():
        raise DataNotFoundError(f"no data at {str(place)!r}")
    if place.is_dir():
        parts = _folder(place)
    elif place.suffix == ".npz":
        parts = _arrays(place)
    elif place.suffix in (".csv", ".tsv"):
        parts = _table(place)
    else:
        raise ValueError(f"{str(place)!r} must be a folder, or end in .npz, .csv or .tsv")
    train, test = (list(part) for part in parts)
    for where, _, label in (*train, *test):
        if label.strip().lower() in ("", "nan"):
            raise ValueError(f"{where}: its label is {label or 'empty'}: give it, or leave it out")
    labels = {label for _, _, label in (*train, *test)}
    classes = tuple(sorted(labels, key=_rank))
    for one, other in pairwise(classes):
        if _rank(one)[:2] == _rank(other)[:2] and _rank(one)[0] == 0:
            raise ValueError(
                f"{str(place)!r}: labels {one!r} and {other!r} are one number: write them alike"
            )
    unseen = labels - {label for _, _, label in train}
    if test and unseen:
        raise ValueError(
            f"{str(place)!r}: class {min(unseen)!r} of the test set has no sample to train with"
        )
    if len(classes) < 2:
        raise ValueError(f"{str(place)!r} must have samples of two classes at least, got {classes}")
    x, y = _stacked([*train, *test], classes)
    if test:
        order, n = mixing(len(train)), len(train)
        halves = Split(x[:n], y[:n]).at(order), Split(x[n:], y[n:], mixed=False)
    else:
        try:
            halves = Split(x, y).set_aside(_TEST)
        except ValueError as error:
            raise ValueError(f"{str(place)!r}: too few samples for a test set: {error}") from None
    scale = float(np.abs(x).max())
    if not 1e-2 <= scale <= 1e2:
        warnings.warn(
            f"{str(place)!r} has values of up to {scale:.3g}: networks learn best of values of "
            "about 1; scale them",
            stacklevel=2,
        )
    return TokenData(place.stem, *halves, n_classes=len(classes), classes=classes)


def identity(path: str | PathLike[str]) -> str:
    """Tell data from others: SHA-256 of a file's content, or of names and sizes in a folder."""
    place, digest = Path(path), hashlib.sha256()
    if not place.is_dir():
        return hashlib.sha256(place.read_bytes()).hexdigest()
    for file in sorted(place.rglob("*")):
        if file.is_file() and not _hidden(file.relative_to(place)):
            digest.update(f"{file.relative_to(place)} {file.stat().st_size}\n".encode())
    return digest.hexdigest()


def row_of(text: str, where: str) -> NDArray[np.float32]:
    """Read the numbers of a line, between commas, semicolons, tabs or spaces.

    Raises
    ------
    ValueError
        Something in it is no finite number.
    """
    return _numbers(_cells(text, _delimiter(text)), where)


def _hidden(path: Path) -> bool:
    return any(part.startswith(".") for part in path.parts)


def _delimiter(line: str) -> str | None:
    """What is between the cells of a line, and so of all those below it; None: spaces."""
    bare = re.sub(r'"[^"]*"', "", line)
    return next((d for d in "\t;," if d in bare), None)


def _cells(line: str, delimiter: str | None) -> list[str]:
    if delimiter is None:
        return line.split()
    return [cell.strip() for cell in next(csv.reader([line], delimiter=delimiter))]


def _numbers(cells: Iterable[str], where: str) -> NDArray[np.float32]:
    cells = list(cells)
    try:
        values = np.array([float(cell) for cell in cells])
    except ValueError as error:
        decimal = any(re.fullmatch(r"[+-]?\d*,\d+", cell) for cell in cells)
        hint = "; write decimal points, not commas" if decimal else ""
        raise ValueError(f"{where}: {error}{hint}") from None
    return _single(values, where)


def _single(values: NDArray[np.generic], where: str) -> NDArray[np.float32]:
    """Give finite numbers in float32."""
    with np.errstate(over="ignore"):
        single = values.astype(np.float32)
    finite = np.isfinite(single)
    if not finite.all():
        value = values.flat[int(finite.argmin())]
        end = ", which float32 must hold: it ends at 3.4e38" if np.isfinite(value) else ""
        raise ValueError(f"{where}: {value} is {'too large' if end else 'not finite'}{end}")
    return single


def is_header(text: str) -> bool:
    """Whether all cells of a line are names: no numbers, and nothing that begins as one."""
    cells = _cells(text, _delimiter(text))
    return not any(cell[:1] in _OF_NUMBERS or cell.lower() in ("nan", "inf") for cell in cells)


def _lines(path: Path) -> Iterator[tuple[str, str]]:
    """Each line that is not empty, and where it is."""
    try:
        for number, line in enumerate(path.read_text(encoding="utf-8-sig").splitlines(), 1):
            if line.strip():
                yield f"{str(path)!r}, line {number}", line
    except UnicodeDecodeError as error:
        raise ValueError(f"{str(path)!r} is no text: {error}") from None


def _table(path: Path) -> tuple[list[Sample], list[Sample]]:
    """Samples to train and to test with, of a file with a header."""
    lines = list(_lines(path))
    delimiter = _delimiter(lines[0][1]) if lines else None
    names = _cells(lines[0][1], delimiter) if lines else []
    if "label" not in names:
        raise ValueError(f"{str(path)!r} must begin with a header that has a column 'label'")
    special = {"label", "sample", "split"}
    twice = [name for name in special if names.count(name) > 1]
    if twice:
        raise ValueError(f"{str(path)!r} must have one column {twice[0]!r}, its header has more")
    _check_names(names, path)
    if special.issuperset(names):
        raise ValueError(f"{str(path)!r} must have columns of tokens beside its labels")
    parts: dict[str, list[Sample]] = {"train": [], "test": []}
    tokens: dict[tuple[str, str], tuple[str, list[NDArray[np.float32]]]] = {}
    for where, line in lines[1:]:
        cells = _cells(line, delimiter)
        if len(cells) != len(names):
            raise ValueError(f"{where}: {len(cells)} cells, the header has {len(names)}")
        row = dict(zip(names, cells, strict=True))
        part = row.get("split", "train")
        if part not in parts:
            raise ValueError(f"{where}: split must be 'train' or 'test', got {part!r}")
        label = row["label"]
        numbers = (v for name, v in zip(names, cells, strict=True) if name not in special)
        values = _numbers(numbers, where)
        if "sample" in row:
            first, rows = tokens.setdefault((part, row["sample"]), (label, []))
            if first != label:
                raise ValueError(
                    f"{where}: sample {row['sample']!r} is labelled {label!r}, before {first!r}"
                )
            rows.append(values)
        else:
            parts[part].append((where, values[:, np.newaxis], label))
    for (part, sample), (label, rows) in tokens.items():
        parts[part].append((f"{str(path)!r}, sample {sample}", np.stack(rows), label))
    return parts["train"], parts["test"]


def _check_names(names: list[str], path: Path) -> None:
    """Refuse the index of a table of pandas, which may tell the class."""
    for i, name in enumerate(names, 1):
        if not name or name.startswith("Unnamed: "):
            raise ValueError(
                f"{str(path)!r}: column {i} has no name. If it is an index, leave it out: "
                "to_csv(..., index=False)"
            )


def _folder(path: Path) -> tuple[list[Sample], list[Sample]]:
    inside = {p.name for p in path.iterdir() if p.is_dir() and not _hidden(p.relative_to(path))}
    if inside == {"train", "test"}:
        return list(_files(path / "train")), list(_files(path / "test"))
    return list(_files(path)), []


def _files(path: Path) -> Iterator[Sample]:
    """A sample a file, its class the name of its folder."""
    for file in sorted(path.glob("*/*")):
        if _hidden(file.relative_to(path)):
            continue
        if file.suffix in (".csv", ".tsv"):
            lines = list(_lines(file))
            delimiter = _delimiter(lines[0][1]) if lines else None
            if lines and is_header(lines[0][1]):
                _check_names(_cells(lines.pop(0)[1], delimiter), file)
            tokens = [_numbers(_cells(line, delimiter), where) for where, line in lines]
            if len({len(token) for token in tokens}) != 1:
                raise ValueError(f"{str(file)!r} must have lines of one length")
            yield str(file), np.stack(tokens), file.parent.name
        elif file.suffix in _SOUNDS:
            from lava_ssm import audio

            spectra = np.abs(audio.analyse(audio.read(file)))
            yield str(file), spectra.astype(np.float32), file.parent.name
        else:
            raise ValueError(f"{str(file)!r} must be a .csv, .tsv, .wav, .flac or .ogg file")


def _arrays(path: Path) -> tuple[list[Sample], list[Sample]]:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            held = {name: arrays[name] for name in arrays.files}
    except (BadZipFile, EOFError, OSError, ValueError) as error:
        hint = "; sequences of different lengths: cut or pad them" if "pickle" in str(error) else ""
        raise ValueError(f"{str(path)!r} cannot be read: {error}{hint}") from None
    if not {"x", "y"} <= held.keys():
        raise ValueError(f"{str(path)!r} must hold arrays x and y, got {', '.join(held) or 'none'}")
    if ("x_test" in held) is not ("y_test" in held):
        raise ValueError(f"{str(path)!r} must hold both x_test and y_test, or neither")
    train = list(_pairs(path, held["x"], held["y"], "x", "y"))
    if "x_test" not in held:
        return train, []
    return train, list(_pairs(path, held["x_test"], held["y_test"], "x_test", "y_test"))


def _pairs(
    path: Path, x: NDArray[np.generic], y: NDArray[np.generic], x_name: str, y_name: str
) -> Iterator[Sample]:
    if x.dtype.kind not in "fiub" or x.ndim not in (2, 3) or 0 in x.shape[1:]:
        raise ValueError(
            f"{str(path)!r}: {x_name} must be real numbers (samples, time) or (samples, time, "
            f"channels), got {x.dtype} of shape {x.shape}"
        )
    if y.ndim != 1 or len(y) != len(x) or y.dtype.kind not in "fiubU":
        raise ValueError(
            f"{str(path)!r}: {y_name} must be a label of each of the {len(x)} samples, got "
            f"{y.dtype} of shape {y.shape}"
        )
    if y.dtype.kind == "f":
        numbers = y.astype(np.float64)
        if np.isnan(numbers).any():
            raise ValueError(
                f"{str(path)!r}: {y_name} must have a label of each sample, that of sample "
                f"{np.isnan(numbers).argmax()} is nan"
            )
        if not (numbers == np.floor(numbers)).all() or (abs(numbers) > 2**53).any():
            raise ValueError(f"{str(path)!r}: {y_name} must be whole numbers or texts")
        y = y.astype(np.int64)
    elif y.dtype.kind == "b":
        y = y.astype(np.int64)
    for i, (sample, label) in enumerate(zip(x, y, strict=True)):
        where = f"{str(path)!r}, sample {i} of {x_name}"
        yield where, _single(sample, where).reshape(len(sample), -1), str(label)


def _stacked(
    samples: list[Sample], classes: tuple[str, ...]
) -> tuple[NDArray[np.float32], NDArray[np.int64]]:
    first = samples[0]
    for where, tokens, _ in samples:
        if tokens.shape != first[1].shape:
            raise ValueError(
                f"{where}: {tokens.shape[0]} tokens of {tokens.shape[1]} channels, but "
                f"{first[0]} has {first[1].shape[0]} of {first[1].shape[1]}: all samples must be "
                "as long; cut or pad them"
            )
    numbers = {label: i for i, label in enumerate(classes)}
    x = np.stack([tokens for _, tokens, _ in samples])
    return x, np.array([numbers[label] for _, _, label in samples], np.int64)


def _rank(label: str) -> tuple[int, float, str]:
    """Numbers by size, before texts by the alphabet."""
    try:
        return 0, float(label), label
    except ValueError:
        return 1, 0.0, label


def classes_of(made_by: Mapping[str, str]) -> tuple[str, ...]:
    """Names of the classes of a network that was trained with data of one's own."""
    return tuple(json.loads(made_by.get("classes", "[]")))
