"""Sources and sinks: arrays, endless streams, ends, errors, Ctrl-C."""

import itertools
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from lava.magma.core.run_conditions import RunContinuous, RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg

from lava_ssm.network import FixedLinear, FixedNetwork
from lava_ssm.proc import FusedSSMNetwork, sink, source
from lava_ssm.runtime import GraphStopped
from tests.networks import random_fixed_network
from tests.proc.graphs import joined

FIXED = Loihi2SimCfg(select_tag="fixed_pt")
HALF = FixedNetwork((FixedLinear([[64]]),))  # outputs are inputs halved: 2 * 64 >> 8


def counting() -> Iterator[np.ndarray]:
    """Endless tokens: 0, 2, 4, ..."""
    return (np.array([2 * i]) for i in itertools.count())


def test_an_endless_iterator_is_run_in_pieces() -> None:
    net = FusedSSMNetwork(HALF)
    with joined(net, counting(), 50) as collected:
        taken = []
        for steps in (1, 20, 1, 40):
            net.run(RunSteps(steps), FIXED)
            taken.append(collected.take())
    assert [len(part) for part in taken] == [0, 20, 1, 40]  # the first step's output is to come
    assert np.concatenate(taken)[:, 0].tolist() == list(range(61))


@pytest.mark.parametrize("given", ["integers", "floats", "lists"])
def test_an_iterator_of_tokens_equals_the_array_of_them(given: str) -> None:
    fixed = random_fixed_network(np.random.default_rng(0))
    x: Any = np.random.default_rng(1).integers(-3000, 3000, (9, 2))
    if given == "floats":
        x = x / 256
    net = FusedSSMNetwork(fixed, period=2)
    tokens = iter(x.tolist() if given == "lists" else x)
    with joined(net, tokens, 9) as collected:
        net.run(RunSteps(net.steps_for(9)), FIXED)
        np.testing.assert_array_equal(collected.take(), fixed.run(x))


@pytest.mark.parametrize("endless", [False, True])
@pytest.mark.parametrize("period", [1, 3])
def test_a_run_longer_than_the_tokens_is_an_error_that_names_the_step(
    endless: bool, period: int
) -> None:
    tokens = np.arange(0, 12, 2).reshape(6, 1)
    net = FusedSSMNetwork(HALF, period=period)
    with joined(net, iter(tokens) if endless else tokens, 6) as collected:
        net.run(RunSteps(net.steps_for(6)), FIXED)
        assert collected.take()[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
        last = net.steps_for(6)
        with pytest.raises(ValueError, match=f"its 6 tokens are through after step {last}"):
            net.run(RunSteps(period), FIXED)


def test_drain_lets_a_run_go_on() -> None:
    net = FusedSSMNetwork(HALF)
    with joined(net, [[8]], 20, drain=10) as collected:
        net.run(RunSteps(11), FIXED)
        assert collected.take()[:, 0].tolist() == [4] + 9 * [0]
        with pytest.raises(ValueError, match="longer than the source has tokens"):
            net.run(RunSteps(1), FIXED)
    with pytest.raises(ValueError, match="drain must be an integer of at least 0, got -1"):
        source([[8]], net, drain=-1)


def test_a_sink_that_is_full_says_so(which_runtime: str) -> None:
    net = FusedSSMNetwork(HALF)
    full = pytest.raises(RuntimeError, match="the sink is full: it holds 5 tokens")
    with joined(net, counting(), 5) as collected:
        with full:
            net.run(RunSteps(50), FIXED)
        if which_runtime == "in process":  # where the Vars of a graph that failed can be read
            assert collected.take()[:, 0].tolist() == [0, 1, 2, 3, 4]
    net = FusedSSMNetwork(HALF)
    with pytest.raises(ValueError, match="n_tokens must be an integer of at least 1, got 0"):
        sink(net, 0)


def test_a_sink_says_when_nothing_can_be_taken(which_runtime: str) -> None:
    net = FusedSSMNetwork(HALF)
    with joined(net, counting(), 10**6) as collected:
        assert collected.take().shape == (0, 1)  # nothing has run
        net.run(RunContinuous(), FIXED)
        with pytest.raises(RuntimeError, match="'count' cannot be read while the graph runs"):
            collected.take()
        net.pause()
        collected.take()
    with pytest.raises(GraphStopped, match="the graph was stopped"):
        collected.take()


class Broken(Exception):
    pass


def broken() -> Iterator[np.ndarray]:
    yield np.array([2])
    raise Broken("the microphone is unplugged")


@pytest.mark.parametrize(
    ("tokens", "error", "text"),
    [
        (broken, Broken, "the microphone is unplugged"),
        (lambda: iter([[1], [1, 2]]), ValueError, r"token 1 of the source must have shape \(1,\)"),
        (lambda: iter([[1], [2**23]]), ValueError, "token 1 of the source: input mantissas must"),
        (lambda: iter([[1], [float("nan")]]), ValueError, "token 1 of the source must be finite"),
        (lambda: iter([[1], ["a"]]), TypeError, "token 1 of the source must be real numbers"),
    ],
)
def test_what_goes_wrong_in_an_iterator_reaches_the_caller(
    tokens: Any, error: type[Exception], text: str
) -> None:
    net = FusedSSMNetwork(HALF)
    with joined(net, tokens(), 100), pytest.raises(error, match=text):
        net.run(RunSteps(100), FIXED)


def test_a_graph_runs_until_it_is_paused() -> None:
    net = FusedSSMNetwork(HALF)
    with joined(net, counting(), 10**6) as collected:
        net.run(RunContinuous(), FIXED)
        time.sleep(0.3)
        net.pause()
        taken = collected.take()
    assert len(taken) > 3
    assert taken[:, 0].tolist() == list(range(len(taken)))


@pytest.mark.parametrize("which_runtime", ["in process"], indirect=True)
def test_a_million_outputs_are_taken_out_at_once() -> None:
    net = FusedSSMNetwork(HALF)
    with joined(net, counting(), 10**6) as collected:
        net.run(RunSteps(1), FIXED)
        whole = np.arange(10**6).reshape(-1, 1)
        collected.data.set(whole)
        collected.count.set(np.array([10**6]))
        np.testing.assert_array_equal(collected.take(), whole)


CTRL_C = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
import contextlib
import itertools
import numpy as np
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava_ssm import runtime
from lava_ssm.network import FixedLinear, FixedNetwork
from lava_ssm.proc import FusedSSMNetwork, sink, source
net = FusedSSMNetwork(FixedNetwork((FixedLinear([[64]]),)))
tokens, collected = source((np.array([2 * i]) for i in itertools.count()), net), sink(net, 10**7)
tokens.s_out.connect(net.a_in)
net.s_out.connect(collected.a_in)
try:
    with CONTEXT:
        net.run(RunSteps(1), Loihi2SimCfg(select_tag="fixed_pt"))
        print("running", flush=True)
        net.run(RunSteps(10**8), Loihi2SimCfg(select_tag="fixed_pt"))
except KeyboardInterrupt:
    net.stop()
    print("stopped", flush=True)
"""


def test_ctrl_c_ends_a_run_that_is_fed_endlessly(which_runtime: str) -> None:
    contexts = {"in process": "runtime.in_process()", "stock": "contextlib.nullcontext()"}
    child = subprocess.Popen(
        [sys.executable, "-c", CTRL_C.replace("CONTEXT", contexts[which_runtime])],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == "running\n"
        time.sleep(0.3)
        os.kill(child.pid, signal.SIGINT)
        out, _ = child.communicate(timeout=60)
    finally:
        child.kill()
    assert out == "stopped\n"
