"""The untrained networks that benchmarks run: n-S4D small and large, and their like."""

import numpy as np
import torch

from lava_ssm import compress, nn
from lava_ssm.network import FixedNetwork, Network

SIZES = {"small": (64, 32), "large": (128, 64)}
"""d_model, d_state of the published networks."""


def float_network(d_model: int, d_state: int, readout: str = "mean") -> Network:
    """n-S4D with four layers, one input, ten classes."""
    torch.manual_seed(0)
    return nn.export(nn.NS4D(1, d_model, d_state, 4, 10, readout=readout))


def fixed_network(d_model: int, d_state: int, readout: str = "mean") -> FixedNetwork:
    """The same, quantised; the tokens are in [0, 1]."""
    tokens = np.random.default_rng(1).uniform(size=(8, 400, 1))
    return compress.quantize(float_network(d_model, d_state, readout), tokens)
