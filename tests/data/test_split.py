"""Tokens that are joined."""

import numpy as np
import pytest
import torch

from lava_ssm.data import digits, joined


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
