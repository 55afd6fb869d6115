"""Mamba's block, as layers of a chain."""

import numpy as np
import torch
from torch import nn

from lava_ssm import network
from lava_ssm.nn.chain import Chain, Residual
from lava_ssm.nn.conv1d import Conv1d
from lava_ssm.nn.inputs import size
from lava_ssm.nn.layer import Arrays
from lava_ssm.nn.linear import Linear
from lava_ssm.nn.norm import RMSNorm
from lava_ssm.nn.selective import SelectiveSSM


class HalfConv1d(Conv1d):
    """A causal depthwise convolution of the first half of the channels; the others pass.

    In a network it is a convolution of all of them: those that pass have the kernel 0, ..., 0, 1,
    and no bias.

    Parameters
    ----------
    d_model
        Channels of a half.
    length
        Tokens that it reaches over.

    Attributes
    ----------
    weight : (d_model, 1, length)
    bias : (d_model,)
    """

    def __init__(self, d_model: int, length: int) -> None:
        super().__init__(d_model, d_model, length, groups=d_model)

    @property
    def widths(self) -> tuple[int, int]:
        width = 2 * len(self.weight)
        return width, width

    def parameters_of(self, layer: network.Conv1d) -> dict[str, np.ndarray]:  # type: ignore[override]
        n, bias = len(self.weight), layer.bias
        own, passing = layer.weights[:n], layer.weights[n:]
        zeros = bias is None or not bias[n:].any()
        if layer.groups != 2 * n or not zeros or (passing[..., -1] != 1).any():
            raise ValueError("the network's convolution changes the half that is to pass")
        return {"weight": own, "bias": np.zeros(n) if bias is None else bias[:n]}

    def arrays(self) -> Arrays:
        passing = torch.zeros_like(self.weight)
        passing[..., -1] = 1
        assert self.bias is not None
        bias = torch.cat([self.bias, torch.zeros_like(self.bias)])
        return {"weights": torch.cat([self.weight, passing]), "bias": bias}

    def constants(self) -> dict[str, int]:
        return {"groups": 2 * len(self.weight)}


def mamba_block(
    d_model: int,
    d_state: int = 16,
    d_conv: int = 4,
    expand: int = 2,
    rank: int | None = None,
    eps: float = 1e-5,
) -> nn.Sequential:
    """Give the layers of a block of Mamba, with the path around it.

        y = u + W_o (SSM(silu(conv(W_x n))) * silu(W_z n)),    n = RMSNorm(u)

    (Gu, Dao, arXiv 2312.00752.) One map makes both halves, W_x n and W_z n, of which the
    convolution takes the first; the activation behind it is that of both; the `SelectiveSSM`
    multiplies its output by the second.

    Parameters
    ----------
    d_model
        Channels outside the block.
    d_state, rank
        See `SelectiveSSM`.
    d_conv
        Tokens that the convolution reaches over.
    expand
        Times as many channels inside.
    eps
        Of the norm.
    """
    inner = size(expand, "expand") * size(d_model, "d_model")
    return nn.Sequential(
        RMSNorm(d_model, eps),
        Linear(d_model, 2 * inner, bias=False),
        HalfConv1d(inner, size(d_conv, "d_conv")),
        nn.SiLU(),
        SelectiveSSM(inner, d_state, rank, gated=True),
        Linear(inner, d_model, bias=False),
        Residual(5),
    )


class Mamba(Chain):
    """An encoder, blocks of Mamba, a norm and a decoder.

    Parameters
    ----------
    d_input, d_output
        Channels of a token, and of the output.
    d_model, n_layers
        Channels between the blocks, and number of blocks.
    d_state, d_conv, expand, rank, eps
        See `mamba_block`.
    readout
        See `Chain`.
    """

    def __init__(
        self,
        d_input: int,
        d_output: int,
        d_model: int,
        n_layers: int,
        d_state: int = 16,
        d_conv: int = 4,
        expand: int = 2,
        rank: int | None = None,
        eps: float = 1e-5,
        readout: str | network.Readout = network.Readout.EVERY_TOKEN,
    ) -> None:
        blocks = (
            mamba_block(d_model, d_state, d_conv, expand, rank, eps)
            for _ in range(size(n_layers, "n_layers"))
        )
        super().__init__(
            {
                "encoder": Linear(size(d_input, "d_input"), d_model, bias=False),
                "blocks": nn.Sequential(*blocks),
                "norm": RMSNorm(d_model, eps),
                "decoder": Linear(d_model, size(d_output, "d_output"), bias=False),
            },
            readout,
        )
