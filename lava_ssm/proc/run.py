"""Feeding tokens to a graph, and running whole samples through one."""

from typing import Any

import numpy as np
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.io.sink import RingBuffer as Sink
from lava.proc.io.source import RingBuffer as Source
from numpy.typing import ArrayLike, NDArray

from lava_ssm import runtime
from lava_ssm.engine import as_tokens
from lava_ssm.network import FixedNetwork, Network
from lava_ssm.proc.network.process import SSMNetwork


def source(x: ArrayLike, net: SSMNetwork) -> Source:
    """Make a Process that sends tokens at the steps at which `net` takes them.

    Parameters
    ----------
    x
        Tokens (time, d_input), or samples back to back, (samples, time, d_input). For a fixed
        network floats are values and integers mantissas.
    net
        The graph that they are for; connect with `source(x, net).s_out.connect(net.a_in)`.

    Returns
    -------
    lava.proc.io.source.RingBuffer
        One column for each of `net.steps_for(number of tokens)` steps, zero where none enters.

    Raises
    ------
    TypeError
        Neither integers nor real numbers.
    ValueError
        Tokens of another width, not finite, beyond the input format, or samples whose length is
        not the graph's `reset_every`.
    """
    tokens = as_tokens(net.network, x)
    if tokens.ndim not in (2, 3) or 0 in tokens.shape:
        raise ValueError(
            f"x must have shape (time, {net.network.d_input}) or "
            f"(samples, time, {net.network.d_input}), got shape {tokens.shape}"
        )
    if tokens.ndim == 3 and tokens.shape[0] > 1 and tokens.shape[1] != net.reset_every:
        raise ValueError(
            f"x: samples have {tokens.shape[1]} tokens, the graph starts a sample every "
            f"{net.reset_every} tokens (reset_every)"
        )
    flat = tokens.reshape(-1, net.network.d_input)  # (tokens of all samples, d_input)
    columns = np.zeros((net.network.d_input, net.steps_for(len(flat))), tokens.dtype)
    end = net.offset + len(flat) * net.period
    columns[:, net.offset : end : net.period] = flat.T
    return Source(data=columns)


def run(
    network: Network | FixedNetwork,
    x: ArrayLike,
    period: int = 1,
    run_cfg: Any = None,
    progress: bool = False,
) -> NDArray[Any]:
    """Run samples back to back through a Lava graph of the network, in one go and one process.

    Parameters
    ----------
    x
        (..., time, d_input). For a fixed network floats are values and integers mantissas.
    period
        See `SSMNetwork`.
    run_cfg
        Lava run configuration; None: `Loihi2SimCfg` with the tag that fits the network.
    progress
        Whether to show a progress bar.

    Returns
    -------
    ndarray
        What the graph emitted at each token, (..., time, d_output), int64 of a fixed network: the
        same as `network.run(x)`.

    Raises
    ------
    TypeError, ValueError
        See `source` and `SSMNetwork`.
    """
    tokens = as_tokens(network, x)
    if tokens.ndim < 2 or 0 in tokens.shape:
        raise ValueError(
            f"x must have shape (..., time, {network.d_input}), got shape {tokens.shape}"
        )
    *batch, time, _ = tokens.shape
    samples = tokens.reshape(-1, time, network.d_input)
    n_tokens = len(samples) * time
    net = SSMNetwork(network, period=period, reset_every=time)
    steps = net.steps_for(n_tokens)
    tokens_in = source(samples, net)
    sink = Sink(shape=(network.d_output,), buffer=steps)
    tokens_in.s_out.connect(net.a_in)
    net.s_out.connect(sink.a_in)
    run_cfg = run_cfg or Loihi2SimCfg(select_tag=net.tag)
    try:
        with runtime.in_process():
            runtime.run(net, steps, run_cfg, progress=progress)
        recorded = sink.data.get()
    finally:
        net.stop()
    return net.outputs(recorded, n_tokens).reshape(*batch, time, network.d_output)
