"""A fixed network on the device of a tensor, to the last integer: the reference, on tensors."""

from collections import Counter
from functools import partial
from typing import Any

import torch
from torch import Tensor

from lava_ssm.engine import Overflows, reference
from lava_ssm.network import FixedNetwork
from lava_ssm.nn.device_array import TensorArray
from lava_ssm.nn.gpu import has_kernels


@torch.no_grad()
def run(network: FixedNetwork, mantissas: Tensor) -> tuple[Tensor, Overflows]:
    """Run whole sequences from the zero state.

    Parameters
    ----------
    mantissas
        int64 of the network's input format, (*batch, time, d_input).

    Returns
    -------
    tuple
        What the network emits at each token, int64 (*batch, time, d_output), and the overflows: the
        same integers and numbers as of `engine.run`.

    Raises
    ------
    FixedPointOverflow
        A word overflows, and the network's rules say RAISE.
    """
    tokens: Any = TensorArray(mantissas)
    zero = reference.zero_state(network, tuple(mantissas.shape[:-2]))
    tallies = [Counter[str]() for _ in network.stages]
    at_once: reference.AtOnce | None = None
    if has_kernels(mantissas):
        from lava_ssm.nn import recurrences

        at_once = partial(recurrences.at_once, network.arithmetic)
    outputs: Any
    outputs, _ = reference.advance(network, zero, tokens, tallies, at_once=at_once)
    names = [type(stage.layer).__name__ for stage in network.stages]
    return outputs.tensor, Overflows(tuple(zip(names, tallies, strict=True)))
