"""Data of one's own: what is taken, and what is refused by name."""

import re
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lava_ssm import audio, data
from lava_ssm.data.own import identity, is_header

RNG = np.random.default_rng(0)
X = RNG.normal(size=(20, 6)).astype(np.float32)
Y = np.arange(20) % 2


def npz(path: Path, **arrays: Any) -> Path:
    np.savez(path / "mine.npz", **arrays)
    return path / "mine.npz"


def same_samples(found: data.TokenData, x: np.ndarray, y: np.ndarray) -> None:
    """All samples are there once, with their classes, a fifth of them to test with."""
    assert len(found.test) == len(x) // 5
    rows = np.concatenate([found.train.x, found.test.x]).reshape(len(x), -1)
    labels = np.concatenate([found.train.y, found.test.y])
    order, wanted = np.lexsort(rows.T), np.lexsort(x.reshape(len(x), -1).T)
    np.testing.assert_array_equal(rows[order], x.reshape(len(x), -1)[wanted])
    np.testing.assert_array_equal(labels[order], y[wanted])


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64, ">f8", np.int8])
def test_arrays_are_taken(kind: Any, tmp_path: Path) -> None:
    x = (10 * X).astype(kind)
    found = data.load(str(npz(tmp_path, x=x, y=Y)))
    same_samples(found, x.astype(np.float32), Y)
    assert (found.name, found.d_input, found.n_classes, found.classes) == ("mine", 1, 2, ("0", "1"))
    again = data.own(npz(tmp_path, x=x, y=Y))
    np.testing.assert_array_equal(again.test.x, found.test.x)


def test_a_test_set_of_its_own_is_taken(tmp_path: Path) -> None:
    x = X.reshape(20, 3, 2)
    path = npz(tmp_path, x=x[:15], y=np.array(["b", "a", "c"] * 5), x_test=x[15:], y_test=["a"] * 5)
    found = data.own(path)
    order = np.lexsort(found.train.x.reshape(15, -1).T)[
        np.lexsort(x[:15].reshape(15, -1).T).argsort()
    ]
    np.testing.assert_array_equal(found.train.x[order], x[:15])
    np.testing.assert_array_equal(found.test.x, x[15:])
    assert found.classes == ("a", "b", "c")
    assert found.train.y[order].tolist() == [1, 0, 2] * 5
    assert found.test.y.tolist() == [0] * 5


def write_arrays(folder: Path, x: np.ndarray, y: np.ndarray) -> Path:
    return npz(folder, x=x, y=y, x_test=x, y_test=y)


def write_table(folder: Path, x: np.ndarray, y: np.ndarray) -> Path:
    rows = [
        f"{','.join(map(str, tokens.tolist()))},{label},{part}\n"
        for part in ("train", "test")
        for tokens, label in zip(x, y, strict=True)
    ]
    (folder / "mine.csv").write_text("a,b,c,d,e,f,label,split\n" + "".join(rows))
    return folder / "mine.csv"


def write_folder(folder: Path, x: np.ndarray, y: np.ndarray) -> Path:
    for part in ("train", "test"):
        for i, (tokens, label) in enumerate(zip(x, y, strict=True)):
            (folder / part / str(label)).mkdir(parents=True, exist_ok=True)
            text = "\n".join(map(str, tokens.tolist()))
            (folder / part / str(label) / f"{i:03}.csv").write_text(text)
    return folder


@pytest.mark.parametrize("write", [write_arrays, write_table, write_folder])
def test_the_first_samples_are_of_all_classes(write: Any, tmp_path: Path) -> None:
    x, y = RNG.normal(size=(150, 6)).astype(np.float32), np.repeat([0, 1, 2], 50)
    path = write(tmp_path, x, y)
    found = data.own(path)
    for part in (found.train, found.test):
        some = part.first(30)
        # without replacement; fewer than 3 of one class: in 1 of 3000 draws
        assert np.bincount(some.y, minlength=3).min() >= 3
        assert len(np.unique(some.x.reshape(30, -1), axis=0)) == 30
    np.testing.assert_array_equal(found.test.x[..., 0], x)
    np.testing.assert_array_equal(data.own(path).train.x, found.train.x)


def test_numbers_are_in_their_own_order(tmp_path: Path) -> None:
    found = data.own(npz(tmp_path, x=X, y=np.where(Y, 10, 9)))
    assert found.classes == ("9", "10")
    same_samples(found, X, Y)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_a_table_of_a_sample_a_row_is_taken(delimiter: str, tmp_path: Path) -> None:
    names = ["slow", "fast"]
    lines = [
        ["label", *"abcdef"],
        *([names[y], *map(repr, x.tolist())] for x, y in zip(X, Y, strict=True)),
    ]
    path = tmp_path / "mine.csv"
    path.write_text("\n".join(delimiter.join(line) for line in lines) + "\n\n")
    found = data.own(path)
    assert found.classes == ("fast", "slow")
    same_samples(found, X, 1 - Y)


