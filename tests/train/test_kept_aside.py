"""What is kept aside to choose the best epoch by."""

import numpy as np

from lava_ssm.data import Split
from lava_ssm.train.classifier_run import kept_aside

X, Y = np.arange(100, dtype=np.float32).reshape(100, 1, 1), np.arange(100) % 4


def test_a_share_of_each_class_is() -> None:
    rest, aside = kept_aside(Split(X, Y), 0.2)
    assert np.bincount(aside.y).tolist() == [5, 5, 5, 5]
    assert sorted([*rest.x.flat, *aside.x.flat]) == list(range(100))
    assert len(kept_aside(Split(X, Y), None)[1]) == 10  # at least


def test_all_samples_of_a_group_are() -> None:
    groups = np.arange(100) // 30
    rest, aside = kept_aside(Split(X, Y, groups).first(80), None)
    assert (set(rest.groups), set(aside.groups)) == ({0, 1}, {2})
    assert aside.x.flatten().tolist() == list(range(60, 80))
    assert len(kept_aside(Split(X, Y, groups), 0.2)[1]) == 20
    one = Split(X, Y, np.zeros(100, int))
    assert len(kept_aside(one, None)[1]) == 10
