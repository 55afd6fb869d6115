import numpy as np

from lava_ssm.data import digits


def test_digits_are_split_in_the_same_way_every_time() -> None:
    data, again = digits(), digits()
    assert data.train.x.shape == (1347, 64, 1)
    assert data.test.x.shape == (450, 64, 1)
    assert (data.train.x.min(), data.train.x.max()) == (0, 1)
    np.testing.assert_array_equal(data.test.x, again.test.x)
    np.testing.assert_array_equal(data.test.y, again.test.y)


def test_classes_are_as_frequent_in_the_test_set_as_in_the_training_set() -> None:
    data = digits()
    share = [np.bincount(split.y, minlength=10) / len(split) for split in (data.train, data.test)]
    np.testing.assert_allclose(share[0], share[1], atol=0.003)
