"""benchmarks/image_teacher.py: what is trained sees the image, and is found again."""

import os
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from lava_ssm.data import Split, TokenData
from lava_ssm.train.classifier_run import _teacher
from tests.benchmarks import load


@pytest.fixture
def teacher(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.chdir(tmp_path)
    return load("image_teacher", monkeypatch)


def bright_halves(n: int, order: np.ndarray) -> Split:
    """Noisy images of 8 x 8 pixels of which the upper or the lower half is brighter."""
    rng = np.random.default_rng(n)
    labels = rng.integers(2, size=n)
    images = rng.random((n, 8, 8), np.float32)
    images[np.arange(8) // 4 == labels[:, None]] += 0.5
    return Split(images.reshape(n, 64, 1)[:, order], labels)


def test_one_of_permuted_pixels_learns_and_is_found(
    teacher: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    order = np.random.default_rng(0).permutation(64)
    sets = TokenData(
        "halves", bright_halves(600, order), bright_halves(100, order), (8, 8), order, 2
    )
    monkeypatch.setattr(teacher.data, "load", lambda task, folder: sets)
    monkeypatch.setattr(teacher, "BATCH", 50)
    given = ["image_teacher.py", "psmnist", "--device", "cpu", "--epochs", "2", "--width", "4"]
    monkeypatch.setattr(sys, "argv", given)
    teacher.main()
    assert os.listdir("runs") == ["teacher-psmnist.safetensors"]
    found, join = _teacher(f"{teacher.__file__}:psmnist", ())
    assert join == 1
    assert isinstance(found, torch.nn.Module)
    assert teacher.accuracy(found, torch.as_tensor(sets.test.x), sets.test.y) > 0.95


def test_the_order_of_pixels_is_undone(teacher: ModuleType) -> None:
    torch.manual_seed(0)
    plain, permuted = (teacher.Teacher(8, 8, 1, 3, 4) for _ in range(2))
    permuted.load_state_dict(plain.state_dict())
    order, x = torch.randperm(64), torch.rand(5, 64, 1)
    permuted.place.copy_(order.argsort())
    torch.testing.assert_close(permuted.eval()(x[:, order]), plain.eval()(x))
