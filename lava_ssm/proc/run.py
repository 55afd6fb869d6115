"""Running whole samples through a graph."""

import numpy as np
from lava.magma.core.run_configs import Loihi2SimCfg, RunConfig
from numpy.typing import ArrayLike

from lava_ssm import runtime
from lava_ssm.engine import as_tokens
from lava_ssm.network import FixedNetwork, Network, check_network
from lava_ssm.numerics import as_array, flag
from lava_ssm.proc import checks
from lava_ssm.proc.abstract_network import AbstractNetwork
from lava_ssm.proc.fused.process import FusedSSMNetwork
from lava_ssm.proc.io.sink import sink
from lava_ssm.proc.io.source import source
from lava_ssm.proc.network.process import SSMNetwork
from lava_ssm.proc.schedule import ScheduleName


def run(
    network: Network | FixedNetwork,
    x: ArrayLike,
    schedule: ScheduleName | None = None,
    period: int | None = None,
    fused: bool = False,
    run_cfg: RunConfig | None = None,
    progress: bool = False,
) -> np.ndarray:
    """Run samples back to back through a Lava graph of the network, in one go and one process.

    Parameters
    ----------
    x
        (..., time, d_input). For a fixed network floats are values and integers mantissas.
    schedule, period
        See `SSMNetwork`.
    fused
        Whether the graph is one `FusedSSMNetwork`, or the network's synapses and neurons.
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
    check_network(network)
    if run_cfg is not None:
        checks.run_config(run_cfg)
    kind = FusedSSMNetwork if flag(fused, "fused") else SSMNetwork
    flag(progress, "progress")
    tokens = as_tokens(network, as_array(x, "x"))
    if tokens.ndim < 2 or 0 in tokens.shape:
        raise ValueError(
            f"x must have shape (..., time, {network.d_input}) and not be empty, got {tokens.shape}"
        )
    *batch, time, _ = tokens.shape
    samples = tokens.reshape(-1, time, network.d_input)
    n_tokens = len(samples) * time
    net: AbstractNetwork = kind(network, schedule=schedule, period=period, reset_every=time)
    tokens_in, collected = source(samples, net), sink(net, n_tokens)
    tokens_in.s_out.connect(net.a_in)
    net.s_out.connect(collected.a_in)
    run_cfg = run_cfg or Loihi2SimCfg(select_tag=net.tag)
    try:
        with runtime.in_process():
            runtime.run(net, net.steps_for(n_tokens), run_cfg, progress=progress)
        return collected.take().reshape(*batch, time, network.d_output)
    finally:
        net.stop()
