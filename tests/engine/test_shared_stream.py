"""One stream, several threads; calls that are cut off; processes forked meanwhile."""

import copy
import functools
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

from lava_ssm.engine import Stream, run
from lava_ssm.network import FixedLinear, FixedNetwork, Network, Readout
from tests.networks import random_fixed_network, random_fixed_s5_network, random_network

KINDS: list[Callable[..., Any]] = [random_fixed_network, random_fixed_s5_network, random_network]


@pytest.fixture(autouse=True)
def _switching_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


def together(*works: Callable[[], Any]) -> list[Any]:
    """Run functions at the same time, each on a thread of its own, and give their results."""
    results: list[Any] = [None] * len(works)
    begin = threading.Barrier(len(works))

    def work(i: int) -> None:
        begin.wait()
        try:
            results[i] = works[i]()
        except BaseException as error:
            results[i] = error

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


COUNTER = FixedNetwork(  # the running sum of tokens of 1
    (FixedLinear([[64]], exponent=6, output_exponent=0),), Readout.MEAN_OVER_TIME
)


@pytest.mark.parametrize("backend", ["compiled", "reference"])
@pytest.mark.parametrize("reset_every", [None, 10**6])
def test_calls_of_several_threads_take_turns(backend: Any, reset_every: int | None) -> None:
    stream = COUNTER.stream(backend=backend, reset_every=reset_every)
    n = 40 if backend == "reference" else 150

    def pieces() -> None:
        for _ in range(n // 10):
            stream.run(np.ones((10, 1), int))

    def tokens() -> None:
        for _ in range(n):
            stream.step(np.ones(1, int))
            stream.overflows  # noqa: B018
            stream.state  # noqa: B018

    assert together(pieces, tokens, pieces, tokens) == [None] * 4
    assert stream.n_tokens == 4 * n
    assert stream.step(np.ones(1, int)).item() == 4 * n + 1


def test_a_running_sum_is_not_divided_by_the_count_of_another_threads_call() -> None:
    stream = COUNTER.stream()
    mine = stream.step([1])
    later = together(lambda: stream.step([1]))[0]
    with pytest.raises(ValueError, match="another thread has made"):
        stream.to_float(mine)
    assert stream.to_float(later) == [1.0]  # what another thread hands over
    assert stream.to_float(stream.step([1]).copy()) == [1.0]
    # copies and unpickled streams are of the thread that has them
    outputs = stream.step([1]).copy()
    for twin in (copy.deepcopy(stream), pickle.loads(pickle.dumps(stream))):
        assert together(functools.partial(twin.to_float, outputs.copy()))[0] == [1.0]


def test_nothing_has_come_of_a_new_stream() -> None:
    with pytest.raises(ValueError, match="nothing has come of the stream yet"):
        COUNTER.stream().to_float(np.zeros(1, int))


@pytest.mark.parametrize("kind", KINDS)
def test_two_streams_of_one_network_share_nothing(kind: Any) -> None:
    rng = np.random.default_rng(0)
    net = kind(rng)
    xs = rng.integers(-900, 900, (4, 300, net.d_input)).astype(float) / 256
    expected = [net.run(x, backend="reference") for x in xs]

    def streamed(x: Any) -> np.ndarray:
        stream = net.stream()
        return np.array([stream.step(token) for token in x])

    found = together(*(lambda x=x: streamed(x) for x in xs))
    for ours, wanted in zip(found, expected, strict=True):
        np.testing.assert_allclose(ours, wanted, rtol=1e-9)


def test_a_stream_is_not_called_from_its_own_probe() -> None:
    stream: Stream

    def probe(stage: int, what: str, values: Any) -> None:
        stream.step([1])

    stream = Stream(COUNTER, probe=probe)
    with pytest.raises(RuntimeError, match="in the middle of a call"):
        stream.run([[1]])
    assert stream.n_tokens == 0
    with pytest.raises(RuntimeError, match="in the middle of a call"):  # nor is it stuck
        stream.step([1])


@pytest.mark.parametrize("reset_every", [None, 3])
def test_a_call_that_fails_leaves_the_stream_as_before(reset_every: int | None) -> None:
    rng = np.random.default_rng(1)
    net = random_fixed_network(rng, readout=Readout.MEAN_OVER_TIME)
    x = rng.integers(-900, 900, (12, 2))
    left = [100]

    def probe(stage: int, what: str, values: Any) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise KeyboardInterrupt

    stream = Stream(net, reset_every=reset_every, probe=probe)
    stream.run(x[:2])
    before = stream.state
    for nth in (1, 3, 20):
        left[0] = nth
        with pytest.raises(KeyboardInterrupt):
            stream.run(x[2:])
        for now, then in zip(stream.state, before, strict=True):
            np.testing.assert_array_equal(now, then)
    np.testing.assert_array_equal(stream.run(x[2:]), run(net, x, reset_every).outputs[2:])


def snapshot(stream: Stream) -> bytes:
    """All that further calls depend on: a copy's next outputs, its state, its count."""
    twin = copy.copy(stream)
    ones = np.ones((*stream.batch, 3, stream.network.d_input))
    state = [part.tobytes() for part in twin.state]
    return pickle.dumps((twin.n_tokens, state, twin.run(ones).tobytes()))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "options", [{}, {"batch": (4,), "n_threads": 2}, {"n_threads": 2}, {"reset_every": 7}]
)
@pytest.mark.parametrize("call", ["run", "step", "state"])
def test_ctrl_c_leaves_a_stream_before_or_after_or_said_to_be_lost(
    kind: Any, options: dict[str, Any], call: str
) -> None:
    rng = np.random.default_rng(2)
    net = kind(rng)
    x = rng.integers(-900, 900, (*options.get("batch", ()), 30, net.d_input)) / 256
    stream = net.stream(**options)
    stream.run(x)
    states = stream.state
    calls: dict[str, Callable[[Stream], Any]] = {
        "run": lambda s: s.run(x),
        "step": lambda s: s.step(x[..., 0, :]),
        "state": lambda s: setattr(s, "state", states),
    }
    armed, n_interrupts = [False], 0

    def handler(*_: Any) -> None:
        if armed[0]:
            raise KeyboardInterrupt

    old = signal.signal(signal.SIGALRM, handler)
    try:
        for i in range(40):
            after = copy.copy(stream)
            calls[call](after)
            possible = {snapshot(stream), snapshot(after)}
            try:
                armed[0] = True
                signal.setitimer(signal.ITIMER_REAL, 1e-6 + 4e-6 * i)
                calls[call](stream)
                armed[0] = False
            except KeyboardInterrupt:
                armed[0], n_interrupts = False, n_interrupts + 1
            signal.setitimer(signal.ITIMER_REAL, 0)
            try:
                now = snapshot(stream)
            except RuntimeError as error:
                said = str(error)
                stream.reset()
                assert "interrupted in the middle of a call" in said
            else:
                assert now in possible
    finally:
        signal.signal(signal.SIGALRM, old)
    assert n_interrupts


