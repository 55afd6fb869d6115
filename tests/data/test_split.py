"""Tokens that are joined."""

import numpy as np
import pytest
import torch

from lava_ssm.data import Split, TokenData, digits, joined


def test_joined_tokens_are_the_means_of_their_parts() -> None:
    x = torch.arange(24.0).reshape(1, 12, 2)
    wanted = torch.tensor([[[3.0, 4.0], [11.0, 12.0], [19.0, 20.0]]])
    assert torch.equal(joined(x, 4), wanted)
    assert torch.equal(joined(x, 1), x)
    np.testing.assert_array_equal(joined(x.numpy(), 4), wanted)
    some = digits().test.first(3)
    np.testing.assert_array_equal(some.joined(2).x, some.x.reshape(3, 32, 2, 1).mean(2))
    np.testing.assert_array_equal(some.joined(2).y, some.y)


def test_tokens_are_joined_without_a_rest() -> None:
    with pytest.raises(ValueError, match="tokens must divide the sequences' 64 tokens, got 3"):
        joined(digits().test.x, 3)
    with pytest.raises(ValueError, match="tokens must be at least 1, got 0"):
        joined(digits().test.x, 0)


def test_what_is_set_aside_has_each_class_and_too_few_samples_are_refused() -> None:
    y = np.arange(30) % 3
    rest, aside = Split(np.arange(30.0, dtype=np.float32)[:, None, None], y).set_aside(0.2)
    assert np.bincount(aside.y).tolist() == [2, 2, 2]
    assert sorted([*rest.x.ravel(), *aside.x.ravel()]) == [*range(30)]
    np.testing.assert_array_equal(rest.x.ravel() % 3, rest.y)
    few = Split(np.zeros((4, 1, 1), np.float32), np.array([0, 0, 0, 1]))
    with pytest.raises(ValueError, match=r"of 4 samples 20% cannot be .* \(the rarest has 1\)"):
        few.set_aside(0.2)


def test_labels_are_places_among_the_classes_of_another() -> None:
    part = Split(np.zeros((3, 1, 1), np.float32), np.array([0, 1, 1]))
    sets = TokenData("mine", part, part, n_classes=2, classes=("fast", "slow"))
    found = sets.labelled_as(("fast", "middle", "slow"))
    assert found.test.y.tolist() == [0, 2, 2]
    assert (found.n_classes, found.classes) == (3, ("fast", "middle", "slow"))
    with pytest.raises(ValueError, match="mine has the class 'slow', it must be one of fast, mid"):
        sets.labelled_as(("fast", "middle"))
