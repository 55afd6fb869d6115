"""The untrained networks that benchmarks run: n-S4D small and large, and their like."""

import math
from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray

from lava_ssm import compress, nn
from lava_ssm.network import FixedNetwork, Network
from lava_ssm.numerics import quantize

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


def calibration_tokens() -> NDArray[np.float64]:
    """Tokens in [0, 1] that `fixed_network` calibrates on, (samples, LENGTH, 1)."""
    return np.random.default_rng(1).uniform(size=(samples, LENGTH, 1))


@cache
def fixed_network(d_model: int, d_state: int, readout: str = "mean") -> FixedNetwork:
    """The same, quantised."""
    formats = compress.Formats(search=samples > 1)
    return compress.quantize(
        float_network(d_model, d_state, readout), calibration_tokens(), formats
    )


def mantissas(network: FixedNetwork, *shape: int) -> NDArray[np.int64]:
    """Tokens that `fixed_network` was calibrated on, over and over, (*shape, 1): none overflows."""
    form = network.input_format
    tokens = quantize(calibration_tokens(), form.bits, form.exponent)
    *batch, n = shape
    sequences = -(-n // LENGTH)
    rows = np.arange(math.prod(batch))[:, np.newaxis] + np.arange(sequences)
    return tokens[rows % samples].reshape(len(rows), -1, 1)[:, :n].reshape(*shape, 1)