def test_a_table_of_a_token_a_row_is_taken(tmp_path: Path) -> None:
    x = X.reshape(20, 3, 2)
    lines = ["sample,left,right,label,split"]
    for t in range(3):  # samples need not lie in one piece
        for i in range(20):
            part = "test" if i >= 16 else "train"
            lines.append(f"s{i},{x[i, t, 0]!r},{x[i, t, 1]!r},{Y[i]},{part}".replace("np.", ""))
    path = tmp_path / "mine.csv"
    path.write_text(re.sub(r"float32\(([^)]*)\)", r"\1", "\n".join(lines)))
    found = data.own(path)
    assert sorted(found.train.x.tolist()) == sorted(x[:16].tolist())
    np.testing.assert_array_equal(found.test.x, x[16:])
    np.testing.assert_array_equal(found.test.y, Y[16:])


@pytest.mark.parametrize("header", ["", "left,right\n"])
def test_a_folder_of_tables_is_taken(header: str, tmp_path: Path) -> None:
    x = X.reshape(20, 3, 2)
    for part, samples in (("train", range(16)), ("test", range(16, 20))):
        for i in samples:
            folder = tmp_path / part / ["walk", "run"][Y[i]]
            folder.mkdir(parents=True, exist_ok=True)
            rows = "\n".join(",".join(map(str, token)) for token in x[i])
            (folder / f"{i:02}.csv").write_text(header + rows)
    found = data.own(tmp_path)
    assert found.classes == ("run", "walk")
    assert sorted(found.train.x.tolist()) == sorted(x[:16].tolist())
    assert found.test.y.tolist() == [0, 0, 1, 1]


def test_a_folder_of_sounds_is_taken_as_spectra(tmp_path: Path) -> None:
    for i in range(10):
        folder = tmp_path / ["high", "low"][i % 2]
        folder.mkdir(exist_ok=True)
        tone = 0.5 * np.sin(2 * np.pi * [2000, 250][i % 2] * np.arange(2048) / 16000)
        audio.write(folder / f"{i}.wav", tone)
    found = data.own(tmp_path)
    assert (found.d_input, len(found.train), len(found.test)) == (257, 8, 2)
    peaks = found.train.x[:, 8].argmax(-1)  # bins of 31.25 Hz
    np.testing.assert_array_equal(peaks, np.where(found.train.y == 0, 64, 8))


@pytest.mark.parametrize(
    ("arrays", "text"),
    [
        ({"x": X}, "must hold arrays x and y, got x"),
        ({"x": X, "y": Y[:-1]}, r"y must be a label of each of the 20 samples.*\(19,\)"),
        ({"x": X, "y": Y + 0.5}, "y must be whole numbers or texts"),
        ({"x": X + 1j, "y": Y}, "x must be real numbers .*complex"),
        ({"x": X[0], "y": Y}, r"x must be real numbers \(samples, time\).*shape \(6,\)"),
        ({"x": np.where(X[3, 2] == X, np.nan, X), "y": Y}, "sample 3 of x: nan is not finite"),
        ({"x": X, "y": Y, "x_test": X}, "both x_test and y_test, or neither"),
        ({"x": X, "y": 0 * Y}, "samples of two classes at least"),
        ({"x": X[:2], "y": Y[:2]}, "too few samples for a test set"),
        ({"x": X[:15], "y": Y[:15], "x_test": X[:, :5], "y_test": Y}, "sample 0 of x_test: 5 tok"),
        ({"x": X[:, :0], "y": Y}, r"mine.npz.*x must be real numbers.* shape \(20, 0\)"),
        ({"x": X.reshape(20, 6, 1)[..., :0], "y": Y}, r"x must be real numbers.* \(20, 6, 0\)"),
        (
            {"x": 1e300 * X.astype(float), "y": Y},
            r"sample 0 of x: .*e\+\d+ is too large.* ends at 3.4e38",
        ),
        ({"x": X, "y": np.where(Y, np.nan, 1.0)}, "that of sample 1 is nan"),
        ({"x": X, "y": np.where(Y, np.inf, 1.0)}, "y must be whole numbers or texts"),
        ({"x": X, "y": np.where(Y, "up", "NaN")}, "sample 0 of x: its label is NaN"),
        ({"x": X, "y": np.where(Y, "1", "1.0")}, "labels '1' and '1.0' are one number"),
    ],
)
def test_arrays_that_cannot_be_learned_are_refused(
    arrays: dict[str, np.ndarray], text: str, tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match=text):
        data.own(npz(tmp_path, **arrays))


