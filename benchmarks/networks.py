"""The untrained networks that benchmarks run: n-S4D small and large, and their like."""

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from lava_ssm import compress, nn
from lava_ssm.network import FixedNetwork, Network

SIZES = {"small": (64, 32), "large": (128, 64)}
"""d_model, d_state of the published networks."""
LENGTH = 784
"""Tokens of a sample."""


def float_network(d_model: int, d_state: int, readout: str = "mean") -> Network:
    """n-S4D with four layers, one input, ten classes."""
    torch.manual_seed(0)
    return nn.export(nn.NS4D(1, d_model, d_state, 4, 10, readout=readout))


samples = 32
"""On which `fixed_network` calibrates; to quantise takes as long as they are many. (1: a first look
at speeds; nothing is searched for either.)"""


@cache
def fixed_network(d_model: int, d_state: int, readout: str = "mean") -> FixedNetwork:
    """The same, quantised; the tokens are in [0, 1], `LENGTH` a sample."""
    tokens = np.random.default_rng(1).uniform(size=(samples, LENGTH, 1))
    formats = compress.Formats(search=samples > 1)
    return compress.quantize(float_network(d_model, d_state, readout), tokens, formats)


def mantissas(network: FixedNetwork, *shape: int) -> NDArray[np.int64]:
    """Tokens like those that `fixed_network` was quantised for, (*shape, 1)."""
    values = np.random.default_rng(2).uniform(size=(*shape, 1))
    return np.floor(np.ldexp(values, network.input_exponent)).astype(np.int64)
