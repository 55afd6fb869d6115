"""Activations as functions of tensors."""

from collections.abc import Callable

import torch
from torch import Tensor, nn

from lava_ssm.network import Activation


class Positive(nn.Module):
    """y = u + 1/2 from zero on, sigmoid(u) below, see `network.Positive`."""

    def forward(self, u: Tensor) -> Tensor:
        """Give y, of the shape of u."""
        return torch.relu(u) + torch.sigmoid(u.clamp(max=0))


FUNCTIONS: dict[Activation, Callable[[Tensor], Tensor]] = {
    Activation.NONE: nn.Identity(),
    Activation.RELU: torch.relu,
    Activation.GELU: nn.functional.gelu,
    Activation.SILU: nn.functional.silu,
    Activation.SIGMOID: torch.sigmoid,
    Activation.TANH: torch.tanh,
    Activation.SOFTPLUS: nn.functional.softplus,
    Activation.POSITIVE: Positive(),
}
