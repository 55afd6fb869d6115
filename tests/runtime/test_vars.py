"""Var.get and Var.set carry whole arrays, on both runtimes, with Lava's conventions."""

import copy
from typing import Any

import numpy as np
import pytest
from lava.magma.core.run_conditions import RunContinuous, RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import DelayDense, Dense
from lava.proc.io.sink import RingBuffer
from lava.proc.io.source import RingBuffer as Buffer
from lava.proc.sparse.process import DelaySparse, Sparse
from lava.utils.weightutils import SignMode
from scipy.sparse import coo_array, coo_matrix, csc_matrix, csr_array, csr_matrix, lil_matrix

from lava_ssm.runtime import GraphStopped
from tests.runtime.conftest import RUNTIMES, Run, plain_lava
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


def test_values_of_another_shape_are_refused(on_runtime: Run) -> None:
    holder = started(Holder(), on_runtime)
    for values in (np.zeros(7), np.zeros(10**6), np.zeros(5), np.zeros((3, 2)), 4.0):
        with pytest.raises(ValueError, match=r"'floats' has shape \(2, 3\) and 6 elements, got"):
            holder.floats.set(values)
    assert holder.floats.get().shape == (2, 3)
    holder.stop()


def test_an_index_picks_from_the_value(on_runtime: Run) -> None:
    holder = started(Holder(), on_runtime)
    assert holder.integers.get((slice(None), 1)).tolist() == [1, 4]
    holder.stop()


def test_an_index_says_what_is_set(on_runtime: Run) -> None:
    holder = started(Holder(), on_runtime)
    holder.integers.set(np.array([70, 80]), (slice(None), 1))
    assert holder.integers.get().tolist() == [[0, 70, 2], [3, 80, 5]]
    holder.integers.set(np.full((2, 3), 9), 0)  # of the Var's shape: the part is taken from it
    assert holder.integers.get().tolist() == [[9, 9, 9], [3, 80, 5]]
    holder.integers.set(-1, (1, 2))
    assert holder.integers.get().tolist() == [[9, 9, 9], [3, 80, -1]]
    with pytest.raises(IndexError):
        holder.integers.set(1, (2, 0))
    holder.stop()


@pytest.mark.parametrize(
    ("name", "value", "error", "text"),
    [
        ("integers", np.full((2, 3), 0.5), ValueError, r"holds integers .* got 0.5"),
        ("integers", np.full((2, 3), np.nan), ValueError, "got nan"),
        (
            "integers",
            np.full((2, 3), 2**31),
            ValueError,
            r"to 2147483647 \(int32\), got 2147483648",
        ),
        ("number", 0.5, ValueError, "holds integers"),
        ("number", 2**60 + 1, ValueError, r"rounds integers beyond 2\*\*53"),
        ("number", 10**30, TypeError, "numbers of 64 bits at most, got object"),
        ("floats", [[1, 2], [3]], TypeError, "'floats' must be set to numbers"),
        ("floats", np.ma.masked_less(np.ones((2, 3)), 2), TypeError, "masked array"),
        ("floats", "hello?", TypeError, "'floats' holds float, got str"),
        ("floats", None, TypeError, "numbers"),
        ("text", np.zeros(5), TypeError, "'text' holds str, got ndarray"),
        ("text", "grün", ValueError, "ASCII"),
    ],
)
def test_values_that_a_var_cannot_hold_are_refused_and_nothing_is_set(
    name: str, value: Any, error: type[Exception], text: str
) -> None:
    holder = started(Holder(), RUNTIMES["in process"])
    var = getattr(holder, name)
    before = var.get()
    with pytest.raises(error, match=text):
        var.set(value)
    np.testing.assert_array_equal(var.get(), before)
    holder.stop()


def test_fractions_for_an_integer_var_are_refused(on_runtime: Run) -> None:
    holder = started(Holder(), on_runtime)
    with pytest.raises(ValueError, match="'integers' holds integers from -2147483648"):
        holder.integers.set(np.array([[1, 2, 3], [4, 5, 6.5]]))
    assert holder.integers.get().ravel().tolist() == [0, 1, 2, 3, 4, 5]
    holder.integers.set(np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]]))
    assert holder.integers.get().ravel().tolist() == [1, 2, 3, 4, 5, 6]
    holder.stop()


WEIGHTS = np.array([[2, 0, 4], [0, 6, 0], [8, 0, -2], [0, 0, 0]])
TOKEN = np.array([3, 5, 7])


def accumulated(synapse: Any, weights: Any, on_runtime: Run, tag: str) -> list[Any]:
    """Run a synapse, set its weights, run again; what it made of TOKEN before and after."""
    tokens, sums = Buffer(data=TOKEN[:, None]), RingBuffer(shape=(4,), buffer=6)
    tokens.s_out.connect(synapse.s_in)
    synapse.a_out.connect(sums.a_in)
    with on_runtime():
        synapse.run(condition=RunSteps(3), run_cfg=Loihi2SimCfg(select_tag=tag))
    synapse.weights.set(weights(synapse) if callable(weights) else weights)
    synapse.run(condition=RunSteps(3))
    columns = sums.data.get()
    synapse.stop()
    return [columns[:, 2].tolist(), columns[:, 5].tolist()]


