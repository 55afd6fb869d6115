"""Weights that were pruned stay zero while a model is trained on."""

import torch
from torch import Tensor, nn

from lava_ssm.nn.layer import matrices_of


class Zeros:
    """Holds those weights of a pruned model at zero that are zero now.

    Their gradients are zero from now on. That suffices for an optimiser that begins now: AdamW's
    moments stay zero there, and its decay of zero is zero. What one with moments of before moves
    nevertheless is undone by `hold`.

    Parameters
    ----------
    model
        Its matrices, as a `Pruner` has them. Of a dense model hardly any weight is exactly zero,
        and a tensor of nothing but zeros was not pruned.
    """

    def __init__(self, model: nn.Module) -> None:
        self._held: list[tuple[Tensor, Tensor]] = []
        for _, weight, _ in matrices_of(model):
            zero = weight.detach() == 0
            if not zero.any() or zero.all():
                continue
            self._held.append((weight, zero))
            if weight.requires_grad:
                weight.register_hook(lambda grad, zero=zero: grad.masked_fill(zero, 0.0))

    @torch.no_grad()
    def hold(self) -> None:
        """Make them zero again."""
        for weight, zero in self._held:
            # to write without need would spoil the graph of an earlier forward pass
            if weight[zero].any():
                weight.masked_fill_(zero, 0.0)
