"""Checkpoints: what went in comes out, nothing is executed, no bit changes unseen."""

import ast
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_ssm import archive
from lava_ssm.train import checkpoint
from lava_ssm.train.checkpoint import CheckpointError

KINDS = [torch.float32, torch.float64, torch.int64, torch.int32, torch.uint8, torch.bool]
TENSORS = st.builds(
    lambda kind, shape, seed: torch.randint(
        0, 2, shape, generator=torch.Generator().manual_seed(seed)
    ).to(kind),
    st.sampled_from(KINDS),
    st.lists(st.integers(0, 3), max_size=3).map(tuple),
    st.integers(0, 9),
)
PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
STATES = st.recursive(
    PLAIN | TENSORS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.integers(-3, 99) | st.text(max_size=6), inner, max_size=3)
    ),
    max_leaves=8,
)


def same(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return isinstance(b, torch.Tensor) and a.dtype is b.dtype and torch.equal(a, b)
    if isinstance(a, list | tuple):
        return type(a) is type(b) and len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return list(a) == list(b) and all(same(a[key], b[key]) for key in a)
    return type(a) is type(b) and bool(a == b)


@settings(max_examples=60, deadline=None)
@given(state=STATES)
def test_what_went_in_comes_out(state: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("state") / "file"
    checkpoint.write(path, state)
    assert same(state, checkpoint.read(path))


def test_the_state_of_an_optimizer_comes_back_and_may_be_written_to(tmp_path: Path) -> None:
    weight = torch.nn.Parameter(torch.ones(3, 2).T)
    adamw = torch.optim.AdamW([weight])
    weight.sum().backward()  # type: ignore[no-untyped-call]
    adamw.step()
    checkpoint.write(tmp_path / "state", adamw.state_dict())
    found = checkpoint.read(tmp_path / "state")
    assert same(found, adamw.state_dict())
    found["state"][0]["exp_avg"].add_(1)
    assert found["param_groups"][0]["betas"] == (0.9, 0.999)


def test_every_flipped_bit_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "state"
    checkpoint.write(path, {"weight": torch.arange(4.0), "step": 3})
    content = bytearray(path.read_bytes())
    for place in range(len(content)):
        for bit in (0, 7):
            content[place] ^= 1 << bit
            path.write_bytes(content)
            with pytest.raises(CheckpointError, match=r"state' is no checkpoint, or damaged"):
                checkpoint.read(path)
            content[place] ^= 1 << bit


@pytest.mark.parametrize(
    "about",
    [
        {"tensor": "1"},
        {"tensor": ["0"]},
        {"truths": 0},
        {"other": 1},
        {},
        {"dict": 3},
        {"dict": [[1]]},
        {"dict": [[[], 1]]},
        {"tuple": None},
        {"tensor": "0", "more": "0"},
    ],
)
def test_a_sealed_file_that_makes_no_sense_is_refused(about: Any, tmp_path: Path) -> None:
    path = tmp_path / "state"
    path.write_bytes(archive.pack({"0": np.ones(2)}, about))
    with pytest.raises(CheckpointError, match="is no checkpoint, or damaged"):
        checkpoint.read(path)


class Planted:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return Path.touch, (self.path,)


@pytest.mark.parametrize("write", [pickle.dump, torch.save])
def test_pickled_code_is_not_run(write: Any, tmp_path: Path) -> None:
    with (tmp_path / "state").open("wb") as file:
        write(Planted(tmp_path / "planted"), file)
    with pytest.raises(CheckpointError, match="lava_ssm did not write it"):
        checkpoint.read(tmp_path / "state")
    assert not (tmp_path / "planted").exists()


def test_nothing_in_the_package_unpickles() -> None:
    package = Path(checkpoint.__file__).parents[1]
    for path in package.rglob("*.py"):
        tree = ast.parse(path.read_text())
        harmless = {  # tensors alone are read: what else a file asks for is refused
            id(node.func)
            for node in ast.walk(tree)
            if isinstance(node, ast.Call)
            and "weights_only=True" in [ast.unparse(keyword) for keyword in node.keywords]
        }
        for node in ast.walk(tree):
            code = ast.unparse(node) if isinstance(node, ast.Attribute | ast.keyword) else ""
            bad = ("torch.load", "torch.save", "pickle.load", "allow_pickle=True")
            assert code not in bad or id(node) in harmless, path


@pytest.mark.parametrize(
    ("state", "text"),
    [
        ({"a": {1, 2}}, "a set is not stored"),
        ({(1, 2): 3}, r"keys must be integers or texts, got \(1, 2\)"),
        ({True: 3}, "keys must be integers or texts, got True"),
        ([np.int64(3)], "a int64 is not stored"),
    ],
)
def test_what_is_not_stored_is_named_and_nothing_is_written(
    state: Any, text: str, tmp_path: Path
) -> None:
    with pytest.raises(TypeError, match=text):
        checkpoint.write(tmp_path / "state", state)
    assert not list(tmp_path.iterdir())
