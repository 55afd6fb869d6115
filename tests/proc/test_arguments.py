"""What is given wrongly is refused where it is given, by its name."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from lava.magma.core.run_conditions import RunContinuous, RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg

from lava_ssm import proc, runtime
from lava_ssm.network import FixedLinear, FixedNetwork, FixedS5
from lava_ssm.proc import FusedSSMNetwork, Output, Relay, SSMNetwork, sink, source
from tests.networks import random_fixed_s4d
from tests.proc.graphs import joined

FIXED = Loihi2SimCfg(select_tag="fixed_pt")
HALF = FixedLinear([[64]])  # outputs are inputs halved
NETWORK = FixedNetwork((HALF,))
SUM = NETWORK.lowered[0].neurons

IN_PROCESS = pytest.mark.parametrize("which_runtime", ["in process"], indirect=True)
NO_INTEGERS = [True, -1, 2.0, float("nan"), 10**30, "3", [1], np.array([1, 2]), np.bool_(True)]


@IN_PROCESS
@pytest.mark.parametrize("value", NO_INTEGERS, ids=repr)
@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("period", lambda n: SSMNetwork(NETWORK, period=n)),
        ("offset", lambda n: SSMNetwork(NETWORK, offset=n)),
        ("reset_every", lambda n: SSMNetwork(NETWORK, reset_every=n)),
        ("batch_size", lambda n: FusedSSMNetwork(NETWORK, batch_size=n)),
        ("n_threads", lambda n: FusedSSMNetwork(NETWORK, n_threads=n)),
        ("n_tokens", lambda n: sink(SSMNetwork(NETWORK), n)),
        ("n_tokens", lambda n: SSMNetwork(NETWORK).steps_for(n)),
        ("token", lambda n: SSMNetwork(NETWORK).step_of(n)),
        ("drain", lambda n: source([[1]], SSMNetwork(NETWORK), drain=n)),
        ("shape", lambda n: Relay((3, n))),
        ("n_steps", lambda n: runtime.run(SSMNetwork(NETWORK), n, FIXED)),
        ("n_steps", lambda n: runtime.profile(SSMNetwork(NETWORK), n, FIXED)),
    ],
)
def test_what_is_no_integer_is_refused(name: str, call: Callable[[Any], Any], value: Any) -> None:
    with pytest.raises(ValueError, match=name):
        call(value)


@IN_PROCESS
@pytest.mark.parametrize(
    ("call", "error", "text"),
    [
        (lambda: SSMNetwork("zoo"), TypeError, "network must be a Network or a FixedNetwork"),
        (lambda: FusedSSMNetwork(HALF), TypeError, "network must be a Network"),
        (lambda: proc.run(None, [[1]]), TypeError, "network must be a Network"),
        (lambda: sink(NETWORK, 3), TypeError, "net must be an SSMNetwork or a FusedSSMNetwork"),
        (lambda: source([[1]], NETWORK), TypeError, "net must be an SSMNetwork"),
        (lambda: proc.run(NETWORK, [[1]], fused=1), TypeError, "fused must be True or False"),
        (lambda: proc.run(NETWORK, [[1]], progress=0), TypeError, "progress must be True or False"),
        (lambda: proc.run(NETWORK, [[1]], run_cfg="fixed_pt"), TypeError, "run_cfg must be a run"),
        (
            lambda: proc.run(NETWORK, [[1]], "quick"),
            ValueError,
            "schedule must be one of pipelined",
        ),
        (lambda: proc.run(NETWORK, [[1]], ["pipelined"]), ValueError, "schedule must be"),
        (lambda: SSMNetwork(NETWORK).run(RunSteps(1), 5), TypeError, "run_cfg must be a run"),
        (lambda: Relay([3]), TypeError, "shape must be a tuple of integers"),
        (lambda: Relay(()), ValueError, "shape must have integers of at least 1"),
        (lambda: Relay((3,), relu=1), TypeError, "relu must be True or False"),
        (lambda: Relay((3,), shift=0.5), TypeError, "shift must be integers"),
        (lambda: Relay((3,), arithmetic=24), TypeError, "arithmetic must be an Arithmetic"),
        (lambda: Relay((3,), tag="fixed"), ValueError, "tag must be 'fixed_pt', 'floating_pt'"),
        (lambda: Output(SUM, "fixed_pt", readout="mean"), TypeError, "readout must be a Readout"),
        (
            lambda: Output(SUM, "fixed_pt", residual_shift=0.5),
            ValueError,
            "residual_shift must be an integer",
        ),
        (lambda: Output(FixedS5, "fixed_pt"), TypeError, "neurons must be an Affine, a Product"),
        (lambda: proc.Source(5, (1,), None, 0), TypeError, "tokens must be an iterable"),
        (lambda: proc.Sink((1,), 5, None, "fixed_pt"), TypeError, "schedule must be a Schedule"),
        (lambda: runtime.run(NETWORK, 5, FIXED), TypeError, "net must be a Process"),
        (lambda: runtime.run(Relay((3,)), 5, "x"), TypeError, "run_cfg must be a run config"),
        (lambda: runtime.install("strict"), TypeError, "strict must be True or False"),
        (lambda: runtime.set_hygiene(1), TypeError, "on must be True or False"),
    ],
)
def test_what_is_of_another_kind_is_refused(
    call: Callable[[], Any], error: type[Exception], text: str
) -> None:
    with pytest.raises(error, match=text):
        call()


@IN_PROCESS
def test_what_no_memory_could_hold_is_refused_at_once() -> None:
    with pytest.raises(MemoryError, match="n_tokens: a sink of"):
        sink(SSMNetwork(NETWORK), 10**14)
    with pytest.raises(MemoryError, match="batch_size: a token of"):
        FusedSSMNetwork(NETWORK, batch_size=10**12)


TOKENS = np.arange(0, 12, 2).reshape(6, 1)


@IN_PROCESS
@pytest.mark.parametrize(
    "given",
    [
        torch.tensor(TOKENS),
        torch.tensor(TOKENS / 1.0, dtype=torch.bfloat16),
        TOKENS.astype(np.float16),
        TOKENS.astype(object),
        np.asfortranarray(np.repeat(TOKENS, 2, 1))[:, :1],
        TOKENS[::-1][::-1],
        TOKENS.tolist(),
    ],
    ids=["torch", "bfloat16", "float16", "object", "fortran", "strided", "list"],
)
def test_tokens_may_come_in_any_array(given: Any) -> None:
    assert proc.run(NETWORK, given)[:, 0].tolist() == [0, 1, 2, 3, 4, 5]
    net = FusedSSMNetwork(NETWORK)
    with joined(net, iter(given), 6) as collected:
        net.run(RunSteps(net.steps_for(6)), FIXED)
        assert collected.take()[:, 0].tolist() == [0, 1, 2, 3, 4, 5]


@IN_PROCESS
@pytest.mark.parametrize(
    ("given", "error", "text"),
    [
        (np.ma.masked_less(TOKENS, 4), TypeError, "must have no mask"),
        (torch.ones(6, 1, requires_grad=True), TypeError, "wants a gradient"),
        (TOKENS > 3, TypeError, "must be real numbers, got an array of bool"),
        (1j * TOKENS, TypeError, "must be real numbers, got an array of complex128"),
        ([[10**30]], ValueError, "integers must fit 64 signed bits"),
        (np.full((6, 1), np.nan), ValueError, "must be finite"),
        (np.full((6, 1), 2**23), ValueError, "mantissas must lie in"),
        ([["a"]], TypeError, "must be real numbers"),
        ([[None]], TypeError, "objects such as None"),
        ([[1], [1, 2]], TypeError, "equal length"),
        (np.zeros((0, 1)), ValueError, r"must have shape \(.*time, 1\)"),
        (np.zeros((6, 2)), ValueError, r"must have shape \(..., 1\)"),
        (np.zeros(1), ValueError, r"must have shape \(.*time, 1\)"),
    ],
)
def test_tokens_that_are_none_are_refused(given: Any, error: type[Exception], text: str) -> None:
    for door in (proc.run, lambda network, x: source(x, FusedSSMNetwork(network))):
        with pytest.raises(error, match=rf"^x\b.*{text}"):
            door(NETWORK, given)


@IN_PROCESS
@pytest.mark.parametrize(
    ("token", "error", "text"),
    [
        (np.ma.masked_less(TOKENS[0], 4), TypeError, "must have no mask"),
        (torch.ones(1, requires_grad=True), TypeError, "wants a gradient"),
        (np.array([True]), TypeError, "must be real numbers"),
        (None, TypeError, "objects such as None"),
        ([[1], [1, 2]], TypeError, "equal length"),
        ([10**30], ValueError, "64 signed bits"),
        (TOKENS, ValueError, r"must have shape \(1,\), got shape \(6, 1\)"),
    ],
)
def test_a_token_amidst_others_is_refused_by_its_number(
    token: Any, error: type[Exception], text: str
) -> None:
    net = FusedSSMNetwork(NETWORK)
    refused = pytest.raises(error, match=rf"^token 2 of the source\b.*{text}")
    with joined(net, iter([[2], [4], token, [6]]), 9), refused:
        net.run(RunSteps(9), FIXED)


@pytest.mark.parametrize("which_runtime", ["in process", "stock"], indirect=True)
def test_conditions_that_are_none_are_refused() -> None:
    net = FusedSSMNetwork(NETWORK)
    with joined(net, iter(TOKENS), 9) as collected:
        for steps in (True, -1, 2.5, float("nan"), "3", None, 10**30):
            with pytest.raises(ValueError, match="num_steps must be 0 or more, a whole number"):
                net.run(RunSteps(steps), FIXED)
        for condition in (5, None, RunSteps, "RunContinuous"):
            with pytest.raises(TypeError, match="condition must be a RunSteps or a RunContinuous"):
                net.run(condition, FIXED)
        net.run(RunSteps(3.0), FIXED)  # as on Lava
        assert collected.take()[:, 0].tolist() == [0, 1]


@pytest.mark.parametrize("which_runtime", ["in process", "stock"], indirect=True)
@pytest.mark.parametrize("kind", [SSMNetwork, FusedSSMNetwork])
def test_all_that_belongs_to_a_graph_can_be_printed_at_any_time(kind: type) -> None:
    layers = (random_fixed_s4d(np.random.default_rng(0), 1, 2), HALF)
    net = kind(FixedNetwork(layers))

    def printed() -> None:
        own = [net, *net.layers, net.layers[0].state, net.vars, net.in_ports, collected]
        for one in [*own, *net.vars.members, *net.in_ports.members, net.runtime]:
            assert str(one)
            assert repr(one)
            assert dir(one)
            assert not hasattr(one, "_nothing_of_the_kind")  # notebooks ask so

    with joined(net, iter(TOKENS), 10**5) as collected:
        printed()
        net.run(RunSteps(3), FIXED)
        printed()
        with pytest.raises(ValueError, match="longer than the source has tokens"):
            net.run(RunSteps(20))
        printed()
    printed()
    net = kind(FixedNetwork(layers))
    with joined(net, (np.array([0]) for _ in iter(int, 1)), 10**6) as collected:
        net.run(RunContinuous(), FIXED)
        printed()
