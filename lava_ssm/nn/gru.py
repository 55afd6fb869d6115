"""Gated linear recurrences: trained by a scan over time, run as recurrences."""

from typing import ClassVar

import torch
from torch import Tensor, nn

from lava_ssm import network
from lava_ssm.network import Activation
from lava_ssm.nn.activation import FUNCTIONS
from lava_ssm.nn.layer import Arrays
from lava_ssm.nn.linear import ActivatedMaps, Maps
from lava_ssm.nn.scan import gated_scan


class MinGRU(ActivatedMaps):
    """h' = (1 - z) h + z f(c),  z = sigmoid(V u + b_z),  c = W u + b;  y = h'.

    Gates depend on the token alone, so training takes all tokens at once. (Feng et al., "Were RNNs
    All We Needed?", arXiv 2410.01201.)

    Parameters
    ----------
    d_input, d_output
        Channels; there is a state an output channel.
    activation
        f, an `Activation` or its value, such as "positive", see `network.MinGRU`; None: none.

    Attributes
    ----------
    value, gate : torch.nn.Linear
        W, b and V, b_z.
    """

    kind = network.MinGRU
    default = Activation.NONE
    channels_first = False

    def response(self, u: Tensor, arrays: Arrays, channels_first: bool) -> Tensor:
        c, z = self._mapped(u, arrays, channels_first)
        return gated_scan(torch.sigmoid(-z), torch.sigmoid(z) * FUNCTIONS[self.activation](c))


class MLGRU(Maps):
    """h' = f h + (1 - f) c,  y = sigmoid(V u + b_g) h'.

        f = sigmoid(F u + b_f),  c = silu(W u + b)

    (Zhu et al., "Scalable MatMul-free Language Modeling", arXiv 2406.02528; its
    output map is a `torch.nn.Linear` behind this.)

    Parameters
    ----------
    d_input, d_output
        Channels; there is a state an output channel.

    Attributes
    ----------
    value, forget, gate : torch.nn.Linear
        W, b, F, b_f and V, b_g.
    """

    kind = network.MLGRU
    modules_of: ClassVar = {"weights": "value", "forget": "forget", "gate": "gate"}
    channels_first = False

    def response(self, u: Tensor, arrays: Arrays, channels_first: bool) -> Tensor:
        c, f, g = self._mapped(u, arrays, channels_first)
        c = torch.sigmoid(-f) * nn.functional.silu(c)
        return torch.sigmoid(g) * gated_scan(torch.sigmoid(f), c)
