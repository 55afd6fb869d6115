"""Both executors on networks of all layers in any order, against Python's own integers."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_ssm.engine import Backend, run
from lava_ssm.numerics import FixedPointOverflow
from tests.engine.plain import Plain, PlainOverflow
from tests.networks import BARE, KINDS, random_chain, random_mantissas


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    kinds=st.sampled_from([BARE, KINDS[:1] + KINDS[2:], KINDS]),
    backend=st.sampled_from([None, "reference"]),
)
def test_outputs_states_and_counts_are_those_of_python_integers(
    seed: int, kinds: tuple[str, ...], backend: Backend | None
) -> None:
    rng = np.random.default_rng(seed)
    net = random_chain(rng, 20, 5, kinds=kinds, bare=kinds == BARE)
    x = random_mantissas(rng, net, (6,))
    plain = Plain(net)
    try:
        outputs = plain.run(x.tolist())
    except PlainOverflow:
        with pytest.raises(FixedPointOverflow):
            run(net, x, backend=backend)
        return
    found = run(net, x, backend=backend)
    assert found.outputs.tolist() == outputs
    assert [state.tolist() for state in found.state] == plain.state
    assert [Counter(tally) for _, tally in found.overflows.stages] == plain.overflows


def test_random_chains_hold_all_layers_and_emit_something() -> None:
    """Else nothing of the above would be worth anything."""
    seen: Counter[str] = Counter()
    for seed in range(100):
        rng = np.random.default_rng(seed)
        net = random_chain(rng, 20, 5)
        seen.update(type(layer).__name__ for layer in net.layers)
        try:
            found = run(net, random_mantissas(rng, net, (6,)))
        except FixedPointOverflow:
            seen["raises"] += 1
            continue
        seen["is clean"] += found.overflows.total == 0
        seen["overflows"] += found.overflows.total > 0
        seen["varies"] += len(np.unique(found.outputs)) > 4
    assert min(seen.values()) >= 5, seen
    kinds = [
        "Linear",
        "S4D",
        "S5",
        "Gate",
        "GLU",
        "MinGRU",
        "MLGRU",
        "Conv1d",
        "LayerNorm",
        "RMSNorm",
        "Scale",
        "SelectiveSSM",
    ]
    elementwise = {"Residual", "ReLU", "GELU", "SiLU", "Sigmoid", "Tanh", "Softplus", "Positive"}
    names = {f"Fixed{kind}" for kind in kinds} | elementwise
    assert names | {"raises", "is clean", "overflows", "varies"} == set(seen)
    assert seen["varies"] > 25
