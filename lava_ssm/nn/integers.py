"""A fixed network on the device of a tensor, to the last integer: the reference, on tensors."""

from collections import Counter
from typing import Any

import torch
from torch import Tensor

from lava_ssm.engine import Overflows, reference
from lava_ssm.network import FixedNetwork
from lava_ssm.nn.device_array import TensorArray


def takes(x: Tensor) -> bool:
    """Whether fixed networks run where this tensor is, not on the CPU's cores."""
    return x.device.type != "cpu"


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
    outputs: Any
    outputs, _ = reference.advance(network, zero, tokens, tallies)
    names = [type(stage.layer).__name__ for stage in network.stages]
    return outputs.tensor, Overflows(tuple(zip(names, tallies, strict=True)))
