"""However a sequence is cut, the outputs are the same."""

import copy
import functools
import pickle
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lava_ssm.engine import OverflowWarning, Stream, run
from lava_ssm.network import S4D, FixedLinear, FixedNetwork, FixedS4D, Network, Readout
from tests.networks import random_fixed_network, random_network

SEEDS = st.integers(0, 2**32)


@settings(max_examples=40, deadline=None)
@given(
    seed=SEEDS,
    cuts=st.lists(st.integers(0, 20), max_size=4),
    readout=st.sampled_from(Readout),
    reset_every=st.none() | st.integers(1, 9),
)
def test_state_survives_split_anywhere(
    seed: int, cuts: list[int], readout: Readout, reset_every: int | None
) -> None:
    rng = np.random.default_rng(seed)
    net = random_fixed_network(rng, readout=readout)
    x = rng.integers(-3000, 3000, (20, 2))
    whole = run(net, x, reset_every)
    stream = Stream(net, reset_every=reset_every)
    pieces = [stream.run(piece) for piece in np.split(x, sorted(cuts))]
    np.testing.assert_array_equal(np.concatenate(pieces), whole.outputs)
    for now, then in zip(stream.state, whole.state, strict=True):
        np.testing.assert_array_equal(now, then)
    assert stream.overflows == whole.overflows


@pytest.mark.parametrize("readout", Readout)
def test_single_tokens_equal_the_whole_sequence(readout: Readout) -> None:
    rng = np.random.default_rng(3)
    net = random_fixed_network(rng, readout=readout, per_channel=True)
    x = rng.integers(-3000, 3000, (15, 2))
    stream = net.stream()
    np.testing.assert_array_equal([stream.step(token) for token in x], net.run(x))


def test_a_batch_equals_its_members() -> None:
    rng = np.random.default_rng(4)
    net = random_fixed_network(rng, readout=Readout.MEAN_OVER_TIME)
    x = rng.integers(-3000, 3000, (2, 3, 12, 2))
    together = net.run(x)
    alone = [[net.run(sequence) for sequence in row] for row in x]
    np.testing.assert_array_equal(together, alone)


def test_reset_begins_a_new_sample() -> None:
    rng = np.random.default_rng(5)
    net = random_fixed_network(rng, readout=Readout.MEAN_OVER_TIME)
    x = rng.integers(-3000, 3000, (8, 2))
    stream = net.stream()
    first = stream.run(x)
    assert any(state.any() for state in stream.state)
    stream.reset()
    np.testing.assert_array_equal(stream.run(x), first)


def test_samples_back_to_back_equal_samples_apart() -> None:
    rng = np.random.default_rng(6)
    net = random_fixed_network(rng, readout=Readout.MEAN_OVER_TIME)
    x = rng.integers(-3000, 3000, (3, 8, 2))
    joined = run(net, x.reshape(24, 2), reset_every=8).outputs
    np.testing.assert_array_equal(joined.reshape(3, 8, -1), net.run(x))


def test_float_streams_carry_their_state_too() -> None:
    rng = np.random.default_rng(7)
    net = random_network(rng, readout=Readout.MEAN_OVER_TIME)
    x = rng.normal(size=(10, 2))
    stream = net.stream()
    parts = np.concatenate([stream.run(x[:3]), stream.run(x[3:])])
    np.testing.assert_allclose(parts, net.run(x), rtol=1e-13)


def test_no_tokens_no_outputs() -> None:
    net = random_fixed_network(np.random.default_rng(8))
    assert net.run(np.zeros((0, 2), int)).shape == (0, net.d_output)


def test_values_are_rounded_to_the_nearest_mantissa() -> None:
    net = random_fixed_network(np.random.default_rng(9))  # input exponent 8
    values = np.array([[0.5 / 256, 1.5 / 256], [-1.0, 2.2]])
    np.testing.assert_array_equal(net.run(values), net.run([[0, 2], [-256, 563]]))