def test_sequences_of_different_lengths_are_refused(tmp_path: Path) -> None:
    ragged = np.empty(2, object)
    ragged[:] = [[1.0], [1.0, 2.0]]
    np.savez(tmp_path / "mine.npz", x=ragged, y=[0, 1], allow_pickle=True)
    with pytest.raises(ValueError, match="sequences of different lengths: cut or pad them"):
        data.own(tmp_path / "mine.npz")
    for name, rows in (("a", "1\n2"), ("b", "1\n2\n3")):
        (tmp_path / "own" / name).mkdir(parents=True)
        (tmp_path / "own" / name / "1.csv").write_text(rows)
    with pytest.raises(ValueError, match=r"b/1.csv: 3 tokens of 1 channels, but .*a/1.csv has 2"):
        data.own(tmp_path / "own")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3\n", "header that has a column 'label'"),
        ("", "header that has a column 'label'"),
        ("label,t\na,1\nb,1,2\n", "line 3: 3 cells, the header has 2"),
        ("label,t\na,1\nb,x\n", "line 3: could not convert string to float: 'x'"),
        ("label,t\na,1\nb,nan\n", "line 3: nan is not finite"),
        ("label,t,split\na,1,train\nb,1,other\n", "line 3: split must be 'train' or 'test'"),
        ("label,t,label\na,1,b\n", "must have one column 'label', its header has more"),
        ("label,t\na,1\n,2\n", "line 3: its label is empty"),
        ("label,t\n1,1\nnan,2\n2,3\n", "line 3: its label is nan"),
        ("label,t\na,1\nb,1e297\n", "line 3: 1e.297 is too large.* float32.* ends at 3.4e38"),
        ("label\na\nb\n", "must have columns of tokens"),
        (",t,label\n0,1,a\n1,2,b\n", r"column 1 has no name.*index=False"),
        ("Unnamed: 0,t,label\n0,1,a\n1,2,b\n", r"column 1 has no name.*index=False"),
        ("t;label\n0,5;a\n0,7;b\n", "line 2: .*'0,5'; write decimal points"),
        ("label,t,sample\na,1,s\nb,2,s\n", "line 3: sample 's' is labelled 'b', before 'a'"),
        ("label,t\na,1\na,2\na,3\nb,2\n", r"too few samples .* \(the rarest has 1\)"),
        ("label,t,split\na,1,train\nb,1,train\nc,1,test\n", "class 'c' of the test set has no"),
    ],
)
def test_a_table_that_makes_no_sense_is_refused(text: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "mine.csv").write_text(text)
    with pytest.raises(ValueError, match=message):
        data.own(tmp_path / "mine.csv")


def test_what_is_hidden_is_no_class(tmp_path: Path) -> None:
    for i in range(10):
        folder = tmp_path / "ab"[i % 2]
        folder.mkdir(exist_ok=True)
        (folder / f"{i}.csv").write_text(f"left,right\n{i},1\n{i},2")
    before = identity(tmp_path)
    for hidden in (".ipynb_checkpoints", ".git", "a/.ipynb_checkpoints"):
        (tmp_path / hidden).mkdir()
        (tmp_path / hidden / "1.csv").write_text("1,2")
    assert data.own(tmp_path).classes == ("a", "b")
    assert identity(tmp_path) == before
    (tmp_path / "a" / "index.csv").write_text(",left,right\n0,1,1\n1,2,2")
    with pytest.raises(ValueError, match=r"index.csv': column 1 has no name.*index=False"):
        data.own(tmp_path)


def test_one_delimiter_is_that_of_the_whole_file(tmp_path: Path) -> None:
    rows = "".join(f'"half; {i % 2}",{i},{-i}\n' for i in range(10))
    (tmp_path / "mine.csv").write_text("label,v,w\n" + rows)
    assert data.own(tmp_path / "mine.csv").classes == ("half; 0", "half; 1")


def test_columns_of_one_name_are_all_tokens(tmp_path: Path) -> None:
    rows = "".join(f"{i},{-i},{'ab'[i % 2]}\n" for i in range(10))
    (tmp_path / "mine.csv").write_text("v,v,label\n" + rows)
    found = data.own(tmp_path / "mine.csv")
    x = np.concatenate([found.train.x, found.test.x])
    assert x.shape == (10, 2, 1)
    np.testing.assert_array_equal(x[:, 0], -x[:, 1])


def test_what_is_no_data_is_refused(tmp_path: Path) -> None:
    with pytest.raises(data.DataNotFoundError, match="no data at"):
        data.own(tmp_path / "none.npz")
    with pytest.raises(ValueError, match=r"task must be one of sdigits, .* or the path of data"):
        data.load("none.npz")
    (tmp_path / "mine.txt").touch()
    with pytest.raises(ValueError, match=r"must be a folder, or end in .npz, .csv or .tsv"):
        data.own(tmp_path / "mine.txt")
    (tmp_path / "mine.npz").write_text("text")
    with pytest.raises(ValueError, match="cannot be read"):
        data.own(tmp_path / "mine.npz")


def test_values_far_from_one_are_warned_of(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="networks learn best of values of about 1"):
        data.own(npz(tmp_path, x=1e4 * X, y=Y))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        data.own(npz(tmp_path, x=X, y=Y))


@pytest.mark.parametrize(
    ("line", "names"),
    [("left,right", 1), ("ch1;ch2", 1), (",t0", 1), ("1,2", 0), ("-.5", 0), ("1,x", 0), ("nan", 0)],
)
def test_a_header_has_names_alone(line: str, names: int) -> None:
    assert is_header(line) is bool(names)
