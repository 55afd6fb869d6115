"""Var.get and Var.set carry whole arrays, on both runtimes, with Lava's conventions."""

from typing import Any

import numpy as np
import pytest
from lava.magma.core.run_conditions import RunContinuous, RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.sparse.process import Sparse
from scipy.sparse import csr_matrix

from lava_ssm.runtime import GraphStopped
from tests.runtime.conftest import Run, plain_lava
from tests.runtime.graphs.processes import Counter, Holder

CFG = Loihi2SimCfg(select_tag="fixed_pt")


def started(process: Any, on_runtime: Run) -> Any:
    with on_runtime():
        process.run(condition=RunSteps(1), run_cfg=CFG)
    return process


def test_values_of_each_kind_come_as_on_plain_lava(on_runtime: Run) -> None:
    plain = started(Holder(), plain_lava)
    holder = started(Holder(), on_runtime)
    for name in ("integers", "floats", "number", "text"):
        wanted, got = getattr(plain, name).get(), getattr(holder, name).get()
        assert type(got) is type(wanted)
        np.testing.assert_array_equal(got, wanted)
        if not isinstance(wanted, str):
            assert got.dtype == wanted.dtype
            assert got.shape == wanted.shape
    plain.stop()
    holder.stop()


def test_what_is_set_is_got(on_runtime: Run) -> None:
    holder = started(Holder(), on_runtime)
    integers = np.array([[5, -7, 2**31 - 1], [-(2**31), 0, 1]])
    holder.integers.set(integers)
    np.testing.assert_array_equal(holder.integers.get(), integers)
    holder.floats.set(np.full((2, 3), np.pi))
    np.testing.assert_array_equal(holder.floats.get(), np.full((2, 3), np.pi))
    holder.number.set(np.array([11]))
    assert holder.number.get().tolist() == [11]
    holder.text.set("other")
    assert holder.text.get() == "other"
    holder.stop()


def test_a_model_hears_of_each_set(on_runtime: Run) -> None:
    holder = started(Holder(), on_runtime)
    holder.floats.set(np.zeros((2, 3)))
    holder.integers.set(np.zeros((2, 3)))
    assert holder.updates.get().tolist() == [2]
    holder.stop()


def test_a_large_var_comes_whole(on_runtime: Run) -> None:
    shape = (250, 400)
    holder = started(Holder(shape), on_runtime)
    values = np.random.default_rng(0).normal(size=shape)
    holder.floats.set(values)
    np.testing.assert_array_equal(holder.floats.get(), values)
    np.testing.assert_array_equal(holder.integers.get(), np.arange(100_000).reshape(shape))
    holder.stop()


def test_what_is_got_is_a_copy(on_runtime: Run) -> None:
    holder = started(Holder(), on_runtime)
    holder.floats.get()[:] = 9
    assert set(holder.floats.get().ravel()) == {0.5}
    holder.stop()


def test_too_many_values_are_refused(on_runtime: Run) -> None:
    holder = started(Holder(), on_runtime)
    with pytest.raises(ValueError, match="Var 'floats' has 6 elements, 7 were given"):
        holder.floats.set(np.zeros(7))
    with pytest.raises(ValueError, match=r"elements were given|has 6 elements"):
        holder.floats.set(np.zeros(10**6))
    assert holder.floats.get().shape == (2, 3)
    holder.stop()


def test_an_index_picks_from_the_value(on_runtime: Run) -> None:
    holder = started(Holder(), on_runtime)
    assert holder.integers.get((slice(None), 1)).tolist() == [1, 4]
    holder.stop()


def test_sparse_weights_are_set_and_got(on_runtime: Run) -> None:
    weights = csr_matrix(np.diag([2, 4, 6]))
    synapse = Sparse(weights=weights)
    started(synapse, on_runtime)
    synapse.weights.set(csr_matrix(np.diag([8, 10, 12])))
    np.testing.assert_array_equal(synapse.weights.get().toarray(), np.diag([8, 10, 12]))
    np.testing.assert_array_equal(weights.toarray(), np.diag([2, 4, 6]))
    synapse.stop()


def test_a_running_graph_gives_no_values(on_runtime: Run) -> None:
    counter = Counter()
    with on_runtime():
        counter.run(condition=RunContinuous(), run_cfg=CFG)
    assert counter.count.get() is None
    counter.pause()
    assert counter.count.get()[0] >= 0
    counter.stop()
    with pytest.raises(GraphStopped, match="cannot get Var 'count': the graph was stopped"):
        counter.count.get()


def test_the_initial_value_of_a_var_stays_the_users(on_runtime: Run) -> None:
    initial = np.arange(4)
    counter = Counter()
    counter.count.init = initial
    started(counter, on_runtime)
    assert counter.count.get().tolist() == [1, 2, 3, 4]
    assert initial.tolist() == [0, 1, 2, 3]
    counter.stop()