def test_logits_of_a_running_sum_are_its_mean() -> None:
    rng = np.random.default_rng(10)
    mean = random_fixed_network(rng, readout=Readout.MEAN_OVER_TIME)
    each = FixedNetwork(mean.layers, Readout.EVERY_TOKEN, mean.input_exponent)
    x = rng.integers(-3000, 3000, (6, 2))
    logits = each.to_float(each.run(x))
    expected = [logits[: t + 1].mean(axis=0) for t in range(6)]
    np.testing.assert_allclose(mean.to_float(mean.run(x)), expected, rtol=1e-12)
    np.testing.assert_allclose(mean.to_float(mean.run(x)[-1], tokens=6), expected[-1], rtol=1e-12)
    with pytest.raises(ValueError, match="how many tokens"):
        mean.to_float(mean.run(x)[-1])


@pytest.mark.parametrize("reset_every", [None, 4])
def test_a_stream_knows_how_many_tokens_its_sums_have(reset_every: int | None) -> None:
    rng = np.random.default_rng(10)
    mean = random_fixed_network(rng, readout=Readout.MEAN_OVER_TIME)
    each = FixedNetwork(mean.layers, Readout.EVERY_TOKEN, mean.input_exponent)
    x = rng.integers(-3000, 3000, (3, 10, 2))
    logits = each.to_float(run(each, x, reset_every).outputs)
    first = [0 if reset_every is None else t // reset_every * reset_every for t in range(10)]
    expected = np.stack([logits[:, f : t + 1].mean(axis=1) for t, f in enumerate(first)], axis=1)
    stream = mean.stream(batch=(3,), reset_every=reset_every)
    parts = [stream.to_float(stream.run(x[:, :3])), stream.to_float(stream.run(x[:, 3:8]))]
    parts += [stream.to_float(stream.step(x[:, t]))[:, np.newaxis] for t in (8, 9)]
    np.testing.assert_allclose(np.concatenate(parts, axis=1), expected, rtol=1e-12)
    with pytest.raises(ValueError, match="those of the last call"):
        stream.to_float(np.zeros((3, 2, 4), int))


def test_prediction_is_that_of_the_last_token() -> None:
    rng = np.random.default_rng(11)
    net = random_fixed_network(rng, readout=Readout.LAST_TOKEN)
    x = rng.integers(-3000, 3000, (5, 9, 2))
    np.testing.assert_array_equal(net.predict(x), net.run(x)[:, -1].argmax(-1))
    every = FixedNetwork(net.layers, Readout.EVERY_TOKEN, net.input_exponent)
    assert every.predict(x).shape == (5, 9)


def test_run_warns_of_overflows() -> None:
    net = FixedNetwork((FixedS4D([[[4000, 0]]], [[[4096, 0]]], [[[1, 0]]]),))
    with pytest.warns(OverflowWarning, match=r"stage 0 \(FixedS4D\): .* state"):
        net.run(np.full((5, 1), 2**16))


OVERFLOWING = FixedNetwork(
    (FixedS4D([[[4000, 0]]], [[[4096, 0]]], [[[3000, 0]]]), FixedLinear([[50]], exponent=0)),
    Readout.MEAN_OVER_TIME,
)


@pytest.mark.parametrize(
    "options",
    [{}, {"backend": "reference"}, {"batch": (3,), "n_threads": 2}, {"n_threads": 2}],
    ids=["one", "reference", "threads", "two threads a sequence"],
)
@pytest.mark.parametrize("at_once", [1, 50])
def test_a_stream_warns_at_the_first_overflow_and_when_its_sum_does(
    options: dict[str, Any], at_once: int
) -> None:
    net = OVERFLOWING
    x = np.full((1000, 1), 2.0**10)
    x[100:104] = 2.0**16  # 0.98 of a state of 24 bits is kept, 64 times what comes is added
    state = 0.0
    states = [state := 4000 / 4096 * state + 64 * u for u in x[:, 0]]
    every = run(replace(net, readout=Readout.EVERY_TOKEN), x, backend="reference")
    sums = every.outputs.cumsum()  # of int64, which do not wrap
    firsts = [int((np.abs(v) >= most).argmax()) for v, most in ((states, 2**23), (sums, 2**31))]
    assert 100 < firsts[0] < 104
    assert firsts[1] > 200
    stream = net.stream(**options)
    x = np.broadcast_to(x, (*stream.batch, *x.shape)).copy()
    told: dict[int, list[warnings.WarningMessage]] = {}
    for t in range(0, x.shape[-2], at_once):
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            if at_once == 1:
                stream.step(x[..., t, :])
            else:
                stream.run(x[..., t : t + at_once, :])
        if caught:
            told[t // at_once] = list(caught)
    assert [*told] == [first // at_once for first in firsts]
    texts = [str(w.message) for each in told.values() for w in each]
    assert len(texts) == 2
    assert all(w.category is OverflowWarning for each in told.values() for w in each)
    assert all(w.filename == __file__ for each in told.values() for w in each)
    named = [f"at token {t + 1}: " for t in firsts] if at_once == 1 else ["last 50 tokens"] * 2
    assert all(name in text for name, text in zip(named, texts, strict=True))
    assert "reset_every" not in texts[0]
    assert " sum. A running sum" in texts[1]


@pytest.mark.parametrize(
    ("x", "error", "text"),
    [
        (np.zeros((5, 3)), ValueError, r"x must have shape \(\.\.\., 2\), d_input last"),
        (np.full((1, 2), 2**63, np.uint64), ValueError, "x: input mantissas must lie in"),
        (np.zeros(2), ValueError, "time"),
        (np.array([[0.0, np.nan]]), ValueError, "finite"),
        (np.array([[0.0, 40000.0]]), ValueError, r"\[-32768, 32767\.99609375\]"),
        (np.array([[0.0, 32768.0]]), ValueError, r"32767\.99609375\] .*, got 0 to 32768$"),
        (np.array([[0, 2**23]]), ValueError, r"\[-8388608, 8388607\]"),
        (np.array([[0, 1j]]), TypeError, "real numbers"),
        ([["a", "b"]], TypeError, "real numbers"),
    ],
)
def test_bad_input_is_refused_where_it_enters(
    x: np.ndarray, error: type[Exception], text: str
) -> None:
    net = random_fixed_network(np.random.default_rng(12))
    with pytest.raises(error, match=text):
        net.run(x)


def test_a_refused_token_leaves_the_stream_as_it_was() -> None:
    net = random_fixed_network(np.random.default_rng(13))
    stream, twin = net.stream(), net.stream()
    stream.step([100, -100])
    twin.step([100, -100])
    for bad in ([1, 2, 3], [0.0, np.inf], [2**30, 0]):
        with pytest.raises(ValueError, match="token"):
            stream.step(bad)
    np.testing.assert_array_equal(stream.step([5, 5]), twin.step([5, 5]))


def test_first_s4d_layer_limits_the_input_to_what_its_state_holds() -> None:
    net = FixedNetwork((FixedS4D([[[0, 0]]], [[[4096, 0]]], [[[4096, 0]]]),))
    assert net.input_format.max_mantissa == 2**17 - 1
    with pytest.raises(ValueError, match="131071"):
        net.run([[2**17]])


def test_reset_every_is_at_least_one_token() -> None:
    net = random_fixed_network(np.random.default_rng(14))
    with pytest.raises(ValueError, match="reset_every"):
        net.stream(reset_every=0)


def test_a_batch_is_a_shape_and_a_class_needs_a_token() -> None:
    net = random_fixed_network(np.random.default_rng(15), readout=Readout.LAST_TOKEN)
    for bad in (5, (-1,), (2.5,), "ab"):
        with pytest.raises(TypeError, match="batch must be a shape"):
            net.stream(batch=bad)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"token must have shape \(2,\), got shape \(\)"):
        net.stream().step(3)
    with pytest.raises(ValueError, match=r"tokens must have shape \(4, time, 2\), got"):
        net.stream((4,)).run(np.zeros((3, 2)))
    with pytest.raises(ValueError, match="without tokens"):
        net.predict(np.zeros((0, 2)))


@pytest.mark.parametrize("backend", ["compiled", "reference"])
def test_a_stream_goes_on_from_a_state_it_is_given(backend: str) -> None:
    rng = np.random.default_rng(16)
    for net in (random_fixed_network(rng, per_channel=True), random_network(rng)):
        x = rng.integers(-3000, 3000, (12, 2))
        whole = net.run(x, backend=backend)
        first, second = (net.stream(backend=backend) for _ in "ab")
        first.run(x[:5])
        second.state = first.state
        same = functools.partial(np.testing.assert_allclose, rtol=1e-12)  # floats: to rounding
        same = np.testing.assert_array_equal if isinstance(net, FixedNetwork) else same
        same(second.run(x[5:]), whole[5:])


@pytest.mark.parametrize(("dtype", "within"), [(np.float64, 1e-12), (np.float32, 1e-4)])
def test_float_states_that_hardly_an_input_reaches_keep_what_they_are_set_to(
    dtype: type, within: float
) -> None:
    rng = np.random.default_rng(17)
    a, b, c = rng.uniform(0.5, 0.9, (3, 5, 4)) * np.exp(1j * rng.uniform(-3, 3, (3, 5, 4)))
    b[:, 0], b[:, 1], b[:, 2] = 0, 1e-30, 1e-200
    net = Network((S4D(a, b, c),))
    x, state = rng.normal(size=(9, 5)), rng.normal(size=(5, 4, 2))
    ours, reference = net.stream(dtype=dtype), net.stream(backend="reference")
    for stream in (ours, reference):
        stream.state = (state,)
    np.testing.assert_allclose(ours.state[0], state, rtol=within)
    np.testing.assert_allclose(ours.run(x), reference.run(x), rtol=0, atol=within)
    np.testing.assert_allclose(ours.state[0], reference.state[0], rtol=0, atol=within)


@pytest.mark.parametrize("make", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
@pytest.mark.parametrize(
    "options",
    [{}, {"backend": "reference"}, {"batch": (3,), "n_threads": 2}, {"n_threads": 2}],
    ids=["one", "reference", "threads", "two threads a sequence"],
)
@pytest.mark.parametrize("kind", [random_fixed_network, random_network])
def test_a_copy_of_a_stream_goes_its_own_way(make: Any, options: dict[str, Any], kind: Any) -> None:
    rng = np.random.default_rng(19)
    net = kind(rng, readout=Readout.MEAN_OVER_TIME)
    x = rng.integers(-3000, 3000, (*options.get("batch", ()), 12, 2))
    whole = net.run(x, backend=options.get("backend"))
    stream = net.stream(reset_every=12, **options)
    stream.run(x[..., :5, :])
    twin = make(stream)
    twin.step(x[..., 0, :])  # is nothing to the first
    np.testing.assert_array_equal(stream.run(x[..., 5:, :]), whole[..., 5:, :])
    twin = make(stream)
    for now, then in zip(twin.state, stream.state, strict=True):
        np.testing.assert_array_equal(now, then)
    assert twin.overflows == stream.overflows
    np.testing.assert_array_equal(twin.run(x), whole)
    twin.reset()
    assert not any(part.any() for part in twin.state)


@pytest.mark.parametrize(
    ("change", "error", "text"),
    [
        (lambda x: 3, TypeError, "state must be a sequence of arrays, got 3"),
        (lambda x: x[:1], ValueError, "state must have 2 arrays, one a layer, got 1"),
        (lambda x: [x[0], x[1][:1]], ValueError, r"state\[1\] must have shape \(6, 3, 2\)"),
        (lambda x: [x[0], x[1] + 2**23], ValueError, r"state\[1\]: mantissas must lie in"),
        (lambda x: [x[0], x[1] + 0.5], TypeError, "integers"),
    ],
)
def test_a_state_that_does_not_fit_is_refused(
    change: Any, error: type[Exception], text: str
) -> None:
    stream = random_fixed_network(np.random.default_rng(17)).stream()
    before = stream.state
    with pytest.raises(error, match=text):
        stream.state = change(before)
    np.testing.assert_array_equal(stream.state, before)


@settings(max_examples=100, deadline=None)
@given(
    values=st.lists(st.floats(-40000, 40000) | st.integers(-9000, 9000), min_size=2, max_size=2),
    e=st.integers(-8, 30),
)
def test_single_tokens_are_rounded_and_refused_as_sequences_are(
    values: list[float], e: int
) -> None:
    net = random_fixed_network(np.random.default_rng(18))
    net = FixedNetwork(net.layers, net.readout, e)
    token = np.array(values)
    try:
        expected = net.run(token[np.newaxis], backend="reference")[0]
    except ValueError as refused:
        with pytest.raises(ValueError, match=str(refused)[2:20].split("[")[0]):
            net.stream().step(token)
        return
    np.testing.assert_array_equal(net.stream().step(token), expected)
