"""Building blocks of Lava graphs for tests."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink

from lava_ssm.engine import as_tokens
from lava_ssm.proc import SSMNetwork, sink, source
from lava_ssm.proc.abstract_network import AbstractNetwork


@contextmanager
def stopped(*processes: AbstractProcess) -> Iterator[None]:
    try:
        yield
    finally:
        for process in processes:
            process.stop()


def record(source: Any, process: Any, steps: int, tag: str) -> np.ndarray:
    """Feed a process from a source for some steps; what it sent, (..., steps)."""
    sink = Sink(shape=process.s_out.shape, buffer=steps)
    source.s_out.connect(process.a_in)
    process.s_out.connect(sink.a_in)
    with stopped(process):
        process.run(RunSteps(steps), Loihi2SimCfg(select_tag=tag))
        return np.asarray(sink.data.get())


def graph_run(
    network: Any, x: Any, period: int = 1, kind: Callable[..., AbstractNetwork] = SSMNetwork
) -> np.ndarray:
    """What `ssm.proc.run` gives, from a graph on whichever runtime is chosen."""
    tokens = as_tokens(network, x)
    *batch, time, width = tokens.shape
    net = kind(network, period=period, reset_every=time)
    samples = tokens.reshape(-1, time, width)
    n_tokens = len(samples) * time
    sent = record(source(samples, net), net, net.steps_for(n_tokens), net.tag)
    return net.outputs(sent, n_tokens).reshape(*batch, time, network.d_output)


@contextmanager
def joined(net: AbstractNetwork, tokens: Any, n_tokens: int, **options: Any) -> Iterator[Any]:
    """A graph of source, network and sink; gives the sink, and stops the graph."""
    tokens_in, collected = source(tokens, net, **options), sink(net, n_tokens)
    tokens_in.s_out.connect(net.a_in)
    net.s_out.connect(collected.a_in)
    with stopped(net):
        yield collected