def test_a_lost_stream_says_so_until_it_is_reset(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = COUNTER.stream()

    def cut_off(token: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(stream, "_step", cut_off)
    with pytest.raises(KeyboardInterrupt):
        stream.step([1])
    for call in (
        lambda: stream.step([1]),
        lambda: stream.run([[1]]),
        lambda: stream.state,
        lambda: copy.copy(stream),
        lambda: pickle.dumps(stream),
        lambda: setattr(stream, "state", ()),
    ):
        with pytest.raises(RuntimeError, match="interrupted in the middle of a call"):
            call()
    stream.reset()
    assert stream.step([1]) == [1]


def test_threads_have_ended_when_an_interrupt_leaves_a_run() -> None:
    from lava_ssm.engine.compiled.threads import Threads

    threads, ended, begun = Threads(2, 2), [], threading.Event()

    def work(i: int, rows: slice) -> None:
        if i == 0:
            begun.wait()
            raise KeyboardInterrupt
        begun.set()
        time.sleep(0.2)
        ended.append(i)

    with pytest.raises(KeyboardInterrupt):
        threads.run(work)
    assert ended == [1]
    threads.run(lambda i, rows: ended.append(i))  # and they are made again
    assert sorted(ended) == [0, 1, 1]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_process_forked_in_the_middle_of_a_call_says_so_and_does_not_hang() -> None:
    inside, leave = threading.Event(), threading.Event()

    def probe(stage: int, what: str, values: Any) -> None:
        inside.set()
        leave.wait()

    used, idle = Stream(COUNTER, probe=probe), COUNTER.stream()
    idle.step([1])
    thread = threading.Thread(target=used.run, args=([[1]],))
    thread.start()
    inside.wait()
    child = os.fork()
    if child == 0:
        signal.alarm(20)
        try:
            assert idle.step([1]) == [2]
            with pytest.raises(RuntimeError, match="forked in the middle of a call"):
                used.step([1])
            leave.set()
            used.reset()
            assert used.step([1]) == [1]
        except BaseException:
            os._exit(1)
        os._exit(0)
    leave.set()
    thread.join()
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert used.step([1]) == [2]  # this process has lost nothing


@pytest.mark.parametrize(
    "make", [copy.copy, copy.deepcopy, lambda s: pickle.loads(pickle.dumps(s))]
)
@pytest.mark.parametrize("kind", KINDS)
def test_a_copy_and_its_original_do_not_touch_each_other(make: Any, kind: Any) -> None:
    rng = np.random.default_rng(3)
    net = kind(rng)
    x = rng.integers(-900, 900, (20, net.d_input)) / 256
    whole = net.run(x)
    stream = net.stream(reset_every=20)
    stream.run(x[:8])
    twin = make(stream)
    twin.run(x)
    np.testing.assert_allclose(stream.run(x[8:]), whole[8:], rtol=1e-12)
    other = make(net.stream())
    assert isinstance(other.network, Network | FixedNetwork)
    np.testing.assert_allclose(other.run(x), whole, rtol=1e-12)