@pytest.mark.parametrize("tag", ["fixed_pt", "floating_pt"])
@pytest.mark.parametrize("kind", [Sparse, DelaySparse, Dense, DelayDense])
@pytest.mark.parametrize("given", [csr_matrix, lambda synapse: 10 * synapse.weights.get()])
def test_a_synapse_computes_with_the_weights_that_were_set(
    kind: Any, given: Any, tag: str, on_runtime: Run
) -> None:
    options: dict[str, Any] = {"delays": 0} if "Delay" in kind.__name__ else {}
    weights = csr_matrix(WEIGHTS) if "Sparse" in kind.__name__ else WEIGHTS
    synapse = kind(weights=weights, num_message_bits=24, sign_mode=SignMode.MIXED, **options)
    new = csr_matrix(10 * WEIGHTS) if given is csr_matrix else given
    assert accumulated(synapse, new, on_runtime, tag) == [[34, 30, 10, 0], [340, 300, 100, 0]]
    np.testing.assert_array_equal(weights.toarray() if kind is Sparse else WEIGHTS, WEIGHTS)


@pytest.mark.parametrize(
    "kind", [csc_matrix, coo_matrix, lil_matrix, csr_array, coo_array, np.array]
)
@pytest.mark.parametrize("dtype", [np.int8, np.int64, np.float32])
def test_sparse_weights_may_be_of_any_class_and_type(kind: Any, dtype: Any) -> None:
    initial = kind(WEIGHTS.astype(dtype))
    synapse = Sparse(weights=initial, num_message_bits=24, sign_mode=SignMode.MIXED)
    new = kind((10 * WEIGHTS).astype(dtype))
    got = accumulated(synapse, new, RUNTIMES["in process"], "fixed_pt")
    assert got == [[34, 30, 10, 0], [340, 300, 100, 0]]


def sparse_synapse(on_runtime: Run) -> Any:
    weights = csr_matrix(WEIGHTS)
    weights.data[0] = 0  # an element all the same
    return started(Sparse(weights=weights, num_message_bits=24), on_runtime)


def test_elements_of_sparse_weights_that_are_zero_can_be_set(on_runtime: Run) -> None:
    synapse = sparse_synapse(on_runtime)
    synapse.weights.set(csr_matrix(WEIGHTS))
    np.testing.assert_array_equal(synapse.weights.get().toarray(), WEIGHTS)
    synapse.weights.set(np.array([0, 0, 0, 2, 4]))  # the values alone, row by row
    assert synapse.weights.get().toarray().tolist() == [[0, 0, 0], [0, 0, 0], [2, 0, 4], [0, 0, 0]]
    synapse.weights.set(6, (0, 2))
    assert synapse.weights.get((0, 2)) == 6
    synapse.stop()


def test_what_does_not_fit_sparse_weights_is_refused(on_runtime: Run) -> None:
    synapse = sparse_synapse(on_runtime)
    before = synapse.weights.get().toarray()
    for value, text in (
        (csr_matrix(WEIGHTS + 2), r"no element at \(0, 1\)"),
        (csr_matrix(np.diag([2, 6, -2, 0])[:, :3]), "with 5 elements, got 3"),
        (csr_matrix(WEIGHTS[:3]), r"has shape \(4, 3\), got \(3, 3\)"),
        (np.ones(4), r"has shape \(4, 3\) and 5 elements"),
        (csr_matrix(WEIGHTS / 4), "holds integers"),
    ):
        with pytest.raises(ValueError, match=text):
            synapse.weights.set(value)
    with pytest.raises(TypeError, match="'weights' is complex"):
        synapse.weights.set(csr_matrix(1j * WEIGHTS))
    np.testing.assert_array_equal(synapse.weights.get().toarray(), before)
    synapse.stop()


def test_weights_that_a_model_drops_can_be_set_again(on_runtime: Run) -> None:
    weights = csr_matrix(WEIGHTS + (WEIGHTS > 7) * -7)  # an 8 becomes a 1: 0 if signs are mixed
    synapse = Sparse(weights=weights, num_message_bits=24, sign_mode=SignMode.MIXED)
    new = lambda synapse: synapse.weights.get() + csr_matrix(WEIGHTS)  # noqa: E731
    assert accumulated(synapse, new, on_runtime, "fixed_pt") == [[34, 30, -14, 0], [68, 60, -4, 0]]


def test_a_var_cannot_be_set_while_its_graph_runs(on_runtime: Run) -> None:
    counter = Counter()
    with on_runtime():
        counter.run(condition=RunContinuous(), run_cfg=CFG)
    with pytest.raises(RuntimeError, match="cannot set Var 'count' while the graph runs"):
        counter.count.set(np.zeros(4))
    counter.stop()


def test_a_var_can_always_be_printed(on_runtime: Run) -> None:
    counter, held = Counter(), Holder(name="held")
    assert "value: 0" in repr(counter.count)
    with on_runtime():
        counter.run(condition=RunContinuous(), run_cfg=CFG)
        assert "value: (the graph is running)" in repr(counter.count)
        counter.stop()
        assert "value: (cannot get Var 'count': the graph was stopped" in str(counter.count)
        held.run(condition=RunSteps(1), run_cfg=CFG)
    assert "(Var 'waves' is complex" in repr(held.waves)
    held.stop()


def test_collections_of_vars_and_ports_can_be_asked_for_what_they_have_not() -> None:
    counter = Counter()
    for collection in (counter.vars, counter.in_ports, counter.procs):
        assert not hasattr(collection, "_repr_html_")
        copy.copy(collection)
        repr(collection)
    with pytest.raises(AssertionError, match="'missing' is not a member of 'Var'"):
        _ = counter.vars.missing


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
