"""Fixed networks on a device, here on tensors of the CPU, against Python's own integers."""

from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_ssm.nn import integers
from lava_ssm.numerics import FixedPointOverflow
from tests.engine.plain import Plain, PlainOverflow
from tests.networks import random_chain, random_mantissas


@settings(max_examples=150, deadline=None)
@given(seed=st.integers(0, 2**32), batch=st.sampled_from([(), (2,), (2, 1)]))
def test_outputs_and_counts_are_those_of_python_integers(seed: int, batch: tuple[int, ...]) -> None:
    rng = np.random.default_rng(seed)
    net = random_chain(rng, 20, 5)
    x = random_mantissas(rng, net, (*batch, 6))
    plain = [Plain(net) for _ in range(int(np.prod(batch)))]
    try:
        wanted = [
            p.run(u) for p, u in zip(plain, x.reshape(-1, *x.shape[-2:]).tolist(), strict=True)
        ]
    except PlainOverflow:
        with pytest.raises(FixedPointOverflow):
            integers.run(net, torch.from_numpy(x))
        return
    outputs, overflows = integers.run(net, torch.from_numpy(x))
    assert outputs.dtype == torch.int64
    assert outputs.shape == (*x.shape[:-1], net.d_output)
    assert outputs.reshape(-1, *outputs.shape[-2:]).tolist() == wanted
    for i, (_, tally) in enumerate(overflows.stages):
        assert tally == sum((p.overflows[i] for p in plain), Counter[str]())


def test_integers_of_any_size_are_multiplied_as_numpy_does() -> None:
    rng = np.random.default_rng(0)
    for bits in (8, 30, 62):
        u, weights = rng.integers(-(2**bits), 2**bits, (3, 5, 70)), rng.integers(-128, 128, (70, 4))
        found = integers.TensorArray(torch.from_numpy(u)) @ weights
        assert found.tensor.tolist() == (u @ weights).tolist()
