"""The neurons of a sequence on two threads: the integers of one, whatever the second one does."""

import copy
import gc
import os
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress

import numba
import numpy as np
import pytest

from lava_ssm.engine import Stream
from lava_ssm.engine.compiled import turns
from lava_ssm.engine.compiled.executor import Compiled
from lava_ssm.engine.compiled.layout import NO_NEURONS
from lava_ssm.engine.compiled.matrix import GRAIN
from lava_ssm.engine.compiled.neurons import OPERATIONS
from lava_ssm.engine.compiled.second import Second
from lava_ssm.network import FixedLinear, FixedNetwork, Network, ReLU
from lava_ssm.numerics import FixedPointOverflow
from tests.networks import (
    random_chain,
    random_fixed_network,
    random_mantissas,
    random_network,
)

SEEDS = range(50)


def compiled_of(stream: Stream) -> Compiled:
    assert isinstance(stream._executor, Compiled)
    return stream._executor


def second_of(stream: Stream) -> Second:
    second = compiled_of(stream)._second
    assert second is not None
    return second


def n_shared(stream: Stream) -> int:
    """Blocks that both threads have computed."""
    return turns.n_shared(second_of(stream)._words)


def never_coming(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have it seem to be there at each call, and not come."""
    executor, words = compiled_of(stream), second_of(stream)._words
    kernel = executor._kernel

    def call(*given: np.ndarray) -> int:
        words[turns._STATE], words[turns._RESTING], words[turns.PATIENCE] = turns.AWAKE, 0, 0
        return kernel(*given)

    monkeypatch.setattr(executor, "_kernel", call)


@contextmanager
def helped(stream: Stream) -> Iterator[None]:
    """Have the second thread there, and waited for, however long the machine lets it wait."""
    second, ended = second_of(stream), threading.Event()
    second._words[turns.PATIENCE] = np.iinfo(np.int64).max

    def help_on() -> None:
        while not ended.is_set():
            second._help()

    thread = threading.Thread(target=help_on)
    thread.start()
    try:
        assert until(lambda: turns.is_awake(second._words))
        yield
    finally:
        ended.set()
        thread.join()


@pytest.mark.parametrize("second", ["there", "asleep", "late"])
def test_outputs_states_and_counts_are_those_of_one_thread(
    second: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.networks.WIDTHS", (1, 17, 33, 48, 64, 100, 129))
    found: Counter[str] = Counter()
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        net = random_chain(rng, longest=5)
        one, two = net.stream(), net.stream(n_threads=2)
        if second == "there":
            with helped(two):
                found += compared(rng, one, two)
        else:
            second_of(two)._can = False
            if second == "late":
                never_coming(two, monkeypatch)
            found += compared(rng, one, two)
        words = second_of(two)._words
        assert words[turns._CLAIMED] == words[turns._BLOCK]
        found["begun"] += int(words[turns._BLOCK])
        found["shared"] += n_shared(two)
        for row in compiled_of(two)._layout.tables[1]:
            if row["operation"] != NO_NEURONS:
                found[OPERATIONS[row["operation"]].neurons.__name__] += 1
    names = {each.neurons.__name__ for each in OPERATIONS} - {"InverseSqrt"}  # one neuron
    assert min(found[name] for name in names | {"tokens", "raised"}) >= 3, found
    assert (found["begun"] > 20) == (second != "asleep"), found
    assert (2 * found["shared"] > found["begun"]) == (second == "there"), found


def compared(rng: np.random.Generator, one: Stream, two: Stream) -> Counter[str]:
    """Do the same with both."""
    found: Counter[str] = Counter()
    net = one.network
    for _ in range(8):
        what = rng.choice(["step", "run", "reset", "state", "copy"], p=[0.4, 0.3, 0.1, 0.1, 0.1])
        if what == "reset":
            one.reset()
            two.reset()
        elif what == "state":
            state = tuple(rng.permutation(part.ravel()).reshape(part.shape) for part in one.state)
            one.state = two.state = state
        elif what == "copy":
            state = two.state
            with suppress(FixedPointOverflow):
                copy.deepcopy(two).run(np.zeros((3, net.d_input)))
            for then, now in zip(state, two.state, strict=True):
                np.testing.assert_array_equal(now, then)
        else:
            x = random_mantissas(rng, net, (1 if what == "step" else int(rng.integers(2, 150)),))  # type: ignore[arg-type]
            try:
                outputs = one.step(x[0]) if what == "step" else one.run(x)
            except FixedPointOverflow as raised:
                with pytest.raises(FixedPointOverflow, match=str(raised)[:12]):
                    two.step(x[0]) if what == "step" else two.run(x)
                found["raised"] += 1
            else:
                again = two.step(x[0]) if what == "step" else two.run(x)
                np.testing.assert_array_equal(again, outputs)
                found["tokens"] += len(x)
        for ours, theirs in zip(two.state, one.state, strict=True):
            np.testing.assert_array_equal(ours, theirs)
        assert two.overflows == one.overflows
    return found


@pytest.mark.parametrize("dtype", [None, np.float32])
def test_floats_are_those_of_one_thread(dtype: type | None) -> None:
    rng = np.random.default_rng(1)
    net: Network = random_network(rng, d_model=100, d_state=5)
    x = rng.normal(size=(150, net.d_input))
    one, two = net.stream(dtype=dtype), net.stream(n_threads=2, dtype=dtype)
    with helped(two):
        within = 1e-12 if dtype is None else 1e-4

        def shares() -> bool:
            np.testing.assert_allclose(two.run(x), one.run(x), within, within)
            np.testing.assert_allclose(two.step(x[0]), one.step(x[0]), within, within)
            return n_shared(two) > 0

        assert until(shares)
        for ours, theirs in zip(two.state, one.state, strict=True):
            np.testing.assert_allclose(ours, theirs, within, within)
        state = tuple(rng.normal(size=part.shape) for part in one.state)
        two.state = state
        for ours, theirs in zip(two.state, state, strict=True):
            np.testing.assert_allclose(ours, theirs, within, within)


def wide_stream() -> Stream:
    net = random_fixed_network(np.random.default_rng(2), d_model=128, d_state=8)
    return net.stream(n_threads=2)


def until(done: object) -> bool:
    """Wait, as long as a busy machine may need, for what becomes true."""
    end = time.monotonic() + 60
    while not done():  # type: ignore[operator]
        if time.monotonic() > end:
            return False
        time.sleep(0.001)
    return True


def test_the_second_thread_comes_by_itself_and_sleeps_when_there_is_nothing_to_do() -> None:
    stream = wide_stream()
    second_of(stream)._can = True  # on a machine with a single core, too
    second_of(stream)._words[turns.PATIENCE] = np.iinfo(np.int64).max
    x = np.zeros((1000, 2), int)

    def shares() -> bool:
        stream.run(x)
        return n_shared(stream) > 0

    assert until(shares)
    assert until(lambda: not turns.is_awake(second_of(stream)._words))


def test_tokens_in_quick_succession_wake_it() -> None:
    stream = wide_stream()
    second_of(stream)._can = True

    def wakes() -> bool:
        for _ in range(100):
            stream.step([1, -1])
        return second_of(stream)._workers is not None

    assert until(wakes)


def test_a_stream_that_is_dropped_ends_its_thread() -> None:
    before = set(threading.enumerate())
    stream = wide_stream()
    second_of(stream)._can = True
    stream.run(np.zeros((200, 2), int))
    assert until(lambda: not set(threading.enumerate()) <= before)
    del stream
    gc.collect()
    assert until(lambda: set(threading.enumerate()) <= before)


def test_a_single_core_is_not_shared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lava_ssm.engine.compiled.second._n_cores", lambda: 1)
    stream = wide_stream()
    stream.run(np.zeros((200, 2), int))
    assert second_of(stream)._workers is None


def test_a_process_that_was_forked_goes_on_without_it() -> None:
    stream = wide_stream()
    x = np.random.default_rng(3).integers(-3000, 3000, (100, 2))
    expected = wide_stream().run(np.concatenate([x, x]))[100:]
    with helped(stream):
        stream.run(x)
        assert until(lambda: turns.is_awake(second_of(stream)._words))
        child = os.fork()
        if child == 0:  # no test framework from here on
            signal.alarm(60)  # one that hangs ends
            os._exit(0 if np.array_equal(stream.run(x), expected) else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        np.testing.assert_array_equal(stream.run(x), expected)


def test_a_block_is_claimed_once() -> None:
    claimed, begun, wake, word = turns.claimed, turns.begun, turns.wake, turns._get
    was_begun, was_claimed, n_blocks = turns._BLOCK, turns._CLAIMED, 200_000

    @numba.njit(nogil=True)
    def claims(words: np.ndarray, begins: bool) -> int:
        n = 0
        wake(words)
        while word(words, was_claimed) < n_blocks:
            if begins and word(words, was_claimed) == word(words, was_begun):
                begun(words, 1)
            n += claimed(words)
        return n

    together, words = threading.Barrier(3), turns.turns()
    words[was_claimed] = n_blocks
    claims(words, True)  # compiled before they race
    words[was_claimed] = 0

    def racing(begins: bool) -> int:
        together.wait()
        return claims(words, begins)

    with ThreadPoolExecutor(3) as threads:
        counts = list(threads.map(racing, [True, False, False]))
    assert sum(counts) == n_blocks


@pytest.mark.parametrize("case", ["begun", "claimed"])
def test_a_process_that_was_forked_in_the_middle_of_a_block_begins_anew(case: str) -> None:
    stream, expected = wide_stream(), wide_stream()
    x = np.random.default_rng(4).integers(-3000, 3000, (150, 2))
    second, n = second_of(stream), len(stream.network.lowered)
    words = second._words
    words[turns._BLOCK], words[turns._TOKENS], words[turns._STATE] = 1, 64, turns.AWAKE
    if case == "claimed":  # and the second thread is ahead
        words[turns._CLAIMED], words[turns._SECOND], words[0] = 1, n, 2
    second.forget()
    with helped(stream):
        for _ in range(20):
            np.testing.assert_array_equal(stream.run(x), expected.run(x))


def test_no_more_threads_are_no_reason_to_fail(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(n: int) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr("lava_ssm.engine.compiled.second.Workers", refuse)
    stream = wide_stream()
    second_of(stream)._can = True
    x = np.random.default_rng(5).integers(-3000, 3000, (100, 2))
    np.testing.assert_array_equal(stream.run(x), wide_stream().run(x))


@pytest.mark.parametrize("width", [560, 576, 600, 704])
def test_halves_of_sparse_matrices_do_not_write_into_each_other(width: int) -> None:
    rng = np.random.default_rng(width)

    def weights(*shape: int) -> np.ndarray:
        return np.where(rng.random(shape) < 0.1, rng.integers(-100, 100, shape), 0)

    first, second, third = (FixedLinear(weights(width, n), 7, 4) for n in (40, width, width))
    net = FixedNetwork((first, ReLU(), second, ReLU(), third), input_exponent=4)
    x = rng.integers(-3000, 3000, (64, 40))
    expected = net.run(x, backend="reference")
    stream = net.stream(n_threads=2)
    second_of(stream)._can = False
    np.testing.assert_array_equal(stream.run(x), expected)
    stream.reset()
    with helped(stream):
        for row, token in zip(expected, x, strict=True):
            np.testing.assert_array_equal(stream.step(token), row)
    for table in compiled_of(stream)._layout.tables:
        assert not (table["out_at"] % GRAIN).any()
