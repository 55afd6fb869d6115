"""Fixed networks on a device: the engine's integers, here on tensors of the CPU."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_ssm import engine
from lava_ssm.network import FixedNetwork
from lava_ssm.nn import integers
from lava_ssm.numerics import FixedPointOverflow
from tests.networks import random_chain, random_mantissas


def check(net: FixedNetwork, x: np.ndarray) -> bool:
    """Whether outputs and counts are the engine's; did an overflow raise there, it does here."""
    try:
        wanted = engine.run(net, x)
    except FixedPointOverflow:
        with pytest.raises(FixedPointOverflow):
            integers.run(net, torch.from_numpy(x))
        return True
    outputs, overflows = integers.run(net, torch.from_numpy(x))
    assert outputs.dtype == torch.int64
    return outputs.tolist() == wanted.outputs.tolist() and overflows == wanted.overflows


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 2**32), batch=st.sampled_from([(), (2,), (2, 1)]))
def test_outputs_and_counts_are_the_engines(seed: int, batch: tuple[int, ...]) -> None:
    rng = np.random.default_rng(seed)
    net = random_chain(rng, 20, 5)
    assert check(net, random_mantissas(rng, net, (*batch, 6)))


def test_integers_of_any_size_are_multiplied_as_numpy_does() -> None:
    rng = np.random.default_rng(0)
    for bits in (8, 30, 62):
        u, weights = rng.integers(-(2**bits), 2**bits, (3, 5, 70)), rng.integers(-128, 128, (70, 4))
        found = integers.TensorArray(torch.from_numpy(u)) @ weights
        assert found.tensor.tolist() == (u @ weights).tolist()
