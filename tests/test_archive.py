"""Sealed archives: what comes back, and what is refused."""

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of
from safetensors.numpy import load, save

from lava_ssm import archive
from lava_ssm.archive import ArchiveError

KINDS = [np.int8, np.int16, np.int32, np.int64, np.uint8, np.float32, np.float64]
ABOUT = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**200), 2**200) | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)  # fmt: skip
NAMES = st.text(min_size=1).filter(lambda name: name != "__metadata__" and name.isprintable())


@settings(max_examples=30, deadline=None)
@given(
    arrays=st.dictionaries(
        NAMES,
        st.sampled_from(KINDS).flatmap(
            lambda kind: arrays_of.arrays(kind, arrays_of.array_shapes(min_dims=0, min_side=0))
        ),
    ),
    about=ABOUT,
)
def test_arrays_and_description_come_back(arrays: dict[str, np.ndarray], about: Any) -> None:
    back, told = archive.unpack(archive.pack(arrays, about))
    assert told == about
    assert json.dumps(told) == json.dumps(about)  # True is not 1
    assert set(back) == set(arrays)
    for name, values in arrays.items():
        assert (back[name].dtype, back[name].shape) == (values.dtype, values.shape)
        assert back[name].tobytes() == values.tobytes()


def test_the_content_is_what_safetensors_reads() -> None:
    content = archive.pack({"x": np.arange(6).reshape(2, 3)[:, ::2]}, {"any": "thing"})
    np.testing.assert_array_equal(load(content)["x"], [[0, 2], [3, 5]])


def test_the_same_is_packed_to_the_same_bytes() -> None:
    arrays = {"b": np.ones(3, np.int8), "a": np.zeros(2), "c": np.ones(1, np.int8)}
    other_order = {name: arrays[name] for name in "cab"}
    assert archive.pack(arrays, {"x": 1}) == archive.pack(other_order, {"x": 1})


@pytest.mark.parametrize(
    "kind", [np.uint16, np.uint32, np.uint64, np.float16, np.complex128, np.bool_, object, "U3"]
)
def test_arrays_of_other_types_are_refused(kind: Any) -> None:
    with pytest.raises(ValueError, match=r"x: arrays of .* are not stored"):
        archive.pack({"x": np.zeros(2, kind)}, {})


@pytest.mark.parametrize("about", [float("nan"), [float("inf")], {"x": -float("inf")}])
def test_numbers_that_json_lacks_are_refused(about: Any) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        archive.pack({}, about)


def test_a_header_is_written_as_long_as_it_is_read() -> None:
    with pytest.raises(ValueError, match="description takes more than 2097152 bytes"):
        archive.pack({}, "x" * archive.MOST_HEADER)
    long = "x" * (archive.MOST_HEADER - 200)
    assert archive.unpack(archive.pack({}, long)) == ({}, long)


def test_every_changed_byte_is_noticed() -> None:
    content = archive.pack({"x": np.arange(3)}, {"any": "thing"})
    for i in range(len(content)):
        changed = bytearray(content)
        changed[i] ^= 0x20  # the other case of a letter, another digit
        with pytest.raises(ArchiveError):
            archive.unpack(bytes(changed))
    for end in range(len(content)):
        with pytest.raises(ArchiveError):
            archive.unpack(content[:end])
    with pytest.raises(ArchiveError, match="checksum"):
        archive.unpack(content + b"\0")


def described(text: str, more: str = "") -> bytes:
    """An archive with this description, and with `more` in the header, sealed."""
    header = f'{{"__metadata__":{{"lava_ssm":{json.dumps("0" * 64 + " " + text)}}}{more}}}'.encode()
    return archive.sealed(struct.pack("<Q", len(header)) + header)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "{",
        '{"a": 1, "a": 2}',
        '[{"a": {"b": 1, "b": 1}}]',
        "NaN",
        "[Infinity]",
        "-Infinity",
        "1" * 1001,
        "[" * 10_000,
        '{"a":' * 10_000,
        "[1] 2",
        "'x'",
    ],
)
def test_descriptions_that_are_no_plain_json_are_refused(text: str) -> None:
    with pytest.raises(ArchiveError, match="its header is damaged"):
        archive.unpack(described(text))


ENTRY = '"dtype":"I8","shape":[0],"data_offsets":[0,0]'


@pytest.mark.parametrize(
    "more",
    [
        ',"x":{"dtype":"I8","shape":[1],"data_offsets":[0,1]}',  # there is no byte
        ',"x":{"dtype":"I8","shape":[0],"data_offsets":[1,0]}',
        ',"x":{"dtype":"I8","shape":[-1],"data_offsets":[0,0]}',
        ',"x":{"dtype":"I8","shape":[4294967296,4294967296],"data_offsets":[0,0]}',
        ',"x":{"dtype":"I8","shape":[0,18446744073709551615],"data_offsets":[0,0]}',
        ',"x":{"dtype":"F16","shape":[0],"data_offsets":[0,0]}',
        ',"x":{"dtype":"i1","shape":[0],"data_offsets":[0,0]}',
        f',"x":{{"dtype":"I8","shape":[{"0," * 70}0],"data_offsets":[0,0]}}',
        f',"x":{{{ENTRY},"more":{"[" * 1000}}}',
        f',"x":{{{ENTRY},"more":{"1" * 100_000}}}',
        f',"x":{{{ENTRY}',
        ',"x":3',
    ],
)
def test_arrays_that_cannot_be_are_refused(more: str) -> None:
    with pytest.raises(ArchiveError, match="its header is damaged"):
        archive.unpack(described("{}", more))


@pytest.mark.parametrize("size", [0, 7, 2**31, 2**63, 2**64 - 1])
def test_a_header_of_another_length_is_refused(size: int) -> None:
    content = struct.pack("<Q", size) + archive.pack({"x": np.arange(3)}, {})[8:]
    with pytest.raises(ArchiveError, match="its header"):
        archive.unpack(archive.sealed(content))


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    others = {
        "empty": b"",
        "text": b"no archive",
        "zeros": bytes(1000),
        "safetensors": save({"x": np.arange(3)}),
        "metadata": save({"x": np.arange(3)}, {"lava_ssm": "{}"}),
    }
    for name, content in others.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ArchiveError, match="lava_ssm did not write it"):
            archive.read(tmp_path / name)
        with pytest.raises(ArchiveError, match="lava_ssm did not write it"):
            archive.sealed(content)
    with pytest.raises(ArchiveError, match="no regular file"):
        archive.read("/dev/null")
    with pytest.raises(IsADirectoryError, match="is a folder"):
        archive.read(tmp_path)
    with pytest.raises(FileNotFoundError):
        archive.read(tmp_path / "absent")


def test_arrays_that_were_read_are_nobody_elses(tmp_path: Path) -> None:
    path = tmp_path / "archive"
    path.write_bytes(archive.pack({"x": np.zeros(3), "y": np.zeros(3)}, {}))
    arrays, _ = archive.read(path)
    arrays["x"] += 1
    assert arrays["y"].tolist() == [0, 0, 0]
    assert archive.read(path)[0]["x"].tolist() == [0, 0, 0]
