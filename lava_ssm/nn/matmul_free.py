"""A language model without products of matrices: ternary maps and gated recurrences."""

import math

import torch
from torch import nn

from lava_ssm.nn.chain import Chain, Residual
from lava_ssm.nn.few_bits import few_bits
from lava_ssm.nn.gru import MLGRU
from lava_ssm.nn.inputs import size
from lava_ssm.nn.linear import GLU
from lava_ssm.nn.norm import RMSNorm

_LONGEST = 100.0
"""Tokens after which the slowest state has forgotten a share of 1 - 1/e, as a model begins."""


class MatMulFreeLM(Chain):
    """embedding -> n_layers x [mixing of tokens, mixing of channels] -> RMSNorm -> head.

        x = x + W_o MLGRU(RMSNorm(x)),    x = x + W_d GLU(RMSNorm(x)), gated by SiLU

    All maps within a block are ternary; embedding and head are not. (Zhu et al., "Scalable
    MatMul-free Language Modeling", arXiv 2406.02528. There is one norm in front of a mixing, as on
    Loihi 2 in arXiv 2503.18002, and not a second one in front of its output map.)

    Parameters
    ----------
    vocabulary
        Number of different tokens. A token is a one-hot vector, (..., time, vocabulary): the
        embedding is a linear map of it. `language` takes texts.
    d_model, n_layers
        Width of a block, and how many there are.
    d_hidden
        Channels between the maps of a channel mixing; None: 8/3 of d_model, rounded up to whole 8.
    bits
        Of the weights of a block: 2 (ternary), 4, or None: real ones.

    Raises
    ------
    TypeError, ValueError
        A number that is no integer, or below 1.
    """

    def __init__(
        self,
        vocabulary: int,
        d_model: int,
        n_layers: int,
        d_hidden: int | None = None,
        bits: int | None = 2,
    ) -> None:
        vocabulary, d_model = size(vocabulary, "vocabulary"), size(d_model, "d_model")
        d_hidden = -(-d_model // 3) * 8 if d_hidden is None else size(d_hidden, "d_hidden")
        blocks = nn.Sequential()
        for _ in range(size(n_layers, "n_layers")):
            mixing = MLGRU(d_model, d_model)
            times = torch.logspace(0, math.log10(_LONGEST), d_model)  # tokens
            with torch.no_grad():
                mixing.forget.bias.copy_(torch.logit(torch.exp(-1 / times)))
            blocks.extend([RMSNorm(d_model), mixing, nn.Linear(d_model, d_model), Residual(3)])
            blocks.extend([RMSNorm(d_model), GLU(d_model, d_hidden, "silu")])
            blocks.extend([nn.Linear(d_hidden, d_model), Residual(3)])
        if bits is not None:
            few_bits(blocks, bits)
        head = nn.Linear(d_model, vocabulary)
        layers = {
            "embedding": nn.Linear(vocabulary, d_model, bias=False),
            "blocks": blocks,
            "norm": RMSNorm(d_model),
            "head": head,
        }
        super().__init__(layers)
